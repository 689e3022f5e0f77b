//! Files of vectors, one for each image.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use shadernet::output_file::OutputFile;
use shadernet::tensor::Tensor;
use shadernet::weights::{Dtype, Weights};
use shadernet::{Error, Result, printable};

use super::Failure;
use super::output_files::check_outputs;

/// Vectors in the order of their images.
pub struct Vectors {
    pub dimensions: usize,
    /// `dimensions` numbers for each image.
    pub data: Vec<f32>,
    pub about: About,
}

/// What a file says of its vectors.
#[derive(Serialize)]
pub struct About {
    /// The model's folder or file.
    pub model: String,
    pub layer: String,
    /// Whether each vector was divided by its length.
    pub l2: bool,
    /// The files of the images, one for each row.
    pub images: Vec<String>,
}

/// Where vectors are written, and how.
pub struct VectorFile {
    path: PathBuf,
    format: Format,
}

enum Format {
    /// The tensor `vectors`, and the rest as metadata.
    Safetensors,
    /// The matrix alone, with a file of the rest beside it.
    Npy { about: PathBuf },
    /// A row for each image: its file, then its vector.
    Csv,
}

/// Readers of safetensors refuse a header of more than 100 MB; this leaves room for the rest of it.
const MAX_NAMES_BYTES: usize = 99_000_000;

impl VectorFile {
    /// The file at `path`, whose name ends as that of one of the formats.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let format = match extension.to_lowercase().as_str() {
            "safetensors" => Format::Safetensors,
            "npy" => Format::Npy {
                about: path.with_extension("json"),
            },
            "csv" => Format::Csv,
            _ => {
                return Err(Failure::Usage(format!(
                    "--output {}: expected a .safetensors, .npy or .csv file",
                    printable::path(path)
                )));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            format,
        })
    }

    /// Checks before the work that the files can be written, and that none of them is one of `inputs`.
    pub fn check<'a>(&'a self, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
        let about = match &self.format {
            Format::Npy { about } => Some(about.as_path()),
            _ => None,
        };
        check_outputs(
            [
                ("--output", Some(self.path.as_path())),
                ("the images' names", about),
            ],
            inputs,
        )
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&self, vectors: Vectors) -> Result<()> {
        match &self.format {
            Format::Safetensors => self.write_safetensors(vectors),
            Format::Npy { about } => {
                let matrix = written(&self.path, |out| write_npy(out, &vectors))?;
                let about = written(about, |out| {
                    serde_json::to_writer(&mut *out, &vectors.about)?;
                    out.write_all(b"\n")
                })?;
                matrix.finish()?;
                about.finish()
            }
            Format::Csv => written(&self.path, |out| write_csv(out, &vectors))?.finish(),
        }
    }

    fn write_safetensors(&self, vectors: Vectors) -> Result<()> {
        let About {
            model,
            layer,
            l2,
            images,
        } = vectors.about;
        let shape = [images.len(), vectors.dimensions];
        let names = serde_json::json!(images).to_string();
        if names.len() > MAX_NAMES_BYTES {
            let reason = format!(
                "the names of {} images are larger than the header of this format may be; choose .npy or .csv",
                images.len()
            );
            return Err(Error::file(&self.path, reason));
        }
        let tensor = Tensor::new(shape, vectors.data)?;
        Weights::from_tensors("vectors", [("vectors".to_owned(), tensor)])
            .with_metadata("images", names)
            .with_metadata("model", model)
            .with_metadata("layer", layer)
            .with_metadata("l2", l2.to_string())
            .save(&self.path, Dtype::F32)?;
        Ok(())
    }
}

/// A file at `path` with the output of `write`, which is in place once it is finished.
fn written(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<OutputFile>) -> io::Result<()>,
) -> Result<OutputFile> {
    let mut out = BufWriter::with_capacity(1 << 20, OutputFile::create(path)?);
    write(&mut out).map_err(Error::write(path))?;
    out.into_inner()
        .map_err(|error| Error::write(path)(error.into_error()))
}

/// Writes a matrix in version 1.0 of NumPy's format: magic, version, length of the header, header, elements.
/// <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>
fn write_npy(out: &mut impl Write, vectors: &Vectors) -> io::Result<()> {
    const PREFIX: &[u8] = b"\x93NUMPY\x01\x00";
    let shape = format!("({}, {})", vectors.about.images.len(), vectors.dimensions);
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    // Elements begin at a multiple of 64 bytes, after a line end.
    let len = (PREFIX.len() + 2 + header.len() + 1).next_multiple_of(64) - PREFIX.len() - 2;
    header += &" ".repeat(len - 1 - header.len());
    header.push('\n');
    out.write_all(PREFIX)?;
    // The shape has two numbers, so that the length is 118.
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for value in &vectors.data {
        out.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}

fn write_csv(out: &mut impl Write, vectors: &Vectors) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let columns = (0..vectors.dimensions).map(|i| format!("v{i}"));
    writer.write_record(std::iter::once("image".to_owned()).chain(columns))?;
    let rows = vectors.data.chunks(vectors.dimensions.max(1));
    for (image, vector) in vectors.about.images.iter().zip(rows) {
        let values = vector.iter().map(f32::to_string);
        writer.write_record(std::iter::once(image.clone()).chain(values))?;
    }
    writer.flush()
}
