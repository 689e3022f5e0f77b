//! ggml: `conv2d_mm.comp`, as `ggml-vulkan.cpp` selects its tile.

use std::path::Path;

use super::{Anchor, Step};
use crate::cards::Card;
use crate::module::Module;
use crate::problem::Problem;

/// `conv2d_mm.comp`. Tiles of 128x128 where there are enough for two a compute unit.
pub fn gemm(problem: &Problem, card: &Card, folder: &Path) -> Anchor {
    struct Shape {
        form: &'static str,
        file: &'static str,
        invocations: u32,
        /// Output channels and pixels of a tile, its step along K, and the channels of an invocation.
        tile: [u64; 4],
    }
    let large = Shape {
        form: "128x128",
        file: "conv2d_mm.spv",
        invocations: 256,
        tile: [128, 128, 16, 8],
    };
    let small = Shape {
        form: "64x32",
        file: "conv2d_mm_unroll.spv",
        invocations: 128,
        tile: [64, 32, 32, 4],
    };
    let workgroups = |shape: &Shape| {
        problem.outputs.div_ceil(shape.tile[0]) * problem.pixels().div_ceil(shape.tile[1])
    };
    let shape = match workgroups(&large) >= 2 * card.compute_units {
        true => large,
        false => small,
    };
    let [channels, pixels, depth, _] = shape.tile;
    let aligned = problem.outputs.is_multiple_of(channels)
        && problem.pixels().is_multiple_of(pixels)
        && problem.depth().is_multiple_of(depth);
    let padding = (problem.kernel / 2) as u32;
    let kernel = problem.kernel as u32;
    let [bs_k, bs_npq, bs_crs, ts_k] = shape.tile.map(|it| it as u32);
    // Without the subgroup operations that it has for GCN.
    let constants = [
        shape.invocations,
        bs_k,
        bs_crs,
        bs_npq,
        ts_k,
        0,
        4,
        1,
        1,
        padding,
        padding,
        1,
        1,
        kernel,
        kernel,
        u32::from(aligned),
    ];
    let products = channels * pixels * problem.depth().next_multiple_of(depth);
    let step = Step {
        module: Module {
            path: folder.join(shape.file),
            form: shape.form.to_owned(),
            invocations: shape.invocations,
            constants: (0..).zip(constants).collect(),
        },
        workgroups: workgroups(&shape),
        products: products / u64::from(shape.invocations),
        turns: problem.depth().div_ceil(depth),
        transfers: problem.transfers(),
    };
    Anchor {
        algorithm: "implicit GEMM",
        steps: vec![step],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cards::CARDS;
    use crate::engines::tests::PROBLEM;

    #[test]
    fn ggml_takes_large_tiles_where_they_fill_the_card() {
        let forms = CARDS.each_ref().map(|card| {
            let anchor = gemm(&PROBLEM, card, Path::new(""));
            anchor.steps[0].module.form.clone()
        });
        assert_eq!(forms, ["64x32", "64x32", "128x128"]);
    }
}
