//! Tensors in messages. A file may have many, with long names; a message stays short.

use crate::printable;

/// The number of tensors that a message lists.
const MAX_LISTED: usize = 8;

/// A name in quotes, escaped and shortened.
pub(super) fn quoted(name: &str) -> String {
    format!("'{}'", printable::name(name))
}

/// The first few of these names in quotes, and how many there are.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    first_of(MAX_LISTED, names.into_iter().map(quoted))
}

/// The first `max` of these items, and how many there are.
pub(super) fn first_of(max: usize, items: impl IntoIterator<Item = String>) -> String {
    let mut items = items.into_iter();
    let shown: Vec<String> = items.by_ref().take(max).collect();
    match (shown.len(), items.count()) {
        (0, _) => "none".to_owned(),
        (_, 0) => shown.join(", "),
        (listed, more) => format!(
            "{}, … ({} in all)",
            shown.join(", "),
            listed.saturating_add(more)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_bounded() {
        assert_eq!(listed([]), "none");
        assert_eq!(listed(["a", "b"]), "'a', 'b'");
        let names: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let text = listed(names.iter().map(String::as_str));
        assert!(text.ends_with("'7', … (100 in all)"), "{text}");
    }
}
