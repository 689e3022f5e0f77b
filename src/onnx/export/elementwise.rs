//! Functions of several values, and reductions.

use super::activation::{to_bool, to_float, trunc};
use super::attribute::{flag, int, ints, to_int};
use super::writer::GraphWriter;
use crate::graph::{Binary, CumSum, Reduce, ReduceKind, ReduceOver, TopK, TopKOutput};

pub(super) fn binary(writer: &mut GraphWriter, op: Binary) -> String {
    let [a, b] = [writer.input(0), writer.input(1)];
    let [a, b] = [a.as_str(), b.as_str()];
    match op {
        Binary::Add => writer.op("Add", &[a, b], Vec::new()),
        Binary::Sub => writer.op("Sub", &[a, b], Vec::new()),
        Binary::Mul => writer.op("Mul", &[a, b], Vec::new()),
        Binary::Div => writer.op("Div", &[a, b], Vec::new()),
        Binary::Max => writer.op("Max", &[a, b], Vec::new()),
        Binary::Min => writer.op("Min", &[a, b], Vec::new()),
        Binary::Pow => writer.op("Pow", &[a, b], Vec::new()),
        Binary::Equal => compare(writer, "Equal", a, b),
        Binary::Greater => compare(writer, "Greater", a, b),
        Binary::GreaterOrEqual => compare(writer, "GreaterOrEqual", a, b),
        Binary::Less => compare(writer, "Less", a, b),
        Binary::LessOrEqual => compare(writer, "LessOrEqual", a, b),
        Binary::And => of_booleans(writer, "And", a, b),
        Binary::Or => of_booleans(writer, "Or", a, b),
        Binary::Xor => of_booleans(writer, "Xor", a, b),
        // ONNX's Mod has the sign of the divisor for integers only.
        Binary::Remainder => {
            let quotient = writer.op("Div", &[a, b], Vec::new());
            let whole = writer.op("Floor", &[&quotient], Vec::new());
            let product = writer.op("Mul", &[b, &whole], Vec::new());
            writer.op("Sub", &[a, &product], Vec::new())
        }
        Binary::Fmod => writer.op("Mod", &[a, b], vec![flag("fmod", true)]),
        Binary::TruncDiv => {
            let quotient = writer.op("Div", &[a, b], Vec::new());
            trunc(writer, &quotient)
        }
    }
}

fn compare(writer: &mut GraphWriter, op_type: &str, a: &str, b: &str) -> String {
    let is = writer.op(op_type, &[a, b], Vec::new());
    to_float(writer, &is)
}

fn of_booleans(writer: &mut GraphWriter, op_type: &str, a: &str, b: &str) -> String {
    let [a, b] = [a, b].map(|value| to_bool(writer, value));
    compare(writer, op_type, &a, &b)
}

/// `Where`.
pub(super) fn choose(writer: &mut GraphWriter) -> String {
    let [condition, a, b] = [0, 1, 2].map(|i| writer.input(i));
    let condition = to_bool(writer, &condition);
    writer.op("Where", &[&condition, &a, &b], Vec::new())
}

pub(super) fn reduce(writer: &mut GraphWriter, op: Reduce) -> String {
    let x = writer.input(0);
    let axes: &[i64] = match op.over {
        ReduceOver::Space => &[2, 3],
        ReduceOver::Channels => &[1],
    };
    match op.kind {
        ReduceKind::Sum => {
            // The axes are an input since opset 13, for sums only.
            let axes = writer.ints(axes);
            writer.op("ReduceSum", &[&x, &axes], Vec::new())
        }
        ReduceKind::Mean => reduce_over(writer, "ReduceMean", &x, axes),
        ReduceKind::Max => reduce_over(writer, "ReduceMax", &x, axes),
        ReduceKind::Min => reduce_over(writer, "ReduceMin", &x, axes),
        ReduceKind::Prod => reduce_over(writer, "ReduceProd", &x, axes),
    }
}

/// A reduction other than a sum, which keeps its axes.
pub(super) fn reduce_over(
    writer: &mut GraphWriter,
    op_type: &str,
    x: &str,
    axes: &[i64],
) -> String {
    writer.op(op_type, &[x], vec![ints("axes", axes)])
}

pub(super) fn cum_sum(writer: &mut GraphWriter, op: CumSum) -> String {
    let x = writer.input(0);
    let axis = writer.ints_of(&[], &[2]);
    let settings = vec![flag("exclusive", op.exclusive), flag("reverse", op.reverse)];
    writer.op("CumSum", &[&x, &axis], settings)
}

pub(super) fn top_k(writer: &mut GraphWriter, op: TopK) -> String {
    let x = writer.input(0);
    let k = writer.ints(&[to_int(op.k)]);
    let settings = vec![int("axis", 1), flag("largest", op.largest)];
    let [values, indices] = writer.op_of_two("TopK", &[&x, &k], settings);
    match op.output {
        TopKOutput::Values => values,
        TopKOutput::Indices => to_float(writer, &indices),
    }
}
