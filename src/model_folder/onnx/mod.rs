//! ONNX files as models for images: what is read of them, of a file beside them, and of what exporters write into them.

mod decoders;
mod description;
mod metadata;
mod outputs;
mod save;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::{self, Sidecar};
use super::options::ModelOptions;
use super::save::ConfigText;
use super::storage::Storage;
use super::{CONFIG, ModelFolder, ONNX_CONFIG, WEIGHTS, WEIGHTS_INDEX};
use crate::error::{Error, Result};
use crate::graph::ValueId;
use crate::onnx::{ImportedModel, OnnxDim, OnnxModel, OnnxValue};
use crate::printable;
use crate::tensor::Shape;
use crate::vision::{Labels, Preprocessing};
use crate::zoo::{Task, ZooOptions};
use metadata::Metadata;
pub(super) use outputs::KINDS;
use outputs::{Meaning, Output};
pub(super) use save::save_folder;

/// What [`ModelFolder::architecture`] says.
pub(super) const ARCHITECTURE: &str = "onnx";
/// The file of a model folder without weights of its own.
const NETWORK: &str = "model.onnx";
/// The size that is tried where nothing says which.
const USUAL_SIZE: [usize; 2] = [224, 224];

/// A model for images whose outputs are those that the tasks read.
#[derive(Clone, Debug)]
pub(super) struct OnnxNetwork {
    pub model: Arc<OnnxModel>,
    pub task: Task,
    /// What the outputs are, as a description says it; `None` where it has the heads of a detector.
    pub kind: Option<&'static str>,
}

impl OnnxNetwork {
    /// The network for one image of `size`: channels, height and width.
    pub fn import(&self, [channels, height, width]: [usize; 3]) -> Result<ImportedModel> {
        self.model
            .import(&[Shape::from([1, channels, height, width])])
    }
}

/// Whether `path` is that of an ONNX file.
pub(super) fn is_onnx(path: &Path) -> bool {
    let has_ending =
        (path.extension()).is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"));
    has_ending && !path.is_dir()
}

/// The ONNX file that `path` is, or that a folder has in place of weights.
pub(super) fn file_in(path: &Path) -> Option<PathBuf> {
    if is_onnx(path) {
        return Some(path.to_owned());
    }
    let has_weights = [WEIGHTS, WEIGHTS_INDEX]
        .iter()
        .any(|name| path.join(name).is_file());
    let file = path.join(NETWORK);
    (!has_weights && file.is_file()).then_some(file)
}

/// The model in the file at `path`, which `open` reads.
pub(super) fn open(
    path: &Path,
    options: &ModelOptions,
    open: impl FnOnce(&Path) -> Result<OnnxModel>,
) -> Result<ModelFolder> {
    let mut model = open(path)?;
    let fault = |reason: String| Error::file(path, reason);
    let image = image_input(&model).map_err(fault)?.name.clone();
    if has_channels_last(&model) {
        model.put_channels_first();
    }
    let sidecar = read_sidecar(path, &model)?;
    let metadata = Metadata::of(&model);
    if metadata.task.as_deref() == Some("obb") {
        return Err(fault(
            "its boxes are rotated, which is not supported (its task is obb)".to_owned(),
        ));
    }
    outputs::without_arg_max(&mut model);

    let (channels, fixed) = extents(&model);
    let said = (fixed.or(options.input_size))
        .or(sidecar.as_ref().and_then(Sidecar::image_size))
        .or(metadata.size);
    let channels = match channels {
        Some(channels) => channels,
        None => sidecar.as_ref().and_then(Sidecar::channels).unwrap_or(3),
    };
    let size = said.unwrap_or(USUAL_SIZE);
    // Before it becomes an error of some node.
    let sized = Preprocessing {
        input_size: [3, size[0], size[1]],
        ..Preprocessing::default()
    };
    sized.check().map_err(|error| fault(error.to_string()))?;
    let outputs = output_shapes(&model, [channels, size[0], size[1]])?;
    let kind = sidecar.as_ref().map(Sidecar::kind).transpose()?.flatten();
    let heads = sidecar.as_ref().map(Sidecar::heads).transpose()?;
    let heads = heads.unwrap_or_default();
    let meaning = match heads.len() {
        0 => Meaning::of(kind, &outputs, size, &metadata)
            .ok_or_else(|| fault(not_known(kind, &outputs)))?,
        count if count == outputs.len() => Meaning::Heads(heads),
        count => {
            return Err(fault(format!(
                "an output for each of {count} heads was expected, found {}: {}",
                outputs.len(),
                listed(&outputs)
            )));
        }
    };
    let heads = meaning.edit(&mut model, &outputs, &image);

    // What was guessed is replaced by what such networks usually take.
    let mut defaults = meaning.preprocessing(channels);
    let usual = defaults.input_size;
    defaults.input_size = match said {
        Some([height, width]) => [channels, height, width],
        None if output_shapes(&model, usual).is_ok() => usual,
        None => [channels, size[0], size[1]],
    };
    if metadata.is_ultralytics && meaning.task() == Task::Classification {
        // Ultralytics' classifiers read values from 0 to 1.
        defaults.mean = vec![0.0; channels];
        defaults.std = vec![1.0; channels];
        defaults.crop_pct = 1.0;
    }
    let preprocessing = match &sidecar {
        Some(sidecar) => sidecar.preprocessing(defaults)?,
        None => defaults,
    };
    let classes = match sidecar.as_ref().map(Sidecar::num_classes).transpose()? {
        // The outputs are features.
        Some(Some(0)) => 0,
        _ => meaning.classes(),
    };
    let from_metadata = (metadata.names.as_ref()).filter(|names| names.len() == classes);
    let from_sidecar = match &sidecar {
        Some(sidecar) => sidecar.labels(classes)?,
        None => None,
    };
    let labels = match (from_sidecar, from_metadata) {
        (Some(labels), _) => labels,
        (None, Some(names)) => Labels::of(names.iter().map(String::as_str)),
        (None, None) if classes == 0 => Labels::unnamed(0),
        (None, None) => meaning.labels()?,
    };
    let folder = ModelFolder {
        path: path.to_owned(),
        name: model.name(),
        architecture: ARCHITECTURE.to_owned(),
        num_classes: classes,
        preprocessing,
        labels,
        heads,
        variant: ZooOptions::default(),
        weights: Storage::Onnx(OnnxNetwork {
            model: Arc::new(model),
            task: meaning.task(),
            kind: meaning.kind(),
        }),
        config: ConfigText(
            sidecar
                .as_ref()
                .map(Sidecar::text)
                .unwrap_or_default()
                .into(),
        ),
        assumed: assumed(said.is_some(), sidecar.as_ref(), &metadata, options),
    };
    folder.with(options)
}

/// What of the preprocessing nothing says.
fn assumed(
    size_is_said: bool,
    sidecar: Option<&Sidecar>,
    metadata: &Metadata,
    options: &ModelOptions,
) -> Vec<&'static str> {
    let is_known =
        |key: &str| metadata.is_ultralytics || sidecar.is_some_and(|sidecar| sidecar.says(key));
    let all = [
        ("size", size_is_said),
        ("mean", is_known("mean") || options.mean.is_some()),
        ("std", is_known("std") || options.std.is_some()),
        (
            "channel order",
            is_known("channel_order") || options.channel_order.is_some(),
        ),
    ];
    let unknown = all.into_iter().filter(|(_, is_said)| !is_said);
    unknown.map(|(name, _)| name).collect()
}

/// The one input, an image.
fn image_input(model: &OnnxModel) -> Result<&OnnxValue, String> {
    let [input] = model.inputs() else {
        let names: Vec<String> = (model.inputs().iter())
            .map(|input| printable::name(&input.name))
            .collect();
        return Err(format!(
            "a model with one input, an image, was expected; this one has {}: {}",
            names.len(),
            names.join(", ")
        ));
    };
    match &input.dims {
        Some(dims) if dims.len() != 4 => {
            let found: Vec<String> = dims.iter().map(ToString::to_string).collect();
            Err(format!(
                "an input of four dimensions, images, was expected; '{}' is [{}]",
                printable::name(&input.name),
                found.join(", ")
            ))
        }
        _ => Ok(input),
    }
}

/// The channels, and the height and width, where the model has them fixed.
fn extents(model: &OnnxModel) -> (Option<usize>, Option<[usize; 2]>) {
    let dims = model.inputs().first().and_then(|input| input.dims.as_ref());
    let fixed = |axis: usize| match dims?.get(axis)? {
        OnnxDim::Fixed(extent) => Some(*extent),
        OnnxDim::Free(_) => None,
    };
    (fixed(1), fixed(2).zip(fixed(3)).map(<[usize; 2]>::from))
}

/// Whether the image has its channels last, as TensorFlow's have.
fn has_channels_last(model: &OnnxModel) -> bool {
    let is_channels = |dim: &OnnxDim| matches!(dim, OnnxDim::Fixed(1 | 3));
    let dims = model
        .inputs()
        .first()
        .and_then(|input| input.dims.as_deref());
    matches!(dims, Some([_, first, _, last]) if is_channels(last) && !is_channels(first))
}

/// The outputs for one image of `size`.
fn output_shapes(model: &OnnxModel, [channels, height, width]: [usize; 3]) -> Result<Vec<Output>> {
    let shape = Shape::from([1, channels, height, width]);
    let graph = model.import(std::slice::from_ref(&shape))?.graph;
    let shapes = graph.infer(&[shape])?;
    let outputs = model.outputs().iter().zip(graph.outputs());
    let output = |(output, value): (&OnnxValue, &ValueId)| {
        (output.name.clone(), shapes[value.index()].clone())
    };
    Ok(outputs.map(output).collect())
}

/// Why outputs cannot be used.
fn not_known(kind: Option<&str>, outputs: &[Output]) -> String {
    let expected = match kind {
        Some(kind) => format!("outputs of a network of the kind \"{kind}\""),
        None => "the outputs of a classifier, a segmenter or a known detector".to_owned(),
    };
    format!(
        "{expected} were expected, found {}; the key 'outputs' of a file beside it says what they are, and a session \
         runs any network",
        listed(outputs)
    )
}

fn listed(outputs: &[Output]) -> String {
    let listed =
        (outputs.iter()).map(|(name, shape)| format!("'{}' {shape}", printable::name(name)));
    listed.collect::<Vec<String>>().join(", ")
}

/// What describes the model at `path`: the first of the files `model.onnx.json`, `model.json` and `config.json`, or
/// else what [`ModelFolder::save_onnx`] wrote into it.
fn read_sidecar(path: &Path, model: &OnnxModel) -> Result<Option<Sidecar>> {
    let mut longer = path.as_os_str().to_owned();
    longer.push(".json");
    let places = [
        PathBuf::from(longer),
        path.with_extension("json"),
        path.with_file_name(CONFIG),
    ];
    if let Some(place) = places.iter().find(|place| place.is_file()) {
        return config::sidecar(place).map(Some);
    }
    let text = model.metadata(ONNX_CONFIG);
    text.map(|text| config::embedded(path, text)).transpose()
}

/// The preprocessing for messages: `3x224x224 rgb, mean 0.485 0.456 0.406, std …`.
pub(super) fn describe(preprocessing: &Preprocessing) -> String {
    let [channels, height, width] = preprocessing.input_size;
    let numbers = |values: &[f32]| {
        let texts: Vec<String> = values.iter().map(f32::to_string).collect();
        match texts.iter().all(|text| *text == texts[0]) {
            true => texts.into_iter().take(1).collect::<String>(),
            false => texts.join(" "),
        }
    };
    format!(
        "{channels}x{height}x{width} {}, mean {}, std {}, {}",
        preprocessing.channel_order.name(),
        numbers(&preprocessing.mean),
        numbers(&preprocessing.std),
        preprocessing.crop_mode,
    )
}
