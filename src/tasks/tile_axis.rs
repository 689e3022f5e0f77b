//! Where tiles lie along one axis of an image, and which pixels each of them computes.

use crate::graph::InputWindow;
use crate::vision::Tap;

/// What is known of an axis before there are tiles.
#[derive(Clone, Debug)]
pub(super) struct Whole<'a> {
    /// Pixels of the network's input for the whole image, with its mirrored borders.
    pub input: usize,
    /// For every pixel of the image, the pixels of the network's map for the whole image that it is made of.
    pub taps: &'a [Tap],
    /// The network's stride: tiles begin at multiples of it.
    pub stride: usize,
    /// Input pixels between pixels of the map.
    pub jump: f64,
    /// Input pixels that a pixel of the map depends on; `None` where these are not known, or all.
    pub window: Option<InputWindow>,
}

/// A tile along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Its first input pixel.
    pub origin: usize,
    /// The image's pixels that it computes, from the first to the one after the last.
    pub pixels: [usize; 2],
    /// How many of its first pixels the tile before computes, too: both are blended.
    pub shared: usize,
}

/// The tiles along an axis of `tile` input pixels each, of which the network's map has `map` pixels. `None` where a
/// tile is too small to have pixels that are not within the margin.
///
/// With a window, each pixel is that of the whole image. Without one, the outer eighth of a tile is not used, and over
/// a quarter of it, two tiles are blended.
pub(super) fn spans(whole: &Whole, tile: usize, map: usize) -> Option<Vec<Span>> {
    let pixels = whole.taps.len();
    if tile >= whole.input {
        return Some(vec![Span {
            origin: 0,
            pixels: [0, pixels],
            shared: 0,
        }]);
    }
    let is_blended = whole.window.is_none();
    let step = step(whole, tile, map)?;
    let count = (whole.input - tile).div_ceil(step) + 1;
    // Evenly, so that no two tiles overlap more than necessary.
    let even = |i: usize| (whole.input - tile) * i / (count - 1) / whole.stride * whole.stride;
    let origins: Vec<usize> = (0..count)
        .map(|i| {
            if i + 1 == count {
                whole.input - tile
            } else {
                even(i)
            }
        })
        .collect();
    let usable: Vec<[usize; 2]> = (origins.iter())
        .map(|&origin| usable(whole, origin, tile, map))
        .collect();
    if usable.windows(2).any(|pair| pair[0][1] < pair[1][0]) {
        return None;
    }
    // In the middle of what two tiles could compute.
    let cuts: Vec<usize> = (usable.windows(2))
        .map(|pair| (pair[0][1] + pair[1][0]) / 2)
        .collect();
    let cut = |i: usize| match i {
        0 => 0,
        i => cuts.get(i - 1).copied().unwrap_or(pixels),
    };
    // Half of the pixels that are blended around each cut: no more than tiles have between their own cuts.
    let half = |i: usize| {
        if !is_blended || i == 0 || i == count {
            return 0;
        }
        let overlap = usable[i - 1][1] - usable[i][0];
        let between = (cut(i) - cut(i - 1)).min(cut(i + 1) - cut(i));
        (overlap / 2).min(between / 2)
    };
    let span = |i: usize| Span {
        origin: origins[i],
        pixels: [cut(i) - half(i), cut(i + 1) + half(i + 1)],
        shared: 2 * half(i),
    };
    Some((0..count).map(span).collect())
}

/// Input pixels from one tile to the next at most.
pub(super) fn step(whole: &Whole, tile: usize, map: usize) -> Option<usize> {
    let step = match whole.window {
        None => tile / 2,
        Some(window) => {
            let [first, end] = exact(window, tile, map, [false; 2]);
            // Between two pixels of the map, some are made of both.
            let lost = usize::from(whole.taps.iter().any(|tap| tap.0 != tap.1));
            let map = end.saturating_sub(first).saturating_sub(lost);
            (map as f64 * whole.jump) as usize
        }
    };
    match step / whole.stride * whole.stride {
        0 => None,
        step => Some(step),
    }
}

/// The pixels of a tile's map, from the first to the one after the last, that depend on nothing outside the tile but at
/// the edges of the image.
fn exact(window: InputWindow, tile: usize, map: usize, is_edge: [bool; 2]) -> [usize; 2] {
    let first = match is_edge[0] {
        true => 0,
        false => (-window.first / window.jump).ceil().max(0.0) as usize,
    };
    let end = match is_edge[1] {
        true => map,
        false => {
            let last = ((tile as f64 - 1.0 - window.last) / window.jump).floor();
            ((last + 1.0).max(0.0) as usize).min(map)
        }
    };
    [first, end]
}

/// The image's pixels that the tile at `origin` may compute.
fn usable(whole: &Whole, origin: usize, tile: usize, map: usize) -> [usize; 2] {
    let is_edge = [origin == 0, origin + tile == whole.input];
    let own = match whole.window {
        Some(window) => exact(window, tile, map, is_edge),
        None => {
            let margin = map / 8;
            [
                if is_edge[0] { 0 } else { margin },
                if is_edge[1] { map } else { map - margin },
            ]
        }
    };
    let before = (origin as f64 / whole.jump).round() as usize;
    let [first, end] = own.map(|at| at + before);
    [
        match is_edge[0] {
            true => 0,
            false => whole.taps.partition_point(|tap| tap.0 < first),
        },
        match is_edge[1] {
            true => whole.taps.len(),
            false => whole.taps.partition_point(|tap| tap.1 < end),
        },
    ]
}

/// The smallest tile, in input pixels, with pixels that are not within the margin, for maps whose size `map_of` gives.
pub(super) fn smallest_tile(whole: &Whole, map_of: impl Fn(usize) -> usize) -> usize {
    let remainder = whole.input % whole.stride;
    let sizes = (0..).map(|i| remainder + i * whole.stride).skip(1);
    let mut sizes = sizes.take_while(|size| *size < whole.input);
    sizes
        .find(|&size| step(whole, size, map_of(size)).is_some())
        .unwrap_or(whole.input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(size: usize) -> Vec<Tap> {
        (0..size).map(|i| (i, i, 0.0)).collect()
    }

    fn whole(taps: &[Tap], window: Option<InputWindow>) -> Whole<'_> {
        Whole {
            input: taps.len(),
            taps,
            stride: 8,
            jump: 1.0,
            window,
        }
    }

    const WINDOW: InputWindow = InputWindow {
        jump: 1.0,
        first: -11.0,
        last: 9.0,
    };

    #[test]
    fn every_pixel_is_computed_by_one_tile_that_sees_its_window() {
        for size in [50, 77, 301, 1000] {
            let taps = identity(size);
            for tile in (24..size).filter(|tile| tile % 8 == size % 8) {
                let Some(spans) = spans(&whole(&taps, Some(WINDOW)), tile, tile) else {
                    assert!(tile < 32, "{tile}");
                    continue;
                };
                let mut next = 0;
                for span in spans {
                    assert_eq!((span.pixels[0], span.shared), (next, 0));
                    assert_eq!(span.origin % 8, 0);
                    next = span.pixels[1];
                    let sees = |at: usize| {
                        let first = at.saturating_sub(11);
                        let last = (at + 9).min(size - 1);
                        first >= span.origin && last < span.origin + tile
                    };
                    assert!(
                        (span.pixels[0]..next).all(sees),
                        "{span:?} of {size}, {tile}"
                    );
                }
                assert_eq!(next, size);
            }
        }
    }

    #[test]
    fn tiles_without_a_window_are_blended() {
        let taps = identity(301);
        let spans = spans(&whole(&taps, None), 69, 69).unwrap();
        assert!(spans.len() > 4);
        for pair in spans.windows(2) {
            assert_eq!(pair[0].pixels[1] - pair[1].pixels[0], pair[1].shared);
            assert!(pair[1].shared > 8, "{pair:?}");
            // What a tile shares with the one before, it does not share with the one after.
            assert!(pair[0].pixels[0] + pair[0].shared <= pair[1].pixels[0]);
        }
        assert_eq!(
            (spans[0].pixels[0], spans[spans.len() - 1].pixels[1]),
            (0, 301)
        );
    }

    #[test]
    fn tiles_within_the_margin_are_refused() {
        let taps = identity(301);
        let whole = whole(&taps, Some(WINDOW));
        let smallest = smallest_tile(&whole, |tile| tile);
        assert_eq!(smallest, 29);
        assert!(spans(&whole, smallest, smallest).is_some());
        assert!(spans(&whole, smallest - 8, smallest - 8).is_none());
    }

    #[test]
    fn smaller_maps_are_interpolated_between_their_own_pixels() {
        // A map of a quarter of the size.
        let taps: Vec<Tap> = (0..256)
            .map(|i| {
                let position = ((i as f32 + 0.5) / 4.0 - 0.5).max(0.0);
                let first = (position as usize).min(63);
                (first, (first + 1).min(63), position - first as f32)
            })
            .collect();
        let window = InputWindow {
            jump: 4.0,
            first: -8.0,
            last: 9.0,
        };
        let whole = Whole {
            jump: 4.0,
            window: Some(window),
            ..whole(&taps, None)
        };
        let spans = spans(&whole, 64, 16).unwrap();
        for span in &spans {
            let map = [span.origin / 4, span.origin / 4 + 16];
            for tap in &taps[span.pixels[0]..span.pixels[1]] {
                assert!((map[0]..map[1]).contains(&tap.0) && (map[0]..map[1]).contains(&tap.1));
                let sees = |at: usize| {
                    let first = (4 * at).saturating_sub(8);
                    first >= span.origin && (4 * at + 9).min(255) < span.origin + 64
                };
                assert!(sees(tap.0) && sees(tap.1), "{span:?}");
            }
        }
        assert_eq!(spans.last().unwrap().pixels[1], 256);
    }
}
