//! The key `heads` of `config.json`: how a detector's outputs are decoded. Other libraries have no
//! such key; this one uses the names of Darknet's settings.

use serde_json::{Value, json};

use super::section::{Section, count, to_f32};
use crate::error::Result;
use crate::vision::{DecodedBoxes, Head};

/// More than any network has, and small enough that products do not overflow.
const MAX_SIDE: usize = 1000;
const MAX_ANCHORS: usize = 1000;
const MAX_SCALE: f32 = 100.0;

/// The heads of a configuration, in the order of the network's outputs; empty where it has none.
pub(super) fn heads(root: Section<'_>, classes: usize) -> Result<Vec<Head>> {
    let heads = root.sections("heads")?.into_iter();
    heads.map(|section| head(section, classes)).collect()
}

fn head(section: Section<'_>, classes: usize) -> Result<Head> {
    let known = "\"yolo\", \"region\", \"detection\" or \"decoded\"";
    match section.string("type")? {
        Some("yolo") => {
            let anchors = anchors(section)?;
            let mask = match section.get("mask") {
                None => (0..anchors.len()).collect(),
                Some(value) => {
                    let index = |value| count(value).filter(|&i| i < anchors.len());
                    let mask = value
                        .as_array()
                        .and_then(|list| list.iter().map(index).collect());
                    let expected = || format!("a list of anchors, 0 to below {}", anchors.len());
                    mask.ok_or_else(|| section.fault("mask", &expected(), value))?
                }
            };
            let scale_x_y = match section.get("scale_x_y") {
                None => 1.0,
                Some(value) => {
                    let scale = value.as_f64().map(to_f32);
                    let usable = scale.filter(|scale| (1.0..=MAX_SCALE).contains(scale));
                    let expected = format!("a number from 1 to {MAX_SCALE}");
                    usable.ok_or_else(|| section.fault("scale_x_y", &expected, value))?
                }
            };
            Ok(Head::Yolo {
                anchors,
                mask,
                classes,
                scale_x_y,
                new_coords: section.flag("new_coords")?,
            })
        }
        Some("region") => Ok(Head::Region {
            anchors: anchors(section)?,
            classes,
            softmax: section.flag("softmax")?,
        }),
        Some("detection") => {
            let size = |key: &str| {
                let found = section.count(key)?;
                let usable = found.filter(|size| (1..=MAX_SIDE).contains(size));
                let expected = format!("a number from 1 to {MAX_SIDE}");
                usable.ok_or_else(|| {
                    let found = section.get(key).unwrap_or(&Value::Null);
                    section.fault(key, &expected, found)
                })
            };
            Ok(Head::Detection {
                side: size("side")?,
                boxes: size("num")?,
                classes,
                sqrt: section.flag("sqrt")?,
                softmax: section.flag("softmax")?,
            })
        }
        Some("decoded") => Ok(Head::Decoded(DecodedBoxes {
            classes,
            has_objectness: section.flag("objectness")?,
            by_box: section.flag("by_box")?,
            has_corners: section.flag("corners")?,
            in_pixels: section.flag("pixels")?,
        })),
        Some(other) => Err(section.fault("type", known, &other.into())),
        None => Err(section.fault("type", known, &Value::Null)),
    }
}

fn anchors(section: Section<'_>) -> Result<Vec<[f32; 2]>> {
    let value = section.get("anchors").unwrap_or(&Value::Null);
    let size = |value: &Value| {
        let size = to_f32(value.as_f64()?);
        (size.is_finite() && size > 0.0).then_some(size)
    };
    let pair = |value: &Value| {
        let sizes: Option<Vec<f32>> = value.as_array()?.iter().map(size).collect();
        <[f32; 2]>::try_from(sizes?).ok()
    };
    let anchors: Option<Vec<_>> = value
        .as_array()
        .filter(|list| (1..=MAX_ANCHORS).contains(&list.len()))
        .and_then(|list| list.iter().map(pair).collect());
    let expected = "a list of [width, height], above zero,";
    anchors.ok_or_else(|| section.fault("anchors", expected, value))
}

/// A head as JSON, in the form that [`heads`] reads.
pub(super) fn to_json(head: &Head) -> Value {
    // The shortest decimal, as in Darknet's file: 0.57273, not 0.5727300047874451.
    let number = |x: &f32| x.to_string().parse::<f64>().unwrap_or(f64::from(*x));
    let anchors = |anchors: &[[f32; 2]]| -> Value {
        (anchors.iter())
            .map(|pair| pair.iter().map(number).collect::<Vec<f64>>())
            .collect()
    };
    match head {
        Head::Yolo {
            anchors: all,
            mask,
            scale_x_y,
            new_coords,
            ..
        } => {
            let mut json = json!({"type": "yolo", "anchors": anchors(all), "mask": mask});
            if *scale_x_y != 1.0 {
                json["scale_x_y"] = number(scale_x_y).into();
            }
            if *new_coords {
                json["new_coords"] = true.into();
            }
            json
        }
        Head::Region {
            anchors: all,
            softmax,
            ..
        } => json!({"type": "region", "anchors": anchors(all), "softmax": softmax}),
        Head::Detection {
            side,
            boxes,
            sqrt,
            softmax,
            ..
        } => json!({
            "type": "detection", "side": side, "num": boxes, "sqrt": sqrt, "softmax": softmax,
        }),
        Head::Decoded(boxes) => json!({
            "type": "decoded", "objectness": boxes.has_objectness, "by_box": boxes.by_box,
            "corners": boxes.has_corners, "pixels": boxes.in_pixels,
        }),
    }
}
