//! A 1x1 convolution in the kernel of the depthwise convolution that alone reads it, as MobileNets have them in every
//! block. The value between them is the largest of the block; like this, only a few rows of it exist at a time.

use std::ops::Range;
use std::sync::Arc;

use rten_simd::Isa;
use rten_simd::ops::BitOps;

use super::conv::Problem;
use super::depthwise::Ring;
use super::kernel::Blocks;
use super::map::Map;
use super::memory::Floats;
use super::simd::Epilogue;
use super::tile::{ROWS, RowPointers, Tile, VECTORS, max_rows};
use crate::graph::{Graph, Op, Storage, ValueId};
use crate::kernels::ConvProblem;
use crate::tensor::Shape;

/// For each value that exists only in this kernel of one node, that node: the 1x1 convolution that nothing but a
/// depthwise convolution reads.
pub(super) fn inside(graph: &Graph, shapes: &[Shape]) -> Vec<Option<ValueId>> {
    let mut reads = vec![0; shapes.len()];
    let nodes = graph.nodes().iter();
    let read = nodes.flat_map(|node| &node.inputs).chain(graph.outputs());
    read.for_each(|value| reads[value.index()] += 1);
    let plain = |value: ValueId| {
        let node = graph.node(value);
        let input = &shapes[node.inputs.first()?.index()];
        let is_alone = node.fused.residual.is_none() && node.fused.prologue.is_none();
        match Problem::of(node, input, &shapes[value.index()])? {
            Problem::Plain(problem) if is_alone && matches!(node.op, Op::Conv2d(_)) => {
                Some(problem)
            }
            _ => None,
        }
    };
    let mut inside = vec![None; shapes.len()];
    for (value, node) in graph.values() {
        let Some(&first) = node.inputs.first() else {
            continue;
        };
        let is_depthwise = |problem: ConvProblem| problem.filter.is_depthwise();
        if reads[first.index()] == 1
            && plain(value).is_some_and(is_depthwise)
            && plain(first).is_some_and(is_pointwise)
            && graph.node(first).fused.storage == Storage::Owned
        {
            inside[first.index()] = Some(value);
        }
    }
    inside
}

fn is_pointwise(problem: ConvProblem) -> bool {
    problem.filter.kernel == [1, 1]
        && problem.filter.groups == 1
        && problem.stride == [1, 1]
        && problem.padding == [0, 0]
        && problem.input == problem.output
}

#[derive(Debug)]
pub(super) struct Pointwise {
    pub input: Map,
    pub channels: usize,
    /// Packed `[panel][k][columns]`.
    pub weights: Arc<Floats>,
    /// One per channel, padded to whole panels.
    pub bias: Arc<Floats>,
    pub epilogue: Epilogue,
}

impl Pointwise {
    /// Writes a panel of the convolution of these rows of an image.
    ///
    /// # Safety
    /// `input` must point to the convolution's input, and `ring` must have room for a panel of these rows.
    #[inline(always)]
    pub unsafe fn rows<I: Isa>(
        &self,
        isa: I,
        input: *const f32,
        image: usize,
        rows: Range<usize>,
        panel: usize,
        ring: Ring,
    ) {
        let Map {
            height,
            width,
            stride,
            channels,
            ..
        } = self.input;
        let lanes = isa.f32().len();
        let columns = VECTORS * lanes;
        let pixels = rows.len() * width;
        let tiles = Blocks::new(pixels, max_rows(lanes));
        let mut next = input.wrapping_add((image * height + rows.start) * width * stride);
        let (mut y, mut x) = (rows.start, 0);
        let mut to = ring.row(y);
        for t in 0..tiles.count {
            let count = tiles.len(t);
            let mut from: RowPointers = [std::ptr::null(); ROWS];
            let mut output = [std::ptr::null_mut(); ROWS];
            // SAFETY: the caller's.
            unsafe {
                for r in 0..count {
                    (from[r], output[r]) = (next, to);
                    next = next.wrapping_add(stride);
                    to = to.wrapping_add(columns);
                    x += 1;
                    if x == width {
                        (y, x) = (y + 1, 0);
                        to = ring.row(y);
                    }
                }
                Tile {
                    taps: &[from],
                    k: channels,
                    panel: self.weights.as_ptr().add(panel * channels * columns),
                    bias: self.bias.as_ptr().add(panel * columns),
                    output: &output,
                    residual: &from,
                    first: 0,
                    columns: (self.channels - panel * columns).min(columns),
                    epilogue: self.epilogue,
                }
                .compute(isa, count);
            }
        }
    }
}
