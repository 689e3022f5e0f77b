//! Resizing of maps.

use super::conv::{as_map, like_input};
use crate::graph::{Upsample, UpsampleMode, UpsampleSize};
use crate::onnx::import::{Importer, Value};
use crate::onnx::node::OnnxNode;

pub(super) fn resize<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let input = importer.view(node, 0)?;
    let rank = input.dims.len();
    let map = as_map(importer, &input)?;
    let [n, c, h, w] = map.base.nchw();
    // Where the scales and the sizes are: Resize has a region of interest first, since opset 11.
    let (scales, sizes) = match (node.op_type(), node.opset) {
        ("Upsample", ..9) => (node.floats("scales").map(<[f32]>::to_vec), None),
        ("Upsample", _) | (_, ..11) => (
            importer.optional_host(node, 1)?.map(|s| s.to_floats()),
            None,
        ),
        _ => (
            importer.optional_host(node, 2)?.map(|s| s.to_floats()),
            importer.optional_ints(node, 3)?,
        ),
    };
    if node.has("axes") {
        return Err("its axes are not supported".to_owned());
    }
    let scales = scales.filter(|scales| !scales.is_empty());
    let size = match (scales, sizes) {
        (_, Some(sizes)) if !sizes.is_empty() => {
            let sizes: Vec<usize> = (sizes.iter().map(|&size| usize::try_from(size)))
                .collect::<Result<_, _>>()
                .map_err(|_| format!("its sizes {sizes:?} must be positive"))?;
            match sizes[..] {
                [a, b, height, width] if [a, b] == [n, c] => UpsampleSize::Size([height, width]),
                [a, b, width] if [a, b, rank] == [n, c, 3] => UpsampleSize::Size([1, width]),
                _ => {
                    return Err(format!(
                        "its sizes {sizes:?} for {:?}: only height and width can change",
                        input.dims
                    ));
                }
            }
        }
        (Some(scales), _) => match scales[..] {
            [1.0, 1.0, height, width] => UpsampleSize::Factor([height, width].map(f64::from)),
            [1.0, 1.0, width] => UpsampleSize::Factor([1.0, f64::from(width)]),
            _ => {
                return Err(format!(
                    "its scales {scales:?}: only height and width can change"
                ));
            }
        },
        _ => return Err("it has neither scales nor sizes".to_owned()),
    };
    let is_old = node.op_type() == "Upsample" || node.opset < 11;
    let default = if is_old { "asymmetric" } else { "half_pixel" };
    let coordinates = node.string_or("coordinate_transformation_mode", default);
    let mode = node.string_or("mode", "nearest");
    let rounding = match is_old {
        true => "floor",
        false => node.string_or("nearest_mode", "round_prefer_floor"),
    };
    let factor = match size {
        UpsampleSize::Factor(factor) => factor,
        UpsampleSize::Size([height, width]) => [
            height as f64 / h.max(1) as f64,
            width as f64 / w.max(1) as f64,
        ],
    };
    // Enlarged a whole number of times, every rule but that of aligned corners takes the pixel below.
    let is_whole = factor
        .iter()
        .all(|factor| factor.fract() == 0.0 && *factor >= 1.0);
    // Where rules differ: by the scale or by the size in whole pixels, and for an output of one pixel.
    let lengths = [(h, factor[0]), (w, factor[1])];
    let is_even = lengths
        .iter()
        .all(|(size, factor)| (*size as f64 * factor).fract() == 0.0);
    let has_one = lengths
        .iter()
        .any(|(size, factor)| *size > 1 && (*size as f64 * factor) < 2.0);
    let is_clear = match coordinates {
        "align_corners" => is_even,
        "pytorch_half_pixel" => !has_one,
        _ => true,
    };
    let mode = match (mode, coordinates, rounding) {
        _ if !is_clear => {
            return Err(format!(
                "coordinate_transformation_mode {coordinates} by {factor:?} of {h}x{w} is not supported"
            ));
        }
        ("nearest", "asymmetric", "floor") => UpsampleMode::Nearest,
        (
            "nearest",
            "half_pixel" | "pytorch_half_pixel",
            "round_prefer_floor" | "round_prefer_ceil",
        ) if is_whole => UpsampleMode::Nearest,
        ("linear" | "bilinear", "half_pixel" | "pytorch_half_pixel", _) => UpsampleMode::Bilinear {
            align_corners: false,
        },
        ("linear" | "bilinear", "align_corners", _) => UpsampleMode::Bilinear {
            align_corners: true,
        },
        _ => {
            return Err(format!(
                "mode {mode} with coordinate_transformation_mode {coordinates} and nearest_mode {rounding}, by {factor:?}, is not supported"
            ));
        }
    };
    let op = Upsample { mode, size };
    if node.int_or("antialias", 0) != 0 || node.int_or("exclude_outside", 0) != 0 {
        return Err("its antialias and exclude_outside are not supported".to_owned());
    }
    let output = importer.node(op, &[&map])?;
    Ok(vec![Value::Device(like_input(output, rank))])
}
