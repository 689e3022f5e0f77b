//! The stride phases of a transposed convolution: output pixels by the remainders of their row and
//! column by the stride. Those of one phase see the same taps, so each phase is an ordinary convolution.

use super::problem::TransposedConvProblem;
use super::window::{Outputs, Phase, Taps, Window};

/// All phases that have output pixels, row by row.
pub(super) fn stride_phases(problem: &TransposedConvProblem) -> Vec<Phase> {
    let axis = |i: usize| -> Vec<AxisPhase> {
        (0..problem.stride[i])
            .map(|remainder| AxisPhase::new(problem, i, remainder))
            .filter(|phase| phase.outputs > 0)
            .collect()
    };
    let (rows, columns) = (axis(0), axis(1));
    let phase = |row: &AxisPhase, column: &AxisPhase| Phase {
        window: Window {
            kernel: [row.taps.len() as u32, column.taps.len() as u32],
            stride: [1, 1],
            dilation: [row.dilation, column.dilation],
            padding: [row.padding, column.padding],
        },
        outputs: Outputs {
            size: [row.outputs, column.outputs],
            step: problem.stride.map(|v| v as u32),
            origin: [row.remainder, column.remainder],
            pixels: problem.batch as u32 * row.outputs * column.outputs,
            phase_columns: 1,
        },
        rows: row.taps,
        columns: column.taps,
    };
    (rows.iter())
        .flat_map(|row| columns.iter().map(move |column| phase(row, column)))
        .collect()
}

/// The phases as one dispatch takes them, where their windows and numbers of outputs are equal, as with
/// a kernel as large as the stride.
pub(super) fn merged(phases: &[Phase]) -> Option<Vec<Phase>> {
    let first = phases.first()?;
    let is_equal =
        |phase: &Phase| phase.window == first.window && phase.outputs.size == first.outputs.size;
    let is_in_first_row = |phase: &&Phase| phase.outputs.origin[0] == first.outputs.origin[0];
    let phase_columns = phases.iter().filter(is_in_first_row).count() as u32;
    phases.iter().all(is_equal).then(|| {
        let mut merged = phases.to_vec();
        for phase in &mut merged {
            phase.outputs.phase_columns = phase_columns;
        }
        merged
    })
}

/// One axis of the outputs of one remainder.
#[derive(Clone, Copy, Debug)]
struct AxisPhase {
    remainder: u32,
    outputs: u32,
    taps: Taps,
    dilation: u32,
    padding: u32,
}

impl AxisPhase {
    /// Output `i * stride + remainder` gets input `y` through tap `k` where
    /// `y * stride + k * dilation = i * stride + remainder + cut`. So the taps of one remainder are those
    /// with `k * dilation` of one remainder, and each reads the input at
    /// `i + (remainder + cut - k * dilation) / stride`.
    fn new(problem: &TransposedConvProblem, i: usize, remainder: usize) -> Self {
        let (stride, dilation) = (problem.stride[i], problem.dilation[i]);
        let at = (remainder + problem.cut[i]) as isize;
        // Where a tap reads the input, relative to the output's index.
        let offset = |tap: usize| {
            let difference = at - (tap * dilation) as isize;
            (difference % stride as isize == 0).then_some(difference / stride as isize)
        };
        // The last tap first, so that the rows or columns they read ascend.
        let mut found = (0..problem.filter.kernel[i])
            .rev()
            .filter_map(|tap| Some((tap, offset(tap)?)));
        let first = found.next();
        let second = found.next();
        let len = usize::from(first.is_some()) + usize::from(second.is_some()) + found.count();
        // Taps of one remainder are equally far apart, and so are the inputs they read.
        let (taps, dilation) = match (first, second) {
            (Some((tap, offset)), Some((next, next_offset))) => (
                Taps::descending(tap, tap - next, len),
                (next_offset - offset) as u32,
            ),
            _ => (Taps::descending(first.map_or(0, |(tap, _)| tap), 1, len), 1),
        };
        Self {
            remainder: remainder as u32,
            outputs: problem.output[i].saturating_sub(remainder).div_ceil(stride) as u32,
            taps,
            dilation,
            // Wraps around where the window starts inside the input.
            padding: first.map_or(0, |(_, offset)| -offset) as u32,
        }
    }
}
