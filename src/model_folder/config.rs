//! Reads and checks `config.json`.

use std::path::Path;

use serde_json::Value;

use super::heads;
use super::section::{Section, excerpt, shorten};
use crate::error::{Error, Result};
use crate::util::read::read_file;
use crate::vision::{Head, Label, Labels, Preprocessing};

/// More than any configuration needs, even with 21,000 class names.
const MAX_BYTES: u64 = 64 << 20;
/// More classes than any network has.
const MAX_CLASSES: usize = 1_000_000;

/// The content of a `config.json`.
pub(super) struct Config {
    pub architecture: String,
    pub num_classes: usize,
    pub preprocessing: Preprocessing,
    pub labels: Labels,
    pub heads: Vec<Head>,
}

/// Reads and checks `path`.
pub(super) fn read(path: &Path) -> Result<Config> {
    let bytes = read_file(path, "a configuration", MAX_BYTES)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
        // serde_json's message has the line and the column.
        Error::file_caused_by(path, "JSON was expected", error)
    })?;
    let Value::Object(root) = &value else {
        let found = excerpt(&value);
        return Err(Error::file(
            path,
            format!("a JSON object with a key 'architecture' was expected, found {found}"),
        ));
    };
    let root = Section::root(path, root);
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
            // Bounded, as the number of channels has not been checked yet.
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
        Err(error) => Err(cfg.invalid(&error)),
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
        // An empty description counts as missing: the name is more useful.
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
