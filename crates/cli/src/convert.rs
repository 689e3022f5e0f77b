//! `shadernet convert`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use shadernet::model_folder::convert_darknet;
use shadernet::weights::Dtype;

use super::mapped_weights::open_weights;
use super::{Failure, output};

/// Make a model folder of Darknet's files, or a smaller safetensors file
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet convert tiny.cfg tiny.weights --names coco.names -o models/tiny --half
  shadernet convert model.safetensors -o half.safetensors --half

With --half, kernels and matrices are stored as float16; biases and batch norms, a hundredth of the \
numbers, stay float32. A folder is made whole or not at all.")]
pub struct Convert {
    /// Darknet's .cfg and .weights, or one safetensors file
    #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The model folder to be made, or the safetensors file to be written
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,

    /// The names of the classes, one a line; for Darknet's files
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,

    /// Store float16 rather than float32
    #[arg(long)]
    half: bool,

    /// One JSON object that says what was written
    #[arg(long)]
    json: bool,
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
        match self.files.as_slice() {
            [file] if ends_in(file, "cfg") || ends_in(file, "weights") => {
                Err(usage("Darknet's .cfg and .weights go together; name both"))
            }
            [_] if self.names.is_some() => Err(usage(
                "--names is for Darknet's files; a safetensors file has no classes",
            )),
            [file] => self.safetensors(file, matrices),
            [weights, cfg] if ends_in(weights, "weights") || ends_in(cfg, "cfg") => {
                Err(usage("the .cfg comes first, the .weights second"))
            }
            [cfg, weights] => self.darknet(cfg, weights, matrices),
            // clap counts them.
            _ => Err(usage("name one file or two")),
        }
    }

    fn safetensors(&self, file: &Path, matrices: Dtype) -> Result<(), Failure> {
        let weights = open_weights(file)?;
        weights.save(&self.output, matrices)?;
        let tensors = weights.names().len();
        if self.json {
            output::json_line(&json!({
                "output": self.output.display().to_string(),
                "dtype": matrices.safetensors(),
            }))?;
        } else {
            let output = self.output.display();
            writeln!(
                io::stdout(),
                "{tensors} tensors as {matrices}, written to {output}"
            )?;
        }
        Ok(())
    }

    fn darknet(&self, cfg: &Path, weights: &Path, matrices: Dtype) -> Result<(), Failure> {
        let names = self.names.as_deref();
        let converted = convert_darknet(cfg, weights, names, &self.output, matrices)?;
        if self.json {
            output::json_line(&json!({
                "output": self.output.display().to_string(),
                "dtype": matrices.safetensors(),
                "architecture": converted.architecture,
                "num_classes": converted.num_classes,
                "parameters": converted.parameters,
            }))?;
        } else {
            writeln!(
                io::stdout(),
                "{}, {} classes, {} parameters as {matrices}, written to {}",
                converted.architecture,
                converted.num_classes,
                converted.parameters,
                self.output.display()
            )?;
        }
        Ok(())
    }
}

fn usage(reason: &str) -> Failure {
    Failure::Usage(reason.to_owned())
}
