//! `shadernet segment`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use clap::Args;
use serde::Serialize;
use shadernet::Result;
use shadernet::model_folder::find_model;
use shadernet::tasks::{SegmentSize, Segmenter};
use shadernet::vision::{Mask, RgbImage, decode};

use super::decode_ahead::{Prepared, ahead_of};
use super::image_paths::sources;
use super::output_files::{OutputFiles, indexed_png};
use super::report::{Answer, Report};
use super::{DeviceArgs, Failure, SessionArgs, output};

/// Tell which pixels of pictures belong to what
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet segment --model models/my_unet photo.jpg -o mask.png --overlay shown.png
  shadernet segment --model models/my_unet --json scans/ -o masks/

The model is a folder of a U-Net (unet, unet_bilinear, unet_paper); none is carried. The mask is an \
indexed PNG of the picture's size: a pixel's value is its class. A picture that cannot be read is \
reported, the rest go on, and the exit code is 1 at the end.")]
pub struct Segment {
    /// Pictures, folders of pictures, or - for a list of files on standard input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Model folder, or the name of one that `shadernet models` lists
    #[arg(long, value_name = "DIR")]
    model: PathBuf,

    /// Write the mask, into a .png or, for several pictures, into a folder
    #[arg(short, long, value_name = "MASK.png|DIR")]
    output: Option<PathBuf>,

    /// Write the picture with its classes' colours laid over it, into a file or a folder
    #[arg(long, value_name = "OUT.png|DIR")]
    overlay: Option<PathBuf>,

    /// Segment at the size the model was made for, or at the picture's own
    #[arg(long, value_name = "model|picture", default_value = "model", value_parser = size)]
    size: SegmentSize,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object a line, as each picture is done
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

/// How much of the picture shows through the colours.
const OPACITY: f32 = 0.5;

impl Segment {
    pub fn execute(&self) -> Result<(), Failure> {
        let sources = sources(&self.images)?;
        let single = sources.known == Some(1) && !self.images.iter().any(|image| image.is_dir());
        let written = |path: &Option<PathBuf>, option| -> Result<Option<OutputFiles>, Failure> {
            match path {
                Some(path) => OutputFiles::new(option, path, single).map(Some),
                None => Ok(None),
            }
        };
        let masks = written(&self.output, "--output")?;
        if let Some(OutputFiles::File(path, format)) = &masks
            && *format != image::ImageFormat::Png
        {
            return Err(Failure::Usage(format!(
                "--output {}: a mask is an indexed PNG; expected a file that ends in .png, or a folder",
                path.display()
            )));
        }
        let overlays = written(&self.overlay, "--overlay")?;
        let folder = find_model(&self.model)?.open()?;
        let device = self.device.open()?;
        let options = self.session.options(&device);
        let segmenter = Segmenter::new(&device, &folder, &options)?;
        if let Some(notice) = segmenter.warning() {
            output::say(notice);
        }
        let mut running = Running {
            segmenter,
            size: self.size,
            masks,
            overlays,
            report: Report::new(self.json, sources.known),
        };
        let ahead = rayon::current_num_threads();
        let make = |path: &Path| decode(path);
        let result = ahead_of(sources.paths, ahead, make, |prepared| running.run(prepared));
        running.report.finish(result, &device)
    }
}

/// Pictures on their way through the network.
struct Running {
    segmenter: Segmenter,
    size: SegmentSize,
    masks: Option<OutputFiles>,
    overlays: Option<OutputFiles>,
    report: Report,
}

impl Running {
    fn run(&mut self, prepared: Receiver<Prepared<RgbImage>>) -> Result<(), Failure> {
        for (path, picture) in prepared {
            match picture.and_then(|picture| self.answer(&path, &picture)) {
                Ok(answer) => self.report.success(&path, &answer)?,
                Err(error) => self.report.failure(&path, &error)?,
            }
        }
        Ok(())
    }

    fn answer(&mut self, path: &Path, picture: &RgbImage) -> Result<Segments> {
        let mask = self.segmenter.segment(picture, self.size)?;
        let shown = |path: PathBuf| path.display().to_string();
        let mask_file = match &mut self.masks {
            Some(masks) => Some(shown(masks.write(path, |_| indexed_png(&mask))?)),
            None => None,
        };
        let overlay_file = match &mut self.overlays {
            Some(overlays) => {
                let picture = mask.overlay(picture, OPACITY)?;
                Some(shown(overlays.write_picture(path, &picture)?))
            }
            None => None,
        };
        Ok(Segments {
            classes: self.shares(&mask),
            mask: mask_file,
            overlay: overlay_file,
        })
    }

    /// The classes there are, the largest first.
    fn shares(&self, mask: &Mask) -> Vec<Share> {
        let mut shares: Vec<Share> = (0..=u8::MAX)
            .filter_map(|class| {
                let of_class = (mask.classes.iter().zip(&mask.probabilities))
                    .filter(|(found, _)| **found == class);
                let (pixels, sum) = of_class.fold((0_u64, 0.0_f64), |(n, sum), (_, p)| {
                    (n + 1, sum + f64::from(*p))
                });
                (pixels > 0).then(|| Share {
                    class,
                    label: self.segmenter.label(class),
                    pixels,
                    share: pixels as f64 / mask.classes.len() as f64,
                    mean_probability: sum / pixels as f64,
                })
            })
            .collect();
        shares.sort_by_key(|share| std::cmp::Reverse(share.pixels));
        shares
    }
}

/// What a picture consists of.
#[derive(Serialize)]
struct Segments {
    classes: Vec<Share>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<String>,
}

#[derive(Serialize)]
struct Share {
    class: u8,
    label: String,
    pixels: u64,
    share: f64,
    mean_probability: f64,
}

impl Answer for Segments {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for share in &self.classes {
            writeln!(
                out,
                "  {:6.2} % of pixels  {} ({}), mean probability {:.3}",
                100.0 * share.share,
                share.label,
                share.class,
                share.mean_probability
            )?;
        }
        Ok(())
    }
}
