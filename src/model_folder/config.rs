//! `config.json`, checked key by key.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::heads;
use crate::error::{Error, Result};
use crate::vision::{Head, Label, Labels, Preprocessing};

/// More than any configuration has, 21,000 class names included.
const MAX_BYTES: u64 = 64 << 20;
/// More than any network has.
const MAX_CLASSES: usize = 1_000_000;

/// What a `config.json` says.
pub(super) struct Config {
    pub architecture: String,
    pub num_classes: usize,
    pub preprocessing: Preprocessing,
    pub labels: Labels,
    pub heads: Vec<Head>,
}

/// Reads and checks `path`.
pub(super) fn read(path: &Path) -> Result<Config> {
    let length = fs::metadata(path).map_err(Error::io(path))?.len();
    if length > MAX_BYTES {
        return Err(Error::file(
            path,
            format!("a configuration of at most {MAX_BYTES} bytes was expected, found {length}"),
        ));
    }
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
        // serde_json says the line and the column.
        Error::file_caused_by(path, "JSON was expected", error)
    })?;
    let Value::Object(root) = &value else {
        let found = excerpt(&value);
        return Err(Error::file(
            path,
            format!("a JSON object with a key 'architecture' was expected, found {found}"),
        ));
    };
    let root = Section {
        path,
        name: "",
        map: root,
    };
    // Before timm 0.9, all keys were at the root.
    let cfg = root.section("pretrained_cfg")?.unwrap_or(root);

    let preprocessing = preprocessing(root, cfg)?;
    let architecture = match root.string("architecture")? {
        Some(name) => name,
        None => cfg.string("architecture")?.ok_or_else(|| {
            Error::file(path, "key 'architecture' is missing; the network's name was expected, such as \"resnet18\"")
        })?,
    };
    let num_classes = match root.count("num_classes")? {
        Some(classes) => classes,
        None => cfg.count("num_classes")?.unwrap_or(1000),
    };
    if num_classes > MAX_CLASSES {
        return Err(root.fault(
            "num_classes",
            &format!("a number up to {MAX_CLASSES}"),
            &num_classes.into(),
        ));
    }
    Ok(Config {
        labels: labels(root, cfg, num_classes)?,
        heads: heads::heads(root, num_classes)?,
        architecture: architecture.to_owned(),
        num_classes,
        preprocessing,
    })
}

fn preprocessing(root: Section<'_>, cfg: Section<'_>) -> Result<Preprocessing> {
    let mut this = Preprocessing::default();
    if let Some(size) = cfg.input_size()? {
        this.input_size = size;
    }
    if let Some(model_args) = root.section("model_args")?
        && let Some(channels) = model_args.count("in_chans")?
    {
        this.input_size[0] = channels;
    }
    let channels = this.input_size[0];
    for (key, values) in [("mean", &mut this.mean), ("std", &mut this.std)] {
        match cfg.numbers(key)? {
            // Bounded, as the channels have not been checked yet.
            Some(one) if one.len() == 1 => *values = vec![one[0]; channels.min(1024)],
            Some(each) => *values = each,
            None => {}
        }
    }
    if let Some(interpolation) = cfg.parsed("interpolation")? {
        this.interpolation = interpolation;
    }
    if let Some(crop_mode) = cfg.parsed("crop_mode")? {
        this.crop_mode = crop_mode;
    }
    if let Some(value) = cfg.get("crop_pct") {
        this.crop_pct = value
            .as_f64()
            .ok_or_else(|| cfg.fault("crop_pct", "a number", value))?;
    }
    match this.check() {
        Ok(()) => Ok(this),
        Err(error) => Err(Error::file(cfg.path, format!("{}{error}", cfg.prefix()))),
    }
}

fn labels(root: Section<'_>, cfg: Section<'_>, classes: usize) -> Result<Labels> {
    let descriptions = match root.section("label_descriptions")? {
        Some(descriptions) => Some(descriptions),
        None => cfg.section("label_descriptions")?,
    };
    let places = [
        (root, "label_names"),
        (root, "labels"),
        (cfg, "label_names"),
        (cfg, "labels"),
    ];
    let mut found = places
        .iter()
        .filter_map(|&(section, key)| Some((section, key, section.get(key)?)));
    let Some((section, key, value)) = found.next() else {
        return if classes == 1000 {
            Labels::imagenet()
        } else {
            Ok(Labels::unnamed(classes))
        };
    };
    let label = |class: &str, name: &Value| {
        let expected = || format!("a string as the name of class {class}");
        let name = name
            .as_str()
            .ok_or_else(|| section.fault(key, &expected(), name))?;
        let description = match descriptions.and_then(|all| Some((all, all.get(name)?))) {
            Some((all, text)) => Some(
                text.as_str()
                    .ok_or_else(|| all.fault(name, "a string", text))?,
            ),
            None => None,
        };
        // An empty description is as good as none: the name says more.
        let description = description.filter(|text| !text.is_empty());
        Ok::<_, Error>(Some(Label {
            name: name.to_owned(),
            description: description.map(str::to_owned),
        }))
    };

    let mut labels = vec![None; classes];
    match value {
        Value::Array(names) => {
            if names.len() != classes {
                return Err(section.fault_found(
                    key,
                    &format!("{classes} names, one for each class (num_classes)"),
                    &names.len().to_string(),
                ));
            }
            for (class, (to, name)) in labels.iter_mut().zip(names).enumerate() {
                *to = label(&class.to_string(), name)?;
            }
        }
        Value::Object(names) => {
            for (class, name) in names {
                let index = class.parse::<usize>().ok();
                let to = index
                    .and_then(|index| labels.get_mut(index))
                    .ok_or_else(|| {
                        let expected = format!("classes from 0 to below {classes} (num_classes)");
                        section.fault_found(key, &expected, &format!("\"{}\"", shorten(class)))
                    })?;
                *to = label(class, name)?;
            }
        }
        other => {
            let expected = "a list of names, or an object from class to name";
            return Err(section.fault(key, expected, other));
        }
    }
    Ok(Labels::new(labels))
}

/// One object of the file. A null is as good as nothing, as in timm.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    path: &'a Path,
    /// The key that this object is under; empty at the root.
    name: &'a str,
    map: &'a Map<String, Value>,
}

impl<'a> Section<'a> {
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Whether a switch is on; off where it is not there.
    pub fn flag(&self, key: &str) -> Result<bool> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.fault(key, "true or false", other)),
        }
    }

    /// The objects of a list; none where it is not there.
    pub fn sections(&self, key: &'a str) -> Result<Vec<Self>> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let section = |value: &'a Value| match value {
            Value::Object(map) => Some(Self {
                path: self.path,
                name: key,
                map,
            }),
            _ => None,
        };
        let sections = value
            .as_array()
            .and_then(|list| list.iter().map(section).collect());
        sections.ok_or_else(|| self.fault(key, "a list of objects", value))
    }

    pub fn section(&self, key: &'a str) -> Result<Option<Self>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self {
                path: self.path,
                name: key,
                map,
            })),
            Some(other) => Err(self.fault(key, "an object", other)),
        }
    }

    pub fn string(&self, key: &str) -> Result<Option<&'a str>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let text = value.as_str().filter(|text| !text.is_empty());
        text.map(Some)
            .ok_or_else(|| self.fault(key, "a string", value))
    }

    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        count(value)
            .map(Some)
            .ok_or_else(|| self.fault(key, "a whole number, zero or more", value))
    }

    fn numbers(&self, key: &str) -> Result<Option<Vec<f32>>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let number = |value: &Value| value.as_f64().map(|number| number as f32);
        let numbers = match value {
            Value::Array(values) => values.iter().map(number).collect::<Option<Vec<_>>>(),
            value => number(value).map(|number| vec![number]),
        };
        numbers
            .map(Some)
            .ok_or_else(|| self.fault(key, "a list of numbers, one a channel", value))
    }

    fn input_size(&self) -> Result<Option<[usize; 3]>> {
        let key = "input_size";
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let sizes = value.as_array().and_then(|sizes| {
            let sizes: Option<Vec<usize>> = sizes.iter().map(count).collect();
            sizes?.try_into().ok()
        });
        sizes
            .map(Some)
            .ok_or_else(|| self.fault(key, "[channels, height, width]", value))
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.string(key)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|error| {
            Error::file(self.path, format!("key '{}{key}': {error}", self.prefix()))
        })
    }

    fn prefix(&self) -> String {
        if self.name.is_empty() {
            String::new()
        } else {
            format!("{}.", self.name)
        }
    }

    pub fn fault(&self, key: &str, expected: &str, found: &Value) -> Error {
        self.fault_found(key, expected, &excerpt(found))
    }

    pub fn fault_found(&self, key: &str, expected: &str, found: &str) -> Error {
        let prefix = self.prefix();
        Error::file(
            self.path,
            format!("key '{prefix}{key}': {expected} expected, found {found}"),
        )
    }
}

pub(super) fn count(value: &Value) -> Option<usize> {
    value.as_u64()?.try_into().ok()
}

/// A value as it stands in the file, where it is short.
fn excerpt(value: &Value) -> String {
    shorten(&value.to_string())
}

fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
