//! `.weights`: a header, then the float32 values of every layer in the order of the sections,
//! little-endian.
//!
//! For a convolution with batch norm: biases, scales, running means, running variances, kernel
//! (OIHW); without: biases, kernel. For a fully connected layer: biases, matrix, then with batch norm
//! scales, running means, running variances. (`load_weights` in Darknet's `parser.c`.)

use std::collections::HashMap;
use std::path::Path;

use super::Network;
use crate::error::{Error, Result};
use crate::tensor::{Shape, Tensor};
use crate::weights::{FileBytes, FileKind, Weights, elements};
use crate::zoo::darknet::{Layer, Local};

const WEIGHTS_FILE: FileKind = FileKind {
    description: "a Darknet .weights file",
    example: "yolov3-tiny.weights",
};

impl Network {
    /// Reads the network's weights from the `.weights` at `path`, under the names of
    /// [`Self::graph`]'s parameters.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::File`] where it does not hold exactly as many
    /// values as the network has parameters, with both counts and the layer in which it ends.
    pub fn read_weights(&self, path: impl AsRef<Path>) -> Result<Weights> {
        let path = path.as_ref();
        let bytes = FileBytes::read(path, WEIGHTS_FILE)?;
        let header = Header::read(bytes.as_slice()).map_err(|reason| Error::file(path, reason))?;
        let body = &bytes.as_slice()[header.len..];
        let tensors = self.stored_tensors(header.transposed);
        self.check_count(&tensors, body.len())
            .map_err(|reason| Error::file(path, reason))?;

        let numbers = elements(body, f32::from_le_bytes);
        let mut numbers = &numbers[..];
        let mut read = Vec::with_capacity(tensors.len());
        for stored in tensors {
            // `check_count` has compared the sum of the lengths with what there is.
            let (data, rest) = numbers.split_at(stored.shape.len());
            numbers = rest;
            match (stored.order, stored.shape.dims()) {
                (Order::Transposed, &[_, inputs]) => {
                    read.push((
                        stored.name,
                        Tensor::new(stored.shape, transpose(data, inputs))?,
                    ));
                }
                (Order::ByPixel(names), &[filters, _]) => {
                    let biases = transpose(data, filters);
                    for (name, biases) in names.into_iter().zip(biases.chunks(filters.max(1))) {
                        read.push((name, Tensor::new([filters], biases.to_vec())?));
                    }
                }
                _ => read.push((stored.name, Tensor::new(stored.shape, data.to_vec())?)),
            }
        }
        Ok(Weights::from_tensors(path.display().to_string(), read))
    }

    /// All tensors, in the file's order.
    fn stored_tensors(&self, transposed: bool) -> Vec<StoredTensor> {
        let parameters = self.graph.parameters().into_iter();
        let mut shapes: HashMap<String, Shape> = parameters.map(|p| (p.name, p.shape)).collect();
        let mut tensors = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            if let Layer::Local(local) = layer {
                tensors.extend(self.local_tensors(i, local, &mut shapes));
                continue;
            }
            let suffixes: &[&str] = match layer {
                Layer::Conv(conv) if conv.batch_normalize => &[
                    "bn.bias",
                    "bn.weight",
                    "bn.running_mean",
                    "bn.running_var",
                    "conv.weight",
                ],
                Layer::Conv(_) => &["conv.bias", "conv.weight"],
                Layer::Connected {
                    batch_normalize: true,
                    ..
                } => &[
                    "bn.bias",
                    "fc.weight",
                    "bn.weight",
                    "bn.running_mean",
                    "bn.running_var",
                ],
                Layer::Connected { .. } => &["fc.bias", "fc.weight"],
                _ => &[],
            };
            tensors.extend(suffixes.iter().map(|suffix| {
                let name = format!("layers.{i}.{suffix}");
                StoredTensor {
                    // The graph was built from the same layers: it has every name.
                    shape: shapes.remove(&name).unwrap_or_default(),
                    order: match transposed && *suffix == "fc.weight" {
                        true => Order::Transposed,
                        false => Order::RowMajor,
                    },
                    name,
                }
            }));
        }
        tensors
    }

    /// The tensors of a `[local]`: biases, filter by filter, then the kernels (OIHW), pixel by pixel.
    /// (`load_weights` and `forward_local_layer` in Darknet's `parser.c` and `local_layer.c`.)
    fn local_tensors(
        &self,
        i: usize,
        local: &Local,
        shapes: &mut HashMap<String, Shape>,
    ) -> Vec<StoredTensor> {
        let prefix = format!("layers.{i}.");
        let pixels = (self.graph.nodes().iter())
            .filter_map(|node| node.name.strip_suffix(".conv"))
            .filter(|name| name.starts_with(&prefix));
        let pixels: Vec<&str> = pixels.collect();
        let biases = pixels.iter().map(|pixel| format!("{pixel}.conv.bias"));
        let biases = StoredTensor {
            name: format!("{prefix}bias"),
            shape: Shape::from([local.filters, pixels.len()]),
            order: Order::ByPixel(biases.collect()),
        };
        let kernels = pixels.iter().map(|pixel| {
            let name = format!("{pixel}.conv.weight");
            StoredTensor {
                // The graph has a convolution of this name.
                shape: shapes.remove(&name).unwrap_or_default(),
                order: Order::RowMajor,
                name,
            }
        });
        [biases].into_iter().chain(kernels).collect()
    }

    /// Checks that the `bytes` after the header are as many values as `tensors` have.
    fn check_count(&self, tensors: &[StoredTensor], bytes: usize) -> Result<(), String> {
        let mut needed: u64 = 0;
        let mut ends_in = None;
        for stored in tensors {
            needed = needed.saturating_add(stored.shape.len() as u64);
            if ends_in.is_none() && needed.saturating_mul(4) > bytes as u64 {
                ends_in = Some(stored);
            }
        }
        let name = self.path.display();
        let found = match bytes % 4 {
            0 => format!("{} numbers", bytes / 4),
            extra => format!("{} numbers and {extra} bytes", bytes / 4),
        };
        match ends_in {
            Some(stored) => Err(format!(
                "{name} needs {needed} numbers, found {found}: the file ends within {}; it is \
                 truncated, or belongs to another network",
                stored.name
            )),
            None if needed.checked_mul(4) != Some(bytes as u64) => Err(format!(
                "{name} needs {needed} numbers, found {found}; the file belongs to another network"
            )),
            None => Ok(()),
        }
    }
}

/// A tensor in the file.
struct StoredTensor {
    name: String,
    shape: Shape,
    order: Order,
}

/// How a tensor's numbers are stored.
enum Order {
    RowMajor,
    /// A matrix, column by column.
    Transposed,
    /// The biases of a `[local]`, `[filters, pixels]`, which here are tensors with these names, one for each pixel.
    ByPixel(Vec<String>),
}

struct Header {
    /// In bytes.
    len: usize,
    /// Whether fully connected layers are stored `[in, out]`.
    transposed: bool,
}

impl Header {
    /// `int32 major, minor, revision`, then the number of training images: `uint64`, before version 0.2
    /// `uint32`.
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |i: usize| words.get(i).map(|word| i32::from_le_bytes(*word));
        let (major, minor) = (word(0).unwrap_or(0), word(1).unwrap_or(0));
        let (major, minor) = (i64::from(major), i64::from(minor));
        // Both are 32-bit numbers.
        let version = major.saturating_mul(10).saturating_add(minor);
        let long = version >= 2 && major < 1000 && minor < 1000;
        let len = if long { 20 } else { 16 };
        if bytes.len() < len {
            return Err(format!(
                "a Darknet .weights file was expected, which begins with a header of {len} bytes; the \
                 file has {}",
                bytes.len()
            ));
        }
        Ok(Self {
            len,
            transposed: major > 1000 || minor > 1000,
        })
    }
}

/// The transpose of a matrix with `rows` rows.
fn transpose(data: &[f32], rows: usize) -> Vec<f32> {
    let columns = data.len().checked_div(rows).unwrap_or(0);
    let column = |i: usize| data.iter().skip(i).step_by(columns);
    (0..columns).flat_map(column).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_all_versions_are_read() {
        let header = |words: &[i32]| {
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            Header::read(&bytes).map(|h| (h.len, h.transposed))
        };
        assert_eq!(header(&[0, 2, 0, 32_013_312, 0]), Ok((20, false)));
        assert_eq!(header(&[0, 1, 0, 32_013_312]), Ok((16, false)));
        assert_eq!(header(&[1, 0, 0, 0, 0]), Ok((20, false)));
        assert_eq!(header(&[0, 1001, 0, 0]), Ok((16, true)));
        assert_eq!(header(&[i32::MAX, i32::MAX, 0, 0]), Ok((16, true)));
        assert_eq!(header(&[i32::MIN, i32::MIN, 0, 0]), Ok((16, false)));
        assert!(header(&[0, 2, 0, 0]).is_err());
        assert!(header(&[]).is_err());
    }

    #[test]
    fn matrices_are_transposed() {
        // Two inputs, three outputs.
        assert_eq!(
            transpose(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
    }
}
