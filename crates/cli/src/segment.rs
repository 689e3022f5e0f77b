//! `shadernet segment`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use shadernet::model_folder::find_model;
use shadernet::session::Run;
use shadernet::tasks::{SegmentSize, Segmenter};
use shadernet::tensor::Tensor;
use shadernet::vision::{EncodedImage, Mask, RgbImage};
use shadernet::zoo::Task;
use shadernet::{Result, printable};

use super::batches::{Predict, ahead, batch_size, in_flight, run_batches_in_flight};
use super::class_shares::{ClassCounts, ClassShare};
use super::cutout::{CutoutArgs, Cutouts};
use super::decode_ahead::decode_ahead;
use super::frames::FrameArgs;
use super::image_paths::ImageArgs;
use super::output_files::{OutputFiles, check_outputs, indexed_png};
use super::partial_results::RunOptions;
use super::preprocessing_args::PreprocessingArgs;
use super::report::{ImageResult, Report};
use super::result_format::{FormatArgs, results_file};
use super::resume::ResumeArgs;
use super::segment_tiles::{self, OwnSize, Tile};
use super::value_parsers::{ImageSize, count};
use super::{DeviceArgs, Failure, SessionArgs, loading_failure, output};

/// Segment images: find the class of every pixel
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet segment --model models/my_unet photo.jpg -o mask.png --overlay overlay.png
  shadernet segment --model models/my_unet --json scans/ -o masks/
  shadernet segment --model u2net.onnx photo.jpg -o mask.png
  shadernet segment --model u2net.onnx photo.jpg --cutout subject.png
  shadernet segment --model u2net.onnx photo.jpg --cutout card.jpg --background '#20a0ff'
  ffmpeg -i clip.mp4 -f rawvideo -pix_fmt rgb24 -s 640x480 - | shadernet segment --model u2net.onnx \
    --frames 640x480 -o masks/ -
  shadernet segment --model models/my_unet slide.tif --tile -o mask.png

The model is the folder of a U-Net (unet, unet_bilinear or unet_paper), or an ONNX file; none is bundled. The mask is \
an indexed PNG of the image's size: the value of a pixel is its class. An image that cannot be read \
is reported and skipped; the exit code is then 1.")]
pub struct Segment {
    #[command(flatten)]
    images: ImageArgs,

    #[command(flatten)]
    frames: FrameArgs,

    /// Model folder, ONNX file, or the name of a model of `shadernet models`
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,

    /// Write the mask into a .png file or, for several images, a folder
    #[arg(short, long, value_name = "MASK.png|DIR")]
    output: Option<PathBuf>,

    /// Write the image with the classes' colors over it into a file or a folder
    #[arg(long, value_name = "OUT.png|DIR")]
    overlay: Option<PathBuf>,

    #[command(flatten)]
    cutout: CutoutArgs,

    /// Segment at the model's input size, at the image's own size, or at a size such as 320 or 240x320 (height and
    /// width) [default: model, or image with --tile]. An image that does not fit at its own size is done in tiles
    #[arg(long, value_name = "model|image|SIZE", value_parser = size)]
    size: Option<(SegmentSize, Option<ImageSize>)>,

    /// Segment images of any size in overlapping tiles with sides of N pixels at most; without N, of a size that is
    /// chosen by memory. The mask is that of the whole image, where the network's receptive field allows that
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "auto",
          value_parser = segment_tiles::tile)]
    tile: Option<Tile>,

    #[command(flatten)]
    preprocessing: PreprocessingArgs,

    /// List, and cut out, only this class, by name or number; can be repeated, or separated by commas. The mask has all
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    classes: Vec<String>,

    /// Images per pass, at the model's input size
    #[arg(long, default_value = "1", value_name = "N", value_parser = count)]
    batch: NonZeroUsize,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    format: FormatArgs,

    /// Write the results into FILE rather than to standard output
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,

    #[command(flatten)]
    resume: ResumeArgs,
}

fn size(name: &str) -> Result<(SegmentSize, Option<ImageSize>), String> {
    match name {
        "model" => Ok((SegmentSize::Model, None)),
        // Its old name is taken, too.
        "image" | "picture" => Ok((SegmentSize::Image, None)),
        _ => match name.parse() {
            Ok(size) => Ok((SegmentSize::Model, Some(size))),
            Err(_) => Err("expected model, image, or a size such as 320 or 240x320".to_owned()),
        },
    }
}

/// Opacity of the classes' colors in the overlay.
pub const OPACITY: f32 = 0.5;

impl Segment {
    pub fn execute(&self, options: &RunOptions) -> Result<(), Failure> {
        let (size, own_size) = self.size()?;
        let arguments = &self.images.images;
        let mut images = self.frames.images(&self.images)?;
        let results = results_file(self.results.as_ref());
        let inputs = arguments.iter().chain(self.cutout.background_file());
        check_outputs([("--results", results)], inputs.map(PathBuf::as_path))?;
        let single = images.is_single;
        let masks = OutputFiles::optional("--output", self.output.as_deref(), single)?;
        if let Some(OutputFiles::File(path, format)) = &masks
            && *format != image::ImageFormat::Png
        {
            return Err(Failure::Usage(format!(
                "--output {}: a mask is an indexed PNG; expected a .png file or a folder",
                printable::path(path)
            )));
        }
        let overlays = OutputFiles::optional("--overlay", self.overlay.as_deref(), single)?;
        let cutouts = self.cutout.open(single)?;
        let cutout_files = cutouts.as_ref().map(|cutouts| &cutouts.files);
        let image = arguments.first().filter(|_| single).map(PathBuf::as_path);
        let mut checked: Vec<&OutputFiles> = Vec::new();
        for files in [masks.as_ref(), overlays.as_ref(), cutout_files]
            .into_iter()
            .flatten()
        {
            files.check()?;
            files.check_inputs(arguments)?;
            if let Some(background) = self.cutout.background_file() {
                files.check_inputs(std::slice::from_ref(background))?;
            }
            for other in &checked {
                files.check_distinct(other, image)?;
            }
            checked.push(files);
        }
        let model = find_model(&self.model)?;
        let folder = self.preprocessing.open(&model, own_size)?;
        let listed = self.classes.iter().map(|class| folder.labels.find(class));
        let listed = listed.collect::<Result<Vec<usize>>>()?;
        let device = self.device.open()?;
        let session = self.session.options(&device);
        // With one logit, class 0 is the background, which has no label of its own.
        let offset = usize::from(folder.labels.len() == 1);
        // A mask has at most 256 classes.
        let listed = (listed.into_iter()).filter_map(|class| u8::try_from(class + offset).ok());
        let mut outputs = Outputs {
            masks,
            overlays,
            cutouts,
            listed: listed.collect(),
        };
        let format = self.frames.format(&self.format, results);
        let batch = batch_size(self.batch.get(), images.count);
        let shows_tiles = self.tile.is_some() || images.count == Some(1);
        if shows_tiles {
            // Tiles have a bar of their own.
            images.count = Some(1);
        }
        let mut report =
            Report::resumable::<Segmentation>(format, results, &mut images, &self.resume, options)?;
        let cutouts = outputs.cutouts.as_mut().map(|cutouts| &mut cutouts.files);
        for files in [outputs.masks.as_mut(), outputs.overlays.as_mut(), cutouts]
            .into_iter()
            .flatten()
        {
            files.reserve(report.finished());
        }
        if size == SegmentSize::Image {
            let own_size = OwnSize {
                device: &device,
                folder: &folder,
                options: session,
                tile: self.tile,
                shows_tiles,
                outputs: &mut outputs,
            };
            let result = own_size.run(images.sources, &mut report);
            return report.finish(result, &device);
        }
        let mut segmenter = Segmenter::new(&device, &folder, &session)
            .map_err(|error| loading_failure(error, &folder, Task::Segmentation))?;
        output::warn(segmenter.warning());
        segmenter.prepare(batch)?;
        let decode = |image: &EncodedImage| image.decode();
        let labels: Vec<String> = (0..=u8::MAX).map(|class| segmenter.label(class)).collect();
        let passes = Passes {
            segmenter,
            in_flight: in_flight(&device),
        };
        let finish =
            |path: &Path, image: RgbImage, mask: Mask| outputs.write(path, &image, &mask, &labels);
        let result = decode_ahead(images.sources, ahead(batch), decode, |images| {
            run_batches_in_flight(images, batch, &mut report, passes, finish)
        });
        report.finish(result, &device)
    }

    /// The size at which images are segmented, and one other than the model's.
    fn size(&self) -> Result<(SegmentSize, Option<ImageSize>), Failure> {
        let usage = |reason: &str| Err(Failure::Usage(reason.to_owned()));
        let size = match (self.tile, self.size) {
            (None, size) => size.unwrap_or_default(),
            (Some(_), None | Some((SegmentSize::Image, _))) => (SegmentSize::Image, None),
            (Some(_), Some(_)) => {
                return usage("--tile: tiles are of the image at its own size; leave out --size");
            }
        };
        match (
            self.batch.get() > 1 && size.0 == SegmentSize::Image,
            self.tile,
        ) {
            (false, _) => Ok(size),
            (true, None) => {
                usage("--batch: images of a batch have the model's size; leave out --size image")
            }
            (true, Some(_)) => {
                usage("--batch: tiles run one by one; leave out --batch, or take larger tiles")
            }
        }
    }
}

/// Segments batches at the model's size, several at once.
struct Passes {
    segmenter: Segmenter,
    in_flight: usize,
}

impl Predict<RgbImage> for Passes {
    type Pass = (Tensor, Run);
    type Output = Mask;

    fn start(&mut self, images: &[RgbImage]) -> Result<Self::Pass> {
        let images: Vec<&RgbImage> = images.iter().collect();
        self.segmenter.segment_async(&images, SegmentSize::Model)
    }

    fn wait(&mut self, (batch, run): Self::Pass, images: &[RgbImage]) -> Result<Vec<Mask>> {
        let images: Vec<&RgbImage> = images.iter().collect();
        let outputs = run.wait()?;
        (self.segmenter).masks(&images, SegmentSize::Model, &batch, &outputs)
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }
}

/// The files that are written.
pub struct Outputs {
    pub masks: Option<OutputFiles>,
    pub overlays: Option<OutputFiles>,
    pub cutouts: Option<Cutouts>,
    /// The classes that are listed and cut out; all if empty.
    pub listed: Vec<u8>,
}

impl Outputs {
    pub fn write(
        &mut self,
        path: &Path,
        image: &RgbImage,
        mask: &Mask,
        labels: &[String],
    ) -> Result<Segmentation> {
        let text = |path: PathBuf| path.display().to_string();
        let mask_file = match &mut self.masks {
            Some(masks) => Some(text(masks.write(path, |_| indexed_png(mask))?)),
            None => None,
        };
        let overlay_file = match &mut self.overlays {
            Some(overlays) => {
                let overlay = mask.overlay(image, OPACITY)?;
                Some(text(overlays.write_image(path, &overlay)?))
            }
            None => None,
        };
        let cutout_file = match &mut self.cutouts {
            Some(cutouts) => Some(text(cutouts.write(path, image, mask, &self.listed)?)),
            None => None,
        };
        let mut counts = ClassCounts::new();
        counts.add(mask.classes(), mask.probabilities());
        Ok(self.segmentation(&counts, labels, [mask_file, overlay_file, cutout_file]))
    }

    /// The result for an image, with the classes that are listed, and the files of its mask, overlay and cut-out.
    pub fn segmentation(
        &self,
        counts: &ClassCounts,
        labels: &[String],
        [mask, overlay, cutout]: [Option<String>; 3],
    ) -> Segmentation {
        let shares = counts.shares(labels).into_iter();
        let is_listed =
            |found: &ClassShare| self.listed.is_empty() || self.listed.contains(&found.class);
        Segmentation {
            classes: shares.filter(is_listed).collect(),
            mask,
            overlay,
            cutout,
        }
    }
}

/// The classes of an image, and the files written for it.
#[derive(Serialize)]
pub struct Segmentation {
    classes: Vec<ClassShare>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cutout: Option<String>,
}

impl ImageResult for Segmentation {
    const COLUMNS: &'static [&'static str] =
        &["class", "label", "pixels", "share", "mean_probability"];

    fn rows(&self) -> Vec<Vec<String>> {
        (self.classes.iter())
            .map(|found| {
                vec![
                    found.class.to_string(),
                    found.label.clone(),
                    found.pixels.to_string(),
                    found.share.to_string(),
                    found.mean_probability.to_string(),
                ]
            })
            .collect()
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for share in &self.classes {
            writeln!(
                out,
                "  {:6.2} % of pixels  {} ({}), mean probability {:.3}",
                100.0 * share.share,
                printable::name(&share.label),
                share.class,
                share.mean_probability
            )?;
        }
        Ok(())
    }
}
