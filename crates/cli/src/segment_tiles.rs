//! `shadernet segment` of images at their own size: whole, or in tiles.

use std::path::Path;

use shadernet::device::Device;
use shadernet::model_folder::ModelFolder;
use shadernet::session::SessionOptions;
use shadernet::tasks::{
    MaskRows, SegmentSize, Segmenter, TileEvent, TileOptions, TilePlan, TiledSegmenter,
};
use shadernet::vision::{MAX_PIXELS, MAX_SIDE, RgbImage, RgbRows, RowReader, RowSource};
use shadernet::zoo::Task;
use shadernet::{Error, ErrorKind, Result, printable};

use super::class_shares::ClassCounts;
use super::image_id::ImageId;
use super::image_paths::{ImageSource, STANDARD_INPUT};
use super::output_files::OutputFiles;
use super::png_rows::{Pixels, PngRows};
use super::report::Report;
use super::segment::{OPACITY, Outputs, Segmentation};
use super::{Failure, loading_failure, output, progress};

/// The value of `--tile`: the longest side of a tile, or `auto` for one that is chosen by memory.
pub fn tile(text: &str) -> Result<Tile, String> {
    match text {
        "auto" => Ok(Tile(None)),
        _ => match text.parse() {
            Ok(side @ 1..) => Ok(Tile(Some(side))),
            _ => Err(
                "expected a number of pixels, or auto; name images before --tile, or write --tile=auto"
                    .to_owned(),
            ),
        },
    }
}

/// The longest side of a tile, if it is requested.
#[derive(Clone, Copy, Debug)]
pub struct Tile(Option<usize>);

/// Segments images at their own size.
pub struct OwnSize<'a> {
    pub device: &'a Device,
    pub folder: &'a ModelFolder,
    pub options: SessionOptions,
    /// `None` for tiles only where the whole image does not fit.
    pub tile: Option<Tile>,
    /// Whether the progress of tiles is shown.
    pub shows_tiles: bool,
    pub outputs: &'a mut Outputs,
}

/// The network, as it was needed last. One is dropped before the other is made: each has weights of its own.
enum Network {
    None,
    Whole(Box<Segmenter>),
    Tiled(Box<TiledSegmenter>),
}

impl OwnSize<'_> {
    pub fn run(
        mut self,
        sources: impl Iterator<Item = Result<ImageSource>>,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let mut network = Network::None;
        // The pixels of the smallest image that did not fit.
        let mut too_large = u64::MAX;
        for source in sources {
            let (id, rows) = match source {
                Ok(ImageSource::File(path)) => {
                    let rows = RowReader::open(&path);
                    (ImageId::file(path), rows)
                }
                Ok(ImageSource::Bytes(bytes)) => (
                    ImageId::file(STANDARD_INPUT),
                    RowReader::from_bytes("standard input", bytes),
                ),
                Ok(ImageSource::Frame(id, bytes)) => {
                    let rows = bytes.and_then(|bytes| RowReader::from_bytes(id.path(), bytes));
                    (id, rows)
                }
                Ok(ImageSource::Unusable(path, error)) => (ImageId::file(path), Err(error)),
                Err(error) => (ImageId::file(STANDARD_INPUT), Err(error)),
            };
            let result = match rows {
                Ok(rows) => self.image(&id.path(), rows, &mut network, &mut too_large, report)?,
                Err(error) => Err(error),
            };
            match result {
                Ok(result) => report.success(&id, &result)?,
                Err(error) => report.failure(&id, &error)?,
            }
        }
        Ok(())
    }

    /// The result for an image; the outer error is of the network or the device.
    fn image(
        &mut self,
        path: &Path,
        mut rows: RowReader,
        network: &mut Network,
        too_large: &mut u64,
        report: &Report,
    ) -> Result<Result<Segmentation>, Failure> {
        let (width, height) = rows.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        let fits = width <= MAX_SIDE && height <= MAX_SIDE && pixels <= MAX_PIXELS;
        if self.tile.is_some() || !fits || pixels >= *too_large {
            if self.tile.is_none() {
                let why = "the image is too large to be segmented as a whole";
                report.note(format_args!(
                    "{}: {why}: it is done in tiles",
                    printable::path(path)
                ));
            }
            return self.in_tiles(path, rows, network, report);
        }
        let image = match whole(&mut rows) {
            Ok(image) => image,
            Err(error) => return Ok(Err(error)),
        };
        let segmenter = self.segmenter(network)?;
        match segmenter.segment(&image, SegmentSize::Image) {
            Ok(mask) => {
                let labels = labels(|class| segmenter.label(class));
                Ok(self.outputs.write(path, &image, &mask, &labels))
            }
            Err(error) if matches!(error.kind(), ErrorKind::Limit | ErrorKind::OutOfMemory) => {
                *too_large = pixels;
                report.note(format_args!(
                    "{}: done in tiles, since the whole image does not fit: {error}",
                    printable::path(path)
                ));
                self.in_tiles(path, RgbRows::new(&image), network, report)
            }
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(Err(error)),
            Err(error) => Err(error.into()),
        }
    }

    fn segmenter<'n>(&self, network: &'n mut Network) -> Result<&'n mut Segmenter, Failure> {
        if !matches!(network, Network::Whole(_)) {
            *network = Network::None;
            let made = Segmenter::new(self.device, self.folder, &self.options);
            let made = made.map_err(|e| loading_failure(e, self.folder, Task::Segmentation))?;
            output::warn(made.warning());
            *network = Network::Whole(Box::new(made));
        }
        match network {
            Network::Whole(segmenter) => Ok(segmenter),
            // It was just made.
            _ => Err(Error::Inputs("no network was loaded".to_owned()).into()),
        }
    }

    fn in_tiles(
        &mut self,
        path: &Path,
        rows: impl RowSource,
        network: &mut Network,
        report: &Report,
    ) -> Result<Result<Segmentation>, Failure> {
        if !matches!(network, Network::Tiled(_)) {
            *network = Network::None;
            let made = TiledSegmenter::new(self.device, self.folder, &self.options);
            let made = made.map_err(|e| loading_failure(e, self.folder, Task::Segmentation))?;
            output::warn(made.warning());
            *network = Network::Tiled(Box::new(made));
        }
        let Network::Tiled(segmenter) = network else {
            // It was just made.
            return Err(Error::Inputs("no network was loaded".to_owned()).into());
        };
        let labels = labels(|class| segmenter.label(class));
        let (width, height) = rows.dimensions();
        let mut files = match Files::create(self.outputs, path, width, height) {
            Ok(files) => files,
            Err(error) => return Ok(Err(error)),
        };
        let bar = progress::bar(0);
        bar.set_message("tiles");
        let side = self.tile.and_then(|tile| tile.0);
        let options = TileOptions::new().side(side);
        let result = segmenter.segment(rows, &options, |event| {
            match event {
                TileEvent::Plan(plan) => self.describe(path, plan, report),
                TileEvent::Progress { completed, total } if self.shows_tiles => {
                    bar.set_length(total as u64);
                    bar.set_position(completed as u64);
                }
                TileEvent::Rows(rows) => files.write(self.outputs, &rows)?,
                _ => {}
            }
            Ok(())
        });
        bar.finish_and_clear();
        match result {
            Ok(()) => Ok(files.finish(self.outputs, &labels)),
            Err(error) if error.kind() == ErrorKind::DeviceLost => Err(error.into()),
            Err(error) => Ok(Err(error)),
        }
    }

    fn describe(&self, path: &Path, plan: &TilePlan, report: &Report) {
        let ([rows, columns], [height, width]) = (plan.tiles, plan.tile);
        let path = printable::path(path);
        report.note(format_args!(
            "{path}: {rows}x{columns} tiles, each of {height}x{width} pixels (height and width)"
        ));
        if let Some(reason) = &plan.inexact {
            report.note(format_args!(
                "{path}: the mask is not exactly that of the whole image, since {reason}; tiles overlap by half and \
                 are blended"
            ));
        }
    }
}

fn labels(label: impl Fn(u8) -> String) -> Vec<String> {
    (0..=u8::MAX).map(label).collect()
}

fn whole(rows: &mut RowReader) -> Result<RgbImage> {
    let (width, height) = rows.dimensions();
    let mut image = RgbImage::new(width, height);
    for row in image.as_mut().chunks_exact_mut(3 * width as usize) {
        rows.read_row(row)?;
    }
    Ok(image)
}

/// The files of an image, which are written with the rows of its mask.
struct Files {
    size: [u32; 2],
    counts: ClassCounts,
    mask: Option<PngRows>,
    overlay: Option<PngRows>,
    cutout: Option<PngRows>,
}

impl Files {
    fn create(outputs: &mut Outputs, path: &Path, width: u32, height: u32) -> Result<Self> {
        let create = |files: Option<&mut OutputFiles>, pixels| {
            let Some(files) = files else {
                return Ok(None);
            };
            let (to, format) = files.destination(path)?;
            if format != image::ImageFormat::Png {
                return Err(Error::file(
                    to,
                    "the rows of an image in tiles are written one after another: expected a .png file",
                ));
            }
            PngRows::create(to, width, height, pixels).map(Some)
        };
        let has_background = (outputs.cutouts.as_ref()).is_some_and(|c| c.background.is_some());
        let cutout_pixels = match has_background {
            true => Pixels::Rgb,
            false => Pixels::Rgba,
        };
        let cutouts = outputs.cutouts.as_mut().map(|cutouts| &mut cutouts.files);
        Ok(Self {
            size: [width, height],
            counts: ClassCounts::new(),
            mask: create(outputs.masks.as_mut(), Pixels::Classes)?,
            overlay: create(outputs.overlays.as_mut(), Pixels::Rgb)?,
            cutout: create(cutouts, cutout_pixels)?,
        })
    }

    fn write(&mut self, outputs: &Outputs, rows: &MaskRows) -> Result<()> {
        if rows.classes.is_empty() {
            return Ok(());
        }
        self.counts.add(rows.classes, rows.probabilities);
        if let Some(mask) = &mut self.mask {
            mask.write(rows.classes)?;
        }
        if let Some(overlay) = &mut self.overlay {
            overlay.write(&rows.overlay(OPACITY))?;
        }
        if let Some(file) = &mut self.cutout {
            let pixels = rows.cutout(&outputs.listed);
            match (outputs.cutouts.as_ref()).and_then(|cutouts| cutouts.background.as_ref()) {
                // Sides of an image are below 2^32.
                Some(background) => {
                    let top = rows.top as u32;
                    let end = top + (rows.classes.len() / rows.width) as u32;
                    file.write(&background.composite_rows(&pixels, self.size, top..end)?)?;
                }
                None => file.write(&pixels)?,
            }
        }
        Ok(())
    }

    fn finish(self, outputs: &Outputs, labels: &[String]) -> Result<Segmentation> {
        let text = |file: Option<PngRows>| -> Result<Option<String>> {
            let path = file.map(PngRows::finish).transpose()?;
            Ok(path.map(|path| path.display().to_string()))
        };
        let files = [text(self.mask)?, text(self.overlay)?, text(self.cutout)?];
        Ok(outputs.segmentation(&self.counts, labels, files))
    }
}
