//! Operators that put elements in another order or number.

use super::attribute::{int, ints, to_int, to_ints};
use super::writer::GraphWriter;
use crate::graph::{ChannelShuffle, Factor, Gather, Rearrange, Reorg, SliceChannels, Unflatten};

/// With another shape: 0 stands for the extent that it has, -1 for what is left.
pub(super) fn reshape(writer: &mut GraphWriter, x: &str, shape: &[i64]) -> String {
    let shape = writer.ints(shape);
    writer.op("Reshape", &[x, &shape], Vec::new())
}

/// With the shape of another value.
pub(super) fn reshape_like(writer: &mut GraphWriter, x: &str, like: &str) -> String {
    let shape = writer.op("Shape", &[like], Vec::new());
    writer.op("Reshape", &[x, &shape], Vec::new())
}

/// The extents of a value along its axes from `start` to below `end`, as a list.
pub(super) fn extents(writer: &mut GraphWriter, x: &str, start: i64, end: i64) -> String {
    let bounds = vec![int("start", start), int("end", end)];
    writer.op("Shape", &[x], bounds)
}

pub(super) fn concat_lists(writer: &mut GraphWriter, lists: &[&str]) -> String {
    writer.op("Concat", lists, vec![int("axis", 0)])
}

pub(super) fn concat(writer: &mut GraphWriter) -> String {
    let inputs: Vec<String> = (0..writer.input_count()).map(|i| writer.input(i)).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    writer.op("Concat", &inputs, vec![int("axis", 1)])
}

pub(super) fn slice_channels(writer: &mut GraphWriter, op: SliceChannels) -> String {
    let x = writer.input(0);
    let [start, end, axis] = [to_int(op.start), to_int(op.end), 1].map(|i| writer.ints(&[i]));
    writer.op("Slice", &[&x, &start, &end, &axis], Vec::new())
}

pub(super) fn flatten(writer: &mut GraphWriter) -> String {
    let x = writer.input(0);
    writer.op("Flatten", &[&x], vec![int("axis", 1)])
}

pub(super) fn unflatten(writer: &mut GraphWriter, op: Unflatten) -> String {
    let x = writer.input(0);
    let [channels, height, width] = op.dims.map(to_int);
    reshape(writer, &x, &[0, channels, height, width])
}

/// Space to depth in Darknet's order, see [`Reorg`].
pub(super) fn reorg(writer: &mut GraphWriter, op: Reorg) -> String {
    let x = writer.input(0);
    let [_, channels, _, _] = writer.shape(0).nchw();
    let area = op.stride.saturating_mul(op.stride);
    let [s, less, more] = [
        op.stride,
        channels.checked_div(area).unwrap_or(0),
        channels.saturating_mul(area),
    ]
    .map(to_int);
    let apart = reshape(writer, &x, &[0, less, 0, s, -1, s]);
    let order = vec![ints("perm", &[0, 3, 5, 1, 2, 4])];
    let ordered = writer.op("Transpose", &[&apart], order);
    let shape = if writer.free().space {
        let size = extents(writer, &x, 2, 4);
        let stride = writer.ints(&[s]);
        let size = writer.op("Div", &[&size, &stride], Vec::new());
        let start = writer.ints(&[0, more]);
        concat_lists(writer, &[&start, &size])
    } else {
        let [_, _, rows, columns] = writer.output().nchw();
        writer.ints(&[0, more, to_int(rows), to_int(columns)])
    };
    writer.op("Reshape", &[&ordered, &shape], Vec::new())
}

pub(super) fn channel_shuffle(writer: &mut GraphWriter, op: ChannelShuffle) -> String {
    let x = writer.input(0);
    let [_, channels, _, _] = writer.shape(0).nchw();
    let of_group = channels.checked_div(op.groups).unwrap_or(0);
    let apart = reshape(writer, &x, &[0, to_int(op.groups), to_int(of_group), -1]);
    let order = vec![ints("perm", &[0, 2, 1, 3])];
    let ordered = writer.op("Transpose", &[&apart], order);
    reshape_like(writer, &ordered, &x)
}

/// Rows of a table at token ids: `[N, L]` to `[N, dim, 1, L]`.
pub(super) fn embedding(writer: &mut GraphWriter) -> String {
    let ids = writer.input(0);
    let table = writer.parameter("weight");
    let rows = writer.op("Gather", &[&table, &ids], vec![int("axis", 0)]);
    let columns = writer.op("Transpose", &[&rows], vec![ints("perm", &[0, 2, 1])]);
    let axes = writer.ints(&[2]);
    writer.op("Unsqueeze", &[&columns, &axes], Vec::new())
}

pub(super) fn gather(writer: &mut GraphWriter, op: &Gather) -> String {
    writer.fix();
    let x = writer.input(0);
    let rows = reshape(writer, &x, &[-1, to_int(op.count), to_int(op.inner)]);
    let indices: Vec<i64> = op.indices.iter().map(|&index| i64::from(index)).collect();
    let indices = writer.ints(&indices);
    let taken = writer.op("Gather", &[&rows, &indices], vec![int("axis", 1)]);
    reshape(writer, &taken, &to_ints(op.output.dims()))
}

pub(super) fn rearrange(writer: &mut GraphWriter, op: &Rearrange) -> String {
    writer.fix();
    let x = writer.input(0);
    let op = op.clone().merged();
    let shape = to_ints(op.output.dims());
    if op.is_reshape() {
        return reshape(writer, &x, &shape);
    }
    if let Some(order) = transposition(&op) {
        let sorted = order.iter().filter_map(|&i| op.factors.get(i));
        let extents: Vec<i64> = sorted.map(|factor| to_int(factor.extent)).collect();
        // Of each factor of the output, its place in the input.
        let place = |i: usize| order.iter().position(|&at| at == i).unwrap_or(0);
        let perm: Vec<i64> = (0..order.len()).map(|i| to_int(place(i))).collect();
        let apart = reshape(writer, &x, &extents);
        let ordered = writer.op("Transpose", &[&apart], vec![ints("perm", &perm)]);
        return reshape(writer, &ordered, &shape);
    }
    // Any other: element by element.
    let flat = reshape(writer, &x, &[-1]);
    let indices = source_indices(&op);
    let indices = writer.ints_of(op.output.dims(), &indices);
    writer.op("Gather", &[&flat, &indices], vec![int("axis", 0)])
}

/// The factors in the order in which they make up the input, the most significant first, where every element of the
/// input is there once.
fn transposition(op: &Rearrange) -> Option<Vec<usize>> {
    let factor = |i: usize| op.factors.get(i).copied();
    let mut order: Vec<usize> = (0..op.factors.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(factor(i).map(|factor| factor.stride)));
    let mut step = 1_usize;
    for &i in order.iter().rev() {
        let Factor { extent, stride } = factor(i)?;
        if usize::try_from(stride).ok()? != step {
            return None;
        }
        step = step.checked_mul(extent)?;
    }
    (op.offset == 0 && Some(step) == op.input.checked_len()).then_some(order)
}

/// The index of each element of the output in the input. The operator has checked that they exist.
fn source_indices(op: &Rearrange) -> Vec<i64> {
    let mut indices = vec![to_int(op.offset)];
    for factor in &op.factors {
        let stride = i64::try_from(factor.stride).unwrap_or(0);
        indices = (indices.iter())
            .flat_map(|&index| {
                let digits = (0..factor.extent).map(to_int);
                digits.map(move |digit| index.saturating_add(digit.saturating_mul(stride)))
            })
            .collect();
    }
    indices
}
