//! Images in, labels out: decoding, preprocessing, and what a network's outputs mean.
//!
//! Three parts, the last two behind features:
//!
//! - always: [`Preprocessing`], [`resize`], [`Labels`], boxes, masks and heat maps;
//! - `codecs`: [`decode`], [`decode_bytes`], [`EncodedImage`] and [`RowReader`] for PNG, JPEG, WebP, GIF, BMP, TIFF and PNM files;
//! - `draw`: figures, sheets, labeled boxes and heat maps drawn over images.
//!
//! ```
//! use shadernet::vision::{Preprocessing, resize, softmax, top_k};
//!
//! // A uniform gray image, prepared for a network trained on ImageNet.
//! let image = image::RgbImage::from_pixel(320, 240, image::Rgb([128; 3]));
//! let input = Preprocessing::default().apply(&image)?;
//! assert_eq!(input.shape().dims(), [1, 3, 224, 224]);
//!
//! let probabilities = softmax(&[0.1, 2.0, -1.0]);
//! assert_eq!(top_k(&probabilities, 2), [1, 0]);
//! # Ok::<(), shadernet::Error>(())
//! ```

mod boxes;
mod channel_order;
#[cfg(feature = "draw")]
mod color_map;
mod composite;
mod crop;
mod crops;
mod cutout;
#[cfg(feature = "codecs")]
mod decode;
#[cfg(feature = "draw")]
mod draw;
#[cfg(feature = "draw")]
mod figure;
mod heads;
mod heat_map;
mod image_limits;
mod labels;
mod mask;
mod preprocess;
mod resize;
mod resize_passes;
mod rows;
#[cfg(feature = "draw")]
mod sheet;
#[cfg(feature = "draw")]
mod text;
mod top_k;

pub use boxes::{DetectionOptions, ScoredBox, intersection_over_union, non_maximum_suppression};
pub use channel_order::ChannelOrder;
#[cfg(feature = "draw")]
#[cfg_attr(docsrs, doc(cfg(feature = "draw")))]
pub use color_map::heat_color;
pub use composite::over_white;
pub use crop::{CropMode, ImageTransform};
pub use crops::Crops;
pub use cutout::Background;
pub(crate) use cutout::cut_out;
#[cfg(feature = "codecs")]
#[cfg_attr(docsrs, doc(cfg(feature = "codecs")))]
pub use decode::{EncodedImage, MAX_FILE_BYTES, RowReader, decode, decode_bytes};
#[cfg(feature = "draw")]
#[cfg_attr(docsrs, doc(cfg(feature = "draw")))]
pub use draw::{class_color, draw_box};
#[cfg(feature = "draw")]
#[cfg_attr(docsrs, doc(cfg(feature = "draw")))]
pub use figure::{Panel, figure, panel_size};
pub use heads::{DecodedBoxes, Head};
pub use heat_map::{HeatMap, HeatMapStatistics};
pub use image_limits::{MAX_PIXELS, MAX_SIDE};
pub(crate) use labels::read_names;
pub use labels::{Label, Labels};
pub use mask::{Mask, mask_color};
pub(crate) use mask::{Tap, argmax, draw_classes, interpolate, linear_taps};
pub use preprocess::Preprocessing;
pub(crate) use resize::{Axis, FilterWeights};
pub use resize::{Interpolation, resize};
pub use rows::{RgbRows, RowSource};
#[cfg(feature = "draw")]
#[cfg_attr(docsrs, doc(cfg(feature = "draw")))]
pub use sheet::{SheetOptions, Tile, TilePixels, TileRange, sheet};
pub use top_k::{softmax, top_k};

/// Decoded images: the `image` crate's 8-bit RGB, row-major; and those with alpha.
pub use image::{RgbImage, RgbaImage};
