//! "Did you mean": the known name nearest to one that is not known.

/// The candidate most like `name`, where one is alike enough to be meant.
///
/// Case and separators count for nothing, swapped neighbours for one mistake.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = alike(name, candidates).max_by(|a, b| a.1.total_cmp(&b.1));
    alike.map(|(candidate, _)| candidate)
}

/// Those most like `name`, at most so many, the nearest first.
pub fn nearest_few<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Vec<String> {
    let mut alike: Vec<(&str, f64)> = alike(name, candidates).collect();
    alike.sort_by(|a, b| b.1.total_cmp(&a.1));
    let names = alike.into_iter().map(|(candidate, _)| candidate.to_owned());
    names.take(most).collect()
}

/// The candidates that may be meant, and how alike they are.
fn alike<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> impl Iterator<Item = (&'a str, f64)> {
    // Two of three characters right: `resnet81` finds `resnet18`, `lenet` does not.
    const ALIKE: f64 = 0.65;
    let (wanted, length) = (plain(name), name.len());
    candidates
        .into_iter()
        // Names of very different length are never alike enough, and need not be compared.
        .filter(move |c| c.len().abs_diff(length) <= length.max(c.len()) / 2)
        .map(move |c| {
            let score = strsim::normalized_damerau_levenshtein(&wanted, &plain(c));
            (c, score)
        })
        .filter(|(_, score)| *score >= ALIKE)
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_typing_mistakes_and_nothing_far() {
        let known = ["resnet18", "resnet34", "efficientnet_lite0"];
        assert_eq!(nearest("resnet81", known), Some("resnet18"));
        assert_eq!(nearest("ResNet-34", known), Some("resnet34"));
        assert_eq!(
            nearest("efficient-net-lite0", known),
            Some("efficientnet_lite0")
        );
        assert_eq!(nearest("lenet", known), None);
        assert_eq!(nearest("", known), None);
    }
}
