//! The stride phases of a transposed convolution: output pixels by the remainders of their row and
//! column by the stride. Those of one phase see the same taps, so each phase is an ordinary convolution.

use super::problem::TransposedConvProblem;
use super::window::{Outputs, Phase, Taps, Window};

/// All phases that have output pixels, row by row.
pub(crate) fn stride_phases(problem: &TransposedConvProblem) -> Vec<Phase> {
    let axis = |i: usize| -> Vec<AxisPhase> {
        // A larger remainder has no output pixels.
        (0..problem.stride[i].min(problem.output[i]))
            .map(|remainder| AxisPhase::new(problem, i, remainder))
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
        let offset = |tap: usize| (at - (tap * dilation) as isize) / stride as isize;
        // Taps of one remainder are equally far apart, and so are the inputs they read. The last tap comes
        // first, so that the rows or columns they read ascend.
        let last = problem.filter.kernel[i] - 1;
        let found = taps_of_remainder(at.unsigned_abs(), stride, dilation);
        let found = found.filter(|(smallest, _)| *smallest <= last);
        let first = found.map(|(smallest, step)| last - (last - smallest) % step);
        let (taps, dilation) = match (first, found) {
            (Some(first), Some((smallest, step))) if first > smallest => (
                Taps::descending(first, step, (first - smallest) / step + 1),
                (offset(first - step) - offset(first)) as u32,
            ),
            _ => (
                Taps::descending(first.unwrap_or(0), 1, usize::from(first.is_some())),
                1,
            ),
        };
        Self {
            remainder: remainder as u32,
            outputs: problem.output[i].saturating_sub(remainder).div_ceil(stride) as u32,
            taps,
            dilation,
            // Wraps around where the window starts inside the input.
            padding: first.map_or(0, |tap| -offset(tap)) as u32,
        }
    }
}

/// The smallest tap `k` where `k * dilation` and `at` have the same remainder by `stride`, and the distance
/// to the next. `None` where there is none.
fn taps_of_remainder(at: usize, stride: usize, dilation: usize) -> Option<(usize, usize)> {
    let stride = stride as i128;
    // Euclid's algorithm; `factor * dilation` and `divisor` always have the same remainder by `stride`.
    let (mut divisor, mut factor) = (dilation as i128, 1_i128);
    let (mut rest, mut next_factor) = (stride, 0_i128);
    while rest != 0 {
        let quotient = divisor / rest;
        (divisor, rest) = (rest, divisor - quotient * rest);
        (factor, next_factor) = (next_factor, factor - quotient * next_factor);
    }
    let at = at as i128;
    let step = stride / divisor;
    let smallest = (at / divisor % step) * factor.rem_euclid(step) % step;
    (at % divisor == 0).then_some((smallest as usize, step as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_of_a_remainder_are_those_that_a_search_finds() {
        for (at, stride, dilation) in (0..9_usize)
            .flat_map(|at| (1..9_usize).flat_map(move |s| (1..9_usize).map(move |d| (at, s, d))))
        {
            let fits = |tap: &usize| (tap * dilation) % stride == at % stride;
            let mut searched = (0..20).filter(fits);
            let expected = searched
                .next()
                .map(|first| (first, searched.next().unwrap() - first));
            let found = taps_of_remainder(at, stride, dilation);
            assert_eq!(found, expected, "{at} {stride} {dilation}");
        }
    }
}
