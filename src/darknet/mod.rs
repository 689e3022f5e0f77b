//! Darknet's files (Redmon, <https://pjreddie.com/darknet>): a `.cfg` describes a network, a `.weights`
//! holds its trained weights.
//!
//! The supported sections are those of convolutional classifiers and detectors: `net`,
//! `convolutional`, `local`, `crop`, `maxpool`, `avgpool`, `route`, `shortcut`, `upsample`, `reorg`,
//! `connected`, `dropout`, `softmax`, `cost`, `yolo`, `region` and `detection`. An unknown section, or an unsupported
//! setting that would change the output, is an error that names its line.
//!
//! As in Darknet, blanks do not count, and of a number what follows its digits: `size = 3.0,` is 3. Text that
//! is not ASCII is allowed in comments, in any encoding.
//! [`crate::model_folder::convert_darknet`] converts both files to a model folder.
//!
//! ```
//! use shadernet::darknet::Network;
//! use shadernet::tensor::Shape;
//!
//! let network = Network::parse(
//!     "tiny.cfg",
//!     "[net]
//!      width=64
//!      height=64
//!      channels=3
//!      [convolutional]
//!      batch_normalize=1
//!      filters=8
//!      size=3
//!      stride=2
//!      pad=1
//!      activation=leaky
//!      [avgpool]
//!      [softmax]",
//! )?;
//! let shapes = network.graph().infer(&[Shape::from([1, 3, 64, 64])])?;
//! assert_eq!(shapes.last().unwrap(), &Shape::from([1, 8, 1, 1]));
//!
//! let error = Network::parse("tiny.cfg", "[net]\nwidth=8\nheight=8\n[lstm]").unwrap_err();
//! assert!(error.to_string().contains("line 4: unknown section [lstm]"));
//! # Ok::<(), shadernet::Error>(())
//! ```

#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

mod cfg;
mod heads;
mod layers;
mod weights;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::graph::{Graph, GraphBuilder};
use crate::tensor::Shape;
use crate::util::read::read_file;
use crate::util::text::without_byte_order_mark;
use crate::vision::Head;
use crate::zoo::darknet::{Layer, build_layers};
use cfg::Section;

/// More than any network needs; the largest of Darknet's own files have 14 KB.
const MAX_CFG_BYTES: u64 = 1 << 20;

/// A network that a `.cfg` describes.
#[derive(Clone, Debug)]
pub struct Network {
    path: PathBuf,
    text: String,
    input_size: [usize; 3],
    /// Whether a `[crop]` brings the image's values from 0..1 to -1..1.
    doubled: bool,
    /// `letter_box` of `[net]`.
    letter_box: Option<bool>,
    layers: Vec<Layer>,
    heads: Vec<Head>,
    graph: Graph,
    /// The outputs' shapes, for one image of `input_size`.
    outputs: Vec<Shape>,
}

impl Network {
    /// Reads the `.cfg` at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::File`] where it is too large, and as
    /// for [`Self::parse`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_file(path, "a Darknet .cfg", MAX_CFG_BYTES)?;
        // Everything that counts is ASCII.
        Self::parse(path, &String::from_utf8_lossy(&bytes))
    }

    /// Parses the text of a `.cfg`. Messages use `name` for the file.
    ///
    /// # Errors
    /// [`Error::File`] with the line of the invalid section or setting, the expected and the actual value.
    pub fn parse(name: impl AsRef<Path>, text: &str) -> Result<Self> {
        let path = name.as_ref();
        let text = without_byte_order_mark(text);
        let stripped = cfg::without_blanks(text);
        let sections = cfg::sections(path, &stripped)?;
        let [net, sections @ ..] = sections.as_slice() else {
            let reason = "a Darknet .cfg, which begins with [net], was expected; found no section";
            return Err(Error::file(path, reason));
        };
        let input_size = layers::input_size(net)?;
        let letter_box = net.optional_flag("letter_box")?;
        let (layers, heads) = layers::layers(net, sections)?;
        let doubled = match sections.first().filter(|first| first.name == "crop") {
            Some(crop) => !crop.flag("noadjust")?,
            None => false,
        };
        let mut b = GraphBuilder::new("darknet");
        let image = b.image_input("input", input_size[0]);
        let outputs = build_layers(&mut b, image, input_size, &layers)
            .map_err(|misfit| sections[misfit.layer].error(misfit.reason))?;
        for output in outputs {
            b.output(output);
        }
        let locate = |error| with_section(error, sections);
        let graph = b.build().map_err(locate)?;
        let [c, h, w] = input_size;
        let shapes = graph.infer(&[[1, c, h, w].into()]).map_err(locate)?;
        let outputs: Vec<Shape> = (graph.outputs().iter())
            .map(|output| shapes[output.index()].clone())
            .collect();
        heads::check(&heads, &outputs, sections)?;
        Ok(Self {
            path: path.to_owned(),
            text: text.to_owned(),
            input_size,
            doubled,
            letter_box,
            layers,
            heads: heads.into_iter().map(|placed| placed.head).collect(),
            graph,
            outputs,
        })
    }

    /// The text of the `.cfg`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Channels, height and width of the input, from `[net]`.
    pub fn input_size(&self) -> [usize; 3] {
        self.input_size
    }

    /// The mean and standard deviation by which values of an image from 0 to 1 become those of the input: 0 and
    /// 1, or with Darknet's `[crop]`, which computes `2 x - 1`, 0.5 and 0.5.
    pub fn mean_and_std(&self) -> (f32, f32) {
        match self.doubled {
            true => (0.5, 0.5),
            false => (0.0, 1.0),
        }
    }

    /// `letter_box` of `[net]`, if it is set: whether a detector's images keep their aspect ratio and are padded,
    /// rather than being stretched to [`Self::input_size`].
    pub fn letter_box(&self) -> Option<bool> {
        self.letter_box
    }

    /// The graph. Its input is an image named `input`. It has one output for each of [`Self::heads`] or,
    /// without heads, the last layer's output before any softmax. Parameters are named `layers.N.*` as in
    /// [`crate::zoo`]'s YOLO networks, where `N` is the section's index after `[net]`.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// How boxes are decoded from the outputs, in order; empty for a classifier.
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// The number of classes of the heads or, for a classifier, of the last layer.
    ///
    /// # Errors
    /// [`Error::File`] where the network has no heads and its output is a spatial map.
    pub fn num_classes(&self) -> Result<usize> {
        if let Some(head) = self.heads.first() {
            return Ok(head.classes());
        }
        match self.outputs.iter().map(Shape::dims).next() {
            Some([_, classes] | [_, classes, 1, 1]) => Ok(*classes),
            _ => Err(Error::file(
                &self.path,
                format!(
                    "a [yolo], [region] or [detection] section, or a last layer with one value \
                     per class was expected; the last layer's output is {}",
                    self.outputs.first().cloned().unwrap_or_default()
                ),
            )),
        }
    }
}

/// Turns an error about a node into one about the section that the node was made from.
fn with_section(error: Error, sections: &[Section]) -> Error {
    let Error::Node { node, reason, .. } = &error else {
        return error;
    };
    let layer = node.strip_prefix("layers.");
    let layer = layer.and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
    match layer.and_then(|layer| sections.get(layer)) {
        Some(section) => section.error(reason),
        None => error,
    }
}
