//! A 1x1 convolution and the depthwise convolution that alone reads it, as MobileNets have them in every block. The value
//! between them is the largest of the block; here a few rows and one panel of its channels exist at a time, in the
//! thread's own cache.

use std::ops::Range;
use std::sync::Arc;

use rten_simd::ops::BitOps;
use rten_simd::{Isa, SimdOp};

use super::conv::Problem;
use super::depthwise::{Band, Depthwise, Source};
use super::implicit_gemm::panel_columns;
use super::kernel::{Kernel, Scratch, TASKS_PER_THREAD, Values, part};
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

/// Pixels that the 1x1 convolution computes at a time, at least, where the map has as many.
const PIXELS: usize = 128;

/// The 1x1 convolution.
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

#[derive(Debug)]
pub(super) struct PointwiseDepthwise {
    pointwise: Pointwise,
    depthwise: Depthwise,
    /// Rows of the output that are computed at a time.
    step: usize,
    /// Rows of the value between that exist.
    ring: usize,
    /// Bands of each image, and parts of the panels of each band.
    parts: [usize; 2],
    stages: [usize; 1],
}

impl PointwiseDepthwise {
    pub fn new(pointwise: Pointwise, depthwise: Depthwise, threads: usize) -> Self {
        let output = depthwise.output;
        let width = pointwise.input.width.max(1);
        let step = PIXELS.div_ceil(width * depthwise.stride[0]);
        let step = step.clamp(1, output.height.max(1));
        let [ring, _] = depthwise.seen([step, output.width]);
        let (mut bands, mut panel_parts) = (1, 1);
        if threads > 1 {
            // Bands compute some rows twice, parts of the panels none.
            let batch = output.batch.max(1);
            let wanted = threads * TASKS_PER_THREAD;
            let panels = pointwise.channels.div_ceil(panel_columns()).max(1);
            panel_parts = wanted.div_ceil(batch).min(panels);
            bands = wanted
                .div_ceil(batch * panel_parts)
                .min(output.height.div_ceil(step).max(1));
        }
        Self {
            pointwise,
            depthwise,
            step,
            ring,
            parts: [bands, panel_parts],
            stages: [output.batch * bands * panel_parts],
        }
    }

    /// Floats of the value between.
    fn ring_floats(&self) -> usize {
        (self.ring * self.pointwise.input.width * panel_columns()).next_multiple_of(16)
    }
}

impl Kernel for PointwiseDepthwise {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    fn scratch(&self) -> usize {
        self.ring_floats() + self.depthwise.pointer_floats(self.step)
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, scratch: Scratch) {
        let [bands, panel_parts] = self.parts;
        let (band, panels) = (task / panel_parts, task % panel_parts);
        let (image, band) = (band / bands, band % bands);
        let output = self.depthwise.output;
        let all = self.pointwise.channels.div_ceil(panel_columns());
        RunTask {
            kernel: self,
            image,
            rows: part(output.height, bands, band),
            panels: part(all, panel_parts, panels),
            values,
            ring: scratch.own,
            pointers: scratch.own.wrapping_add(self.ring_floats()).cast(),
        }
        .dispatch();
    }
}

struct RunTask<'a> {
    kernel: &'a PointwiseDepthwise,
    image: usize,
    /// Rows of the output.
    rows: Range<usize>,
    panels: Range<usize>,
    values: &'a Values<'a>,
    /// `[row][column][channel of the panel]`.
    ring: *mut f32,
    pointers: *mut *const f32,
}

impl SimdOp for RunTask<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let PointwiseDepthwise {
            pointwise,
            depthwise,
            ring,
            step,
            ..
        } = self.kernel;
        let lanes = isa.f32().len();
        let columns = VECTORS * lanes;
        let Map { height, width, .. } = pointwise.input;
        let [seen, _] = depthwise.seen([1, 1]);
        for panel in self.panels.clone() {
            let first = panel * columns;
            let vectors = (pointwise.channels - first).min(columns).div_ceil(lanes);
            // Rows up to this one are computed.
            let mut computed = 0;
            let mut row = self.rows.start;
            while row < self.rows.end {
                let rows = row..(row + step).min(self.rows.end);
                let from = depthwise.top(rows.start).max(0) as usize;
                let to = (depthwise.top(rows.end - 1) + seen as isize).max(0) as usize;
                let from = from.max(computed);
                let to = to.min(height).max(from);
                let mut next = from;
                while next < to {
                    // Up to where the ring begins again.
                    let end = to.min((next / ring + 1) * ring);
                    // SAFETY: `Kernel::run`'s; the ring has room for a panel of these rows.
                    unsafe {
                        let pixel = (self.image * height + next) * width;
                        let to = self.ring.add(next % ring * width * columns);
                        self.pixels(isa, panel, pixel..pixel + (end - next) * width, to);
                    }
                    next = end;
                }
                computed = to;
                Band {
                    conv: depthwise,
                    image: self.image,
                    rows: rows.clone(),
                    vectors: first / lanes..first / lanes + vectors,
                    source: Source {
                        first: self.ring.wrapping_sub(first),
                        stride: columns,
                        rows: *ring,
                    },
                    output: self.values.output,
                    residual: self.values.inputs[self.values.inputs.len() - 1],
                    pointers: self.pointers,
                }
                .eval(isa);
                row = rows.end;
            }
        }
    }
}

impl RunTask<'_> {
    /// Writes a panel of the 1x1 convolution of these pixels.
    #[inline(always)]
    unsafe fn pixels<I: Isa>(&self, isa: I, panel: usize, pixels: Range<usize>, to: *mut f32) {
        let pointwise = &self.kernel.pointwise;
        let input = pointwise.input;
        let lanes = isa.f32().len();
        let columns = VECTORS * lanes;
        let count = pixels.len();
        // As equal as possible: the first few have one row more.
        let tiles = count.div_ceil(max_rows(lanes)).max(1);
        let (each, longer) = (count / tiles, count % tiles);
        let mut done = 0;
        for t in 0..tiles {
            let rows = each + usize::from(t < longer);
            let mut from: RowPointers = [std::ptr::null(); ROWS];
            let mut output = [std::ptr::null_mut(); ROWS];
            // SAFETY: the caller's.
            unsafe {
                for r in 0..rows {
                    from[r] = (self.values.inputs[0]).add((pixels.start + done + r) * input.stride);
                    output[r] = to.add((done + r) * columns);
                }
                Tile {
                    taps: &[from],
                    k: input.channels,
                    panel: (pointwise.weights.as_ptr()).add(panel * input.channels * columns),
                    bias: pointwise.bias.as_ptr().add(panel * columns),
                    output: &output,
                    residual: &from,
                    first: 0,
                    columns: (pointwise.channels - panel * columns).min(columns),
                    epilogue: pointwise.epilogue,
                }
                .compute(isa, rows);
            }
            done += rows;
        }
    }
}
