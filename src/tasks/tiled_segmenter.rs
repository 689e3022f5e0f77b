//! Segmentation of images in tiles, so that memory depends on tiles, and not on the image.

use std::fmt;
use std::sync::Arc;

use image::RgbImage;

use super::mask_strip::{MaskStrip, TileAxis};
use super::row_buffer::RowBuffer;
use super::segmenter::{SegmentationNetwork, class_name, reflected};
use super::tile_axis::Span;
use super::tile_events::{MaskRows, TileEvent, TileOptions, TilePlan};
use super::tile_graph::{Sampled, TileGraph};
use super::tile_layout::{AxisLayout, Layout, Side, TileNetwork};
use crate::device::Device;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Precision;
use crate::model_folder::ModelFolder;
use crate::session::{Network, NetworkSource, Session, SessionOptions};
use crate::tensor::{Shape, Tensor};
use crate::vision::{Labels, Preprocessing, RowSource};

/// On the CPU, bytes of the weights of a session for tiles whose size is not requested. With the values of a tile and the
/// rows of an image of 20,000 x 20,000, a process takes less than 700 MB.
const WEIGHT_BYTES: u64 = 208 << 20;
/// Tiles are not made smaller than this to fit a device.
const SMALLEST_SIDE: usize = 64;

/// A model folder's segmentation network that reads images in tiles: the overlap-tile strategy of Ronneberger et al.
/// 2015 ("U-Net: Convolutional networks for biomedical image segmentation"), for images of any size.
///
/// The image is read and the mask is returned by rows, from top to bottom. In memory are one tile, the rows of the image
/// and of the mask that a row of tiles touches, and the network.
///
/// The mask is that of the whole image at its own size ([`SegmentSize::Image`](super::SegmentSize::Image)), but for
/// rounding: from each tile, only outputs are taken that depend on nothing outside the tile. Where an output depends on
/// the whole image (global pooling, attention), or on too much of it, tiles overlap by half, and logits are blended
/// linearly; [`TilePlan::inexact`] says why.
///
/// ```no_run
/// use shadernet::device::Device;
/// use shadernet::model_folder::ModelFolder;
/// use shadernet::tasks::{TileEvent, TileOptions, TiledSegmenter};
/// use shadernet::vision::{RgbImage, RgbRows};
/// # let (config, weights) = (Vec::new(), Vec::new());
/// let folder = ModelFolder::from_memory("cells", &config, weights)?;
/// let mut segmenter = TiledSegmenter::new(&Device::cpu(), &folder, &Default::default())?;
/// let image = RgbImage::new(40, 24);
/// let mut classes = Vec::new();
/// segmenter.segment(RgbRows::new(&image), &TileOptions::default(), |event| {
///     if let TileEvent::Rows(rows) = event {
///         classes.extend_from_slice(rows.classes);
///     }
///     Ok(())
/// })?;
/// assert_eq!(classes.len(), 40 * 24);
/// # Ok::<(), shadernet::Error>(())
/// ```
pub struct TiledSegmenter {
    device: Device,
    options: SessionOptions,
    network: TileNetwork,
    preprocessing: Preprocessing,
    labels: Labels,
    unused_weights: Option<String>,
    session: Option<(SessionKey, Session)>,
}

/// What a session was made for.
#[derive(Debug, PartialEq)]
struct SessionKey {
    /// The nodes whose positions are inputs.
    sampled: Vec<usize>,
    /// The only tile it takes, of a network that is imported for it.
    shape: Option<Shape>,
    has_weight_limit: bool,
}

impl TiledSegmenter {
    /// Reads the network. Its session is made for the first image.
    ///
    /// # Errors
    /// [`Error::File`] where the folder's network is not for segmentation, and where weights are missing or unfit.
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        Self::from_network(device, SegmentationNetwork::open(folder)?, options)
    }

    fn from_network(
        device: &Device,
        network: SegmentationNetwork,
        options: &SessionOptions,
    ) -> Result<Self> {
        let SegmentationNetwork {
            source,
            unused_weights,
            preprocessing,
            labels,
        } = network;
        let [channels, height, width] = preprocessing.input_size;
        Ok(Self {
            device: device.clone(),
            options: options.clone(),
            network: TileNetwork::new(source, channels, [height, width])?,
            preprocessing,
            labels,
            unused_weights,
            session: None,
        })
    }

    /// The name of a class; see [`Segmenter::label`](super::Segmenter::label).
    pub fn label(&self, class: u8) -> String {
        class_name(&self.labels, class)
    }

    /// What the user should know about how the network runs; see [`Session::warning`]. More may be known after the first
    /// image.
    pub fn warning(&self) -> Option<&str> {
        match &self.session {
            Some((_, session)) => session.warning(),
            None => self.unused_weights.as_deref(),
        }
    }

    /// Segments the image of `rows` at its own size. `report` is called with the tiles, then with progress and rows of
    /// the mask; an error that it returns ends the work.
    ///
    /// # Errors
    /// [`Error::Inputs`] where tiles of the requested side are no larger than the margin; those of [`RowSource::read_row`],
    /// [`Session::run`], [`Session::check_finite`] and `report`.
    pub fn segment(
        &mut self,
        rows: impl RowSource,
        options: &TileOptions,
        mut report: impl FnMut(TileEvent) -> Result<()>,
    ) -> Result<()> {
        let (width, height) = rows.dimensions();
        let image = [height as usize, width as usize];
        let (layout, sampled) = self.prepare(image, options)?;
        let [of_rows, of_columns] = &layout.axes;
        let plan = TilePlan {
            tile: [of_rows.tile, of_columns.tile],
            tiles: [of_rows.spans.len(), of_columns.spans.len()],
            inexact: layout.inexact.clone().or(self.rounded(&sampled)),
        };
        report(TileEvent::Plan(&plan))?;
        let total = plan.tiles[0] * plan.tiles[1];
        let mut completed = 0;
        let mut buffer = RowBuffer::new(rows);
        let mut strip = None;
        for y in 0..of_rows.spans.len() {
            let needed = of_rows.image_rows(y, image[0]);
            buffer.keep(needed)?;
            for x in 0..of_columns.spans.len() {
                let logits = self.run(&layout, &sampled, [y, x], image, &buffer)?;
                let tile = [of_rows.tile(y), of_columns.tile(x)];
                let strip = match &mut strip {
                    Some(strip) => strip,
                    none => none.insert(MaskStrip::new(image[1], logits.shape().nchw()[1])),
                };
                if x == 0 {
                    strip.begin(&tile[0]);
                }
                strip.add(&logits, &tile[0], &tile[1]);
                completed += 1;
                report(TileEvent::Progress { completed, total })?;
            }
            if let Some(strip) = &strip {
                let rows = strip.classes.len() / image[1];
                report(TileEvent::Rows(MaskRows {
                    top: strip.top,
                    width: image[1],
                    classes: &strip.classes,
                    probabilities: &strip.probabilities,
                    foreground: &strip.foreground,
                    image: buffer.rows(strip.top..strip.top + rows),
                }))?;
            }
        }
        Ok(())
    }

    /// The tiles of an image, and a session for them.
    fn prepare(
        &mut self,
        image: [usize; 2],
        options: &TileOptions,
    ) -> Result<(Layout, Vec<Sampled>)> {
        if let Some(side) = options.side {
            return self.prepare_side(image, Side::Requested(side));
        }
        let mut side = self.network.chosen_side();
        loop {
            match self.prepare_side(image, Side::Chosen(side)) {
                Err(error) if is_too_large(&error) && side > SMALLEST_SIDE => {
                    side = (side * 3 / 4).max(SMALLEST_SIDE);
                }
                result => return result,
            }
        }
    }

    fn prepare_side(&mut self, image: [usize; 2], side: Side) -> Result<(Layout, Vec<Sampled>)> {
        let layout = self.network.layout(image, side)?;
        let shapes = [layout.shape.clone()];
        let network = self.network.source.network(&shapes)?;
        let tile = match layout.inexact {
            None => {
                let windows = network.graph.input_windows(&shapes)?;
                let values = network.graph.infer(&shapes)?;
                let beyond = [0, 1].map(|i| layout.axes[i].input - layout.axes[i].tile);
                Some(TileGraph::new(&network.graph, &windows, &values, beyond))
            }
            Some(_) => None,
        };
        let (source, sampled) = match tile {
            Some(tile) if !tile.sampled.is_empty() => {
                let network = Network {
                    graph: tile.graph,
                    weights: network.weights,
                };
                (Arc::new(NetworkSource::Graph(network)), tile.sampled)
            }
            _ => (self.network.source.clone(), Vec::new()),
        };
        let is_imported = !sampled.is_empty() && !self.network.source.is_one_graph();
        let key = SessionKey {
            sampled: sampled.iter().map(|sampled| sampled.node).collect(),
            shape: is_imported.then(|| layout.shape.clone()),
            has_weight_limit: matches!(side, Side::Chosen(_)),
        };
        let inputs: Vec<Shape> = std::iter::once(layout.shape.clone())
            .chain(sampled.iter().map(Sampled::shape))
            .collect();
        match &mut self.session {
            Some((known, session)) if *known == key => session.prepare(&inputs)?,
            _ => {
                // Before the next one is made, so that there is memory for one.
                self.session = None;
                let mut options = self.options.clone();
                if key.has_weight_limit {
                    options = options.weight_bytes(WEIGHT_BYTES);
                }
                let unused = self.unused_weights.clone();
                let session =
                    Session::from_source(&self.device, source, &options, &inputs, unused)?;
                self.session = Some((key, session));
            }
        }
        Ok((layout, sampled))
    }

    /// What float16 does to positions.
    fn rounded(&self, sampled: &[Sampled]) -> Option<String> {
        let is_float16 =
            matches!(self.device, Device::Gpu(_)) && self.options.precision == Precision::F16;
        (is_float16 && !sampled.is_empty()).then(|| {
            "the positions at which it resizes maps are rounded to float16 in tiles".to_owned()
        })
    }

    /// The logits of a tile, `[1, C, h, w]`.
    fn run<R: RowSource>(
        &mut self,
        layout: &Layout,
        sampled: &[Sampled],
        [y, x]: [usize; 2],
        image: [usize; 2],
        buffer: &RowBuffer<R>,
    ) -> Result<Tensor> {
        let [rows, columns] = &layout.axes;
        let origin = [rows.spans[y].origin, columns.spans[x].origin];
        let across: Vec<usize> = (0..columns.tile)
            .map(|i| reflected(origin[1] + i, columns.border, image[1]))
            .collect();
        // Sides of tiles are checked by `Preprocessing`.
        let mut tile = RgbImage::new(columns.tile as u32, rows.tile as u32);
        let lines = tile.as_mut().chunks_exact_mut(3 * columns.tile);
        for (i, line) in lines.enumerate() {
            let from = buffer.row(reflected(origin[0] + i, rows.border, image[0]));
            for (to, &x) in line.as_chunks_mut::<3>().0.iter_mut().zip(&across) {
                to.copy_from_slice(&from[3 * x..3 * x + 3]);
            }
        }
        let preprocessing = Preprocessing {
            input_size: [self.preprocessing.input_size[0], rows.tile, columns.tile],
            ..self.preprocessing.clone()
        };
        let mut inputs = vec![preprocessing.apply(&tile)?];
        inputs.extend(sampled.iter().map(|sampled| sampled.positions(origin)));
        match &mut self.session {
            Some((_, session)) => Ok(session.run_finite(&inputs)?.swap_remove(0)),
            None => Err(Error::Inputs(
                "no session was prepared for the tiles".to_owned(),
            )),
        }
    }
}

impl AxisLayout {
    /// The image's rows, from the first to the one after the last, that the tiles of a row read or compute. Later tiles
    /// need none before them.
    fn image_rows(&self, tile: usize, image: usize) -> std::ops::Range<usize> {
        let rows = |span: &Span| {
            let read =
                (span.origin..span.origin + self.tile).map(|at| reflected(at, self.border, image));
            read.fold(span.pixels, |[first, end], row| {
                [first.min(row), end.max(row + 1)]
            })
        };
        let [_, end] = rows(&self.spans[tile]);
        let first = self.spans[tile..].iter().map(|span| rows(span)[0]).min();
        first.unwrap_or(end)..end
    }

    fn tile(&self, i: usize) -> TileAxis<'_> {
        TileAxis {
            span: self.spans[i],
            shared_with_next: self.spans.get(i + 1).map_or(0, |next| next.shared),
            taps: &self.taps,
            map_origin: (self.spans[i].origin as f64 / self.jump).round() as usize,
        }
    }
}

fn is_too_large(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Limit | ErrorKind::OutOfMemory)
}

impl fmt::Debug for TiledSegmenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TiledSegmenter")
            .field("preprocessing", &self.preprocessing)
            .field("warning", &self.warning())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
