//! Functions of each element of one value.

use crate::graph::{Activation, Op, Unary};
use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;
use crate::onnx::view::View;

/// Whether an operator is a function of each element of one value.
pub(super) fn is_unary(op_type: &str) -> bool {
    const NAMES: [&str; 42] = [
        "Abs",
        "Acos",
        "Acosh",
        "Asin",
        "Asinh",
        "Atan",
        "Atanh",
        "Celu",
        "Ceil",
        "Clip",
        "Cos",
        "Cosh",
        "Elu",
        "Erf",
        "Exp",
        "Floor",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "IsInf",
        "IsNaN",
        "LeakyRelu",
        "Log",
        "Mish",
        "Neg",
        "Not",
        "Reciprocal",
        "Relu",
        "Round",
        "Selu",
        "Shrink",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sinh",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Swish",
        "Tan",
        "Tanh",
        "ThresholdedRelu",
    ];
    NAMES.contains(&op_type)
}

pub(super) fn unary<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let op = function(importer, node)?;
    Ok(vec![Value::Device(apply(importer, &view, op)?)])
}

/// A function of each element, computed in the order in which the elements are stored.
pub(super) fn apply(
    importer: &mut Importer,
    view: &View,
    op: impl Into<Op>,
) -> Result<View, String> {
    // Not on elements that the view leaves out.
    let source = match view.base.len() <= view.len() {
        true => view.clone(),
        false => importer.in_order(view)?,
    };
    let op = op.into();
    if let Some((root, op)) = importer.activation(source.value, &op) {
        let output = importer.node(op, &[&source.with_value(root)])?;
        return Ok(source.with_value(output.value));
    }
    let output = importer.node(op.clone(), &[&source])?;
    importer.remember_function(source.value, &op, output.value);
    Ok(source.with_value(output.value))
}

/// The function of a node.
fn function<'m>(importer: &Importer<'m>, node: OnnxNode<'m>) -> Result<Op, String> {
    let float = |name: &str, default: f32| node.float_or(name, default);
    let unary = match node.op_type() {
        "Relu" => return Ok(Activation::Relu.into()),
        "LeakyRelu" => {
            let slope = float("alpha", 0.01);
            return Ok(Activation::LeakyRelu { slope }.into());
        }
        "Sigmoid" => return Ok(Activation::Sigmoid.into()),
        "Tanh" => return Ok(Activation::Tanh.into()),
        "HardSwish" => return Ok(Activation::HardSwish.into()),
        "Mish" => return Ok(Activation::Mish.into()),
        "Clip" => return clip(importer, node),
        "Swish" => match float("alpha", 1.0) {
            1.0 => return Ok(Activation::Silu.into()),
            alpha => Unary::Swish { alpha },
        },
        "Abs" => Unary::Abs,
        "Acos" => Unary::Acos,
        "Acosh" => Unary::Acosh,
        "Asin" => Unary::Asin,
        "Asinh" => Unary::Asinh,
        "Atan" => Unary::Atan,
        "Atanh" => Unary::Atanh,
        "Celu" => Unary::Celu {
            alpha: float("alpha", 1.0),
        },
        "Ceil" => Unary::Ceil,
        "Cos" => Unary::Cos,
        "Cosh" => Unary::Cosh,
        "Elu" => Unary::Elu {
            alpha: float("alpha", 1.0),
        },
        "Erf" => Unary::Erf,
        "Exp" => Unary::Exp,
        "Floor" => Unary::Floor,
        "Gelu" => match node.string_or("approximate", "none") {
            "none" => Unary::Gelu,
            "tanh" => Unary::GeluTanh,
            other => return Err(format!("its approximate '{other}' is not supported")),
        },
        "HardSigmoid" => Unary::HardSigmoid {
            alpha: float("alpha", 0.2),
            beta: float("beta", 0.5),
        },
        "IsInf" => Unary::IsInf {
            positive: node.int_or("detect_positive", 1) != 0,
            negative: node.int_or("detect_negative", 1) != 0,
        },
        "IsNaN" => Unary::IsNan,
        "Log" => Unary::Log,
        "Neg" => Unary::Neg,
        "Not" => Unary::Not,
        "Reciprocal" => Unary::Reciprocal,
        "Round" => Unary::Round,
        "Selu" => Unary::Selu {
            alpha: float("alpha", 1.673_263_2),
            gamma: float("gamma", 1.050_701),
        },
        "Shrink" => Unary::Shrink {
            lambda: float("lambd", 0.5),
            bias: float("bias", 0.0),
        },
        "Sign" => Unary::Sign,
        "Sin" => Unary::Sin,
        "Sinh" => Unary::Sinh,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "Sqrt" => Unary::Sqrt,
        "Tan" => Unary::Tan,
        "ThresholdedRelu" => Unary::ThresholdedRelu {
            alpha: float("alpha", 1.0),
        },
        other => return Err(format!("{other} is not supported")),
    };
    Ok(unary.into())
}

/// `Clip`, whose bounds were attributes before opset 11.
fn clip<'m>(importer: &Importer<'m>, node: OnnxNode<'m>) -> Result<Op, String> {
    let bound = |i: usize, name: &str, default: f32| -> Result<f32, String> {
        if node.opset < 11 {
            return Ok(node.float_or(name, default));
        }
        match importer.optional_host(node, i)? {
            None => Ok(default),
            Some(bound) => bound
                .scalar()
                .ok_or_else(|| format!("its {name} must be one number")),
        }
    };
    let min = bound(1, "min", f32::NEG_INFINITY)?;
    let max = bound(2, "max", f32::INFINITY)?;
    Ok(match (min, max) {
        (0.0, 6.0) => Activation::Relu6.into(),
        (0.0, f32::INFINITY) => Activation::Relu.into(),
        _ => Unary::Clip { min, max }.into(),
    })
}

/// What returns its input in inference.
pub(super) fn identity<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    // A mode since opset 12, in which the operator is random unless nothing is dropped.
    if node.op_type() == "Dropout"
        && let Some(mode) = importer.optional_host(node, 2)?
        && mode.scalar() != Some(0.0)
    {
        let ratio = importer.optional_host(node, 1)?;
        if ratio.and_then(|ratio| ratio.scalar()) != Some(0.0) {
            return Err(
                "in training (training_mode true), it is random, which is not supported".to_owned(),
            );
        }
    }
    let value = importer.value(node, 0)?;
    // The mask of what is kept.
    let mask = match importer.is_output_read(node, 1) {
        true => Some(Value::Filled(1.0, value.dims()?)),
        false => None,
    };
    Ok([value].into_iter().chain(mask).collect())
}
