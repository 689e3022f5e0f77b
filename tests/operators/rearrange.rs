//! Elements in another order or number, of shapes of any rank.

use proptest::prelude::*;
use shadernet::graph::{Activation, Conv2d, Factor, GraphBuilder, Rearrange};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::Case;
use crate::generate::{cases, graph_of, tensor};
use crate::ran::Shaders::{NoneOrAnyOf, Only};

/// The operator against the reference backend. It has no dispatch where the memory's layout stays.
fn check(op: &Rearrange, seed: u64) {
    let graph = graph_of(op.clone(), std::slice::from_ref(&op.input));
    let input = tensor(&op.input, seed);
    let expected = [("op", NoneOrAnyOf(&["rearrange"]))];
    Case::new(&graph, &[input], seed, &expected).run();
}

/// A shape of rank 1 to 6, each axis with a number to derive settings from.
fn axes() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((1..6_usize, any::<u16>().prop_map(usize::from)), 1..7)
}

fn shape_of(axes: &[(usize, usize)]) -> Shape {
    Shape::from(axes.iter().map(|axis| axis.0).collect::<Vec<usize>>())
}

/// The same number of elements in another shape: each axis is divided in two where possible, and some of the
/// parts become one with the next.
fn reshaped(axes: &[(usize, usize)]) -> Shape {
    let (mut dims, mut open) = (Vec::new(), 1);
    for &(extent, random) in axes {
        let divisor = (1..=extent)
            .rev()
            .find(|d| extent % d == 0 && *d <= random % 6 + 1);
        let first = divisor.unwrap_or(1);
        for (i, part) in [first, extent / first].into_iter().enumerate() {
            open *= part;
            if random >> (4 + i) & 1 == 1 {
                dims.push(open);
                open = 1;
            }
        }
    }
    dims.push(open);
    Shape::from(dims)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn reshaping(axes in axes(), seed in 0..1000_u64) {
        check(&Rearrange::reshape(shape_of(&axes), reshaped(&axes)).unwrap(), seed);
    }

    #[test]
    fn transposing(axes in axes(), seed in 0..1000_u64) {
        let mut order: Vec<usize> = (0..axes.len()).collect();
        order.sort_by_key(|axis| axes[*axis].1);
        check(&Rearrange::transpose(&shape_of(&axes), &order).unwrap(), seed);
    }

    #[test]
    fn slicing_with_steps(axes in axes(), seed in 0..1000_u64) {
        let (mut starts, mut steps, mut extents) = (Vec::new(), Vec::new(), Vec::new());
        for &(extent, random) in &axes {
            let start = random % extent;
            let step: isize = [1, 2, -1, -2][random / 8 % 4];
            let most = match step > 0 {
                true => (extent - 1 - start) / step as usize + 1,
                false => start / step.unsigned_abs() + 1,
            };
            starts.push(start);
            steps.push(step);
            extents.push(random / 64 % most + 1);
        }
        let shape = shape_of(&axes);
        check(&Rearrange::slice(&shape, &starts, &steps, &extents).unwrap(), seed);
    }

    #[test]
    fn expanding(axes in axes(), leading in prop::collection::vec(1..3_usize, 0..2), seed in 0..1000_u64) {
        let narrow: Vec<usize> = (axes.iter())
            .map(|(extent, random)| if random % 2 == 0 { 1 } else { *extent })
            .collect();
        let wide = [&leading[..], shape_of(&axes).dims()].concat();
        check(&Rearrange::expand(&Shape::from(narrow), &Shape::from(wide)).unwrap(), seed);
    }

    /// Any digits, of which some repeat elements and some reverse them.
    #[test]
    fn any_factors(
        factors in prop::collection::vec((1..5_usize, -7..8_isize), 0..7),
        input in prop::collection::vec(1..9_usize, 1..6),
        seed in 0..1000_u64,
    ) {
        let reach = |sign: isize| -> usize {
            let reaches = factors.iter().filter(|(_, stride)| stride.signum() == sign);
            reaches.map(|(extent, stride)| (extent - 1) * stride.unsigned_abs()).sum()
        };
        let input = Shape::from(input);
        let (offset, last) = (reach(-1), reach(-1) + reach(1));
        prop_assume!(last < input.len());
        let offset = offset + seed as usize % (input.len() - last);
        let output = Shape::from(factors.iter().map(|factor| factor.0).collect::<Vec<usize>>());
        let factors = factors.iter().map(|&(extent, stride)| Factor { extent, stride }).collect();
        check(&Rearrange::new(input, output, factors, offset).unwrap(), seed);
    }
}

/// Eight factors that cannot be merged, the most there may be.
#[test]
fn eight_axes_in_reverse_order() {
    let shape = Shape::from(vec![2, 3, 1, 2, 3, 2, 2, 2, 2]);
    let order: Vec<usize> = (0..9).rev().collect();
    let op = Rearrange::transpose(&shape, &order).unwrap();
    assert_eq!(op.factors.len(), Rearrange::MAX_FACTORS);
    check(&op, 1);
}

/// Tiles: a digit that repeats a whole axis before the axis' own.
#[test]
fn tiling() {
    let (shape, output) = (Shape::from([3, 5]), Shape::from([6, 15]));
    let factors = [(2, 0), (3, 5), (3, 0), (5, 1)];
    let factors = factors.map(|(extent, stride)| Factor { extent, stride });
    check(
        &Rearrange::new(shape, output, factors.to_vec(), 0).unwrap(),
        1,
    );
}

/// A rearrangement that keeps the memory's layout has no dispatch, and what reads it is right: a channel's
/// pixels in other rows, and a fully connected layer's features as pixels.
#[test]
fn layouts_that_are_kept_cost_nothing() {
    let mut b = GraphBuilder::new("renamed");
    let x = b.input("input", &[None; 4]);
    let y = b.activation("before", x, Activation::Relu);
    let (map, rows) = (Shape::from([2, 5, 4, 3]), Shape::from([2, 5, 12]));
    let y = b.node(
        "rows",
        Rearrange::reshape(map.clone(), rows.clone()).unwrap(),
        &[y],
    );
    let wide = Shape::from([2, 5, 2, 6]);
    let y = b.node("wide", Rearrange::reshape(rows, wide).unwrap(), &[y]);
    let y = b.conv2d("conv", y, Conv2d::new(5, 6, 3).padding(1));
    b.output(y);
    let graph = b.build().unwrap();
    let expected = [
        ("before", Only("activation")),
        ("rows", NoneOrAnyOf(&[])),
        ("wide", NoneOrAnyOf(&[])),
        ("conv", crate::ran::DENSE),
    ];
    Case::new(&graph, &[tensor(&map, 1)], 1, &expected).run();
}

/// Inputs and outputs of a graph that a rearrangement only renames, and one that reads a value stored in
/// another's channels.
#[test]
fn renamed_inputs_outputs_and_slices() {
    let mut b = GraphBuilder::new("renamed");
    let x = b.input("input", &[None; 2]);
    let shape = Shape::from([3, 8]);
    let y = b.node(
        "map",
        Rearrange::reshape(shape.clone(), Shape::from([3, 8, 1, 1])).unwrap(),
        &[x],
    );
    b.output(y);
    let a = b.activation("a", y, Activation::Relu);
    let c = b.activation("c", y, Activation::Tanh);
    let both = b.concat("both", &[a, c]);
    let halves = Rearrange::transpose(&Shape::from([3, 8, 1, 1]), &[1, 0, 2, 3]).unwrap();
    let turned = b.node("turned", halves, &[c]);
    b.output(both);
    b.output(turned);
    let graph = b.build().unwrap();
    let expected = [("map", NoneOrAnyOf(&[])), ("turned", Only("rearrange"))];
    let input: Tensor = tensor(&shape, 3);
    Case::new(&graph, &[input], 1, &expected).run();
}
