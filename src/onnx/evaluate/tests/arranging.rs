use super::*;

fn sliced(start: i64, end: i64, step: i64) -> Vec<i64> {
    let node = node("Slice", 13);
    let [start, end, axis, step] = [start, end, 0, step].map(|value| list(&[value]));
    let result = node.of(&[&counted(&[5]), &start, &end, &axis, &step]);
    result.as_ints().unwrap()
}

#[test]
fn slices_are_clamped() {
    let (min, max) = (i64::MIN, i64::MAX);
    assert_eq!(sliced(1, 3, 1), [1, 2]);
    assert_eq!(sliced(0, max, 1), [0, 1, 2, 3, 4]);
    assert_eq!(sliced(min, max, 2), [0, 2, 4]);
    assert_eq!(sliced(-2, max, 1), [3, 4]);
    assert_eq!(sliced(0, -1, 1), [0, 1, 2, 3]);
    assert_eq!(sliced(3, 1, 1), [0_i64; 0]);
    assert_eq!(sliced(9, max, 1), [0_i64; 0]);
    assert_eq!(sliced(-1, min, -1), [4, 3, 2, 1, 0]);
    assert_eq!(sliced(max, min, -2), [4, 2, 0]);
    // The end is the last element, not the place before the first.
    assert_eq!(sliced(4, -1, -1), [0_i64; 0]);
    assert_eq!(sliced(3, 0, -1), [3, 2, 1]);
    assert_eq!(sliced(min, max, -1), [0_i64; 0]);
    assert_eq!(sliced(1, max, max), [1]);
    assert_eq!(sliced(3, min, min), [3]);
}

#[test]
fn slices_of_versions() {
    let x = counted(&[2, 3]);
    let old = node("Slice", 9).ints("starts", &[1]).ints("ends", &[9]);
    assert_eq!(old.of(&[&x]), ints(&[1, 3], &[3, 4, 5]));
    let old = old.ints("axes", &[-1]);
    assert_eq!(old.of(&[&x]), ints(&[2, 2], &[1, 2, 4, 5]));
    let (one, two) = (list(&[1]), list(&[2]));
    assert_eq!(
        node("Slice", 10).of(&[&x, &one, &two]),
        ints(&[1, 3], &[3, 4, 5])
    );
    let text = node("Slice", 10)
        .ints("starts", &[1])
        .error(&[&x, &one, &two]);
    assert_mentions(&text, "'starts' is an input from opset 10 on");
    assert_mentions(
        &node("Slice", 9).error(&[&x, &one, &two]),
        "before opset 10",
    );
    let twice = node("Slice", 13).error(&[&x, &list(&[0, 0]), &list(&[1, 1]), &list(&[0, -2])]);
    assert_mentions(&twice, "name one twice");
    let text = node("Slice", 13).error(&[&x, &one, &two, &list(&[0]), &list(&[0])]);
    assert_mentions(&text, "step of its slice is zero");
    let text = node("Slice", 13).error(&[&x, &one, &list(&[1, 2])]);
    assert_mentions(&text, "1 starts, 2 ends");
    let empty = node("Slice", 13).of(&[
        &counted(&[0]),
        &list(&[-1]),
        &list(&[-9]),
        &list(&[0]),
        &list(&[-1]),
    ]);
    assert_eq!(empty, list(&[]));
}

#[test]
fn gathers() {
    let x = counted(&[2, 3]);
    assert_eq!(node("Gather", 13).of(&[&x, &scalar(-1)]), list(&[3, 4, 5]));
    let columns = node("Gather", 13).int("axis", -1);
    let y = columns.of(&[&x, &ints(&[1, 2], &[2, -3])]);
    assert_eq!(y, ints(&[2, 1, 2], &[2, 0, 5, 3]));
    let text = columns.error(&[&x, &scalar(3)]);
    assert_mentions(&text, "index 3 is not one of 3 elements");
    assert_mentions(&columns.error(&[&x, &scalar(i64::MIN)]), "is not one of");
    assert_mentions(
        &node("Gather", 13).error(&[&scalar(1), &scalar(0)]),
        "axis 0",
    );
}

#[test]
fn concatenations() {
    let (a, b) = (counted(&[2, 1]), ints(&[2, 2], &[7, 8, 9, 10]));
    let joined = node("Concat", 13)
        .int("axis", -1)
        .of(&[&a, &b, &ints(&[2, 0], &[])]);
    assert_eq!(joined, ints(&[2, 3], &[0, 7, 8, 1, 9, 10]));
    let mixed = node("Concat", 13).int("axis", 0);
    let mixed = mixed.of(&[&list(&[1]), &floats(&[1], &[0.5])]);
    assert_eq!(mixed, floats(&[2], &[1.0, 0.5]));
    let text = node("Concat", 13).int("axis", 0).error(&[&a, &b]);
    assert_mentions(&text, "[2, 1] and [2, 2] differ in more than dimension 0");
    assert_mentions(&node("Concat", 13).error(&[&a]), "'axis' is missing");
}

#[test]
fn splits() {
    let x = counted(&[5]);
    let parts = |node: Case, count: usize, sizes: Option<&[i64]>| {
        let sizes = sizes.map(list);
        let outputs = node.outputs(count).all(&[Some(&x), sizes.as_ref()]);
        outputs.map(|outputs| {
            outputs
                .iter()
                .map(|y| y.as_ints().unwrap())
                .collect::<Vec<_>>()
        })
    };
    let expected = Ok(vec![vec![0, 1], vec![2, 3, 4]]);
    assert_eq!(parts(node("Split", 13), 2, Some(&[2, 3])), expected);
    assert_eq!(
        parts(node("Split", 11).ints("split", &[2, 3]), 2, None),
        expected
    );
    let last = Ok(vec![vec![0, 1, 2], vec![3, 4]]);
    assert_eq!(
        parts(node("Split", 18).int("num_outputs", 2), 2, None),
        last
    );
    let error = |node, count, sizes| parts(node, count, sizes).unwrap_err();
    let text = error(node("Split", 13), 2, None);
    assert_mentions(&text, "5 does not split into 2 equal parts");
    // Four parts of two leave nothing for the last.
    let text = error(node("Split", 18).int("num_outputs", 4), 4, None);
    assert_mentions(&text, "equal parts");
    assert_mentions(
        &error(node("Split", 18).int("num_outputs", 3), 2, None),
        "'num_outputs' is 3",
    );
    let both = node("Split", 18).int("num_outputs", 2);
    assert_mentions(&error(both, 2, Some(&[2, 3])), "both");
    assert_mentions(
        &error(node("Split", 13), 2, Some(&[2, 2])),
        "4 elements in total",
    );
    assert_mentions(&error(node("Split", 13), 2, Some(&[-1, 6])), "a part of -1");
    assert_mentions(&error(node("Split", 13), 0, None), "0 equal parts");
}

#[test]
fn squeezes() {
    let x = counted(&[1, 3, 1]);
    assert_eq!(node("Squeeze", 13).of(&[&x]).dims(), [3]);
    assert_eq!(
        node("Squeeze", 11).ints("axes", &[0]).of(&[&x]).dims(),
        [3, 1]
    );
    assert_eq!(node("Squeeze", 13).of(&[&x, &list(&[-1])]).dims(), [1, 3]);
    assert_mentions(
        &node("Squeeze", 13).error(&[&x, &list(&[1])]),
        "dimension 1 is 3",
    );
    assert_mentions(
        &node("Squeeze", 12).error(&[&x, &list(&[0])]),
        "before opset 13",
    );
    assert_mentions(
        &node("Squeeze", 13).error(&[&x, &list(&[])]),
        "axes are empty",
    );
    let y = counted(&[3]);
    assert_eq!(
        node("Unsqueeze", 11).ints("axes", &[0, 2]).of(&[&y]).dims(),
        [1, 3, 1]
    );
    assert_eq!(
        node("Unsqueeze", 13).of(&[&y, &list(&[-1, 0])]).dims(),
        [1, 3, 1]
    );
    assert_mentions(&node("Unsqueeze", 13).error(&[&y, &list(&[2])]), "axis 2");
    assert_mentions(
        &node("Unsqueeze", 13).error(&[&y, &list(&[0, -3])]),
        "twice",
    );
    assert_mentions(&node("Unsqueeze", 13).error(&[&y]), "'axes' are missing");
}

#[test]
fn reshapes() {
    let reshaped = |x: &HostTensor, shape: &[i64]| {
        let y = node("Reshape", 14).of(&[x, &list(shape)]);
        y.dims().to_vec()
    };
    let x = counted(&[2, 3, 4]);
    assert_eq!(reshaped(&x, &[0, -1]), [2, 12]);
    assert_eq!(reshaped(&x, &[-1]), [24]);
    assert_eq!(reshaped(&counted(&[0, 3]), &[0, 0]), [0, 3]);
    let zeros = node("Reshape", 14).int("allowzero", 1);
    assert_eq!(
        zeros.of(&[&counted(&[3, 0]), &list(&[0, 7])]).dims(),
        [0, 7]
    );
    let error = |shape: &[i64]| node("Reshape", 14).error(&[&x, &list(shape)]);
    assert_mentions(
        &error(&[5, -1]),
        "[2, 3, 4] of 24 elements cannot be reshaped to [5, -1]",
    );
    assert_mentions(&error(&[5]), "cannot be reshaped to [5]");
    assert_mentions(&error(&[-1, -1]), "more than one -1");
    assert_mentions(&error(&[2, 3, 4, 0]), "keeps dimension 3");
    assert_mentions(&error(&[-2]), "-2 is not a dimension");
    assert_mentions(&error(&[1 << 40, 1 << 40, -1]), "cannot be reshaped");
    assert_mentions(&zeros.error(&[&x, &list(&[0, -1])]), "both 0 and -1");
    let flat = |axis| {
        node("Flatten", 13)
            .int("axis", axis)
            .of(&[&x])
            .dims()
            .to_vec()
    };
    assert_eq!(
        [flat(0), flat(2), flat(3), flat(-1)],
        [[1, 24], [6, 4], [24, 1], [6, 4]]
    );
    assert_eq!(node("Flatten", 13).of(&[&x]).dims(), [2, 12]);
    assert_mentions(&node("Flatten", 13).int("axis", 4).error(&[&x]), "axis 4");
}

#[test]
fn copies() {
    let x = counted(&[2, 3]);
    let turned = ints(&[3, 2], &[0, 3, 1, 4, 2, 5]);
    assert_eq!(node("Transpose", 13).of(&[&x]), turned);
    assert_eq!(
        node("Transpose", 13).ints("perm", &[1, 0]).of(&[&x]),
        turned
    );
    for perm in [&[0, 0][..], &[0], &[0, 2], &[-1, 0]] {
        let text = node("Transpose", 13).ints("perm", perm).error(&[&x]);
        assert_mentions(&text, "does not permute 2 dimensions");
    }
    let y = node("Expand", 13).of(&[&list(&[1, 2]), &list(&[2, 1])]);
    assert_eq!(y, ints(&[2, 2], &[1, 2, 1, 2]));
    assert_mentions(
        &node("Expand", 13).error(&[&x, &list(&[4])]),
        "do not broadcast",
    );
    let y = node("Tile", 13).of(&[&ints(&[1, 2], &[1, 2]), &list(&[2, 2])]);
    assert_eq!(y, ints(&[2, 4], &[1, 2, 1, 2, 1, 2, 1, 2]));
    assert_mentions(
        &node("Tile", 13).error(&[&x, &list(&[1])]),
        "1 repeats for 2",
    );
    assert_mentions(
        &node("Tile", 13).error(&[&x, &list(&[i64::MAX, 2])]),
        "elements",
    );
    assert_eq!(node("Identity", 13).of(&[&x]), x);
}

#[test]
fn pads() {
    let x = list(&[1, 2]);
    let padded = |pads: &[i64]| node("Pad", 13).of(&[&x, &list(pads), &scalar(9)]);
    assert_eq!(padded(&[1, 2]), list(&[9, 1, 2, 9, 9]));
    assert_eq!(padded(&[-1, 1]), list(&[2, 9]));
    assert_eq!(padded(&[-5, 4]), list(&[9]));
    let old = node("Pad", 10).ints("pads", &[1, 0]).float("value", 0.5);
    assert_eq!(old.of(&[&floats(&[1], &[2.0])]), floats(&[2], &[0.5, 2.0]));
    let y = counted(&[1, 2]);
    let axes = node("Pad", 18).all(&[Some(&y), Some(&list(&[1, 0])), None, Some(&list(&[-2]))]);
    assert_eq!(axes.unwrap(), [ints(&[2, 2], &[0, 0, 0, 1])]);
    let reflect = node("Pad", 13).with("mode", |a| a.s = "reflect".into());
    assert_mentions(&reflect.error(&[&x, &list(&[1, 1])]), "mode 'reflect'");
    let error = |pads: &[i64]| node("Pad", 13).error(&[&x, &list(pads)]);
    assert_mentions(&error(&[1]), "1 pads for 1 axes");
    assert_mentions(&error(&[i64::MAX, 1]), "cannot be padded");
    assert_mentions(&error(&[-2, -1]), "cannot be padded");
    assert_mentions(&error(&[1 << 40, 0]), "elements");
}

#[test]
fn scattered() {
    let found = node("NonZero", 13).of(&[&ints(&[2, 2], &[1, 0, 3, 4])]);
    assert_eq!(found, ints(&[2, 3], &[0, 1, 1, 0, 0, 1]));
    assert_eq!(node("NonZero", 13).of(&[&scalar(1)]).dims(), [0, 1]);
    let scatter = node("ScatterND", 13);
    let x = counted(&[2, 2]);
    let y = scatter.of(&[&x, &ints(&[1, 1], &[-1]), &ints(&[1, 2], &[7, 8])]);
    assert_eq!(y, ints(&[2, 2], &[0, 1, 7, 8]));
    let y = scatter.of(&[&x, &ints(&[1, 2], &[0, 1]), &list(&[9])]);
    assert_eq!(y, ints(&[2, 2], &[0, 9, 2, 3]));
    let text = scatter.error(&[&x, &ints(&[1, 2], &[0, 2]), &list(&[9])]);
    assert_mentions(&text, "index 2 is not one of 2 elements");
    let text = scatter.error(&[&x, &ints(&[1, 2], &[0, 1]), &list(&[9, 9])]);
    assert_mentions(&text, "updates of [1] were expected, found [2]");
}
