//! The description of a model as the text of a `config.json`.

use serde_json::{Map, Value, json};

use super::super::{ModelFolder, config, heads};
use crate::error::{Error, Result};
use crate::vision::{Labels, Preprocessing};

/// The keys that models in Darknet's and timm's formats have, and `outputs`, which says what the outputs are; without
/// `kind`, the heads of `folder` say it. Other keys that the model came with, such as its license, are kept.
pub(super) fn description(folder: &ModelFolder, kind: Option<&str>) -> Result<String> {
    let mut root = match folder.config.0.is_empty() {
        true => Map::new(),
        false => config::reread(&folder.path, &folder.config.0)?,
    };
    let is_nested = root.contains_key("pretrained_cfg") || root.is_empty();
    let preprocessing = preprocessing(&folder.preprocessing);
    match root.get_mut("pretrained_cfg") {
        Some(Value::Object(own)) => own.extend(preprocessing),
        _ if is_nested => {
            root.insert("pretrained_cfg".to_owned(), preprocessing.into());
        }
        // Before timm 0.9, all keys were at the root.
        _ => root.extend(preprocessing),
    }
    root.insert("num_classes".to_owned(), folder.num_classes.into());
    match kind {
        Some(kind) => {
            root.insert("outputs".to_owned(), kind.into());
        }
        None => {
            let heads = folder.heads.iter().map(heads::to_json);
            root.insert("heads".to_owned(), heads.collect());
        }
    }
    let (names, descriptions) = labels(&folder.labels);
    root.insert("label_names".to_owned(), names);
    match descriptions.is_empty() {
        true => root.remove("label_descriptions"),
        false => root.insert("label_descriptions".to_owned(), descriptions.into()),
    };
    serde_json::to_string_pretty(&root)
        .map(|text| text + "\n")
        .map_err(|error| Error::file(&folder.path, error.to_string()))
}

fn preprocessing(preprocessing: &Preprocessing) -> Map<String, Value> {
    // The shortest decimals: 0.485, not 0.48500001430511475.
    let number = |x: &f32| x.to_string().parse::<f64>().unwrap_or(f64::from(*x));
    let numbers = |values: &[f32]| values.iter().map(number).collect::<Vec<f64>>();
    let pairs = [
        ("input_size", json!(preprocessing.input_size)),
        ("mean", json!(numbers(&preprocessing.mean))),
        ("std", json!(numbers(&preprocessing.std))),
        ("channel_order", json!(preprocessing.channel_order.name())),
        (
            "interpolation",
            json!(preprocessing.interpolation.to_string()),
        ),
        ("crop_pct", json!(preprocessing.crop_pct)),
        ("crop_mode", json!(preprocessing.crop_mode.to_string())),
    ];
    let pairs = pairs.into_iter();
    pairs.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The names, as a list where every class has one, and descriptions by name.
fn labels(labels: &Labels) -> (Value, Map<String, Value>) {
    let all = (0..labels.len()).map(|class| labels.get(class));
    let names = match all.clone().collect::<Option<Vec<_>>>() {
        Some(all) => all.iter().map(|label| label.name.clone()).collect(),
        None => {
            let named = all.clone().enumerate();
            let named = named.filter_map(|(class, label)| {
                Some((class.to_string(), Value::from(label?.name.clone())))
            });
            Value::Object(named.collect())
        }
    };
    let described = all.flatten().filter_map(|label| {
        let description = label.description.clone()?;
        Some((label.name.clone(), description.into()))
    });
    (names, described.collect())
}
