//! Nodes whose inputs are all known, computed on the host when a graph is imported. Exporters compute shapes
//! by such nodes.
//!
//! Integers of all widths are computed in 64 bits, where overflow is an error, and floating-point numbers of
//! all widths in float32: a [`HostTensor`] does not know its width. Only Cast rounds and wraps.

mod arrange;
mod call;
mod create;
mod elementwise;
mod number;
mod quantized;
mod reduce;
mod reshape;
mod scatter;
mod select;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use call::Call;
pub(super) use number::converted;
use number::{maximum, minimum, overflow};
pub(super) use quantized::{along, quantized};

use super::host::HostTensor;
use super::node::OnnxNode;
use crate::printable;

/// The most elements of a node's results together, unless its inputs have more. Shapes are small; a file that asks for
/// more is after the memory.
const MAX_ELEMENTS: usize = 1 << 24;
/// Uniform tensors of more elements are kept as one number.
const FEW_ELEMENTS: usize = 1 << 16;

thread_local! {
    /// The limit for the node that is being evaluated: results are checked before memory is allocated for them, deep
    /// within the operators.
    static LIMIT: Cell<usize> = const { Cell::new(MAX_ELEMENTS) };
}

/// The most dimensions of a tensor, NumPy's limit.
const MAX_RANK: usize = 64;

/// How an operator is evaluated.
struct Operator {
    /// The most inputs that any version has.
    inputs: usize,
    run: Run,
}

/// The operators with one output, and those with several.
enum Run {
    One(fn(&Call) -> Result<HostTensor, String>),
    Many(fn(&Call) -> Result<Vec<HostTensor>, String>),
}

/// Whether nodes of this operator, of ONNX's own domain, can be evaluated.
pub(super) fn can_evaluate(op_type: &str) -> bool {
    operator(op_type).is_some()
}

/// The outputs of `node` for `inputs`, of which those that are left out are `None`. The error is a reason
/// without the node's name.
pub(super) fn evaluate(
    node: OnnxNode,
    inputs: &[Option<&HostTensor>],
) -> Result<Vec<HostTensor>, String> {
    let name = printable::name(node.op_type());
    let operator =
        operator(node.op_type()).ok_or_else(|| format!("{name} is not evaluated on the host"))?;
    let given = inputs.iter().rposition(Option::is_some);
    let given = given.map_or(0, |last| last.saturating_add(1));
    if given > operator.inputs {
        return Err(format!(
            "it has {given} inputs, and {name} has at most {}",
            operator.inputs
        ));
    }
    for input in inputs.iter().flatten() {
        check_rank(input.rank())?;
    }

    let given = inputs.iter().flatten();
    let given = given.fold(0_usize, |sum, input| sum.saturating_add(input.len()));
    LIMIT.set(given.max(MAX_ELEMENTS));
    let call = Call::new(node, inputs);
    let results = match operator.run {
        Run::One(run) => vec![run(&call)?],
        Run::Many(run) => run(&call)?,
    };
    let mut total = 0_usize;
    for result in &results {
        check_len(result.dims())?;
        total = total.saturating_add(result.len());
    }
    check_total(total)?;
    let outputs = node.proto.output.len();
    match results.len() == outputs {
        true => Ok(results),
        false => Err(format!(
            "it has {outputs} outputs, and {name} computes {}",
            results.len()
        )),
    }
}

/// The number and the extents of a large `ConstantOfShape` of floating-point numbers; `None` for others.
pub(super) fn filled(
    node: OnnxNode,
    inputs: &[Option<&HostTensor>],
) -> Result<Option<(f32, Vec<usize>)>, String> {
    let Some((value, dims)) = create::filled(&Call::new(node, inputs))? else {
        return Ok(None);
    };
    let len = (dims.iter()).try_fold(1_usize, |len, &dim| len.checked_mul(dim));
    let is_large = len.is_some_and(|len| (FEW_ELEMENTS..1 << 40).contains(&len));
    Ok(is_large.then_some((value, dims)))
}

/// A tensor of equal numbers.
pub(super) fn filled_tensor(value: f32, dims: &[usize]) -> Result<HostTensor, String> {
    LIMIT.set(MAX_ELEMENTS);
    let len = check_len(dims)?;
    tensor(dims, super::host::HostData::Float(vec![value; len]))
}

/// The number of elements of a result, before memory is allocated for it.
fn check_len(dims: &[usize]) -> Result<usize, String> {
    check_rank(dims.len())?;
    let len = (dims.iter()).try_fold(1_usize, |len, &dim| len.checked_mul(dim));
    let len = len.ok_or_else(|| too_many(&format!("more than {}", usize::MAX)))?;
    check_total(len)
}

fn check_total(len: usize) -> Result<usize, String> {
    match len > LIMIT.get() {
        true => Err(too_many(&len.to_string())),
        false => Ok(len),
    }
}

fn too_many(len: &str) -> String {
    format!(
        "its result would have {len} elements, and at most {} are evaluated on the host",
        LIMIT.get()
    )
}

fn check_rank(rank: usize) -> Result<(), String> {
    match rank > MAX_RANK {
        true => Err(format!(
            "a tensor of {rank} dimensions: at most {MAX_RANK} are evaluated on the host"
        )),
        false => Ok(()),
    }
}

/// A tensor as a result.
fn tensor(dims: impl Into<Vec<usize>>, data: super::host::HostData) -> Result<HostTensor, String> {
    let len = data.len();
    // The callers compute as many elements as the dimensions say.
    HostTensor::new(dims, data).ok_or_else(|| format!("{len} elements do not fill its shape"))
}

fn operator(op_type: &str) -> Option<Operator> {
    use elementwise as each;
    use reduce::{MAX, MEAN, MIN, PROD, SUM};
    let one = |inputs, run| Operator {
        inputs,
        run: Run::One(run),
    };
    let many = |inputs, run| Operator {
        inputs,
        run: Run::Many(run),
    };
    Some(match op_type {
        "Constant" => one(0, create::constant),
        "ConstantOfShape" => one(1, create::constant_of_shape),
        "Range" => one(3, create::range),
        "Shape" => one(1, create::shape),
        "Size" => one(1, create::size),
        "Identity" => one(1, |call| call.input(0, "input").cloned()),
        "Dropout" => many(3, create::dropout),
        "Cast" => one(1, number::cast),
        "DequantizeLinear" => one(3, quantized::dequantize_linear),

        "Reshape" => one(2, reshape::reshape),
        "Flatten" => one(1, reshape::flatten),
        "Squeeze" => one(2, reshape::squeeze),
        "Unsqueeze" => one(2, reshape::unsqueeze),
        "Transpose" => one(1, arrange::transpose),
        "Expand" => one(2, arrange::expand),
        "Tile" => one(2, arrange::tile),
        "Concat" => one(usize::MAX, arrange::concat),
        "Gather" => one(2, arrange::gather),
        "Slice" => one(5, arrange::slice),
        "Split" => many(2, arrange::split),
        "Pad" => one(4, scatter::pad),
        "NonZero" => one(1, scatter::non_zero),
        "ScatterND" => one(3, scatter::scatter_nd),

        "Add" => one(2, |call| each::arithmetic(call, number::add, |a, b| a + b)),
        "Sub" => one(2, |call| each::arithmetic(call, number::sub, |a, b| a - b)),
        "Mul" => one(2, |call| each::arithmetic(call, number::mul, |a, b| a * b)),
        "Div" => one(2, |call| each::arithmetic(call, number::div, |a, b| a / b)),
        "Mod" => one(2, each::modulo),
        "Pow" => one(2, each::pow),
        "Sum" => one(usize::MAX, |call| {
            each::variadic(call, number::add, |a, b| a + b)
        }),
        "Mean" => one(usize::MAX, each::mean),
        "Min" => one(usize::MAX, |call| {
            each::variadic(call, |a, b| Ok(a.min(b)), minimum)
        }),
        "Max" => one(usize::MAX, |call| {
            each::variadic(call, |a, b| Ok(a.max(b)), maximum)
        }),
        "Clip" => one(3, each::clip),
        "Abs" => one(1, |call| {
            let abs = |x: i64| x.checked_abs().ok_or_else(|| overflow("the size of", x));
            each::number(call, abs, f32::abs)
        }),
        "Neg" => one(1, |call| {
            let neg = |x: i64| x.checked_neg().ok_or_else(|| overflow("minus", x));
            each::number(call, neg, |x| -x)
        }),
        "Sign" => one(1, |call| {
            each::number(call, |x| Ok(x.signum()), number::sign)
        }),
        "Relu" => one(1, |call| {
            each::number(call, |x| Ok(x.max(0)), |x| maximum(x, 0.0))
        }),
        "Floor" => one(1, |call| each::real(call, f32::floor)),
        "Ceil" => one(1, |call| each::real(call, f32::ceil)),
        "Round" => one(1, |call| each::real(call, f32::round_ties_even)),
        "Sqrt" => one(1, |call| each::real(call, f32::sqrt)),
        "Exp" => one(1, |call| each::real(call, f32::exp)),
        "Log" => one(1, |call| each::real(call, f32::ln)),
        "Reciprocal" => one(1, |call| each::real(call, f32::recip)),
        "Tanh" => one(1, |call| each::real(call, f32::tanh)),
        "Sigmoid" => one(1, |call| each::real(call, |x| (1.0 + (-x).exp()).recip())),

        "Where" => one(3, select::choose),
        "Equal" => one(2, select::equal),
        "Less" => one(2, |call| select::compare(call, |order| order.is_lt())),
        "LessOrEqual" => one(2, |call| select::compare(call, |order| order.is_le())),
        "Greater" => one(2, |call| select::compare(call, |order| order.is_gt())),
        "GreaterOrEqual" => one(2, |call| select::compare(call, |order| order.is_ge())),
        "Not" => one(1, select::not),
        "And" => one(2, |call| select::logic(call, |a, b| a && b)),
        "Or" => one(2, |call| select::logic(call, |a, b| a || b)),
        "Xor" => one(2, |call| select::logic(call, |a, b| a != b)),

        "ReduceSum" => one(2, |call| reduce::reduce(call, &SUM)),
        "ReduceProd" => one(2, |call| reduce::reduce(call, &PROD)),
        "ReduceMax" => one(2, |call| reduce::reduce(call, &MAX)),
        "ReduceMin" => one(2, |call| reduce::reduce(call, &MIN)),
        "ReduceMean" => one(2, |call| reduce::reduce(call, &MEAN)),
        "CumSum" => one(2, reduce::cum_sum),
        _ => return None,
    })
}
