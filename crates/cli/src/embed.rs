//! `shadernet embed`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use shadernet::model_folder::ModelFolder;
use shadernet::tasks::Embedder;
use shadernet::tensor::Tensor;
use shadernet::vision::EncodedImage;
use shadernet::zoo::Task;
use shadernet::{Result, printable};

use super::batches::{Predict, ahead, batch_size, run_batches_in_flight};
use super::decode_ahead::decode_ahead;
use super::image_paths::ImagePaths;
use super::preprocessing_args::PreprocessingArgs;
use super::report::{ImageResult, Report};
use super::result_format::Format;
use super::value_parsers::{ImageSize, count};
use super::vector_file::{About, VectorFile, Vectors};
use super::{DeviceArgs, Failure, SessionArgs, layer_list, open_model, output};

/// Make vectors of images, to search and cluster them
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet embed photo.jpg --json | jq '.vector'
  shadernet embed --recursive --l2 holiday/ -o vectors.safetensors
  shadernet embed --batch 16 holiday/ -o vectors.npy
  shadernet embed --layer '?'

A vector is the features that the classifier reads, or the output of --layer; maps are averaged over \
their pixels. Rows are in the order of the images. An image that cannot be read is reported and has no \
row; the exit code is then 1.

The files: .safetensors has a tensor `vectors` [images, values] and, as metadata, `images` (a JSON list), \
`model`, `layer` and `l2`; .npy has the matrix, and a .json file beside it the rest; .csv has the columns \
image, v0, v1, …")]
pub struct Embed {
    /// Images, folders of images, or - for standard input: an image, or a list of files
    #[arg(required_unless_present = "layer", value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Search the folders in folders, too
    #[arg(short, long)]
    recursive: bool,

    /// Model folder, ONNX file, or the name of a model of `shadernet models` [default: efficientnet_lite0]
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,

    /// The layer whose output is taken, or ? for a list of layers [default: what the classifier reads]
    #[arg(long, value_name = "NAME|?")]
    layer: Option<String>,

    /// Divide each vector by its length (L2 norm): products of vectors are then cosines
    #[arg(long)]
    l2: bool,

    /// Write the vectors into a file
    #[arg(short, long, value_name = "OUT.safetensors|.npy|.csv")]
    output: Option<PathBuf>,

    /// Height and width of the network's input: 320 or 240x320 [default: the model's]
    #[arg(long, value_name = "SIZE")]
    size: Option<ImageSize>,

    #[command(flatten)]
    preprocessing: PreprocessingArgs,

    /// Images per pass
    #[arg(long, default_value = "1", value_name = "N", value_parser = count)]
    batch: NonZeroUsize,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object per image, one per line: its vector, or with --output its row there
    #[arg(long)]
    json: bool,
}

impl Embed {
    pub fn execute(&self) -> Result<(), Failure> {
        let open = || open_model(self.model.as_deref(), &self.preprocessing, self.size);
        if self.layer.as_deref() == Some(layer_list::LIST) {
            return self.list(&open()?);
        }
        if self.images.is_empty() {
            return Err(Failure::Usage(
                "expected images; only --layer '?' works without them (see --help)".into(),
            ));
        }
        let images = ImagePaths::new(&self.images, self.recursive)?;
        let file = self.output.as_deref().map(VectorFile::new).transpose()?;
        if let Some(file) = &file {
            // A folder of images is not read for files of these kinds.
            let images = self.images.iter().filter(|image| !image.is_dir());
            let inputs = images.chain(&self.preprocessing.labels).chain(&self.model);
            file.check(inputs.map(PathBuf::as_path))?;
        }
        let folder = open()?;
        let device = self.device.open()?;
        let options = self.session.options(&device);
        let mut embedder = match &self.layer {
            Some(layer) => Embedder::from_layer(&device, &folder, layer, &options)?,
            None => Embedder::new(&device, &folder, &options)
                .map_err(|error| without_features(error, &folder))?,
        };
        if self.l2 {
            embedder = embedder.normalized();
        }
        output::warn(embedder.warning());
        let batch = batch_size(self.batch.get(), images.count);
        embedder.prepare(batch)?;

        let preprocessing = embedder.preprocessing().clone();
        let dimensions = embedder.dimensions();
        let decode = move |image: &EncodedImage| preprocessing.apply(&image.decode()?);
        let mut vectors = Vectors {
            dimensions,
            data: Vec::new(),
            about: About {
                model: folder.path.display().to_string(),
                layer: embedder.layer().to_owned(),
                l2: self.l2,
                images: Vec::new(),
            },
        };
        let format = match self.json {
            true => Format::Json,
            false => Format::Text,
        };
        let mut report = Report::new::<Embedding>(format, None, images.count)?;
        let finish = |path: &Path, _, vector: Vec<f32>| {
            if file.is_none() {
                return Ok(Embedding::new(None, vector));
            }
            let row = vectors.about.images.len();
            vectors.about.images.push(path.display().to_string());
            vectors.data.extend(&vector);
            Ok(Embedding::new(Some(row), vector))
        };
        let result = decode_ahead(images.sources, ahead(batch), decode, |images| {
            run_batches_in_flight(images, batch, &mut report, Batches(embedder), finish)
        });
        let rows = vectors.about.images.len();
        // An older file is not replaced by one without vectors, nor by a part of them.
        if let (Some(file), 1.., Ok(())) = (&file, rows, &result) {
            file.write(vectors)?;
            let path = printable::path(file.path());
            report.note(format_args!(
                "{path}: {rows} vectors of {dimensions} values"
            ));
        }
        report.finish(result, &device)
    }

    /// Lists the layers. The network is not run, so no GPU is needed.
    fn list(&self, folder: &ModelFolder) -> Result<(), Failure> {
        let default: Vec<String> = Embedder::default_layer(folder).into_iter().collect();
        layer_list::print(&Embedder::layers(folder)?, &default, "default", self.json)?;
        Ok(())
    }
}

/// Makes the vectors of one batch at a time.
struct Batches(Embedder);

impl Predict<Tensor> for Batches {
    type Pass = ();
    type Output = Vec<f32>;

    fn start(&mut self, _: &[Tensor]) -> Result<()> {
        Ok(())
    }

    fn wait(&mut self, (): (), images: &[Tensor]) -> Result<Vec<Vec<f32>>> {
        let batch = Tensor::stack(images)?;
        let rows = self.0.embed_batch(batch)?.into_data();
        let rows = rows.chunks(self.0.dimensions());
        Ok(rows.map(<[f32]>::to_vec).collect())
    }

    fn in_flight(&self) -> usize {
        1
    }
}

/// The failure for a network whose features were not found.
fn without_features(error: shadernet::Error, folder: &ModelFolder) -> Failure {
    match folder.graph() {
        Ok((_, task)) if task != Task::Classification => Failure::Advised(format!(
            "{}, with --layer; --layer '?' lists them",
            error.report()
        )),
        _ => Failure::Error(error),
    }
}

/// The vector of an image.
#[derive(Serialize)]
struct Embedding {
    /// Its row in the file. The vector is in the file then.
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<usize>,
    dimensions: usize,
    norm: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<Vec<f32>>,
}

/// The numbers of a vector that are printed as text.
const SHOWN: usize = 6;

impl Embedding {
    fn new(row: Option<usize>, vector: Vec<f32>) -> Self {
        let squares = vector.iter().map(|&value| f64::from(value).powi(2));
        Self {
            row,
            dimensions: vector.len(),
            norm: squares.sum::<f64>().sqrt(),
            vector: row.is_none().then_some(vector),
        }
    }
}

impl ImageResult for Embedding {
    const COLUMNS: &'static [&'static str] = &[];

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let (dimensions, norm) = (self.dimensions, self.norm);
        match (&self.vector, self.row) {
            (Some(vector), _) => {
                let first = vector.iter().take(SHOWN).map(|value| format!("{value:.4}"));
                let mut first: Vec<String> = first.collect();
                if dimensions > SHOWN {
                    first.push("…".to_owned());
                }
                let first = first.join(" ");
                writeln!(out, "  {dimensions} values, norm {norm:.4}: {first}")
            }
            (None, Some(row)) => {
                writeln!(out, "  row {row}: {dimensions} values, norm {norm:.4}")
            }
            (None, None) => Ok(()),
        }
    }

    /// Files of vectors are written by [`VectorFile`].
    fn rows(&self) -> Vec<Vec<String>> {
        Vec::new()
    }
}
