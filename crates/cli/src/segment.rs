//! `shadernet segment`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use shadernet::model_folder::find_model;
use shadernet::tasks::{SegmentSize, Segmenter};
use shadernet::vision::{EncodedImage, Mask, RgbImage};
use shadernet::zoo::Task;
use shadernet::{Result, printable};

use super::decode_ahead::{decode_ahead, report_each};
use super::image_paths::ImagePaths;
use super::mapped_weights::open_found;
use super::output_files::{OutputFiles, indexed_png};
use super::report::{ImageResult, Report};
use super::{DeviceArgs, Failure, SessionArgs, loading_failure, output};

/// Segment images: find the class of every pixel
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet segment --model models/my_unet photo.jpg -o mask.png --overlay overlay.png
  shadernet segment --model models/my_unet --json scans/ -o masks/

The model is the folder of a U-Net (unet, unet_bilinear or unet_paper); none is bundled. The mask is \
an indexed PNG of the image's size: the value of a pixel is its class. An image that cannot be read \
is reported and skipped; the exit code is then 1.")]
pub struct Segment {
    /// Images, folders of images, or - for a list of files on standard input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Model folder, or the name of a model of `shadernet models`
    #[arg(long, value_name = "DIR")]
    model: PathBuf,

    /// Write the mask into a .png file or, for several images, a folder
    #[arg(short, long, value_name = "MASK.png|DIR")]
    output: Option<PathBuf>,

    /// Write the image with the classes' colors over it into a file or a folder
    #[arg(long, value_name = "OUT.png|DIR")]
    overlay: Option<PathBuf>,

    /// Segment at the model's input size, or at the image's own size
    #[arg(long, value_name = "model|picture", default_value = "model", value_parser = size)]
    size: SegmentSize,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object per image, one per line
    #[arg(long)]
    json: bool,
}

fn size(name: &str) -> Result<SegmentSize, String> {
    match name {
        "model" => Ok(SegmentSize::Model),
        "picture" => Ok(SegmentSize::Image),
        _ => Err("expected model or picture".to_owned()),
    }
}

/// Opacity of the classes' colors in the overlay.
const OPACITY: f32 = 0.5;

impl Segment {
    pub fn execute(&self) -> Result<(), Failure> {
        let images = ImagePaths::new(&self.images)?;
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
        for files in [&masks, &overlays].into_iter().flatten() {
            files.check()?;
            files.check_inputs(&self.images)?;
        }
        if let (Some(masks), Some(overlays)) = (&masks, &overlays) {
            let image = self.images.first().filter(|_| single);
            masks.check_distinct(overlays, image.map(PathBuf::as_path))?;
        }
        let folder = open_found(&find_model(&self.model)?)?;
        let device = self.device.open()?;
        let options = self.session.options(&device);
        let segmenter = Segmenter::new(&device, &folder, &options)
            .map_err(|error| loading_failure(error, &folder, Task::Segmentation))?;
        output::warn(segmenter.warning());
        let mut running = Running {
            segmenter,
            size: self.size,
            masks,
            overlays,
        };
        let mut report = Report::new(self.json, images.count);
        let ahead = rayon::current_num_threads();
        let decode = |image: &EncodedImage| image.decode();
        let result = decode_ahead(images.paths, ahead, decode, |images| {
            report_each(images, &mut report, |path, image| {
                running.segment(path, &image)
            })
        });
        report.finish(result, &device)
    }
}

struct Running {
    segmenter: Segmenter,
    size: SegmentSize,
    masks: Option<OutputFiles>,
    overlays: Option<OutputFiles>,
}

impl Running {
    fn segment(&mut self, path: &Path, image: &RgbImage) -> Result<Segmentation> {
        let mask = self.segmenter.segment(image, self.size)?;
        let text = |path: PathBuf| path.display().to_string();
        let mask_file = match &mut self.masks {
            Some(masks) => Some(text(masks.write(path, |_| indexed_png(&mask))?)),
            None => None,
        };
        let overlay_file = match &mut self.overlays {
            Some(overlays) => {
                let overlay = mask.overlay(image, OPACITY)?;
                Some(text(overlays.write_image(path, &overlay)?))
            }
            None => None,
        };
        Ok(Segmentation {
            classes: self.classes(&mask),
            mask: mask_file,
            overlay: overlay_file,
        })
    }

    /// The classes in `mask`, the one with the most pixels first.
    fn classes(&self, mask: &Mask) -> Vec<ClassShare> {
        let mut shares: Vec<ClassShare> = (0..=u8::MAX)
            .filter_map(|class| {
                let of_class = (mask.classes().iter().zip(mask.probabilities()))
                    .filter(|(found, _)| **found == class);
                let (pixels, sum) = of_class.fold((0_u64, 0.0_f64), |(n, sum), (_, p)| {
                    (n + 1, sum + f64::from(*p))
                });
                (pixels > 0).then(|| ClassShare {
                    class,
                    label: self.segmenter.label(class),
                    pixels,
                    share: pixels as f64 / mask.classes().len() as f64,
                    mean_probability: sum / pixels as f64,
                })
            })
            .collect();
        shares.sort_by_key(|share| std::cmp::Reverse(share.pixels));
        shares
    }
}

/// The classes of an image, and the files written for it.
#[derive(Serialize)]
struct Segmentation {
    classes: Vec<ClassShare>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<String>,
}

#[derive(Serialize)]
struct ClassShare {
    class: u8,
    label: String,
    pixels: u64,
    share: f64,
    mean_probability: f64,
}

impl ImageResult for Segmentation {
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
