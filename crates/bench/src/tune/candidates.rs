//! Which algorithms are tried for each convolution.

use shadernet::internals::{Choice, ConvLayer};
use shadernet::session::ConvAlgorithm;

use super::TuneOptions;

/// Tiles whose estimated time is more than this many times that of the best tile are not tried, and of the others not
/// more than [`MOST_TILES`]: a GPU has 24 of them, and estimates are seldom off by so much.
const FACTOR: u64 = 2;
const MOST_TILES: usize = 8;

/// What is tried for a convolution. The heuristic's selection comes first: it is usually fast, so much slower ones are
/// recognized at once.
pub(super) fn algorithms_to_try(choice: &Choice, options: &TuneOptions) -> Vec<ConvAlgorithm> {
    let (heuristic, only) = (choice.selected, &options.only);
    let mut algorithms = choice.candidates.clone();
    if !only.is_empty() {
        algorithms.retain(|it| only.contains(it));
    } else if !options.exhaustive {
        let promising = promising_tiles(choice);
        let is_tile = |it: &ConvAlgorithm| matches!(it, ConvAlgorithm::Tiled { .. });
        algorithms.retain(|it| !is_tile(it) || promising.contains(it));
    }
    algorithms.retain(|it| *it != heuristic);
    algorithms.insert(0, heuristic);
    algorithms
}

/// The tiles that are worth trying. Where there are no estimates, in software, these are all that do not split sums for
/// want of workgroups.
fn promising_tiles(choice: &Choice) -> Vec<ConvAlgorithm> {
    let tiles = choice.candidates.iter().copied();
    let mut tiles: Vec<(u64, ConvAlgorithm)> = tiles
        .filter(|it| matches!(it, ConvAlgorithm::Tiled { .. }))
        .map(|it| (choice.estimates.get(&it).copied().unwrap_or_default(), it))
        .collect();
    if choice.estimates.is_empty() {
        tiles.retain(|(_, it)| !matches!(it, ConvAlgorithm::Tiled { parts: 2.., .. }));
    } else {
        tiles.sort();
        let least = tiles.first().map_or(0, |(cycles, _)| *cycles);
        tiles.retain(|(cycles, _)| *cycles <= least.saturating_mul(FACTOR));
        tiles.truncate(MOST_TILES);
    }
    tiles.into_iter().map(|(_, it)| it).collect()
}

/// Layers with the names of all nodes that have their signature.
pub(super) fn distinct(layers: Vec<ConvLayer>) -> Vec<(ConvLayer, Vec<String>)> {
    let mut distinct: Vec<(ConvLayer, Vec<String>)> = Vec::new();
    for layer in layers {
        let name = layer.node.name().to_owned();
        let same =
            |(other, _): &&mut (ConvLayer, _)| other.choice.signature == layer.choice.signature;
        match distinct.iter_mut().find(same) {
            Some((_, nodes)) => nodes.push(name),
            None => distinct.push((layer, vec![name])),
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(pixels: u32, parts: u32) -> ConvAlgorithm {
        ConvAlgorithm::Tiled {
            pixels,
            channels: 64,
            parts,
        }
    }

    /// A choice among tiles with these estimates, and two other algorithms.
    fn choice(cycles: &[u64], selected: ConvAlgorithm) -> Choice {
        let tiles: Vec<ConvAlgorithm> = (1..=cycles.len() as u32).map(|i| tile(64, i)).collect();
        let others = [ConvAlgorithm::Direct, ConvAlgorithm::Winograd { tile: 4 }];
        Choice {
            signature: String::new(),
            selected,
            candidates: tiles.iter().copied().chain(others).collect(),
            estimates: tiles.into_iter().zip(cycles.iter().copied()).collect(),
        }
    }

    #[test]
    fn tiles_that_are_estimated_to_be_slow_are_not_tried() {
        let options = TuneOptions::default();
        let (direct, winograd) = (ConvAlgorithm::Direct, ConvAlgorithm::Winograd { tile: 4 });
        let slow = choice(&[100, 201, 200, 900], winograd);
        let tried = algorithms_to_try(&slow, &options);
        assert_eq!(tried, [winograd, tile(64, 1), tile(64, 3), direct]);
        // The heuristic's selection is tried whatever its estimate: another tile may be quarantined.
        let selected = algorithms_to_try(&choice(&[100, 900], tile(64, 2)), &options);
        assert_eq!(selected, [tile(64, 2), tile(64, 1), direct, winograd]);
        let many = algorithms_to_try(&choice(&[100; 24], direct), &options);
        assert_eq!(many.len(), MOST_TILES + 2);
    }

    #[test]
    fn whole_sums_are_tried_where_nothing_is_estimated_and_all_where_they_are_asked_for() {
        let mut all = choice(&[100, 900, 1000], ConvAlgorithm::Direct);
        assert_eq!(
            algorithms_to_try(&all, &TuneOptions::new().exhaustive(true)).len(),
            5
        );
        let only = TuneOptions::new().only([tile(64, 3)]);
        assert_eq!(
            algorithms_to_try(&all, &only),
            [ConvAlgorithm::Direct, tile(64, 3)]
        );
        all.estimates.clear();
        // The tiles' numbers are their parts here.
        assert_eq!(
            algorithms_to_try(&all, &TuneOptions::default()),
            [
                ConvAlgorithm::Direct,
                tile(64, 1),
                ConvAlgorithm::Winograd { tile: 4 }
            ]
        );
    }
}
