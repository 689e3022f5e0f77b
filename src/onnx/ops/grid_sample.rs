//! Sampling at computed positions.

use crate::graph::{GridSample, GridSampleMode, GridSamplePadding};
use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;

pub(super) fn grid_sample<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let input = importer.view(node, 0)?;
    let positions = importer.view(node, 1)?;
    let (volume, order): (_, &[usize]) = match (&input.dims[..], positions.dims.len()) {
        ([_, _, _, _], 4) => (None, &[0, 3, 1, 2]),
        (&[_, _, d, h, w], 5) => (Some([d, h, w]), &[0, 4, 1, 2, 3]),
        _ => {
            return Err(format!(
                "an input of {:?} and positions of {:?} were found; [N, C, H, W] with [N, H, W, 2] and [N, C, D, H, W] with [N, D, H, W, 3] are supported",
                input.dims, positions.dims
            ));
        }
    };
    let op = GridSample {
        mode: match node.string_or("mode", "linear") {
            "nearest" => GridSampleMode::Nearest,
            // The names up to opset 19 are those of PyTorch.
            "linear" | "bilinear" => GridSampleMode::Bilinear,
            "cubic" | "bicubic" => GridSampleMode::Bicubic,
            other => return Err(format!("its mode '{other}' is not supported")),
        },
        padding: match node.string_or("padding_mode", "zeros") {
            "zeros" => GridSamplePadding::Zeros,
            "border" => GridSamplePadding::Border,
            "reflection" => GridSamplePadding::Reflection,
            other => return Err(format!("its padding_mode '{other}' is not supported")),
        },
        align_corners: node.flag("align_corners"),
        volume,
    };
    let positions = importer.reordered(&positions, |view| view.transposed(order))?;
    let (map, positions) = (importer.in_order(&input)?, importer.in_order(&positions)?);
    Ok(vec![Value::Device(importer.node(op, &[&map, &positions])?)])
}
