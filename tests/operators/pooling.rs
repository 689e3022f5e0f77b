//! Pooling.

use proptest::prelude::*;
use shadernet::graph::{Op, Padding, Pool2d, PoolKind, Reduce, ReduceKind, ReduceOver};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::{check, compare};
use crate::generate::{cases, conv_settings, graph_of};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn pooling(
        (conv, [n, h, w], seed) in conv_settings(),
        channels in 1..11_usize,
        ceil_mode in any::<bool>(),
        average in any::<bool>(),
        count_include_pad in any::<bool>(),
    ) {
        let kind = match average {
            true => PoolKind::Average { count_include_pad },
            false => PoolKind::Max,
        };
        let mut pool = Pool2d::new(kind, 1).ceil_mode(ceil_mode);
        (pool.kernel, pool.stride, pool.dilation) = (conv.kernel, conv.stride, conv.dilation);
        if average {
            pool.dilation = [1, 1];
        }
        // Padding must be smaller than the window.
        pool.padding = match conv.padding {
            Padding::Explicit { top, bottom, left, right } => {
                let reach = |i: usize| pool.dilation[i] * (pool.kernel[i] - 1);
                let [h, w] = [reach(0), reach(1)];
                Padding::from([top.min(h), bottom.min(h), left.min(w), right.min(w)])
            }
            same => same,
        };
        let [top, bottom, left, right] = pool.padding_for([h, w]);
        prop_assume!(pool.dilation[0] * (pool.kernel[0] - 1) < h + top + bottom);
        prop_assume!(pool.dilation[1] * (pool.kernel[1] - 1) < w + left + right);
        check(pool, [n, channels, h, w], seed);
    }
}

/// A NaN shows in every pooling window that sees it, wherever it lies in the window.
#[test]
fn pooling_shows_nan() {
    for at in 0..9 {
        let shape = Shape::from([1, 1, 3, 3]);
        let mut values: Vec<f32> = (0..9).map(|i| i as f32 - 4.0).collect();
        values[at] = f32::NAN;
        let input = Tensor::new(shape.clone(), values).unwrap();
        let reduce = |kind| {
            Op::from(Reduce {
                kind,
                over: ReduceOver::Space,
            })
        };
        for op in [
            Op::from(Pool2d::max(2, 1)),
            Op::from(Pool2d::average(2, 1)),
            reduce(ReduceKind::Max),
            reduce(ReduceKind::Min),
        ] {
            let graph = graph_of(op, std::slice::from_ref(&shape));
            compare(&graph, std::slice::from_ref(&input), 0);
        }
    }
}

/// A dilated window can lie in the padding with all of its taps: PyTorch's maximum of nothing.
#[test]
fn max_pooling_of_padding_alone() {
    let pool = Pool2d::max(1, 1)
        .kernel_hw(1, 3)
        .dilation_hw(1, 2)
        .padding([0, 0, 1, 3]);
    check(pool, [1, 3, 1, 1], 0);
}
