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
use shadernet::{Error, Result};

use super::heat_overlay::Place;
use super::output_files::OutputFiles;
use super::{DeviceArgs, Failure, SessionArgs, layers, open_model, output, progress};

/// Show what the channels of a network's layers answer to a picture
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet features --layer '?'
  shadernet features photo.jpg --layer blocks.1 -o channels.png
  shadernet features photo.jpg --layer blocks.4 --top 16 --project -o seen.png
  shadernet features photo.jpg --all -o stages/
  shadernet features photo.jpg --layer blocks.4 --json | jq .channels[0]

Channels come strongest first: by the largest value of each one's map. Peaks are column and row in
pixels of the picture, active is the share of a map that is above 0. A projection is what of the
picture made a channel answer so: the deconvnet of Zeiler and Fergus (2014), from its peak.")]
pub struct Features {
    /// The picture
    #[arg(value_name = "IMAGE", required_unless_present = "layer")]
    image: Option<PathBuf>,

    /// Model folder, or the name of one that `shadernet models` lists; any whose network reads
    /// pictures [default: efficientnet_lite0]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// The layer, or ? for a list of them
    #[arg(
        long,
        value_name = "NAME|?",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    layer: Option<String>,

    /// The last layer of each stage, as layers of one size in a row are called
    #[arg(long)]
    all: bool,

    /// How many channels of a layer; 0 for all
    #[arg(long, default_value = "64", value_name = "N")]
    top: usize,

    /// Draw beside the maps what of the picture the channels answered to
    #[arg(long, requires = "output")]
    project: bool,

    /// Draw the channels' maps, into a file (.png, .jpg), or into a folder that gets one for each
    /// layer, called as the layer is
    #[arg(short, long, value_name = "OUT.png|DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object a line, one a layer
    #[arg(long)]
    json: bool,
}

/// Channels projected at once, between which progress is shown.
const AT_ONCE: usize = 8;

impl Features {
    pub fn execute(&self) -> Result<(), Failure> {
        let open = || open_model(self.model.as_deref());
        if self.layer.as_deref() == Some(layers::ASK) {
            return self.list(&open()?);
        }
        let Some(image) = &self.image else {
            return Err(Failure::Usage(
                "a picture was expected; only --layer '?' goes without one (see --help)".into(),
            ));
        };
        let picture = decode(image)?;
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
                "{} has no spatial maps: no layer answers more than one pixel",
                folder.architecture
            ))));
        }
        // Last, as it makes a folder.
        let written = match &self.output {
            Some(path) => Some(OutputFiles::ready("--output", path, !self.all)?),
            None => None,
        };
        let bar = match names.len() > 1 || self.project {
            true => progress::bar(names.len()),
            false => ProgressBar::hidden(),
        };
        bar.tick();
        let mut running = Running {
            command: self,
            image,
            picture,
            maps,
            written,
            bar,
            noticed: false,
        };
        let result = names.iter().try_for_each(|name| running.layer(name));
        running.bar.finish_and_clear();
        result
    }

    /// Prints the layers that there are. Nothing is run, and so no device is needed.
    fn list(&self, folder: &ModelFolder) -> Result<(), Failure> {
        let maps = FeatureMaps::new(&Device::cpu(), folder, &Default::default())?;
        layers::print(&maps.layers()?, &maps.stages()?, "stage", self.json)?;
        Ok(())
    }
}

/// A picture on its way through the layers.
struct Running<'a> {
    command: &'a Features,
    image: &'a Path,
    picture: RgbImage,
    maps: FeatureMaps,
    written: Option<OutputFiles>,
    bar: ProgressBar,
    /// Whether the network's notice was told, which is there once it has run.
    noticed: bool,
}

impl Running<'_> {
    fn layer(&mut self, name: &str) -> Result<(), Failure> {
        self.bar.set_message(name.to_owned());
        let mut found = self.maps.channels(&self.picture, name)?;
        if let (false, Some(notice)) = (self.noticed, self.maps.warning()) {
            self.bar.suspend(|| output::say(notice));
            self.noticed = true;
        }
        let count = found.channels.len();
        if self.command.top > 0 {
            found.channels.truncate(self.command.top);
        }
        let drawn = match self.written {
            Some(_) => Some(self.draw(&found, count)?),
            None => None,
        };
        let answer = self.answer(&found, drawn);
        self.bar.inc(1);
        self.bar.suspend(|| match self.command.json {
            true => output::json_line(&answer),
            false => answer.print(),
        })?;
        Ok(())
    }

    /// The channels of `found`, of so many, and where they were drawn.
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
            let title = "what of the picture they answered to (deconvnet), cut out";
            let projected = sheet(title, &tiles, &options)?;
            drawn = figure(&[Panel::plain("", drawn), Panel::plain("", projected)])?;
        }
        match &mut self.written {
            Some(written) => written.write_as(self.image, &found.layer, &drawn),
            None => Ok(PathBuf::new()),
        }
    }

    /// What of the picture the channels answered to, from their peaks.
    fn projections(&mut self, found: &Found) -> Result<Vec<Tile>> {
        let channels: Vec<usize> = found.channels.iter().map(|channel| channel.index).collect();
        let mut pictures = Vec::with_capacity(channels.len());
        for some in channels.chunks(AT_ONCE) {
            pictures.extend(self.maps.projections(&self.picture, found, some)?);
            let (done, all) = (pictures.len(), channels.len());
            let message = format!("{}: {done} of {all} projected", found.layer);
            self.bar.set_message(message);
        }
        let tiles = channels.iter().zip(patches(&pictures));
        Ok(tiles
            .map(|(channel, patch)| Tile {
                label: format!("#{channel}"),
                pixels: TilePixels::Image(patch),
            })
            .collect())
    }

    fn answer(&self, found: &Found, drawn: Option<PathBuf>) -> Answer {
        let (width, height) = self.picture.dimensions();
        let [_, channels, rows, columns] = found.activation.shape().nchw();
        let strongest = |channel: &Channel| {
            let values = channel.map.values();
            let active = values.iter().filter(|value| **value > 0.0).count();
            let preprocessing = self.maps.preprocessing();
            let [x, y] = channel.map.peak_on_image(preprocessing, width, height);
            Strongest {
                channel: channel.index,
                largest: channel.largest,
                peak: Place { x, y },
                active: active as f64 / values.len() as f64,
            }
        };
        Answer {
            image: self.image.display().to_string(),
            size: [width, height],
            layer: found.layer.clone(),
            shape: [1, channels, rows, columns],
            seen: self.maps.preprocessing().seen(width, height),
            channels: found.channels.iter().map(strongest).collect(),
            drawn: drawn.map(|path| path.display().to_string()),
        }
    }
}

/// Of each projection what is not grey, which is little in the first layers: patches of one size, that of the
/// largest.
fn patches(projections: &[RgbImage]) -> Vec<RgbImage> {
    let seen: Vec<Option<[u32; 4]>> = projections.iter().map(not_grey).collect();
    let side = |first: usize| {
        let sides = seen
            .iter()
            .flatten()
            .map(|of| of[first + 2] - of[first] + 1);
        sides.max()
    };
    let (Some(width), Some(height)) = (side(0), side(1)) else {
        // Nothing came back anywhere.
        return projections.to_vec();
    };
    (projections.iter().zip(&seen))
        .map(|(projection, seen)| {
            let [left, top, right, bottom] = seen.unwrap_or_default();
            // About its middle, as far as the picture goes.
            let start = |first: u32, last: u32, len: u32, all: u32| {
                ((first + last + 1).saturating_sub(len) / 2).min(all - len)
            };
            let left = start(left, right, width, projection.width());
            let top = start(top, bottom, height, projection.height());
            image::imageops::crop_imm(projection, left, top, width, height).to_image()
        })
        .collect()
}

/// The first and the last column and row in which something is not grey: left, top, right and bottom.
fn not_grey(projection: &RgbImage) -> Option<[u32; 4]> {
    const GREY: [u8; 3] = [128; 3];
    let places = projection.enumerate_pixels();
    let boxes = (places.filter(|(_, _, pixel)| pixel.0 != GREY)).map(|(x, y, _)| [x, y, x, y]);
    boxes.reduce(|a, b| {
        [
            a[0].min(b[0]),
            a[1].min(b[1]),
            a[2].max(b[2]),
            a[3].max(b[3]),
        ]
    })
}

/// What a layer answers to the picture.
#[derive(Serialize)]
struct Answer {
    image: String,
    /// Width and height.
    size: [u32; 2],
    layer: String,
    shape: [usize; 4],
    seen: [f32; 4],
    channels: Vec<Strongest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drawn: Option<String>,
}

#[derive(Serialize)]
struct Strongest {
    channel: usize,
    largest: f32,
    peak: Place,
    active: f64,
}

impl Answer {
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
            io::stdout(),
            "{}, {channels} channels of {width}x{height}\n{}",
            self.layer,
            table.trim_fmt()
        )
    }
}
