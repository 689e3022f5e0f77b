//! `shadernet explain`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use shadernet::Result;
use shadernet::device::Device;
use shadernet::explain::{ExplainMethod, ExplainOptions, Explainer, Explanation};
use shadernet::model_folder::ModelFolder;
use shadernet::vision::{Panel, RgbImage, decode, figure};

use super::decode_ahead::{Prepared, ahead_of};
use super::heat_overlay::{Evidence, Explained};
use super::image_paths::sources;
use super::output_files::OutputFiles;
use super::report::Report;
use super::{DeviceArgs, Failure, SessionArgs, layers, open_model, progress};

/// Show where in pictures the evidence for a class lies
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet explain photo.jpg -o heat.png
  shadernet explain photo.jpg --class 'tabby cat' --class 285 -o both.png
  shadernet explain photo.jpg --top 3 --method grad-cam++ --layer blocks.4 -o heat.png
  shadernet explain --layer '?'
  shadernet explain --json --method occlusion holiday/ -o heat/

grad-cam, grad-cam++ and guided-grad-cam ask a layer's gradient, saliency, smooth-grad and
integrated-gradients that of the pixels, occlusion none: it hides places and looks what becomes of
the score. Peaks are column and row in pixels of the picture; of methods by pixels, the hottest
hundredth is drawn in one colour. A picture that cannot be read is
reported, the rest go on, and the exit code is 1 at the end.")]
pub struct Explain {
    /// Pictures, folders of pictures, or - for a list of files on standard input
    #[arg(value_name = "IMAGE", required_unless_present = "layer")]
    images: Vec<PathBuf>,

    /// Model folder, or the name of one that `shadernet models` lists [default: efficientnet_lite0]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// Explain this class: its label, a part that no other has, or its index; may be given several
    /// times [default: the likeliest]
    #[arg(long = "class", value_name = "NAME|INDEX", conflicts_with = "top")]
    classes: Vec<String>,

    /// Explain each picture's K likeliest classes
    #[arg(long, default_value = "1", value_name = "K")]
    top: NonZeroUsize,

    /// How evidence is found
    #[arg(long, value_name = "METHOD", default_value = "grad-cam", value_parser = method())]
    method: ExplainMethod,

    /// The layer whose map is made, or ? for a list of them [default: the last convolution's]
    #[arg(long, value_name = "NAME|?")]
    layer: Option<String>,

    /// Noisy copies that smooth-grad takes the mean of [default: 24]
    #[arg(long, value_name = "N")]
    samples: Option<NonZeroUsize>,

    /// Their noise's deviation, as a share of the range of the input's values [default: 0.15]
    #[arg(long, value_name = "SHARE", value_parser = noise, allow_negative_numbers = true)]
    noise: Option<f32>,

    /// Points that integrated-gradients goes through [default: as many as it takes to add up]
    #[arg(long, value_name = "N")]
    steps: Option<NonZeroUsize>,

    /// The side of occlusion's square, in pixels of the network's input [default: 32]
    #[arg(long, value_name = "PIXELS")]
    window: Option<NonZeroUsize>,

    /// From one such square to the next [default: 16]
    #[arg(long, value_name = "PIXELS")]
    stride: Option<NonZeroUsize>,

    /// Lay the heat over the picture, a panel for each class, into a file (.png, .jpg) or, for
    /// several pictures, into a folder
    #[arg(short, long, value_name = "OUT.png|DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object a line, as each picture is done
    #[arg(long)]
    json: bool,
}

fn method() -> impl TypedValueParser<Value = ExplainMethod> {
    PossibleValuesParser::new(ExplainMethod::ALL.map(ExplainMethod::name))
        .try_map(|name| name.parse::<ExplainMethod>())
}

fn noise(text: &str) -> Result<f32, String> {
    let number = text.parse().ok();
    number
        .filter(|number: &f32| *number >= 0.0 && number.is_finite())
        .ok_or_else(|| "expected a number from 0 on".to_owned())
}

/// How much of the picture the hottest place hides.
const OPACITY: f32 = 0.75;

/// Of methods by pixels, the share of pixels below those that all get the hottest colour: a few are so hot
/// that nothing would be seen of the others (Smilkov et al. 2017 draw them so).
const SHOWN: f64 = 0.99;

impl Explain {
    pub fn execute(&self) -> Result<(), Failure> {
        let method = self.method()?;
        let open = || open_model(self.model.as_deref());
        if self.layer.as_deref() == Some(layers::ASK) {
            return self.list(&open()?);
        }
        if self.images.is_empty() {
            return Err(Failure::Usage(
                "a picture was expected; only --layer '?' goes without one (see --help)".into(),
            ));
        }
        let sources = sources(&self.images)?;
        let single = sources.known == Some(1) && !self.images.iter().any(|image| image.is_dir());
        let folder = open()?;
        let classes = self.classes.iter().map(|class| folder.labels.find(class));
        let mut options = ExplainOptions::new(method)
            .classes(classes.collect::<Result<Vec<_>>>()?)
            .top(self.top.get());
        options.layer = self.layer.clone();
        let device = self.device.open()?;
        let session = self.session.options(&device);
        let mut explainer = Explainer::new(&device, &folder, &session)?;
        explainer.check(&options)?;
        // Last, as it makes a folder.
        let written = match &self.output {
            Some(path) => Some(OutputFiles::ready("--output", path, single)?),
            None => None,
        };
        // With more pictures there is a bar for these.
        if sources.known == Some(1) {
            explainer.on_progress(progress::passes());
        }
        let mut running = Running {
            explainer,
            options,
            written,
            report: Report::new(self.json, sources.known),
            noticed: false,
        };
        let make = |path: &Path| decode(path);
        let ahead = rayon::current_num_threads();
        let result = ahead_of(sources.paths, ahead, make, |prepared| running.run(prepared));
        running.report.finish(result, &device)
    }

    /// The method with the settings that it was given.
    fn method(&self) -> Result<ExplainMethod, Failure> {
        let chosen = self.method.name();
        let settings = [
            ("--samples", self.samples.is_some(), "smooth-grad"),
            ("--noise", self.noise.is_some(), "smooth-grad"),
            ("--steps", self.steps.is_some(), "integrated-gradients"),
            ("--window", self.window.is_some(), "occlusion"),
            ("--stride", self.stride.is_some(), "occlusion"),
        ];
        let refused = |option: &str, reader: &str| {
            Failure::Usage(format!(
                "{option} is for --method {reader}; {chosen} does not take it"
            ))
        };
        for (option, given, reader) in settings {
            if given && reader != chosen {
                return Err(refused(option, reader));
            }
        }
        let asks = self.layer.as_deref() == Some(layers::ASK);
        if self.layer.is_some() && !asks && !self.method.takes_layer() {
            return Err(refused(
                "--layer",
                "grad-cam, grad-cam++ and guided-grad-cam",
            ));
        }
        let given = |option: Option<NonZeroUsize>, usual| option.map_or(usual, NonZeroUsize::get);
        Ok(match self.method {
            ExplainMethod::SmoothGrad { samples, noise } => ExplainMethod::SmoothGrad {
                samples: given(self.samples, samples),
                noise: self.noise.unwrap_or(noise),
            },
            ExplainMethod::IntegratedGradients { .. } => ExplainMethod::IntegratedGradients {
                steps: self.steps.map(NonZeroUsize::get),
            },
            ExplainMethod::Occlusion { window, stride } => ExplainMethod::Occlusion {
                window: given(self.window, window),
                stride: given(self.stride, stride),
            },
            method => method,
        })
    }

    /// Prints the layers that there are. Nothing is run, and so no device is needed.
    fn list(&self, folder: &ModelFolder) -> Result<(), Failure> {
        let explainer = Explainer::new(&Device::cpu(), folder, &Default::default())?;
        let usual = explainer.default_layer()?.to_owned();
        layers::print(&explainer.layers()?, &[usual], "default", self.json)?;
        Ok(())
    }
}

/// Pictures on their way through the network.
struct Running {
    explainer: Explainer,
    options: ExplainOptions,
    written: Option<OutputFiles>,
    report: Report,
    /// Whether the network's notice was told, which is there once it has run.
    noticed: bool,
}

impl Running {
    fn run(&mut self, prepared: Receiver<Prepared<RgbImage>>) -> Result<(), Failure> {
        for (path, picture) in prepared {
            match picture.and_then(|picture| self.answer(&path, &picture)) {
                Ok(answer) => {
                    self.report.success(&path, &answer)?;
                    answer.warn(&path, &self.report);
                }
                Err(error) => self.report.failure(&path, &error)?,
            }
        }
        Ok(())
    }

    fn answer(&mut self, path: &Path, picture: &RgbImage) -> Result<Explained> {
        let found = self.explainer.explain(picture, &self.options)?;
        if let (false, Some(notice)) = (self.noticed, self.explainer.warning()) {
            self.report.say(notice);
            self.noticed = true;
        }
        let drawn = match &mut self.written {
            Some(written) => {
                let panels = (found.iter())
                    .map(|one| panel(&self.explainer, self.options.method, picture, one))
                    .collect::<Result<Vec<Panel>>>()?;
                let path = written.write_picture(path, &figure(&panels)?)?;
                Some(path.display().to_string())
            }
            None => None,
        };
        let size = picture.dimensions();
        let layer = found.first().and_then(|one| one.layer.clone());
        let preprocessing = self.explainer.preprocessing();
        Ok(Explained {
            size: size.into(),
            method: self.options.method.name(),
            layer,
            seen: preprocessing.seen(size.0, size.1),
            predictions: (found.into_iter())
                .map(|one| Evidence::new(one, &self.explainer, size))
                .collect(),
            drawn,
        })
    }
}

fn panel(
    explainer: &Explainer,
    method: ExplainMethod,
    picture: &RgbImage,
    found: &Explanation,
) -> Result<Panel> {
    let (width, height) = picture.dimensions();
    let by_pixels = !matches!(
        method,
        ExplainMethod::GradCam | ExplainMethod::GradCamPlusPlus | ExplainMethod::Occlusion { .. }
    );
    let heat = match by_pixels {
        true => &found.heat.capped(SHOWN),
        false => &found.heat,
    };
    let heat = heat.on_picture(explainer.preprocessing(), width, height)?;
    let (label, percent) = (&found.label, 100.0 * found.probability);
    let mut title = format!("{label} {percent:.1} %, {method}");
    if let Some(layer) = &found.layer {
        title += &format!(" at {layer}");
    }
    if by_pixels {
        title += ", up to its 99th percentile";
    }
    Panel::heat(title, picture, &heat, OPACITY)
}
