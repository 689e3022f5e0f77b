//! `shadernet convert`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use shadernet::model_folder::{FoundModel, ModelOptions, convert_darknet};
use shadernet::vision::CropMode;
use shadernet::weights::{Dtype, SavedWeights};
use shadernet::{Error, printable};

use super::convert_onnx::{WeightsArg, refuse_options, to_folder, to_onnx};
use super::mapped_weights::{open_found, open_weights};
use super::output_files::check_outputs;
use super::resolve_model::model_called;
use super::{Failure, output};

/// Convert Darknet files to a model folder, models to ONNX and back, or weights to float16 or float32
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet convert tiny.cfg tiny.weights --names coco.names -o tiny/ --half
  shadernet convert model.safetensors -o half.safetensors --half
  shadernet convert checkpoint.pth -o model.safetensors
  shadernet convert timm/resnet18.a1_in1k -o resnet18_half/ --half
  shadernet convert timm/resnet18.a1_in1k -o resnet18.onnx
  shadernet convert resnet50 --weights resnet50.pth -o resnet50.onnx
  shadernet convert model.onnx -o folder/

An ONNX file has the network with its weights, in opset 17, and in its metadata what config.json says \
of preprocessing and classes. A folder made of an ONNX file holds the file, and config.json.

With --half, the weights of convolutions and fully connected layers are stored as float16. Biases \
and batch norms, about 1 % of the parameters, stay float32, and whole numbers stay as they are. \
Several safetensors files with an index become one. If the conversion fails, nothing is written.")]
pub struct Convert {
    /// Darknet's .cfg and .weights, or one safetensors file, PyTorch checkpoint (.pth, .bin) or .index.json, an ONNX
    /// file, or a model
    #[arg(required = true, num_args = 1..=2, value_name = "FILE|MODEL")]
    files: Vec<PathBuf>,

    /// The folder (for Darknet files, ONNX files and models), safetensors file or, for models, .onnx file to write
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,

    /// Weights of an architecture that is written as ONNX, a safetensors file, PyTorch checkpoint (.pth, .bin) or
    /// .index.json; `shadernet models` lists architectures
    #[arg(long, value_name = "FILE", conflicts_with = "generate_weights")]
    weights: Option<PathBuf>,

    /// Generate weights for an architecture that is written as ONNX, to test or time it
    #[arg(long)]
    generate_weights: bool,

    /// File with the class names, one per line; only for Darknet files
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,

    /// How pictures are fitted to the network: letterbox keeps their aspect ratio and pads them, stretch does not;
    /// only for Darknet files [default: letter_box= of the .cfg; without it a detector letterboxes, and a
    /// classifier crops the center]
    #[arg(long, value_name = "MODE")]
    resize: Option<Resize>,

    /// Store float16 rather than float32
    #[arg(long)]
    half: bool,

    /// Print one JSON object about what was written
    #[arg(long)]
    json: bool,
}

/// How pictures are fitted to the network.
#[derive(Clone, Copy, ValueEnum)]
enum Resize {
    Letterbox,
    Stretch,
}

impl From<Resize> for CropMode {
    fn from(resize: Resize) -> Self {
        match resize {
            Resize::Letterbox => Self::Letterbox,
            Resize::Stretch => Self::Squash,
        }
    }
}

impl Convert {
    pub fn execute(&self) -> Result<(), Failure> {
        let matrices = match self.half {
            true => Dtype::F16,
            false => Dtype::F32,
        };
        let ends_in = |path: &Path, ending: &str| {
            path.extension()
                .is_some_and(|e| e.eq_ignore_ascii_case(ending))
        };
        let is_to_onnx = ends_in(&self.output, "onnx");
        if !is_to_onnx && (self.weights.is_some() || self.generate_weights) {
            return Err(usage(
                "--weights and --generate-weights are for an architecture that is written as ONNX (--output FILE.onnx)",
            ));
        }
        match self.files.as_slice() {
            [file] if ends_in(file, "cfg") || ends_in(file, "weights") => {
                Err(usage("expected both a .cfg and a .weights file"))
            }
            [_] if self.names.is_some() => Err(usage("--names is only for Darknet files")),
            [_] if self.resize.is_some() => Err(usage("--resize is only for Darknet files")),
            [file] if ends_in(file, "onnx") && !file.is_dir() => {
                refuse_options(file, is_to_onnx, self.half)?;
                to_folder(file, &self.output, self.json)
            }
            [name] if is_to_onnx => {
                let weights = self.weights.as_deref().map(WeightsArg::File);
                let weights = weights.or(self.generate_weights.then_some(WeightsArg::Generated));
                to_onnx(name, weights, &self.output, matrices, self.json)
            }
            [_, _] if is_to_onnx => Err(usage(
                "Darknet files become a folder first, which then becomes an ONNX file; name a folder",
            )),
            [name] if name.is_dir() || !name.exists() => {
                match model_called(&name.to_string_lossy())? {
                    Some(model) => self.model(&model, matrices),
                    None => {
                        let reason = "there is no such file, nor a model of that name; `shadernet models` lists the models";
                        Err(Error::file(name, reason).into())
                    }
                }
            }
            [file] => self.safetensors(file, matrices),
            [weights, cfg] if ends_in(weights, "weights") || ends_in(cfg, "cfg") => {
                Err(usage("expected the .cfg first and the .weights second"))
            }
            [cfg, weights] => self.darknet(cfg, weights, matrices),
            // clap has checked the number of files.
            _ => Err(usage("expected one or two files")),
        }
    }

    fn safetensors(&self, file: &Path, matrices: Dtype) -> Result<(), Failure> {
        let weights = open_weights(file)?;
        check_outputs([("--output", Some(self.output.as_path()))], [file])?;
        let saved = weights.save(&self.output, matrices)?;
        self.print(saved, matrices)
    }

    /// Converts the weights of a model into another folder.
    fn model(&self, model: &FoundModel, matrices: Dtype) -> Result<(), Failure> {
        if self
            .output
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            return Err(usage(
                "--output: a model becomes a folder; name one, or convert its safetensors file",
            ));
        }
        let saved = open_found(model, &ModelOptions::default())?.save(&self.output, matrices)?;
        self.print(saved, matrices)
    }

    fn print(&self, saved: SavedWeights, matrices: Dtype) -> Result<(), Failure> {
        let others = saved.tensors.saturating_sub(saved.matrices);
        if self.json {
            output::json_line(&json!({
                "output": self.output.display().to_string(),
                "dtype": matrices.safetensors(),
                "tensors": saved.tensors,
                "matrices": saved.matrices,
                "bytes": saved.bytes,
            }))?;
        } else {
            writeln!(
                output::stdout(),
                "{} tensors ({} matrices as {matrices}, {others} others), {}, written to {}",
                saved.tensors,
                saved.matrices,
                output::bytes(saved.bytes),
                printable::path(&self.output)
            )?;
        }
        Ok(())
    }

    fn darknet(&self, cfg: &Path, weights: &Path, matrices: Dtype) -> Result<(), Failure> {
        let names = self.names.as_deref();
        let crop_mode = self.resize.map(CropMode::from);
        let converted = convert_darknet(cfg, weights, names, crop_mode, &self.output, matrices)?;
        if self.json {
            output::json_line(&json!({
                "output": self.output.display().to_string(),
                "dtype": matrices.safetensors(),
                "architecture": converted.architecture,
                "num_classes": converted.num_classes,
                "parameters": converted.parameters,
                "crop_mode": converted.crop_mode.to_string(),
            }))?;
        } else {
            writeln!(
                output::stdout(),
                "{}, {} classes, {} parameters as {matrices}, written to {}",
                converted.architecture,
                converted.num_classes,
                converted.parameters,
                printable::path(&self.output)
            )?;
        }
        Ok(())
    }
}

fn usage(reason: &str) -> Failure {
    Failure::Usage(reason.to_owned())
}
