//! Converts sections to layers.

use super::cfg::Section;
use super::heads::{PlacedHead, head};
use crate::error::{Error, Result};
use crate::graph::Activation;
use crate::util::did_you_mean::nearest;
use crate::vision::MAX_SIDE;
use crate::zoo::darknet::{Conv, LEAKY, Layer, LayerRef, Local, Route};

/// More than any network has, and small enough that products of a few of them do not overflow.
const MAX_FILTERS: usize = 1 << 20;
const MAX_SIZE: usize = 1 << 10;

/// The sections that [`layers`] reads, with Darknet's aliases.
const SECTIONS: [&str; 21] = [
    "convolutional",
    "conv",
    "maxpool",
    "max",
    "avgpool",
    "avg",
    "route",
    "shortcut",
    "upsample",
    "reorg",
    "connected",
    "conn",
    "local",
    "crop",
    "dropout",
    "softmax",
    "soft",
    "cost",
    "yolo",
    "region",
    "detection",
];

/// Channels, height and width, from the first section.
pub(super) fn input_size(net: &Section) -> Result<[usize; 3]> {
    if !["net", "network"].contains(&net.name) {
        return Err(net.error("the first section must be [net]"));
    }
    let side = || 1..=MAX_SIDE as usize;
    Ok([
        net.count("channels", 3, 1..=1024)?,
        net.required_count("height", side())?,
        net.required_count("width", side())?,
    ])
}

/// The layers of the sections after `[net]`, and the heads. The sections at the end of a classifier
/// (`softmax`, `cost`) are skipped: its output are logits.
pub(super) fn layers(net: &Section, sections: &[Section]) -> Result<(Vec<Layer>, Vec<PlacedHead>)> {
    let is_end = |section: &Section| ["softmax", "soft", "cost"].contains(&section.name);
    let end = sections.iter().rev().take_while(|s| is_end(s)).count();
    let count = sections.len().saturating_sub(end);
    let mut layers = Vec::with_capacity(count);
    let mut heads = Vec::new();
    for (i, section) in sections.iter().enumerate() {
        let layer = match section.name {
            _ if i >= count => {
                section.refuse_unsupported(&[
                    ("groups", "1"),
                    ("temperature", "1"),
                    ("tree", "0"),
                ])?;
                continue;
            }
            "softmax" | "soft" | "cost" => {
                return Err(section.error("it is allowed only at the end of a network"));
            }
            "convolutional" | "conv" => convolutional(section)?,
            "maxpool" | "max" => max_pool(section)?,
            "avgpool" | "avg" => Layer::AvgPool,
            "local" => local(section)?,
            // Darknet also doubles the values and subtracts 1: see `Network::mean_and_std`.
            "crop" if i == 0 => Layer::Crop {
                height: section.required_count("crop_height", 1..=MAX_SIDE as usize)?,
                width: section.required_count("crop_width", 1..=MAX_SIDE as usize)?,
            },
            "crop" => return Err(section.error("it is allowed only as the first layer")),
            "route" => {
                let groups = section.count("groups", 1, 1..=MAX_FILTERS)?;
                Layer::Route(Route {
                    from: references(section, "layers")?,
                    groups,
                    group: section.count("group_id", 0, 0..=groups.saturating_sub(1))?,
                })
            }
            "shortcut" => {
                section.refuse_unsupported(&[
                    ("weights_type", "none"),
                    ("alpha", "1"),
                    ("beta", "1"),
                ])?;
                let [from] = references(section, "from")?[..] else {
                    return Err(section.invalid("from", "one layer"));
                };
                Layer::Shortcut(from, activation(section, "linear")?)
            }
            "upsample" => {
                section.refuse_unsupported(&[("scale", "1")])?;
                let stride = section.count("stride", 2, 1..=MAX_SIZE)?;
                Layer::Upsample { stride }
            }
            "reorg" => {
                section.refuse_unsupported(&[
                    ("reverse", "0"),
                    ("flatten", "0"),
                    ("extra", "0"),
                ])?;
                let stride = section.count("stride", 1, 1..=MAX_SIZE)?;
                Layer::Reorg { stride }
            }
            "connected" | "conn" => Layer::Connected {
                outputs: section.count("output", 1, 1..=MAX_FILTERS)?,
                batch_normalize: section.flag("batch_normalize")?,
                activation: activation(section, "logistic")?,
            },
            "dropout" => Layer::Identity,
            "yolo" | "region" | "detection" => {
                heads.push(PlacedHead {
                    section: i,
                    head: head(section)?,
                });
                Layer::Head
            }
            _ => return Err(unknown(section)),
        };
        layers.push(layer);
    }
    if layers.is_empty() {
        return Err(net.error("layers are expected after it"));
    }
    Ok((layers, heads))
}

fn unknown(section: &Section) -> Error {
    let near = match nearest(section.name, SECTIONS) {
        Some(near) => format!("did you mean [{near}]? "),
        None => String::new(),
    };
    section.unknown(&format!(
        "{near}supported sections: {}",
        SECTIONS.join(", ")
    ))
}

fn convolutional(section: &Section) -> Result<Layer> {
    section.refuse_unsupported(&[
        ("dilation", "1"),
        ("binary", "0"),
        ("xnor", "0"),
        ("flipped", "0"),
        ("antialiasing", "0"),
        ("deform", "0"),
        ("share_index", ""),
    ])?;
    let size = section.count("size", 1, 1..=MAX_SIZE)?;
    let stride = section.count("stride", 1, 1..=MAX_SIZE)?;
    for key in ["stride_x", "stride_y"] {
        if section.count(key, stride, 1..=MAX_SIZE)? != stride {
            return Err(section.invalid(key, "the same as stride (nothing else is supported)"));
        }
    }
    let padding = match section.flag("pad")? {
        true => size / 2,
        false => section.count("padding", 0, 0..=MAX_SIZE)?,
    };
    Ok(Layer::Conv(Conv {
        filters: section.count("filters", 1, 1..=MAX_FILTERS)?,
        size,
        stride,
        padding,
        groups: section.count("groups", 1, 1..=MAX_FILTERS)?,
        batch_normalize: section.flag("batch_normalize")?,
        activation: activation(section, "logistic")?,
    }))
}

fn local(section: &Section) -> Result<Layer> {
    let size = section.count("size", 1, 1..=MAX_SIZE)?;
    // Darknet pads by one pixel, whatever the size.
    let padding = section.count("pad", 0, 0..=1)?;
    if padding == 1 && size != 3 {
        return Err(section.invalid("pad", "0, or 1 with size=3 (nothing else is supported)"));
    }
    Ok(Layer::Local(Local {
        filters: section.count("filters", 1, 1..=MAX_FILTERS)?,
        size,
        stride: section.count("stride", 1, 1..=MAX_SIZE)?,
        padding,
        activation: activation(section, "logistic")?,
    }))
}

fn max_pool(section: &Section) -> Result<Layer> {
    section.refuse_unsupported(&[("maxpool_depth", "0"), ("antialiasing", "0")])?;
    let stride = section.count("stride", 1, 1..=MAX_SIZE)?;
    let size = section.count("size", stride, 1..=MAX_SIZE)?;
    let padding = section.count("padding", size.saturating_sub(1), 0..=MAX_SIZE)?;
    if padding >= size {
        return Err(section.invalid("padding", &format!("less than the size, {size},")));
    }
    Ok(Layer::MaxPool {
        size,
        stride,
        padding,
    })
}

/// The layers to which a section refers.
fn references(section: &Section, key: &str) -> Result<Vec<LayerRef>> {
    let layers = section.integers(key)?;
    let layers = layers.ok_or_else(|| section.invalid(key, "layers"))?;
    let layers = layers
        .into_iter()
        .map(|layer| LayerRef::try_from(layer).ok());
    let layers: Option<Vec<LayerRef>> = layers.collect();
    layers.ok_or_else(|| section.invalid(key, "layers"))
}

/// A section's activation, or Darknet's default for this kind of section.
fn activation(section: &Section, default: &str) -> Result<Option<Activation>> {
    Ok(match section.text("activation").unwrap_or(default) {
        "linear" => None,
        "leaky" => Some(LEAKY),
        "relu" => Some(Activation::Relu),
        "relu6" => Some(Activation::Relu6),
        "logistic" => Some(Activation::Sigmoid),
        "tanh" => Some(Activation::Tanh),
        "swish" => Some(Activation::Silu),
        "mish" => Some(Activation::Mish),
        _ => {
            let known = "linear, leaky, relu, relu6, logistic, tanh, swish or mish";
            return Err(section.invalid("activation", known));
        }
    })
}
