//! Keeps the memory of weights within a limit: Winograd's transformed weights are 16 or 36 floats where the file has 9.

use super::conv::{ConvKernel, Problem};
use super::implicit_gemm::{Rows, panel_columns};
use super::outline::{Outline, What};
use super::select::Selection;
use crate::graph::ValueId;

/// Another kernel for a step.
struct Smaller {
    step: usize,
    selection: Selection,
    /// Bytes that it saves, and operations that it adds for each.
    saved: u64,
    cost: f64,
}

/// Selects kernels with smaller weights, those first that add the least work for the memory, until the weights take
/// no more than `limit` bytes, or nothing is left to save.
pub(super) fn keep_within(limit: u64, outline: &mut Outline) {
    let own: u64 = outline
        .steps
        .iter()
        .map(|step| step.info.weight_bytes)
        .sum();
    let transformed: u64 = (0..outline.steps.len())
        .filter_map(|step| {
            let (problem, tile) = winograd(outline, step)?;
            let kernel = ConvKernel::Winograd(tile);
            Some(bytes(&problem, kernel) - bytes(&problem, ConvKernel::Gemm(Rows::Pixels)))
        })
        .sum();
    let mut total = own + transformed;
    while total > limit {
        let smaller = (0..outline.steps.len()).filter_map(|step| smaller(outline, step));
        let Some(best) = smaller.min_by(|a, b| a.cost.total_cmp(&b.cost)) else {
            return;
        };
        total -= best.saved;
        let value = ValueId::new(outline.steps[best.step].info.node);
        let what = What::Compute(best.selection);
        outline.steps[best.step].info = outline.info(value, &what);
        outline.steps[best.step].what = what;
    }
}

/// The convolution of a step and the side of its tiles, where Winograd's algorithm computes it.
fn winograd(outline: &Outline, step: usize) -> Option<(Problem, usize)> {
    match &outline.steps[step].what {
        What::Compute(Selection::Conv(problem, ConvKernel::Winograd(tile))) => {
            Some((problem.clone(), *tile))
        }
        _ => None,
    }
}

fn smaller(outline: &Outline, step: usize) -> Option<Smaller> {
    let (problem, tile) = winograd(outline, step)?;
    let kernel = match tile {
        2 => ConvKernel::Gemm(Rows::Pixels),
        _ => ConvKernel::Winograd(2),
    };
    let saved = bytes(&problem, ConvKernel::Winograd(tile)) - bytes(&problem, kernel);
    let info = &outline.steps[step].info;
    let value = ValueId::new(info.node);
    let what = What::Compute(Selection::Conv(problem, kernel));
    let operations = outline.info(value, &what).cost.operations;
    let What::Compute(selection) = what else {
        return None;
    };
    Some(Smaller {
        step,
        selection,
        saved,
        cost: operations.saturating_sub(info.cost.operations) as f64 / saved.max(1) as f64,
    })
}

/// Bytes of the weights of a convolution with a kernel of 3x3.
fn bytes(problem: &Problem, kernel: ConvKernel) -> u64 {
    let Problem::Plain(problem) = problem else {
        return 0;
    };
    let points = match kernel {
        ConvKernel::Winograd(tile) => (tile + 2) * (tile + 2),
        _ => 9,
    };
    let columns = problem
        .filter
        .out_channels
        .next_multiple_of(panel_columns());
    (points * problem.filter.in_channels * columns) as u64 * 4
}

#[cfg(test)]
mod tests {
    use crate::passes::PassOptions;
    use crate::tensor::Shape;
    use crate::zoo::{self, ZooOptions};

    use super::super::device::CpuDevice;
    use super::*;

    #[test]
    fn weights_are_within_the_limit_where_products_are() {
        let graph = zoo::build("unet", &ZooOptions::default()).unwrap();
        let inputs = [Shape::from([1, 3, 256, 256])];
        let outline = |limit| {
            let outline = Outline::new(&graph, &inputs, &PassOptions::default(), limit).unwrap();
            let (weights, _) = outline.kernel_bytes(&CpuDevice::default()).unwrap();
            let operations: u64 = outline.steps().map(|step| step.cost.operations).sum();
            (weights, operations)
        };
        let (unlimited, fewest) = outline(None);
        assert!(unlimited > 400 << 20);
        let mut before = fewest;
        for limit in [300 << 20, 200 << 20] {
            let (weights, operations) = outline(Some(limit));
            assert!(weights < limit + (4 << 20), "{weights} of {limit}");
            assert!(operations > before, "{operations}");
            before = operations;
        }
        // Products need what the file has.
        let (least, _) = outline(Some(0));
        assert!((118 << 20..126 << 20).contains(&least), "{least}");
    }
}
