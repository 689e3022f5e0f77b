//! Convolutions and fully connected layers as matrix products whose rows are read where they are: each tap of the
//! kernel is another set of pointers to pixels, and pixels in the padding are zeros. (XNNPACK calls it an indirect
//! convolution: Dukhan 2019, "The Indirect Convolution Algorithm".)

use std::sync::Arc;

use rten_simd::ops::BitOps;
use rten_simd::{Isa, SimdOp};

use super::kernel::{Blocks, Kernel, Scratch, Values, part};
use super::map::Map;
use super::memory::Floats;
use super::prologue::Prologue;
use super::simd::{Epilogue, lanes};
use super::sweep::{Position, Sweep};
use super::tile::{ROWS, RowPointers, Tile, VECTORS, max_rows};

/// Rows of a task at most: pointers to them, and what a prologue makes of them, stay in the caches.
const TASK_ROWS: usize = 64;
/// Panels of more bytes are read once for all rows of a task, instead of all panels for each tile.
const MANY_BYTES: usize = 256 << 10;
/// Tasks per thread at least, where there are as many tiles, so that threads end at the same time.
const TASKS_PER_THREAD: usize = 4;

/// How rows become pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// A pointer to each pixel.
    Pixels,
    /// A pointer to each row of the window, whose pixels lie side by side: for few channels, whose padding is zero.
    Runs { columns: usize },
    /// Pixels are copied through the prologue.
    Copies,
}

#[derive(Debug)]
pub(super) struct ImplicitGemm {
    pub input: Map,
    pub output: Map,
    pub residual: Option<Map>,
    pub groups: usize,
    pub sweeps: Vec<Sweep>,
    pub rows: Rows,
    pub prologue: Option<Prologue>,
    /// One per output channel, each group padded to whole panels.
    pub bias: Arc<Floats>,
    pub epilogue: Epilogue,
    tasks: Vec<Task>,
    stages: [usize; 1],
    /// What pixels in the padding read.
    zeros: Floats,
}

/// Rows and panels of a product.
#[derive(Clone, Debug)]
struct Task {
    sweep: usize,
    group: usize,
    rows: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
}

/// Columns of a panel.
pub(super) fn panel_columns() -> usize {
    VECTORS * lanes()
}

impl ImplicitGemm {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another part of the problem"
    )]
    pub fn new(
        input: Map,
        output: Map,
        residual: Option<Map>,
        groups: usize,
        sweeps: Vec<Sweep>,
        rows: Rows,
        prologue: Option<Prologue>,
        bias: Arc<Floats>,
        epilogue: Epilogue,
        threads: usize,
    ) -> Self {
        let group_outputs = output.channels / groups;
        let panels = group_outputs.div_ceil(panel_columns());
        let mut tasks = Vec::new();
        for (index, sweep) in sweeps.iter().enumerate() {
            let all = output.batch * sweep.size[0] * sweep.size[1];
            let row_parts = all.div_ceil(TASK_ROWS);
            let wanted = (threads * TASKS_PER_THREAD).div_ceil(row_parts * groups * sweeps.len());
            let panel_parts = match threads {
                1 => 1,
                _ => wanted.clamp(1, panels),
            };
            for group in 0..groups {
                for r in 0..row_parts {
                    for p in 0..panel_parts {
                        tasks.push(Task {
                            sweep: index,
                            group,
                            rows: part(all, row_parts, r),
                            panels: part(panels, panel_parts, p),
                        });
                    }
                }
            }
        }
        let zeros = input.channels.max(input.stride) * 2;
        Self {
            stages: [tasks.len()],
            input,
            output,
            residual,
            groups,
            sweeps,
            rows,
            prologue,
            bias,
            epilogue,
            tasks,
            zeros: Floats::zeros(zeros),
        }
    }

    fn group_inputs(&self) -> usize {
        self.input.channels / self.groups
    }

    /// Sets of pointers for a sweep, and the products for each.
    fn taps_and_k(&self, sweep: &Sweep) -> (usize, usize) {
        let taps = sweep.taps.len();
        match self.rows {
            Rows::Pixels => (taps, self.group_inputs()),
            Rows::Runs { columns } => (taps / columns.max(1), columns * self.input.stride),
            Rows::Copies => (1, taps * self.group_inputs()),
        }
    }

    /// Floats of the copies of a row.
    fn copied(&self, sweep: &Sweep) -> usize {
        let (taps, k) = self.taps_and_k(sweep);
        match self.rows {
            Rows::Pixels => 0,
            Rows::Runs { .. } | Rows::Copies => taps * k.next_multiple_of(16),
        }
    }
}

/// Floats that pointers of one tap take.
const POINTER_FLOATS: usize = ROWS * size_of::<*const f32>() / size_of::<f32>();

impl Kernel for ImplicitGemm {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    fn scratch(&self) -> usize {
        let lanes = lanes();
        let need = |sweep: &Sweep| {
            let (taps, _) = self.taps_and_k(sweep);
            let pointers = TASK_ROWS.div_ceil(max_rows(lanes)) * (taps + 2) * POINTER_FLOATS;
            pointers + TASK_ROWS * self.copied(sweep)
        };
        self.sweeps.iter().map(need).max().unwrap_or(0) + 64
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, scratch: Scratch) {
        RunTask {
            kernel: self,
            task: &self.tasks[task],
            input: values.inputs[0],
            output: values.output,
            residual: values.inputs.last().copied().unwrap_or(values.inputs[0]),
            scratch: scratch.own,
        }
        .dispatch();
    }
}

struct RunTask<'a> {
    kernel: &'a ImplicitGemm,
    task: &'a Task,
    input: *const f32,
    output: *mut f32,
    residual: *const f32,
    scratch: *mut f32,
}

impl SimdOp for RunTask<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { kernel, task, .. } = self;
        let sweep = &kernel.sweeps[task.sweep];
        let lanes = isa.f32().len();
        let (taps, k) = kernel.taps_and_k(sweep);
        let blocks = Blocks::new(task.rows.len(), max_rows(lanes));
        let tiles = blocks.count;
        let columns = VECTORS * lanes;
        let group_outputs = kernel.output.channels / kernel.groups;
        let group_panels = group_outputs.div_ceil(columns);
        // SAFETY: `Kernel::run`'s for the values; `Kernel::scratch` has room for the pointers of all tiles, then for
        // the copies.
        unsafe {
            let pointers = self.scratch.cast::<RowPointers>();
            let outputs = pointers.add(tiles * taps).cast::<[*mut f32; ROWS]>();
            let residuals = outputs.add(tiles).cast::<RowPointers>();
            let copies =
                (self.scratch).add((tiles * (taps + 2) * POINTER_FLOATS).next_multiple_of(16));
            let copied = kernel.copied(sweep);
            let residual_stride = kernel.residual.map_or(0, |residual| residual.stride);
            let mut at = Position::new(sweep.size, task.rows.start);
            let mut row = 0;
            for t in 0..tiles {
                for r in 0..blocks.len(t) {
                    let copy = copies.add(row * copied);
                    self.point::<I>(isa, sweep, at, pointers.add(t * taps), r, copy);
                    let pixel = at.output_pixel(sweep, &kernel.output);
                    (*outputs.add(t))[r] = self.output.add(pixel * kernel.output.stride);
                    (*residuals.add(t))[r] = self.residual.add(pixel * residual_stride);
                    at.advance(sweep.size);
                    row += 1;
                }
            }
            let panel_len = taps * k * columns;
            let count = task.panels.len();
            let many = count * panel_len * 4 > MANY_BYTES;
            let (mut t, mut p) = (0, 0);
            while t < tiles && p < count {
                let panel = task.panels.start + p;
                let first = panel * columns;
                let packed = task.group * group_panels + panel;
                Tile {
                    taps: std::slice::from_raw_parts(pointers.add(t * taps), taps),
                    k,
                    panel: sweep.weights.as_ptr().add(packed * panel_len),
                    bias: kernel.bias.as_ptr().add(packed * columns),
                    output: &*outputs.add(t),
                    residual: &*residuals.add(t),
                    first: task.group * group_outputs + first,
                    columns: (group_outputs - first).min(columns),
                    epilogue: kernel.epilogue,
                }
                .compute(isa, blocks.len(t));
                if many {
                    t += 1;
                    if t == tiles {
                        (t, p) = (0, p + 1);
                    }
                } else {
                    p += 1;
                    if p == count {
                        (t, p) = (t + 1, 0);
                    }
                }
            }
        }
    }
}

impl RunTask<'_> {
    /// Writes the pointers of a row, which is the row `r` of its tile.
    #[inline(always)]
    unsafe fn point<I: Isa>(
        &self,
        isa: I,
        sweep: &Sweep,
        Position { image, y, x }: Position,
        pointers: *mut RowPointers,
        r: usize,
        copy: *mut f32,
    ) {
        let kernel = self.kernel;
        let Map {
            height,
            width,
            stride,
            ..
        } = kernel.input;
        let group = self.task.group * kernel.group_inputs();
        // SAFETY: the caller's; positions are checked against the map.
        unsafe {
            let image_start = self.input.add(image * height * width * stride + group);
            let (top, left) = (y * sweep.stride[0], x * sweep.stride[1]);
            let interior = &sweep.interior;
            if kernel.rows != Rows::Copies && interior.holds([top, left], &kernel.input) {
                // It may lie outside the map: only its taps are inside.
                let origin = image_start.wrapping_add((top * width + left) * stride);
                let run = match kernel.rows {
                    Rows::Runs { columns } => columns,
                    _ => 1,
                };
                for (t, offset) in interior.offsets.iter().step_by(run).enumerate() {
                    (*pointers.add(t))[r] = origin.wrapping_offset(*offset);
                }
                return;
            }
            let at = |tap: [isize; 2]| {
                let y = (top as isize + tap[0]) as usize;
                let x = (left as isize + tap[1]) as usize;
                // Negative numbers wrap around to large ones.
                (y < height && x < width).then(|| image_start.add((y * width + x) * stride))
            };
            match kernel.rows {
                Rows::Pixels => {
                    for (t, tap) in sweep.taps.iter().enumerate() {
                        (*pointers.add(t))[r] = at(*tap).unwrap_or(kernel.zeros.as_ptr());
                    }
                }
                Rows::Runs { columns } => {
                    let k = columns * stride;
                    for (t, run) in sweep.taps.chunks_exact(columns).enumerate() {
                        let is_inside = at(run[0]).filter(|_| at(run[columns - 1]).is_some());
                        (*pointers.add(t))[r] = match is_inside {
                            Some(first) => first,
                            None => {
                                let copy = copy.add(t * k.next_multiple_of(16));
                                for (c, tap) in run.iter().enumerate() {
                                    let from = at(*tap).unwrap_or(kernel.zeros.as_ptr());
                                    from.copy_to_nonoverlapping(copy.add(c * stride), stride);
                                }
                                copy
                            }
                        };
                    }
                }
                Rows::Copies => {
                    let k = kernel.group_inputs();
                    for (t, tap) in sweep.taps.iter().enumerate() {
                        let copy = copy.add(t * k);
                        match (at(*tap), &kernel.prologue) {
                            (Some(from), Some(prologue)) => prologue.copy(isa, from, copy, k),
                            (Some(from), None) => from.copy_to_nonoverlapping(copy, k),
                            (None, _) => copy.write_bytes(0, k),
                        }
                    }
                    (*pointers)[r] = copy;
                }
            }
        }
    }
}
