//! How an image is divided into tiles for a network.

use std::sync::Arc;

use super::segmenter::input_size_for;
use super::tile_axis::{Span, Whole, smallest_tile, spans, step};
use crate::error::{Error, Result};
use crate::graph::InputWindow;
use crate::session::NetworkSource;
use crate::tensor::Shape;
use crate::vision::{Tap, linear_taps};

/// Bytes of the values of a tile, where its size is not requested. The larger a tile, the smaller the share of it that
/// overlaps others.
const VALUE_BYTES: f64 = 320.0 * 1024.0 * 1024.0;
/// Sides of images that networks are made for are multiples of it, whatever is known of their stride.
const USUAL_STRIDE: usize = 32;

/// What is known of a network before there is an image.
pub(super) struct TileNetwork {
    pub source: Arc<NetworkSource>,
    channels: usize,
    /// Height and width of an image of the model's size, of the network's input for it, and of its map.
    image: [usize; 2],
    input: [usize; 2],
    map: [usize; 2],
    /// Input pixels that a pixel of the map depends on, vertically and horizontally, or why that is unknown.
    window: Result<[InputWindow; 2], String>,
    stride: [usize; 2],
    /// The network takes images of one size only.
    is_fixed: bool,
    /// Of its values, for each input pixel.
    bytes_per_pixel: f64,
}

/// The side of a tile, in pixels of the network's input.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    /// Requested by the host: an error where it is too small.
    Requested(usize),
    /// Chosen by memory.
    Chosen(usize),
}

/// The tiles of an image.
#[derive(Debug)]
pub(super) struct Layout {
    /// The shape of the network's input for a tile.
    pub shape: Shape,
    /// Rows and columns.
    pub axes: [AxisLayout; 2],
    /// Why the mask is not that of the whole image.
    pub inexact: Option<String>,
}

#[derive(Debug)]
pub(super) struct AxisLayout {
    /// Pixels of the network's input for the whole image, of which `border` are before the image.
    pub input: usize,
    pub border: usize,
    pub tile: usize,
    pub jump: f64,
    pub taps: Vec<Tap>,
    pub spans: Vec<Span>,
}

impl TileNetwork {
    /// For a network whose map covers an image of height and width `image`, the model's size.
    pub fn new(source: Arc<NetworkSource>, channels: usize, image: [usize; 2]) -> Result<Self> {
        let input = input_size_for(&source, channels, image)?;
        let shapes = [Shape::from([1, channels, input[0], input[1]])];
        let graph = source.network(&shapes)?.graph;
        let windows = graph.input_windows(&shapes)?;
        // A graph has an output.
        let window = windows.of(graph.outputs()[0]);
        let summary = graph.summary(&shapes)?;
        let larger = input.map(|side| side + 2 * USUAL_STRIDE);
        let is_fixed = !source.is_one_graph() && map_size(&source, channels, larger).is_err();
        Ok(Self {
            channels,
            image,
            map: map_size(&source, channels, input)?,
            input,
            stride: match window {
                Ok(_) => windows.stride(),
                Err(_) => windows.stride().map(|stride| match stride % USUAL_STRIDE {
                    0 => stride,
                    _ => stride * USUAL_STRIDE,
                }),
            },
            window,
            is_fixed,
            bytes_per_pixel: summary.activation_bytes as f64 / (input[0] * input[1]) as f64,
            source,
        })
    }

    /// The side of tiles whose values take no more than a third of a gigabyte.
    pub fn chosen_side(&self) -> usize {
        (VALUE_BYTES / self.bytes_per_pixel.max(1.0)).sqrt() as usize
    }

    /// The tiles of an image of height and width `image`.
    ///
    /// # Errors
    /// [`Error::Inputs`] where a requested side is too small, and where the network does not take such tiles.
    pub fn layout(&self, image: [usize; 2], side: Side) -> Result<Layout> {
        let (input, map) = self.whole(image)?;
        let (Side::Requested(longest) | Side::Chosen(longest)) = side;
        let tile = [0, 1].map(|axis| match (self.is_fixed, input[axis]) {
            (true, _) => self.input[axis],
            (false, input) if input <= longest => input,
            // The part of the image beyond a tile is whole strides.
            (false, input) => {
                let stride = self.stride[axis];
                (longest + stride - input % stride) / stride * stride + input % stride - stride
            }
        });
        let jump = [0, 1].map(|axis| self.jump(axis));
        let tile_map = [0, 1].map(|axis| {
            map[axis]
                .saturating_sub(((input[axis] - tile[axis]) as f64 / jump[axis]).round() as usize)
        });
        let taps = [0, 1].map(|axis| self.taps(image[axis], input[axis], map[axis]));
        let whole = |window: &Result<[InputWindow; 2], String>| {
            [0, 1].map(|axis| Whole {
                input: input[axis],
                taps: &taps[axis],
                stride: match self.is_fixed {
                    true => jump[axis] as usize,
                    false => self.stride[axis],
                },
                jump: jump[axis],
                window: window.as_ref().ok().map(|windows| windows[axis]),
            })
        };
        let window = self.usable_window(&whole(&self.window), tile, tile_map, side)?;
        let axes = whole(&window);
        let spans = [0, 1].map(|axis| spans(&axes[axis], tile[axis], tile_map[axis]));
        let [Some(rows), Some(columns)] = spans else {
            return Err(self.too_small(&axes, tile, longest));
        };
        let found = map_size(&self.source, self.channels, tile)?;
        if found != tile_map {
            return Err(Error::Inputs(format!(
                "{}: of a tile of {}x{} (height and width), a map of {}x{} was expected, found {}x{}",
                self.source.name(),
                tile[0],
                tile[1],
                tile_map[0],
                tile_map[1],
                found[0],
                found[1]
            )));
        }
        let mut parts = taps.into_iter().zip([rows, columns]).enumerate();
        let mut axis = || {
            // Both axes are taken once.
            let (axis, (taps, spans)) = parts.next().unwrap_or_default();
            AxisLayout {
                input: input[axis],
                border: (input[axis] - image[axis]) / 2,
                tile: tile[axis],
                jump: jump[axis],
                taps,
                spans,
            }
        };
        let axes = [axis(), axis()];
        let is_whole = axes.iter().all(|axis| axis.spans.len() == 1) && !self.is_fixed;
        Ok(Layout {
            shape: Shape::from([1, self.channels, tile[0], tile[1]]),
            inexact: window.err().filter(|_| !is_whole),
            axes,
        })
    }

    /// The sizes of the network's input and of its map for an image. Only a smaller one is asked for, since the values
    /// of a large image may be more than a graph can have.
    fn whole(&self, image: [usize; 2]) -> Result<([usize; 2], [usize; 2])> {
        if self.is_fixed {
            // By whole pixels of the map.
            let beyond = [0, 1].map(|axis| {
                let jump = self.jump(axis) as usize;
                let beyond = image[axis].saturating_sub(self.input[axis]);
                beyond.next_multiple_of(jump.max(1))
            });
            let input = [0, 1].map(|axis| self.input[axis] + beyond[axis]);
            let map = [0, 1].map(|axis| {
                self.map[axis] + (beyond[axis] as f64 / self.jump(axis)).round() as usize
            });
            return Ok((input, map));
        }
        let smaller = [0, 1].map(|axis| {
            let (size, stride) = (image[axis], self.stride[axis]);
            match size.checked_sub(self.image[axis]) {
                Some(beyond) => self.image[axis] + beyond % stride,
                None => size,
            }
        });
        let input = input_size_for(&self.source, self.channels, smaller)?;
        let map = map_size(&self.source, self.channels, input)?;
        let beyond = [0, 1].map(|axis| image[axis] - smaller[axis]);
        let more = [0, 1].map(|axis| (beyond[axis] as f64 / self.jump(axis)).round() as usize);
        Ok((
            [0, 1].map(|axis| input[axis] + beyond[axis]),
            [0, 1].map(|axis| map[axis] + more[axis]),
        ))
    }

    /// Input pixels between pixels of the map.
    fn jump(&self, axis: usize) -> f64 {
        match &self.window {
            Ok(windows) => windows[axis].jump,
            Err(_) => (self.input[axis] as f64 / self.map[axis] as f64)
                .round()
                .max(1.0),
        }
    }

    /// What the pixels of an image along an axis are made of, as in [`crate::tasks::Segmenter::segment`].
    fn taps(&self, image: usize, input: usize, map: usize) -> Vec<Tap> {
        let border = (input - image) / 2;
        if map >= image && (map == input || !self.is_fixed) {
            let before = (map - image) / 2;
            return (before..before + image).map(|at| (at, at, 0.0)).collect();
        }
        // Far below 2^32.
        let taps = linear_taps(input as u32, map);
        taps[border..border + image].to_vec()
    }

    /// The windows by which tiles are exact, or why they are not.
    fn usable_window(
        &self,
        whole: &[Whole; 2],
        tile: [usize; 2],
        map: [usize; 2],
        side: Side,
    ) -> Result<Result<[InputWindow; 2], String>> {
        let window = match &self.window {
            _ if self.is_fixed => Err(format!(
                "it takes images of {}x{} (height and width) only",
                self.input[0], self.input[1]
            )),
            Ok(windows) => Ok(*windows),
            Err(reason) => Err(reason.clone()),
        };
        let Ok(windows) = window else {
            return Ok(window);
        };
        // Where less than a quarter of a chosen tile would be left, the margin costs too much.
        let is_wasteful = |axis: usize| {
            tile[axis] < whole[axis].input
                && step(&whole[axis], tile[axis], map[axis])
                    .is_none_or(|step| step < tile[axis] / 4)
        };
        match side {
            Side::Chosen(side) if is_wasteful(0) || is_wasteful(1) => {
                let size = windows.map(|window| window.last - window.first + 1.0);
                Ok(Err(format!(
                    "each of its outputs depends on {}x{} pixels, too many for tiles of {side}",
                    size[0], size[1]
                )))
            }
            _ => Ok(Ok(windows)),
        }
    }

    /// The error for tiles that are all margin.
    fn too_small(&self, whole: &[Whole; 2], tile: [usize; 2], requested: usize) -> Error {
        let needed = [0, 1].map(|axis| {
            let jump = self.jump(axis);
            let [input, map] = [self.input[axis], self.map[axis]].map(|size| size as f64);
            let map_of = |size: usize| (map - (input - size as f64) / jump).max(0.0) as usize;
            match tile[axis] < whole[axis].input {
                true => smallest_tile(&whole[axis], map_of),
                false => tile[axis],
            }
        });
        let margin = match &self.window {
            Ok([rows, columns]) => format!(
                "an output depends on {}x{} pixels",
                rows.last - rows.first + 1.0,
                columns.last - columns.first + 1.0
            ),
            Err(_) => "tiles overlap by half".to_owned(),
        };
        Error::Inputs(format!(
            "{}: tiles of {requested} pixels per side have no pixels beyond the margin ({margin}); {} or more \
             were expected for this image",
            self.source.name(),
            needed[0].max(needed[1])
        ))
    }
}

/// Height and width of the network's map for an input of this height and width.
fn map_size(source: &NetworkSource, channels: usize, input: [usize; 2]) -> Result<[usize; 2]> {
    let shapes = source.output_shapes(&[Shape::from([1, channels, input[0], input[1]])])?;
    // A graph has an output.
    let [_, _, h, w] = shapes[0].nchw();
    Ok([h, w])
}
