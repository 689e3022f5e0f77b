//! `shadernet explain`.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use shadernet::device::Device;
use shadernet::explain::{ExplainMethod, ExplainOptions, Explainer, Explanation};
use shadernet::model_folder::ModelFolder;
use shadernet::vision::{EncodedImage, Interpolation, Panel, RgbImage, figure, panel_size, resize};
use shadernet::zoo::Task;
use shadernet::{Error, Result};

use super::decode_ahead::{Decoded, decode_ahead};
use super::explain_results::{ClassExplanation, ImageExplanation};
use super::image_paths::ImagePaths;
use super::output_files::{OutputFiles, check_outputs};
use super::preprocessing_args::PreprocessingArgs;
use super::report::Report;
use super::result_format::{Format, FormatArgs, results_file};
use super::value_parsers::{ImageSize, count, non_negative};
use super::{DeviceArgs, Failure, SessionArgs, layer_list, loading_failure, open_model, progress};

/// Explain classifications: show which regions of an image support a class
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet explain photo.jpg -o heat.png
  shadernet explain photo.jpg --class 'tabby cat' --class 285 -o both.png
  shadernet explain photo.jpg --top 3 --method grad-cam++ --layer blocks.5.0.conv_pw -o heat.png
  shadernet explain --layer '?'
  shadernet explain --json --method occlusion holiday/ -o heat/

grad-cam, grad-cam++ and guided-grad-cam use the gradient at a layer. saliency, smooth-grad and \
integrated-gradients use the gradient at the pixels. occlusion uses none: it hides regions of the \
image and measures how the score changes. A peak is a column and row in pixels of the image. Maps \
of methods that work on pixels are drawn up to their 99th percentile. An image that cannot be read \
is reported and skipped; the exit code is then 1.")]
pub struct Explain {
    /// Images, folders of images, or - for standard input: an image, or a list of files
    #[arg(value_name = "IMAGE", required_unless_present = "layer")]
    images: Vec<PathBuf>,

    /// Search the folders in folders, too
    #[arg(short, long)]
    recursive: bool,

    /// Model folder, ONNX file, or the name of a model of `shadernet models` [default: efficientnet_lite0]
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,

    /// Height and width of the network's input: 320 or 240x320 [default: the model's]
    #[arg(long, value_name = "SIZE")]
    size: Option<ImageSize>,

    #[command(flatten)]
    preprocessing: PreprocessingArgs,

    /// Explain this class: its label, a part of it that is unique, or its index; can be repeated
    /// [default: the most probable]
    #[arg(long = "class", value_name = "NAME|INDEX", conflicts_with = "top")]
    classes: Vec<String>,

    /// Explain the K most probable classes of each image
    #[arg(long, default_value = "1", value_name = "K", value_parser = count)]
    top: NonZeroUsize,

    /// Explanation method
    #[arg(long, value_name = "METHOD", default_value = "grad-cam", value_parser = method())]
    method: ExplainMethod,

    /// The layer to explain, or ? for a list of layers [default: the last convolutional layer]
    #[arg(long, value_name = "NAME|?")]
    layer: Option<String>,

    /// Number of noisy copies that smooth-grad averages [default: 24]
    #[arg(long, value_name = "N", value_parser = count)]
    samples: Option<NonZeroUsize>,

    /// Standard deviation of smooth-grad's noise, relative to the input's range [default: 0.15]
    #[arg(long, value_name = "SHARE", value_parser = non_negative, allow_negative_numbers = true)]
    noise: Option<f32>,

    /// Number of steps of integrated-gradients [default: as many as needed to add up]
    #[arg(long, value_name = "N", value_parser = count)]
    steps: Option<NonZeroUsize>,

    /// Side length of occlusion's square, in pixels of the network's input [default: 32]
    #[arg(long, value_name = "PIXELS", value_parser = count)]
    window: Option<NonZeroUsize>,

    /// Distance between occlusion's squares, in pixels [default: 16]
    #[arg(long, value_name = "PIXELS", value_parser = count)]
    stride: Option<NonZeroUsize>,

    /// Draw the heat map over the image, one panel per class, into a file (.png, .jpg) or, for
    /// several images, a folder
    #[arg(short, long, value_name = "OUT.png|DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: FormatArgs,

    /// Write the results into FILE rather than to standard output
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

fn method() -> impl TypedValueParser<Value = ExplainMethod> {
    PossibleValuesParser::new(ExplainMethod::ALL.map(ExplainMethod::name))
        .try_map(|name| name.parse::<ExplainMethod>())
}

/// Opacity of the heat map at its peak.
const OPACITY: f32 = 0.75;

/// The longest side of a JPEG file.
const MAX_DRAWN_SIDE: u32 = 65_535;

/// Maps of methods that work on pixels are drawn up to this quantile. A few pixels are so hot that the others
/// would not be visible. As in Smilkov et al. (2017).
const MAX_QUANTILE: f64 = 0.99;

impl Explain {
    pub fn execute(&self) -> Result<(), Failure> {
        let method = self.method()?;
        let open = || open_model(self.model.as_deref(), &self.preprocessing, self.size);
        if self.layer.as_deref() == Some(layer_list::LIST) {
            return self.list(&open()?);
        }
        if self.images.is_empty() {
            return Err(Failure::Usage(
                "expected an image; only --layer '?' works without one (see --help)".into(),
            ));
        }
        let images = ImagePaths::new(&self.images, self.recursive)?;
        let results = results_file(self.results.as_ref());
        check_outputs(
            [("--results", results)],
            self.images.iter().map(PathBuf::as_path),
        )?;
        let folder = open()?;
        let classes = self.classes.iter().map(|class| folder.labels.find(class));
        let mut options = ExplainOptions::new(method)
            .classes(classes.collect::<Result<Vec<_>>>()?)
            .top(self.top.get());
        options.layer = self.layer.clone();
        let device = self.device.open()?;
        let session = self.session.options(&device);
        let mut explainer = Explainer::new(&device, &folder, &session)
            .map_err(|error| loading_failure(error, &folder, Task::Classification))?;
        explainer.check(&options)?;
        // Last, because it creates a folder.
        let output = self.output.as_deref();
        let drawings = OutputFiles::optional("--output", output, images.is_single)?;
        if let Some(drawings) = &drawings {
            drawings.check()?;
            drawings.check_inputs(&self.images)?;
        }
        // With more images, the bar counts images.
        if images.count == Some(1) {
            explainer.on_progress(progress::passes());
        }
        let mut running = Running {
            explainer,
            options,
            drawings,
            report: Report::new::<ImageExplanation>(
                self.format.format(results),
                results,
                images.count,
            )?,
            has_warned: false,
        };
        let ahead = rayon::current_num_threads();
        let decode = |image: &EncodedImage| image.decode();
        let result = decode_ahead(images.sources, ahead, decode, |images| running.run(images));
        running.report.finish(result, &device)
    }

    /// The method with its settings.
    fn method(&self) -> Result<ExplainMethod, Failure> {
        let chosen = self.method.name();
        let settings = [
            ("--samples", self.samples.is_some(), "smooth-grad"),
            ("--noise", self.noise.is_some(), "smooth-grad"),
            ("--steps", self.steps.is_some(), "integrated-gradients"),
            ("--window", self.window.is_some(), "occlusion"),
            ("--stride", self.stride.is_some(), "occlusion"),
        ];
        let unused = |option: &str, method: &str| {
            Failure::Usage(format!(
                "{option} is for --method {method}; {chosen} does not use it"
            ))
        };
        for (option, is_given, method) in settings {
            if is_given && method != chosen {
                return Err(unused(option, method));
            }
        }
        let lists_layers = self.layer.as_deref() == Some(layer_list::LIST);
        if self.layer.is_some() && !lists_layers && !self.method.takes_layer() {
            return Err(unused(
                "--layer",
                "grad-cam, grad-cam++ and guided-grad-cam",
            ));
        }
        let value_or =
            |option: Option<NonZeroUsize>, default| option.map_or(default, NonZeroUsize::get);
        Ok(match self.method {
            ExplainMethod::SmoothGrad { samples, noise } => ExplainMethod::SmoothGrad {
                samples: value_or(self.samples, samples),
                noise: self.noise.unwrap_or(noise),
            },
            ExplainMethod::IntegratedGradients { .. } => ExplainMethod::IntegratedGradients {
                steps: self.steps.map(NonZeroUsize::get),
            },
            ExplainMethod::Occlusion { window, stride } => ExplainMethod::Occlusion {
                window: value_or(self.window, window),
                stride: value_or(self.stride, stride),
            },
            method => method,
        })
    }

    /// Lists the layers. The network is not run, so no GPU is needed.
    fn list(&self, folder: &ModelFolder) -> Result<(), Failure> {
        let explainer = Explainer::new(&Device::cpu(), folder, &Default::default())
            .map_err(|error| loading_failure(error, folder, Task::Classification))?;
        let default = explainer.default_layer()?.to_owned();
        layer_list::print(
            &explainer.layers()?,
            &[default],
            "default",
            self.format.format(None) == Format::Json,
        )?;
        Ok(())
    }
}

struct Running {
    explainer: Explainer,
    options: ExplainOptions,
    drawings: Option<OutputFiles>,
    report: Report,
    /// Whether the session's warning was printed. There is none before the first run.
    has_warned: bool,
}

impl Running {
    /// The image as it is drawn: smaller where a figure of all classes would be too large.
    fn shown<'a>(&self, path: &Path, image: &'a RgbImage) -> Result<Cow<'a, RgbImage>> {
        let panels = match self.options.classes.len() {
            0 => self.options.top.min(self.explainer.labels().len()),
            classes => classes,
        };
        let (width, height) = image.dimensions();
        let size = panel_size(panels, width, height, MAX_DRAWN_SIDE)
            .map_err(|error| Error::file(path, error.to_string()))?;
        Ok(match size == [height, width] {
            true => Cow::Borrowed(image),
            false => {
                let [height, width] = size;
                Cow::Owned(resize(image, width, height, Interpolation::Bilinear)?)
            }
        })
    }

    fn run(&mut self, images: Decoded<RgbImage>) -> Result<(), Failure> {
        for (id, image) in images {
            match image.and_then(|image| self.explain(&id.path(), &image)) {
                Ok(explanation) => {
                    self.report.success(&id, &explanation)?;
                    explanation.warn(&id.path(), &self.report);
                }
                Err(error) => self.report.failure(&id, &error)?,
            }
        }
        Ok(())
    }

    fn explain(&mut self, path: &Path, image: &RgbImage) -> Result<ImageExplanation> {
        // Before the work, which may take long.
        let shown = match &self.drawings {
            Some(_) => self.shown(path, image)?,
            None => Cow::Borrowed(image),
        };
        let found = self.explainer.explain(image, &self.options)?;
        if let (false, Some(warning)) = (self.has_warned, self.explainer.warning()) {
            self.report.note(warning);
            self.has_warned = true;
        }
        let drawn = match &mut self.drawings {
            Some(drawings) => {
                let panels = (found.iter())
                    .map(|one| panel(&self.explainer, self.options.method, &shown, one))
                    .collect::<Result<Vec<Panel>>>()?;
                let path = drawings.write_image(path, &figure(&panels)?)?;
                Some(path.display().to_string())
            }
            None => None,
        };
        let size = image.dimensions();
        let layer = found.first().and_then(|one| one.layer.clone());
        let preprocessing = self.explainer.preprocessing();
        Ok(ImageExplanation {
            size: size.into(),
            method: self.options.method.name(),
            layer,
            seen: preprocessing.seen(size.0, size.1),
            predictions: (found.into_iter())
                .map(|one| ClassExplanation::new(one, &self.explainer, size))
                .collect(),
            drawn,
        })
    }
}

fn panel(
    explainer: &Explainer,
    method: ExplainMethod,
    image: &RgbImage,
    found: &Explanation,
) -> Result<Panel> {
    let (width, height) = image.dimensions();
    let works_on_pixels = !matches!(
        method,
        ExplainMethod::GradCam | ExplainMethod::GradCamPlusPlus | ExplainMethod::Occlusion { .. }
    );
    let heat = match works_on_pixels {
        true => &found.heat.capped(MAX_QUANTILE),
        false => &found.heat,
    };
    let heat = heat.on_image(explainer.preprocessing(), width, height)?;
    let (label, percent) = (&found.label, 100.0 * found.probability);
    let mut title = format!("{label} {percent:.1} %, {method}");
    if let Some(layer) = &found.layer {
        title += &format!(" at {layer}");
    }
    if works_on_pixels {
        title += ", up to its 99th percentile";
    }
    Panel::heat(title, image, &heat, OPACITY)
}
