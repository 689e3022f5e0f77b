//! Operators that move elements without computing.

use proptest::prelude::*;
use shadernet::graph::{
    CenterCropOrPad, ChannelShuffle, Concat, Embedding, Flatten, Graph, GraphBuilder, Input, Op,
    Pad2d, Reorg, SliceChannels, Upsample,
};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::{Case, check};
use crate::generate::{cases, extents, graph_of, tensor};
use crate::ran::Shaders::{NoneOrAnyOf, Only};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn concat(
        [n, h, w] in extents(),
        channels in prop::collection::vec(1..10_usize, 1..5),
        seed in 0..1000_u64,
    ) {
        let shapes: Vec<Shape> = channels.iter().map(|&c| Shape::from([n, c, h, w])).collect();
        let inputs: Vec<Tensor> = (shapes.iter().zip(seed..)).map(|(s, i)| tensor(s, i)).collect();
        // Parts of whole elements are written in place.
        let expected = [("op", NoneOrAnyOf(&["copy_channels"]))];
        Case::new(&graph_of(Concat, &shapes), &inputs, seed, &expected).run();
    }

    #[test]
    fn flatten([n, h, w] in extents(), channels in 1..11_usize, seed in 0..1000_u64) {
        let shader = match h * w {
            1 => NoneOrAnyOf(&[]),
            _ => Only("flatten"),
        };
        check(Flatten, [n, channels, h, w], seed, shader);
        check(Flatten, [n, channels, 1, 1], seed, NoneOrAnyOf(&[]));
        check(Op::Dropout, [n, channels, h, w], seed, NoneOrAnyOf(&[]));
    }

    #[test]
    fn slice_channels(
        [n, h, w] in extents(),
        (start, count, after) in (0..9_usize, 1..11_usize, 0..5_usize),
        seed in 0..1000_u64,
    ) {
        let op = SliceChannels { start, end: start + count };
        // A slice of whole elements is read in place.
        let is_view = start % 4 == 0 && (count % 4 == 0 || after == 0);
        let shader = match is_view {
            true => NoneOrAnyOf(&[]),
            false => Only("copy_channels"),
        };
        check(op, [n, start + count + after, h, w], seed, shader);
    }

    #[test]
    fn pad(
        [n, h, w] in extents(),
        channels in 1..10_usize,
        amounts in prop::array::uniform4(-2..4_isize),
        value in -2.0..2.0_f32,
        seed in 0..1000_u64,
    ) {
        let [top, bottom, left, right] = amounts;
        // No more pixels may be cropped than the map has.
        let fits = |size: usize, before: isize, after: isize| {
            let left = size as isize + before.min(0) + after.min(0);
            left >= 0 && left + before.max(0) + after.max(0) > 0
        };
        prop_assume!(fits(h, top, bottom) && fits(w, left, right));
        let shader = match amounts {
            [0, 0, 0, 0] => NoneOrAnyOf(&[]),
            _ => Only("pad"),
        };
        check(Pad2d { top, bottom, left, right, value }, [n, channels, h, w], seed, shader);
    }

    #[test]
    fn center_crop_or_pad(
        [n, h, w] in extents(),
        [_, out_h, out_w] in extents(),
        channels in 1..10_usize,
        seed in 0..1000_u64,
    ) {
        let a = Shape::from([n, channels, h, w]);
        let b = Shape::from([n, 2, out_h, out_w]);
        let graph = graph_of(CenterCropOrPad, &[a.clone(), b.clone()]);
        let shader = match [h, w] == [out_h, out_w] {
            true => NoneOrAnyOf(&[]),
            false => Only("pad"),
        };
        Case::new(&graph, &[tensor(&a, seed), tensor(&b, seed)], seed, &[("op", shader)]).run();
    }

    #[test]
    fn upsample(
        [n, h, w] in extents(),
        channels in 1..10_usize,
        [_, out_h, out_w] in extents(),
        factor in prop_oneof![Just(2.0), Just(3.0), Just(0.5), Just(1.7)],
        seed in 0..1000_u64,
    ) {
        let size = [n, channels, h, w];
        for op in [
            Upsample::nearest(factor),
            Upsample::bilinear(factor, false),
            Upsample::bilinear(factor, true),
        ] {
            check(op.to_size(out_h, out_w), size, seed, Only("upsample"));
            let shapes = [Shape::from(size), Shape::from([n, 2, out_h, out_w])];
            let inputs = [tensor(&shapes[0], seed), tensor(&shapes[1], seed + 1)];
            let graph = graph_of(op.to_size_of_second_input(), &shapes);
            Case::new(&graph, &inputs, seed, &[("op", Only("upsample"))]).run();
            if h.min(w) as f64 * factor >= 1.0 {
                check(op, size, seed, Only("upsample"));
            }
        }
    }

    #[test]
    fn reorg(
        n in 1..4_usize,
        (h, w) in (1..5_usize, 1..5_usize),
        outer in 1..6_usize,
        stride in 1..4_usize,
        seed in 0..1000_u64,
    ) {
        let shape = [n, outer * stride * stride, h * stride, w * stride];
        check(Reorg { stride }, shape, seed, Only("reorg"));
    }

    #[test]
    fn channel_shuffle([n, h, w] in extents(), groups in 1..6_usize, channels in 1..6_usize, seed in 0..1000_u64) {
        let shape = [n, groups * channels, h, w];
        check(ChannelShuffle { groups }, shape, seed, Only("rearrange"));
    }

    #[test]
    fn embedding(
        n in 1..4_usize,
        length in 1..20_usize,
        rows in 1..50_usize,
        dim in 1..11_usize,
        seed in 0..1000_u64,
    ) {
        let graph = embedding_of(Embedding { num_embeddings: rows, dim });
        let shape = Shape::from([n, length]);
        let ids = tensor(&shape, seed).map(|v| ((v + 2.0) / 4.0 * rows as f32).floor());
        Case::new(&graph, &[ids], seed, &[("op", Only("embedding"))]).run();
    }
}

fn embedding_of(op: Embedding) -> Graph {
    let mut b = GraphBuilder::new("embedding");
    let ids = b.node("ids", Input::ids(None), &[]);
    let output = b.node("op", op, &[ids]);
    b.output(output);
    b.build().unwrap()
}

/// Ids out of range give NaN. Ids above 2048 are exact in float16 sessions too.
#[test]
fn embedding_of_ids_out_of_range() {
    let op = Embedding {
        num_embeddings: 5000,
        dim: 3,
    };
    let ids = vec![0.0, 4999.0, 5000.0, -1.0, 2.5, f32::NAN, 4001.0, 1e30];
    let ids = Tensor::new([2, 4], ids).unwrap();
    Case::new(&embedding_of(op), &[ids], 1, &[("op", Only("embedding"))]).run();
}
