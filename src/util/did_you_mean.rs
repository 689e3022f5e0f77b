//! "Did you mean": the known names most similar to an unknown one.

/// The candidate most similar to `name`, where one is similar enough to be meant.
///
/// Case and separators are ignored, and two swapped neighbors count as one edit.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = similar(name, candidates).max_by(|a, b| a.1.total_cmp(&b.1));
    best.map(|(candidate, _)| candidate)
}

/// The candidates most similar to `name`, at most `max`, the most similar first.
pub fn nearest_few<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    max: usize,
) -> Vec<String> {
    let mut similar: Vec<(&str, f64)> = similar(name, candidates).collect();
    similar.sort_by(|a, b| b.1.total_cmp(&a.1));
    let names = similar
        .into_iter()
        .map(|(candidate, _)| candidate.to_owned());
    names.take(max).collect()
}

/// The candidates that may be meant, with their similarity from 0 to 1.
fn similar<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> impl Iterator<Item = (&'a str, f64)> {
    // Two of three characters right: `resnet81` finds `resnet18`, `lenet` does not.
    const MIN_SIMILARITY: f64 = 0.65;
    let (normalized, length) = (normalize(name), name.len());
    candidates
        .into_iter()
        // Names of very different lengths are never similar enough, and need not be compared.
        .filter(move |c| c.len().abs_diff(length) <= length.max(c.len()) / 2)
        .map(move |c| {
            let score = strsim::normalized_damerau_levenshtein(&normalized, &normalize(c));
            (c, score)
        })
        .filter(|(_, score)| *score >= MIN_SIMILARITY)
}

fn normalize(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_typos_and_nothing_distant() {
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
