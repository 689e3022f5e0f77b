//! Reads and checks `config.json`.

use std::path::Path;

use serde_json::{Map, Value};

use super::section::{Section, excerpt, to_f32};
use super::{heads, timm_keys};
use crate::error::{Error, Result};
use crate::graph::Activation;
use crate::printable::{beginning, name};
use crate::util::read::read_file;
use crate::vision::{Head, Label, Labels, Preprocessing};
use crate::zoo::{ConvPadding, GlobalPool, ZooOptions};

/// More than any configuration needs, even with 21,000 class names.
const MAX_BYTES: u64 = 64 << 20;
/// More classes than any network has.
const MAX_CLASSES: usize = 1_000_000;

/// The content of a `config.json`.
pub(super) struct Config {
    pub architecture: String,
    pub num_classes: usize,
    /// What else differs from the architecture's own network.
    pub variant: ZooOptions,
    pub preprocessing: Preprocessing,
    pub labels: Labels,
    pub heads: Vec<Head>,
}

/// What describes an ONNX model, in timm's keys: a file beside it, or an entry of its metadata.
#[cfg(feature = "onnx")]
pub(super) struct Sidecar {
    path: std::path::PathBuf,
    root: Map<String, Value>,
    /// Whether it is a file, which says all: what it leaves out is what such networks usually take.
    is_file: bool,
}

/// Reads the file at `path`.
#[cfg(feature = "onnx")]
pub(super) fn sidecar(path: &Path) -> Result<Sidecar> {
    Ok(Sidecar {
        path: path.to_owned(),
        root: object(path, &read(path)?, "a JSON object")?,
        is_file: true,
    })
}

/// The description in the metadata of the model at `path`.
#[cfg(feature = "onnx")]
pub(super) fn embedded(path: &Path, text: &str) -> Result<Sidecar> {
    let expected = format!("a JSON object in the metadata '{}'", super::ONNX_CONFIG);
    Ok(Sidecar {
        path: path.to_owned(),
        root: object(path, text.as_bytes(), &expected)?,
        is_file: false,
    })
}

/// The object in a `config.json` that was read before.
#[cfg(feature = "onnx")]
pub(super) fn reread(path: &Path, text: &[u8]) -> Result<Map<String, Value>> {
    object(path, text, "a JSON object")
}

#[cfg(feature = "onnx")]
impl Sidecar {
    /// The root, and the part with the preprocessing.
    fn sections(&self) -> Result<(Section<'_>, Section<'_>)> {
        let root = Section::root(&self.path, &self.root);
        Ok((root, root.section("pretrained_cfg")?.unwrap_or(root)))
    }

    /// Height and width. A wrong value is reported by [`Self::preprocessing`].
    pub fn image_size(&self) -> Option<[usize; 2]> {
        let [_, height, width] = self.sections().ok()?.1.input_size().ok()??;
        Some([height, width])
    }

    /// Whether it says what `key` of the preprocessing is.
    pub fn says(&self, key: &str) -> bool {
        let has = |(_, cfg): (Section<'_>, Section<'_>)| cfg.get(key).is_some();
        self.is_file || self.sections().is_ok_and(has)
    }

    /// The number of classes.
    pub fn num_classes(&self) -> Result<Option<usize>> {
        self.sections()?.0.count("num_classes")
    }

    /// How boxes are decoded from a detector's outputs; empty where it does not say.
    pub fn heads(&self) -> Result<Vec<Head>> {
        let (root, _) = self.sections()?;
        heads::heads(root, self.num_classes()?.unwrap_or(0))
    }

    /// As text.
    pub fn text(&self) -> Vec<u8> {
        Value::from(self.root.clone()).to_string().into_bytes()
    }

    /// The number of channels.
    pub fn channels(&self) -> Option<usize> {
        Some(self.sections().ok()?.1.input_size().ok()??[0])
    }

    /// What the outputs are.
    pub fn kind(&self) -> Result<Option<&str>> {
        let (root, _) = self.sections()?;
        let Some(kind) = root.string("outputs")? else {
            return Ok(None);
        };
        match super::onnx::KINDS.contains(&kind) {
            true => Ok(Some(kind)),
            false => {
                let expected = format!("one of {}", super::onnx::KINDS.join(", "));
                Err(root.fault("outputs", &expected, &kind.into()))
            }
        }
    }

    pub fn preprocessing(&self, defaults: Preprocessing) -> Result<Preprocessing> {
        let (_, cfg) = self.sections()?;
        preprocessing(cfg, None, defaults)
    }

    /// The labels of `classes` classes, where the file has them.
    pub fn labels(&self, classes: usize) -> Result<Option<Labels>> {
        let (root, cfg) = self.sections()?;
        labels(root, cfg, classes)
    }
}

/// Reads `path`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    read_file(path, "a configuration", MAX_BYTES)
}

/// The object in the content of `path`, where `expected` should be.
fn object(path: &Path, bytes: &[u8], expected: &str) -> Result<Map<String, Value>> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        // serde_json's message has the line and the column.
        Error::file_caused_by(path, "JSON was expected", error)
    })?;
    match value {
        Value::Object(root) => Ok(root),
        other => {
            let found = excerpt(&other);
            Err(Error::file(
                path,
                format!("{expected} was expected, found {found}"),
            ))
        }
    }
}

/// Checks the content of `path`.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Config> {
    let root = object(path, bytes, "a JSON object with a key 'architecture'")?;
    let root = Section::root(path, &root);
    // Before timm 0.9, all keys were at the root.
    let cfg = root.section("pretrained_cfg")?.unwrap_or(root);

    let args = root.section("model_args")?;
    let architecture = match root.string("architecture")? {
        Some(name) => name,
        None => (cfg.string("architecture")?)
            .ok_or_else(|| Error::file(path, without_architecture(root)))?,
    };
    timm_keys::check(architecture, root, cfg, args)?;
    let preprocessing = preprocessing(cfg, args, Preprocessing::default())?;
    let num_classes = num_classes(root, cfg, args)?;
    Ok(Config {
        labels: match labels(root, cfg, num_classes)? {
            Some(labels) => labels,
            None if num_classes == 1000 => Labels::imagenet()?,
            None => Labels::unnamed(num_classes),
        },
        heads: heads::heads(root, num_classes)?,
        architecture: architecture.to_owned(),
        num_classes,
        variant: variant(root, cfg, args)?,
        preprocessing,
    })
}

/// Why a configuration without an architecture cannot be used.
fn without_architecture(root: Section<'_>) -> String {
    let text = |key: &str| root.get(key).and_then(Value::as_str).map(name);
    if let Some(model) = text("model_type").filter(|_| root.get("transformers_version").is_some()) {
        return format!(
            "this is the configuration of a {model} of the library Transformers, whose networks are built and named \
             differently; use a model of timm, such as timm/resnet18.a1_in1k on the Hugging Face hub"
        );
    }
    if let Some(encoder) = text("encoder_name") {
        return format!(
            "this is the configuration of a network of segmentation_models_pytorch (with the encoder {encoder}), which \
             is not in shadernet's zoo; its networks for segmentation are unet, unet_bilinear and unet_paper"
        );
    }
    "key 'architecture' is missing; the network's name was expected, such as \"resnet18\""
        .to_owned()
}

/// The first of the sections that has the key counts, as in timm.
fn num_classes(root: Section<'_>, cfg: Section<'_>, args: Option<Section<'_>>) -> Result<usize> {
    for section in args.into_iter().chain([root, cfg]) {
        let Some(classes) = section.count("num_classes")? else {
            continue;
        };
        if classes > MAX_CLASSES {
            let expected = format!("a number up to {MAX_CLASSES}");
            return Err(section.fault("num_classes", &expected, &classes.into()));
        }
        return Ok(classes);
    }
    Ok(1000)
}

/// What `model_args` and `global_pool` change in the network. Numbers of classes and channels are left out.
fn variant(root: Section<'_>, cfg: Section<'_>, args: Option<Section<'_>>) -> Result<ZooOptions> {
    let mut variant = ZooOptions {
        global_pool: global_pool(root, cfg, args)?,
        ..ZooOptions::default()
    };
    let Some(args) = args else {
        return Ok(variant);
    };
    if let Some(name) = args.text("act_layer")? {
        let activation = activation(name).ok_or_else(|| {
            let expected = "\"relu\", \"relu6\", \"leaky_relu\", \"silu\", \"hard_swish\", \"mish\", \
                            \"sigmoid\" or \"tanh\"";
            args.fault("act_layer", expected, &name.into())
        })?;
        variant.activation = Some(activation);
    }
    // The second is that of InceptionV3 and ConvNeXt.
    for key in ["bn_eps", "norm_eps"] {
        let Some(value) = args.get(key) else {
            continue;
        };
        // Kernels compute in float32.
        let eps = value
            .as_f64()
            .filter(|&eps| to_f32(eps) > 0.0 && to_f32(eps).is_finite());
        let expected = "a number above zero";
        variant.bn_eps = Some(eps.ok_or_else(|| args.fault(key, expected, value))?);
    }
    if let Some(name) = args.text("pad_type")? {
        variant.padding = Some(match &*name.to_lowercase() {
            "" => ConvPadding::Symmetric,
            "same" => ConvPadding::Same,
            _ => return Err(args.fault("pad_type", "\"\" or \"same\"", &name.into())),
        });
    }
    if let Some(stride) = args.count("output_stride")? {
        if ![2, 4, 8, 16, 32].contains(&stride) {
            return Err(args.fault("output_stride", "2, 4, 8, 16 or 32", &stride.into()));
        }
        variant.output_stride = Some(stride);
    }
    Ok(variant)
}

/// The global pooling, where it is not the mean. timm writes it to the root and to `model_args`; where they
/// differ, one of them is not the network's.
fn global_pool(
    root: Section<'_>,
    cfg: Section<'_>,
    args: Option<Section<'_>>,
) -> Result<Option<GlobalPool>> {
    let key = "global_pool";
    let mut found: Option<(GlobalPool, &str)> = None;
    for section in args.into_iter().chain([root, cfg]) {
        let Some(name) = section.text(key)? else {
            continue;
        };
        let known = "\"avg\", \"max\", \"avgmax\", \"catavgmax\" or \"\"";
        let pool = (name.parse()).map_err(|_| section.fault(key, known, &name.into()))?;
        match found {
            Some((other, text)) if other != pool => {
                let expected = format!("\"{text}\", as elsewhere in this file,");
                return Err(section.fault(key, &expected, &name.into()));
            }
            _ => found = Some((pool, name)),
        }
    }
    Ok(found
        .map(|(pool, _)| pool)
        .filter(|&pool| pool != GlobalPool::Average))
}

/// The activation that timm calls `name`.
fn activation(name: &str) -> Option<Activation> {
    Some(match &*name.to_lowercase() {
        "relu" => Activation::Relu,
        "relu6" => Activation::Relu6,
        "leaky_relu" => Activation::LeakyRelu { slope: 0.01 },
        "silu" | "swish" => Activation::Silu,
        "hard_swish" | "hardswish" => Activation::HardSwish,
        "mish" => Activation::Mish,
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        _ => return None,
    })
}

fn preprocessing(
    cfg: Section<'_>,
    args: Option<Section<'_>>,
    defaults: Preprocessing,
) -> Result<Preprocessing> {
    let mut this = defaults;
    if let Some(size) = cfg.input_size()? {
        this.input_size = size;
    }
    if let Some(args) = args
        && let Some(channels) = args.count("in_chans")?
    {
        this.input_size[0] = channels;
    }
    let channels = this.input_size[0];
    for (key, values) in [("mean", &mut this.mean), ("std", &mut this.std)] {
        match cfg.numbers(key)? {
            // Bounded, as the number of channels has not been checked yet.
            Some(one) if one.len() == 1 => *values = vec![one[0]; channels.min(1024)],
            Some(each) => *values = each,
            // As timm does for other numbers of channels than ImageNet's.
            None if channels != values.len() => {
                let mean = values.iter().sum::<f32>() / 3.0;
                *values = vec![mean; channels.min(1024)];
            }
            None => {}
        }
    }
    if let Some(order) = cfg.parsed("channel_order")? {
        this.channel_order = order;
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

/// The labels, where the file has names.
fn labels(root: Section<'_>, cfg: Section<'_>, classes: usize) -> Result<Option<Labels>> {
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
        return Ok(None);
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
                        section.fault_found(key, &expected, &format!("\"{}\"", beginning(class)))
                    })?;
                *to = label(class, name)?;
            }
        }
        other => {
            let expected = "a list of names, or an object from class to name";
            return Err(section.fault(key, expected, other));
        }
    }
    Ok(Some(Labels::new(labels)))
}
