//! Pooling.

use proptest::prelude::*;
use shadernet::graph::{Op, Padding, Pool2d, PoolKind, Reduce, ReduceKind, ReduceOver};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::{Case, check};
use crate::generate::{cases, conv_settings, graph_of};
use crate::ran::Shaders;

fn kind() -> impl Strategy<Value = PoolKind> {
    prop_oneof![
        Just(PoolKind::Max),
        any::<bool>().prop_map(|count_include_pad| PoolKind::Average { count_include_pad }),
        (1..5_u32).prop_map(|p| PoolKind::Lp { p }),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn pooling(
        (conv, [n, h, w], seed) in conv_settings(),
        channels in 1..11_usize,
        ceil_mode in any::<bool>(),
        kind in kind(),
    ) {
        let mut pool = Pool2d::new(kind, 1).ceil_mode(ceil_mode);
        (pool.kernel, pool.stride, pool.dilation) = (conv.kernel, conv.stride, conv.dilation);
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
        // A window of one pixel and stride 1 is the identity.
        check(pool, [n, channels, h, w], seed, Shaders::NoneOrAnyOf(&["pool"]));
    }
}

/// NaN propagates from any position of a window, whatever the other values are, and infinity is a number.
#[test]
fn pooling_propagates_nan() {
    let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    for (at, other) in (0..9).flat_map(|at| [(at, at), (at, (at + 1) % 9)]) {
        let shape = Shape::from([1, 3, 3, 3]);
        let mut values: Vec<f32> = (0..27).map(|i| (i % 9) as f32 - 4.0).collect();
        for (channel, value) in special.into_iter().enumerate() {
            values[channel * 9 + other] = f32::INFINITY;
            values[channel * 9 + at] = value;
        }
        let input = Tensor::new(shape.clone(), values).unwrap();
        let reduce = |kind| {
            Op::from(Reduce {
                kind,
                over: ReduceOver::Space,
            })
        };
        let pool = Shaders::Only("pool");
        let team = Shaders::Team("reduce_space");
        for (op, shaders) in [
            (Op::from(Pool2d::max(2, 1)), pool),
            (Op::from(Pool2d::average(2, 1)), pool),
            (reduce(ReduceKind::Max), team),
            (reduce(ReduceKind::Min), team),
        ] {
            let graph = graph_of(op, std::slice::from_ref(&shape));
            let input = std::slice::from_ref(&input);
            Case::new(&graph, input, 0, &[("op", shaders)]).run();
        }
    }
}

/// All taps of a dilated window can lie in the padding: the maximum is minus infinity, as in PyTorch.
#[test]
fn max_pooling_of_padding_only() {
    let pool = Pool2d::max(1, 1)
        .kernel_hw(1, 3)
        .dilation_hw(1, 2)
        .padding([0, 0, 1, 3]);
    check(pool, [1, 3, 1, 1], 0, Shaders::Only("pool"));
}

/// A maximum over nothing but minus infinity is minus infinity.
#[test]
fn max_pooling_of_minus_infinity() {
    let shape = Shape::from([1, 5, 3, 3]);
    let mut values = vec![f32::NEG_INFINITY; 45];
    values[40] = -3.0;
    let input = Tensor::new(shape.clone(), values).unwrap();
    let pool = Pool2d::max(2, 1).padding(1);
    let graph = graph_of(pool, std::slice::from_ref(&shape));
    Case::new(&graph, &[input], 0, &[("op", Shaders::Only("pool"))]).run();
}

/// Windows of so many pixels that a limit of loop iterations divides them.
#[test]
fn large_windows_of_all_kinds() {
    for kind in [
        PoolKind::Lp { p: 3 },
        PoolKind::Average {
            count_include_pad: true,
        },
    ] {
        let pool = Pool2d::new(kind, 1).kernel_hw(300, 240);
        check(pool, [1, 2, 301, 240], 1, Shaders::Only("pool"));
    }
}
