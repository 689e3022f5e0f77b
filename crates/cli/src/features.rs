//! `shadernet features`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use shadernet::device::Device;
use shadernet::explain::{Channel, FeatureMaps, Features as Found};
use shadernet::model_folder::ModelFolder;
use shadernet::vision::{Panel, RgbImage, SheetOptions, Tile, TilePixels, decode, figure, sheet};
use shadernet::{Error, Result, printable};

use super::explain_results::Pixel;
use super::output_files::OutputFiles;
use super::preprocessing_args::PreprocessingArgs;
use super::value_parsers::ImageSize;
use super::{DeviceArgs, Failure, SessionArgs, layer_list, open_model, output, progress};

/// Show which image features a layer's channels respond to
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet features --layer '?'
  shadernet features photo.jpg --layer blocks.2.0.act1 -o channels.png
  shadernet features photo.jpg --layer blocks.4.0.act1 --top 16 --project -o features.png
  shadernet features photo.jpg --all -o stages/
  shadernet features photo.jpg --layer blocks.4.0.act1 --json | jq '.channels[0]'

Channels are sorted by the largest value of their feature map. A peak is a column and row in pixels \
of the image. Active is the fraction of a map's values above 0. A projection shows the part of the \
image that a channel responds to: the deconvnet of Zeiler and Fergus (2014), from the map's peak.")]
pub struct Features {
    /// The image
    #[arg(value_name = "IMAGE", required_unless_present = "layer")]
    image: Option<PathBuf>,

    /// Model folder, ONNX file, or the name of a model of `shadernet models`; any network whose input is an
    /// image [default: efficientnet_lite0]
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,

    /// Height and width of the network's input: 320 or 240x320 [default: the model's]
    #[arg(long, value_name = "SIZE")]
    size: Option<ImageSize>,

    #[command(flatten)]
    preprocessing: PreprocessingArgs,

    /// The layer, or ? for a list of layers
    #[arg(
        long,
        value_name = "NAME|?",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    layer: Option<String>,

    /// Show the last layer of each stage, a row for each with its strongest channel; a stage is a run of layers
    /// with the same map size
    #[arg(long)]
    all: bool,

    /// How many channels of a layer to show; 0 for all
    #[arg(long, default_value = "64", value_name = "N")]
    top: usize,

    /// Also draw the part of the image that each channel responds to; needs --output
    #[arg(long, requires = "output")]
    project: bool,

    /// Draw the feature maps into a file (.png, .jpg), or into a folder with one file per layer,
    /// named after the layer
    #[arg(short, long, value_name = "OUT.png|DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object per layer, one per line
    #[arg(long)]
    json: bool,
}

/// Channels projected at once. Progress is shown in between.
const CHANNELS_PER_STEP: usize = 8;

impl Features {
    pub fn execute(&self) -> Result<(), Failure> {
        let open = || open_model(self.model.as_deref(), &self.preprocessing, self.size);
        if self.layer.as_deref() == Some(layer_list::LIST) {
            return self.list(&open()?);
        }
        let Some(path) = &self.image else {
            return Err(Failure::Usage(
                "expected an image; only --layer '?' works without one (see --help)".into(),
            ));
        };
        let image = decode(path)?;
        let folder = open()?;
        let device = self.device.open()?;
        let options = self.session.options(&device);
        let maps = FeatureMaps::new(&device, &folder, &options)?;
        let names = match &self.layer {
            Some(layer) => {
                maps.check(layer)?;
                vec![layer.clone()]
            }
            None => maps.stages()?,
        };
        if names.is_empty() {
            return Err(Failure::Error(Error::Inputs(format!(
                "{} has no feature maps: no layer's output has more than one pixel",
                folder.architecture
            ))));
        }
        // Last, because it creates a folder.
        let drawings = OutputFiles::optional("--output", self.output.as_deref(), !self.all)?;
        if let Some(drawings) = &drawings {
            drawings.check()?;
            // In a folder, files have the names of layers.
            if matches!(drawings, OutputFiles::File(..)) {
                drawings.check_inputs(std::slice::from_ref(path))?;
            }
        }
        let bar = match names.len() > 1 || self.project {
            true => progress::bar(names.len()),
            false => ProgressBar::hidden(),
        };
        bar.tick();
        let mut running = Running {
            command: self,
            summary: (self.all && !self.json).then(|| {
                output::table(&[
                    "layer",
                    "channels",
                    "size",
                    "strongest",
                    "largest",
                    "peak",
                    "active",
                ])
            }),
            path,
            image,
            maps,
            drawings,
            bar,
            has_warned: false,
        };
        let result = names.iter().try_for_each(|name| running.layer(name));
        running.bar.finish_and_clear();
        result?;
        if let Some(summary) = &mut running.summary {
            summary.right_align(1..7);
            writeln!(output::stdout(), "{summary}")?;
        }
        Ok(())
    }

    /// Lists the layers. The network is not run, so no GPU is needed.
    fn list(&self, folder: &ModelFolder) -> Result<(), Failure> {
        let maps = FeatureMaps::new(&Device::cpu(), folder, &Default::default())?;
        layer_list::print(&maps.layers()?, &maps.stages()?, "stage", self.json)?;
        Ok(())
    }
}

struct Running<'a> {
    command: &'a Features,
    /// One row per layer, in place of a table for each.
    summary: Option<output::Table>,
    path: &'a Path,
    image: RgbImage,
    maps: FeatureMaps,
    drawings: Option<OutputFiles>,
    bar: ProgressBar,
    /// Whether the session's warning was printed. There is none before the first run.
    has_warned: bool,
}

impl Running<'_> {
    fn layer(&mut self, name: &str) -> Result<(), Failure> {
        self.bar.set_message(printable::name(name));
        let mut found = self.maps.channels(&self.image, name)?;
        if let (false, Some(warning)) = (self.has_warned, self.maps.warning()) {
            self.bar.suspend(|| output::note(warning));
            self.has_warned = true;
        }
        let count = found.channels.len();
        if self.command.top > 0 {
            found.channels.truncate(self.command.top);
        }
        let drawn = match self.drawings {
            Some(_) => Some(self.draw(&found, count)?),
            None => None,
        };
        let features = self.features(&found, drawn);
        self.bar.inc(1);
        if let Some(summary) = &mut self.summary {
            summary.add_row(features.row());
            return Ok(());
        }
        self.bar.suspend(|| match self.command.json {
            true => output::json_line(&features),
            false => features.print(),
        })?;
        Ok(())
    }

    /// Draws the channels of `found`. `count` is the layer's number of channels. Returns the file.
    fn draw(&mut self, found: &Found, count: usize) -> Result<PathBuf> {
        let shown = found.channels.len();
        let title = match shown == count {
            true => format!("{}, {count} channels", found.layer),
            false => format!("{}, the strongest {shown} of {count} channels", found.layer),
        };
        let tiles: Vec<Tile> = (found.channels.iter())
            .map(|channel| Tile {
                label: format!("#{}  max {:.3}", channel.index, channel.largest),
                pixels: TilePixels::Values(channel.map.clone()),
            })
            .collect();
        let options = SheetOptions::default();
        let mut drawn = sheet(&title, &tiles, &options)?;
        if self.command.project {
            let tiles = self.projections(found)?;
            let title = "image regions that the channels respond to (deconvnet)";
            let projected = sheet(title, &tiles, &options)?;
            drawn = figure(&[Panel::plain("", drawn), Panel::plain("", projected)])?;
        }
        match &mut self.drawings {
            Some(drawings) => drawings.write_as(self.path, &found.layer, &drawn),
            None => Ok(PathBuf::new()),
        }
    }

    /// The part of the image that each channel responds to, projected from its peak.
    fn projections(&mut self, found: &Found) -> Result<Vec<Tile>> {
        let channels: Vec<usize> = found.channels.iter().map(|channel| channel.index).collect();
        let mut images = Vec::with_capacity(channels.len());
        for chunk in channels.chunks(CHANNELS_PER_STEP) {
            images.extend(self.maps.projections(&self.image, found, chunk)?);
            let (completed, total) = (images.len(), channels.len());
            let layer = printable::name(&found.layer);
            let message = format!("{layer}: {completed} of {total} projected");
            self.bar.set_message(message);
        }
        let tiles = channels.iter().zip(patches(&images));
        Ok(tiles
            .map(|(channel, patch)| Tile {
                label: format!("#{channel}"),
                pixels: TilePixels::Image(patch),
            })
            .collect())
    }

    fn features(&self, found: &Found, drawn: Option<PathBuf>) -> LayerFeatures {
        let (width, height) = self.image.dimensions();
        let [_, channels, rows, columns] = found.activation.shape().nchw();
        let summary = |channel: &Channel| {
            let values = channel.map.values();
            let active = values.iter().filter(|value| **value > 0.0).count();
            let preprocessing = self.maps.preprocessing();
            let [x, y] = channel.map.peak_on_image(preprocessing, width, height);
            ChannelSummary {
                channel: channel.index,
                largest: channel.largest,
                peak: Pixel { x, y },
                active: active as f64 / values.len() as f64,
            }
        };
        LayerFeatures {
            image: self.path.display().to_string(),
            size: [width, height],
            layer: found.layer.clone(),
            shape: [1, channels, rows, columns],
            seen: self.maps.preprocessing().seen(width, height),
            channels: found.channels.iter().map(summary).collect(),
            drawn: drawn.map(|path| path.display().to_string()),
        }
    }
}

/// Crops each projection to the part that is not gray, which is small in the first layers. All crops have the
/// size of the largest.
fn patches(projections: &[RgbImage]) -> Vec<RgbImage> {
    let boxes: Vec<Option<[u32; 4]>> = projections.iter().map(bounding_box).collect();
    let extent = |first: usize| {
        let extents = boxes
            .iter()
            .flatten()
            .map(|sides| sides[first + 2] - sides[first] + 1);
        extents.max()
    };
    let (Some(width), Some(height)) = (extent(0), extent(1)) else {
        // All projections are gray.
        return projections.to_vec();
    };
    (projections.iter().zip(&boxes))
        .map(|(projection, sides)| {
            let [left, top, right, bottom] = sides.unwrap_or_default();
            // Centered, but within the image.
            let start = |first: u32, last: u32, len: u32, size: u32| {
                ((first + last + 1).saturating_sub(len) / 2).min(size - len)
            };
            let left = start(left, right, width, projection.width());
            let top = start(top, bottom, height, projection.height());
            image::imageops::crop_imm(projection, left, top, width, height).to_image()
        })
        .collect()
}

/// Left, top, right and bottom of the pixels that are not gray.
fn bounding_box(projection: &RgbImage) -> Option<[u32; 4]> {
    const GRAY: [u8; 3] = [128; 3];
    let pixels = projection.enumerate_pixels();
    let boxes = (pixels.filter(|(_, _, pixel)| pixel.0 != GRAY)).map(|(x, y, _)| [x, y, x, y]);
    boxes.reduce(|a, b| {
        [
            a[0].min(b[0]),
            a[1].min(b[1]),
            a[2].max(b[2]),
            a[3].max(b[3]),
        ]
    })
}

/// The channels of a layer.
#[derive(Serialize)]
struct LayerFeatures {
    image: String,
    /// Width and height.
    size: [u32; 2],
    layer: String,
    shape: [usize; 4],
    seen: [f32; 4],
    channels: Vec<ChannelSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drawn: Option<String>,
}

#[derive(Serialize)]
struct ChannelSummary {
    channel: usize,
    largest: f32,
    peak: Pixel,
    active: f64,
}

impl LayerFeatures {
    /// The layer's size and its strongest channel.
    fn row(&self) -> [String; 7] {
        let [_, channels, height, width] = self.shape;
        let strongest = |cell: &dyn Fn(&ChannelSummary) -> String| {
            self.channels.first().map_or(String::new(), cell)
        };
        [
            self.layer.clone(),
            channels.to_string(),
            format!("{height}x{width}"),
            strongest(&|found| format!("#{}", found.channel)),
            strongest(&|found| format!("{:.3}", found.largest)),
            strongest(&|found| format!("{},{}", found.peak.x, found.peak.y)),
            strongest(&|found| format!("{:.1} %", 100.0 * found.active)),
        ]
    }

    fn print(&self) -> io::Result<()> {
        let [_, channels, height, width] = self.shape;
        let mut table = output::table(&["channel", "largest", "peak", "active"]);
        for found in &self.channels {
            table.add_row([
                found.channel.to_string(),
                format!("{:.3}", found.largest),
                format!("{},{}", found.peak.x, found.peak.y),
                format!("{:.1} %", 100.0 * found.active),
            ]);
        }
        writeln!(
            output::stdout(),
            "{}, {channels} channels of {width}x{height}\n{}",
            printable::name(&self.layer),
            table
        )
    }
}
