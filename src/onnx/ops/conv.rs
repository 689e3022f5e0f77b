//! Convolutions.

use std::ops::Range;

use super::conv3d;
use super::elementwise::combine_views;
use crate::graph::{Binary, Conv2d, ConvTranspose2d, Pad2d, Padding};
use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;
use crate::onnx::view::View;
use crate::onnx::weight::StoredWeight;

/// The settings of a window along one or two dimensions.
pub(super) struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Rows above, rows below, columns on the left, columns on the right.
    pub padding: [usize; 4],
}

/// A pair of settings for two dimensions; those of one dimension are for the width.
pub(super) fn pair(values: &[i64], what: &str, default: usize) -> Result<[usize; 2], String> {
    let number = |value: i64| {
        usize::try_from(value).map_err(|_| format!("its {what} {values:?} must not be negative"))
    };
    match *values {
        [] => Ok([default; 2]),
        [width] => Ok([default, number(width)?]),
        [height, width] => Ok([number(height)?, number(width)?]),
        _ => Err(format!(
            "its {what} {values:?} are for more than 2 dimensions, which is not supported"
        )),
    }
}

impl Window {
    /// That of a node for a map of `size` (height, width), with a kernel of `kernel`.
    pub fn new(node: OnnxNode, kernel: [usize; 2], size: [usize; 2]) -> Result<Self, String> {
        Self::along(node, kernel, size, &(0..usize::MAX))
    }

    /// As [`Self::new`], with the settings of some of the node's axes.
    pub fn along(
        node: OnnxNode,
        kernel: [usize; 2],
        size: [usize; 2],
        axes: &Range<usize>,
    ) -> Result<Self, String> {
        let own = |list: &'_ [i64]| -> Vec<i64> {
            let list = list.iter().enumerate();
            list.filter(|(axis, _)| axes.contains(axis))
                .map(|(_, value)| *value)
                .collect()
        };
        let setting = |name| own(node.ints(name).unwrap_or_default());
        let stride = pair(&setting("strides"), "strides", 1)?;
        let dilation = pair(&setting("dilations"), "dilations", 1)?;
        if stride.contains(&0) || dilation.contains(&0) || kernel.contains(&0) {
            return Err(format!(
                "its kernel {kernel:?}, strides {stride:?} and dilations {dilation:?} must be positive"
            ));
        }
        let padding = match node.string_or("auto_pad", "NOTSET") {
            "NOTSET" => {
                let pads = node.ints("pads").unwrap_or_default();
                let (before, after) = pads.split_at(pads.len().div_euclid(2));
                let ([top, left], [bottom, right]) = (
                    pair(&own(before), "pads", 0)?,
                    pair(&own(after), "pads", 0)?,
                );
                [top, bottom, left, right]
            }
            "VALID" => [0; 4],
            "SAME_UPPER" => Padding::Same.resolve(size, kernel, stride, dilation),
            // The larger half is at the beginning.
            "SAME_LOWER" => {
                let [top, bottom, left, right] =
                    Padding::Same.resolve(size, kernel, stride, dilation);
                [bottom, top, right, left]
            }
            other => return Err(format!("its auto_pad '{other}' is not supported")),
        };
        Ok(Self {
            kernel,
            stride,
            dilation,
            padding,
        })
    }

    /// The same with height and width exchanged.
    pub fn transposed(mut self) -> Self {
        let [top, bottom, left, right] = self.padding;
        self.padding = [left, right, top, bottom];
        self.kernel.reverse();
        self.stride.reverse();
        self.dilation.reverse();
        self
    }

    pub fn as_padding(&self) -> Padding {
        let [top, bottom, left, right] = self.padding;
        Padding::Explicit {
            top,
            bottom,
            left,
            right,
        }
    }
}

/// A map of two dimensions, made of one with one or two; with the rank that it had.
pub(super) fn as_map(importer: &mut Importer, view: &View) -> Result<View, String> {
    match view.dims[..] {
        [n, c, w] => importer.shaped(view, &[n, c, 1, w]),
        [_, _, _, _] => importer.in_order(view),
        _ => Err(format!(
            "an input of {} dimensions was found; only 1- and 2-dimensional maps are supported, [N, C, W] and [N, C, H, W]",
            view.dims.len()
        )),
    }
}

/// A map as it is where the input had two dimensions, without the height where it had one.
pub(super) fn like_input(map: View, rank: usize) -> View {
    match (rank, map.dims[..].as_ref()) {
        (3, &[n, c, 1, w]) => map.reshaped(vec![n, c, w]),
        _ => map,
    }
}

/// The extents of a kernel `[out, in, h, w]` of which the height may be missing.
fn kernel_dims(dims: &[usize]) -> Result<[usize; 4], String> {
    match *dims {
        [out, input, w] => Ok([out, input, 1, w]),
        [out, input, h, w] => Ok([out, input, h, w]),
        _ => Err(format!(
            "its weight has {} dimensions; 3 or 4 are supported",
            dims.len()
        )),
    }
}

pub(super) fn groups(node: OnnxNode) -> Result<usize, String> {
    let groups = node.int_or("group", 1);
    usize::try_from(groups).map_err(|_| format!("its group {groups} must be positive"))
}

/// A name for the node of a convolution, under which its weight and bias are added.
pub(super) fn add_weights<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
    dims: &[usize],
    out_channels: usize,
) -> Result<String, String> {
    let name = importer.unique_name();
    let weight = importer.value(node, 1)?;
    importer.weight(&name, "weight", StoredWeight::new(&weight, dims)?);
    if node.input(2).is_some() {
        let bias = importer.value(node, 2)?;
        importer.weight(&name, "bias", StoredWeight::new(&bias, &[out_channels])?);
    }
    Ok(name)
}

pub(super) fn conv<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let input = importer.view(node, 0)?;
    let rank = input.dims.len();
    if rank == 5 {
        return conv3d::conv(importer, node, &input);
    }
    let map = as_map(importer, &input)?;
    let dims = kernel_dims(&importer.dims(node, 1)?)?;
    let [out_channels, in_group, height, width] = dims;
    let [_, in_channels, h, w] = map.base.nchw();
    let groups = groups(node)?;
    if in_group.checked_mul(groups) != Some(in_channels) {
        return Err(format!(
            "its weight {dims:?} is for {in_group} channels in each of {groups} group(s), but its input is {}",
            map.base
        ));
    }
    let window = Window::new(node, [height, width], [h, w])?;
    let op = Conv2d {
        in_channels,
        out_channels,
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        padding: window.as_padding(),
        groups,
        bias: node.input(2).is_some(),
    };
    let name = add_weights(importer, node, &dims, out_channels)?;
    let output = importer.named_node(name, op, &[&map])?;
    Ok(vec![Value::Device(like_input(output, rank))])
}

pub(super) fn conv_transpose<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let input = importer.view(node, 0)?;
    let rank = input.dims.len();
    let map = as_map(importer, &input)?;
    let dims = kernel_dims(&importer.dims(node, 1)?)?;
    let [in_channels, out_group, height, width] = dims;
    let [_, _, h, w] = map.base.nchw();
    let groups = groups(node)?;
    let out_channels = (out_group.checked_mul(groups)).ok_or("it has too many channels")?;
    let kernel = [height, width];
    let stride = pair(node.ints("strides").unwrap_or_default(), "strides", 1)?;
    let dilation = pair(node.ints("dilations").unwrap_or_default(), "dilations", 1)?;
    let added = pair(
        node.ints("output_padding").unwrap_or_default(),
        "output_padding",
        0,
    )?;
    let wanted = match node.ints("output_shape") {
        Some(shape) => Some(pair(
            shape.get(shape.len().saturating_sub(2)..).unwrap_or(shape),
            "output_shape",
            1,
        )?),
        None => None,
    };
    // Rows and columns of the whole output, before any are cropped.
    let whole = [(h, 0), (w, 1)].map(|(size, i)| {
        let last = size.checked_sub(1)?.checked_mul(stride[i])?;
        let window = kernel[i]
            .checked_sub(1)?
            .checked_mul(dilation[i])?
            .checked_add(1)?;
        last.checked_add(window)
    });
    let ([Some(whole_h), Some(whole_w)], false) = (whole, stride.contains(&0)) else {
        return Err("its settings give no possible output".to_owned());
    };
    let whole = [whole_h, whole_w];
    let auto_pad = node.string_or("auto_pad", "NOTSET");
    let crop = match (auto_pad, wanted) {
        ("NOTSET", None) => Window::new(node, kernel, [h, w])?
            .padding
            .map(|side| side as isize),
        ("VALID", None) => [0; 4],
        (_, wanted) => {
            // The padding follows from the output's size.
            let wanted = match wanted {
                Some(wanted) => wanted,
                None => [h.saturating_mul(stride[0]), w.saturating_mul(stride[1])],
            };
            let mut sides = [0_isize; 4];
            for i in [0, 1] {
                let total = (whole[i] as isize)
                    .saturating_add(added[i] as isize)
                    .saturating_sub(wanted[i] as isize);
                let half = total.div_euclid(2);
                let rest = total.saturating_sub(half);
                // Up to opset 10 the text said the opposite of what everybody did.
                let [before, after] = match auto_pad {
                    "SAME_UPPER" => [half, rest],
                    _ => [rest, half],
                };
                if let Some(side) = sides.get_mut(i.saturating_mul(2)) {
                    *side = before;
                }
                if let Some(side) = sides.get_mut(i.saturating_mul(2).saturating_add(1)) {
                    *side = after;
                }
            }
            sides
        }
    };
    let has_bias = node.input(2).is_some();
    let [top, bottom, left, right] = crop;
    // Cropping the same on both sides is a setting of the operator; the rest, which is rare, is a node.
    let symmetric = top == bottom && left == right && top >= 0 && left >= 0;
    let op = ConvTranspose2d {
        in_channels,
        out_channels,
        kernel,
        stride,
        dilation,
        padding: match symmetric {
            true => [top.unsigned_abs(), left.unsigned_abs()],
            false => [0; 2],
        },
        output_padding: if symmetric { added } else { [0; 2] },
        groups,
        bias: has_bias && symmetric,
    };
    let name = add_weights(importer, node, &dims, out_channels)?;
    let mut output = importer.named_node(name, op, &[&map])?;
    if !symmetric {
        let sides = [
            top.checked_neg(),
            (added[0] as isize).checked_sub(bottom),
            left.checked_neg(),
            (added[1] as isize).checked_sub(right),
        ];
        let [Some(top), Some(bottom), Some(left), Some(right)] = sides else {
            return Err("its padding is not possible".to_owned());
        };
        output = importer.node(Pad2d::zeros(top, bottom, left, right), &[&output])?;
        if has_bias {
            // Pixels beyond all kernels have it too.
            let bias = importer.view(node, 2)?;
            let bias = importer.shaped(&bias, &[1, out_channels, 1, 1])?;
            output = combine_views(importer, Binary::Add, &output, &bias)?;
        }
    }
    Ok(vec![Value::Device(like_input(output, rank))])
}
