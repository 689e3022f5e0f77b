//! Drivers that end the loops of an invocation after a number of iterations, and the parts of a sum that are
//! computed one by one there.
//!
//! Mesa's software drivers, llvmpipe and lavapipe, have such a limit, so that no shader hangs a machine
//! (`LP_MAX_TGSI_LOOP_ITERATIONS` in `lp_bld_limits.h`). It counts the iterations of all loops of an invocation
//! together, nested ones included. Loops end early without an error, and the result is wrong. Every dispatch
//! therefore states its iterations, and [`lower`](super::lower()) refuses those above the limit.

use std::ops::Range;

use super::conv::LARGEST_K_STEP_C4;
use super::{Dispatch, LoweringContext, Read};
use crate::error::{Error, Result};
use crate::gpu::Shader;
use crate::gpu::uniform::uniforms;

/// Of a shader without loops, or with loops of constant bounds only, which compilers unroll.
pub(crate) const NO_LOOPS: u64 = 0;

/// The most loop iterations of a reduction over the invocations of a workgroup (`shaders/shared/reduction_*`), and
/// of the checks that end a shader's own loops.
pub(super) const REDUCTION_ITERATIONS: u64 = 24;

/// The most that is known to be allowed: `None` for drivers without a limit.
pub fn max_loop_iterations(info: &wgpu::AdapterInfo) -> Option<u64> {
    let texts = [&info.name, &info.driver, &info.driver_info];
    let is_llvmpipe = |text: &&String| text.to_lowercase().contains("llvmpipe");
    texts.iter().any(is_llvmpipe).then_some(65_535)
}

/// Iterations of nested loops with these counts, outermost first. The check that ends a loop counts as well.
pub(crate) fn nested<const N: usize>(counts: [u64; N]) -> u64 {
    counts.into_iter().rev().fold(0, |inner: u64, count| {
        count
            .saturating_mul(inner.saturating_add(1))
            .saturating_add(1)
    })
}

/// Checks the iterations of `what` against the limit.
///
/// # Errors
/// [`Error::Limit`] where they are above it.
pub(crate) fn check(what: &str, needed: u64, device: &str, limit: Option<u64>) -> Result<()> {
    match limit {
        Some(limit) if needed > limit => Err(Error::Limit {
            what: what.to_owned(),
            needed,
            unit: "loop iterations per invocation",
            device: device.to_owned(),
            limit,
            name: "the driver's limit of loop iterations",
            advice: "use another device, or the CPU",
        }),
        _ => Ok(()),
    }
}

/// The part of a sum, or of another reduction, that one dispatch computes. Each part but the first adds to the
/// output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SumPart {
    pub is_first: bool,
    pub is_last: bool,
    /// Rows and columns of the window.
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    /// What is summed at each tap, such as elements of channels.
    pub inner: Range<usize>,
}

uniforms! {
    /// `SumPart` of `shaders/shared/sum_part.wgsl`.
    pub(super) struct SumPartParams {
        first: [u32; 2],
        len: [u32; 2],
    }
}

impl From<&SumPart> for SumPartParams {
    fn from(part: &SumPart) -> Self {
        // Sides of windows, which uniform blocks have in 32 bits.
        Self {
            first: [part.rows.start as u32, part.columns.start as u32],
            len: part.window().map(|v| v as u32),
        }
    }
}

impl SumPart {
    /// A sum that is not split.
    pub const ONLY: Self = Self {
        is_first: true,
        is_last: true,
        rows: 0..1,
        columns: 0..1,
        inner: 0..1,
    };

    /// Rows and columns.
    pub fn window(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }

    /// For [`Dispatch::constant`](super::Dispatch::constant).
    pub fn accumulate(&self) -> (&'static str, u32) {
        ("ACCUMULATE", u32::from(!self.is_first))
    }
}

/// Splits a sum over a window of `rows` and `columns` taps with `inner` terms each, so that each part needs at
/// most `limit` iterations. `iterations` returns those of a window and terms, and must not fall as they grow. What
/// cannot be split far enough stays above the limit.
pub(super) fn split_sum(
    [rows, columns]: [usize; 2],
    inner: usize,
    limit: Option<u64>,
    iterations: impl Fn([usize; 2], usize) -> u64,
) -> Vec<SumPart> {
    let fits = |window: [usize; 2], inner: usize| {
        limit.is_none_or(|limit| iterations(window, inner) <= limit)
    };
    let whole = fits([rows, columns], inner);
    // The largest size of a part along one axis: all, if possible.
    let largest = |count: usize, fits: &dyn Fn(usize) -> bool| {
        let (mut low, mut high) = (1, count.max(1));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match fits(middle) {
                true => low = middle,
                false => high = middle - 1,
            }
        }
        low
    };
    let sizes = if whole {
        [rows, columns, inner]
    } else {
        let some_inner = largest(inner, &|inner| fits([1, 1], inner));
        if some_inner < inner {
            // Shaders that load several elements at once need whole steps along K, which are powers of two.
            let step = LARGEST_K_STEP_C4.min(1 << some_inner.ilog2());
            [1, 1, some_inner - some_inner % step]
        } else {
            let some_columns = largest(columns, &|columns| fits([1, columns], inner));
            let some_rows = match some_columns < columns {
                true => 1,
                false => largest(rows, &|rows| fits([rows, columns], inner)),
            };
            [some_rows, some_columns, inner]
        }
    };
    // One part at least, which may be empty.
    let ranges = |count: usize, size: usize| -> Vec<Range<usize>> {
        let size = size.max(1);
        let starts = (0..count.max(1)).step_by(size);
        starts
            .map(|start| start..count.min(start.saturating_add(size)))
            .collect()
    };
    let mut parts = Vec::new();
    for rows in ranges(rows, sizes[0]) {
        for columns in ranges(columns, sizes[1]) {
            for inner in ranges(inner, sizes[2]) {
                parts.push(SumPart {
                    is_first: parts.is_empty(),
                    is_last: false,
                    rows: rows.clone(),
                    columns: columns.clone(),
                    inner,
                });
            }
        }
    }
    if let Some(last) = parts.last_mut() {
        last.is_last = true;
    }
    parts
}

/// Iterations of a loop over rows and columns.
pub(super) fn plain([rows, columns]: [usize; 2]) -> u64 {
    nested([rows as u64, columns as u64])
}

/// The dispatches of a sum over a window for each element of the output: one, where the device's limit of loop
/// iterations allows it. The shader reads the first `reads` inputs.
pub(super) fn in_parts<P: bytemuck::Pod>(
    context: &LoweringContext,
    shader: &'static Shader,
    reads: usize,
    constants: &[(&'static str, u32)],
    window: [usize; 2],
    iterations: impl Fn([usize; 2]) -> u64,
    params: impl Fn(&SumPart) -> P,
) -> Result<Vec<Dispatch>> {
    let limit = context.device.max_loop_iterations;
    let parts = split_sum(window, 1, limit, |window, _| iterations(window));
    let dispatch = |part: SumPart| {
        let reads = (0..reads).map(Read::Input).collect();
        let iterations = iterations(part.window());
        let dispatch = context.per_element(shader, &params(&part), reads, iterations)?;
        Ok(dispatch
            .constants(constants)
            .constants(&[part.accumulate()]))
    };
    parts.into_iter().map(dispatch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_sum_within_the_limit() {
        let iterations = |[rows, columns]: [usize; 2], inner: usize| {
            nested([rows as u64, columns as u64, inner as u64])
        };
        for (window, inner) in [
            ([1, 1], 65_534),
            ([1, 1], 200_000),
            ([256, 256], 1),
            ([3, 70_000], 2),
            ([300, 3], 30_000),
            ([0, 3], 7),
        ] {
            let parts = split_sum(window, inner, Some(65_535), iterations);
            let covered: usize = (parts.iter())
                .map(|part| part.rows.len() * part.columns.len() * part.inner.len())
                .sum();
            assert_eq!(covered, window[0] * window[1] * inner);
            for part in &parts {
                assert!(
                    iterations(part.window(), part.inner.len()) <= 65_535,
                    "{part:?}"
                );
            }
            assert_eq!(parts.iter().filter(|part| part.is_first).count(), 1);
            assert!(parts[0].is_first && parts[parts.len() - 1].is_last);
            let unlimited = split_sum(window, inner, None, iterations);
            assert_eq!(unlimited.len(), 1);
        }
    }
}
