//! What exporters write into an ONNX file about images and classes: Ultralytics' `names`, `imgsz`, `stride` and `task`.

use std::collections::BTreeMap;

use crate::onnx::OnnxModel;

/// More classes than any network has.
const MAX_CLASSES: usize = 1_000_000;

/// What a file says of itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Metadata {
    /// The names of the classes by index.
    pub names: Option<Vec<String>>,
    /// Height and width of the input.
    pub size: Option<[usize; 2]>,
    /// What the network is for: `detect`, `segment`, `classify`, `pose`, `obb`.
    pub task: Option<String>,
    /// Whether Ultralytics' exporter wrote the file.
    pub is_ultralytics: bool,
}

impl Metadata {
    pub fn of(model: &OnnxModel) -> Self {
        let text = |key: &str| model.metadata(key);
        let author = text("author").is_some_and(|author| author.contains("Ultralytics"));
        Self {
            names: text("names").and_then(names),
            size: text("imgsz").and_then(|text| serde_json::from_str(text).ok()),
            task: text("task").map(str::to_owned),
            // YOLOv5 writes only these two.
            is_ultralytics: author || text("stride").is_some() && text("names").is_some(),
        }
    }
}

/// The names in a dictionary or list as Python writes it: `{0: 'person', 1: "cat's tail"}`, `['person']`. Classes
/// without a name are numbered.
fn names(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim();
    let is_list = rest.starts_with('[');
    rest = rest.strip_prefix(['{', '['])?;
    let mut found = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ', '\n']);
        if rest.starts_with(['}', ']']) {
            break;
        }
        let index = if is_list {
            found.len()
        } else {
            let (key, after) = rest.split_once(':')?;
            rest = after.trim_start();
            key.trim().parse::<usize>().ok()?
        };
        let (name, after) = quoted(rest)?;
        rest = after;
        if index >= MAX_CLASSES || found.insert(index, name).is_some() {
            return None;
        }
    }
    let (&last, _) = found.last_key_value()?;
    let name = |class| found.get(&class).cloned();
    let names = (0..=last).map(|class| name(class).unwrap_or_else(|| format!("class {class}")));
    Some(names.collect())
}

/// A string in single or double quotes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| ['\'', '"'].contains(c))?;
    let mut name = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.push(characters.next()?.1),
            _ if character == quote => {
                return Some((name, text.get(at..)?.strip_prefix(quote)?));
            }
            _ => name.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_python_writes_them() {
        let of = |text: &str| names(text).map(|names| names.join("|"));
        let expected = |text: &str| Some(text.to_owned());
        assert_eq!(
            of("{0: 'person', 1: 'fire hydrant'}"),
            expected("person|fire hydrant")
        );
        assert_eq!(of("{1: \"cat's\", 0: 'a\\'b'}"), expected("a'b|cat's"));
        assert_eq!(of("['a', 'b']"), expected("a|b"));
        assert_eq!(of("{2: 'c'}"), expected("class 0|class 1|c"));
        for wrong in [
            "",
            "{",
            "{0: 'a'",
            "{0 'a'}",
            "{0: a}",
            "{0: 'a', 0: 'b'}",
            "{99999999: 'a'}",
            "{}",
        ] {
            assert_eq!(names(wrong), None, "{wrong}");
        }
    }
}
