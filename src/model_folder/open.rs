//! Opens models at paths.

use std::env;
use std::path::Path;

#[cfg(feature = "onnx")]
use super::onnx;
use super::options::ModelOptions;
use super::storage::Storage;
use super::{CONFIG, ModelFolder, WEIGHTS, WEIGHTS_INDEX, config, name_of};
use crate::error::{Error, Result};
#[cfg(feature = "onnx")]
use crate::onnx::OnnxModel;

const EXPECTED: &str = "a model folder holds config.json and model.safetensors, in the format that \
                        timm's save_for_hf writes";

impl ModelFolder {
    /// Reads a model: a folder, or an ONNX file.
    ///
    /// Of a folder, reads `config.json` and checks that `model.safetensors`, or the index
    /// `model.safetensors.index.json` of several such files, is next to it.
    ///
    /// The keys are timm's, with timm's defaults where they are missing or null:
    ///
    /// - `architecture`, the only required key;
    /// - `num_classes`: 1000;
    /// - `pretrained_cfg`, with the keys of [`Preprocessing`](crate::vision::Preprocessing); `mean` and `std` may be one number
    ///   for all channels, `model_args.in_chans` overrides the channels of `input_size`;
    /// - `label_names` (formerly `labels`): a list with a name for each class, or an object from class to
    ///   name where some classes have none; `label_descriptions`: an object from name to description.
    ///   Without names, 1000 classes are ImageNet's;
    /// - `heads`, only for detectors: a list with an object for each output, of `type` `yolo`
    ///   (`anchors`, `mask`), `region` (`anchors`, `softmax`) or `detection` (`side`, `num`, `sqrt`,
    ///   `softmax`) or `decoded` (`objectness`, `by_box`, `corners`, `pixels`); see [`Head`](crate::vision::Head). This key is not one of timm's;
    /// - `model_args`, which override the other keys: `num_classes`, `in_chans`, `global_pool` (also at the
    ///   root), `act_layer`, `bn_eps`, `norm_eps`, `pad_type` and `output_stride`. Arguments that matter in training only
    ///   are ignored; others, which may change the network, are refused.
    ///
    /// The old format, with the keys of `pretrained_cfg` at the root, is accepted too. Other keys are
    /// ignored.
    ///
    /// An ONNX file must have one input, an image, and the outputs of a classifier, a segmenter or a detector that is
    /// known. Its preprocessing and labels are in a file beside it, `NAME.onnx.json`, `NAME.json` or `config.json`,
    /// with the keys above, of which none is required, and `channel_order` (`rgb` or `bgr`) and `outputs` (what the
    /// outputs are: `classes`, `map`, `yolov8`, `yolov5`, `end_to_end`, `yunet`, `fastestdet`, `centerface` or
    /// `boxes_and_scores`). What the file lacks is what Ultralytics' exporter wrote into the model, or else what such
    /// networks usually take; [`Self::assumptions`] says so. A folder without weights may hold `model.onnx`.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read; [`Error::File`] where the folder or one of its
    /// files is missing, `config.json` is not JSON (with line and column), or a key is missing or invalid
    /// (with the key, the expected and the actual value).
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(folder, &ModelOptions::default())
    }

    /// As [`Self::open`], with what `options` say.
    ///
    /// # Errors
    /// As [`Self::open`], and where the options do not fit the model.
    pub fn open_with(folder: impl AsRef<Path>, options: &ModelOptions) -> Result<Self> {
        let path = folder.as_ref();
        #[cfg(feature = "onnx")]
        if let Some(file) = onnx::file_in(path) {
            return onnx::open(&file, options, |file| OnnxModel::open(file));
        }
        Self::open_folder(path)?.with(options)
    }

    /// As [`Self::open_with`], with the files of weights mapped into memory as by [`Self::mmap_weights`].
    ///
    /// # Safety
    /// As [`Self::mmap_weights`]; for an ONNX file from now on.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub unsafe fn open_mmap(folder: impl AsRef<Path>, options: &ModelOptions) -> Result<Self> {
        let path = folder.as_ref();
        #[cfg(feature = "onnx")]
        if let Some(file) = onnx::file_in(path) {
            // SAFETY: the caller promises that the files do not change.
            let open = |file: &Path| unsafe { OnnxModel::open_mmap(file) };
            return onnx::open(&file, options, open);
        }
        let folder = Self::open_folder(path)?.with(options)?;
        // SAFETY: the caller promises that the files do not change.
        Ok(unsafe { folder.mmap_weights() })
    }

    fn open_folder(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            let found = if path.exists() {
                "this is a file"
            } else {
                "there is no such folder"
            };
            let place = match env::current_dir() {
                Ok(current) if path.is_relative() => format!(" in {}", current.display()),
                _ => String::new(),
            };
            return Err(Error::file(path, format!("{found}{place}; {EXPECTED}")));
        }
        let config_path = path.join(CONFIG);
        if !config_path.is_file() {
            return Err(Error::file(
                path,
                format!("{CONFIG} is missing; {EXPECTED}"),
            ));
        }
        let weights = WEIGHTS_FILES.map(|name| path.join(name));
        let Some(weights) = weights.into_iter().find(|path| path.is_file()) else {
            let others = WEIGHTS_FILES.get(1..).unwrap_or_default().join(", ");
            let reason = format!("{WEIGHTS} is missing, and so are {others}; {EXPECTED}");
            return Err(Error::file(path, reason));
        };
        let config = config::read(&config_path)?;
        let name = name_of(path);
        Self::from_config(name, path.to_owned(), &config, Storage::File(weights))
    }
}

/// The names that weights may have in a model folder, of which the first that is there counts: those of older models
/// are of PyTorch's checkpoints. Names that end in `.index.json` are of indexes of several files.
pub const WEIGHTS_FILES: [&str; 6] = [
    WEIGHTS,
    WEIGHTS_INDEX,
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "pytorch_model.pth",
    "model.pth",
];
