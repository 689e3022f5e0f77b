//! Tensors in messages. A file may have many, with long names; a message stays short.

use crate::printable;

/// The number of tensors that a message lists.
const MAX_LISTED: usize = 8;

/// The end of the name of a batch norm's counter.
const COUNTER: &str = "num_batches_tracked";

/// A name in quotes, escaped and shortened.
pub(super) fn quoted(name: &str) -> String {
    format!("'{}'", printable::name(name))
}

/// The first few of these names in quotes, and how many there are.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    first_of(MAX_LISTED, names.into_iter().map(quoted))
}

/// The first `max` of these items, and how many there are. The counters of batch norms, which say the least about a
/// file, come last.
pub(super) fn first_of(max: usize, items: impl IntoIterator<Item = String>) -> String {
    let (mut shown, mut counters, mut count) = (Vec::new(), Vec::new(), 0_usize);
    for item in items {
        count = count.saturating_add(1);
        let list = match item.contains(COUNTER) {
            true => &mut counters,
            false => &mut shown,
        };
        if list.len() < max {
            list.push(item);
        }
    }
    shown.extend(counters);
    shown.truncate(max);
    match (shown.len(), count) {
        (0, _) => "none".to_owned(),
        (listed, count) if listed == count => shown.join(", "),
        (_, count) => format!("{}, … ({count} in all)", shown.join(", ")),
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
        let counters = ["a.num_batches_tracked", "b", "c.num_batches_tracked", "d"];
        assert_eq!(
            first_of(3, counters.map(quoted)),
            "'b', 'd', 'a.num_batches_tracked', … (4 in all)"
        );
    }
}
