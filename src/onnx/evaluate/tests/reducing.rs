use super::*;

#[test]
fn sums_take_axes_as_an_input_from_13_on() {
    let x = counted(&[2, 3]);
    let old = node("ReduceSum", 11).ints("axes", &[-1]);
    assert_eq!(old.of(&[&x]), ints(&[2, 1], &[3, 12]));
    let new = node("ReduceSum", 13).int("keepdims", 0);
    assert_eq!(new.of(&[&x, &list(&[0])]), list(&[3, 5, 7]));
    assert_eq!(new.of(&[&x]), scalar(15));
    assert_eq!(node("ReduceSum", 13).of(&[&x]), ints(&[1, 1], &[15]));
    let same = node("ReduceSum", 13).int("noop_with_empty_axes", 1);
    assert_eq!(same.of(&[&x]), x);
    assert_eq!(same.of(&[&x, &list(&[])]), x);
    let text = node("ReduceSum", 13).ints("axes", &[0]).error(&[&x]);
    assert_mentions(&text, "'axes' is an input from opset 13 on");
    let text = node("ReduceSum", 11).error(&[&x, &list(&[0])]);
    assert_mentions(&text, "'axes' is an attribute before opset 13");
}

#[test]
fn others_from_18_on() {
    let x = floats(&[2, 2], &[1.0, 4.0, 3.0, 2.0]);
    let reduced = |op| {
        let old = node(op, 13).ints("axes", &[1]).int("keepdims", 0);
        let new = node(op, 18).int("keepdims", 0);
        let new = new.of(&[&x, &list(&[1])]);
        assert_eq!(old.of(&[&x]), new, "{op}");
        new.to_floats()
    };
    assert_eq!(reduced("ReduceProd"), [4.0, 6.0]);
    assert_eq!(reduced("ReduceMax"), [4.0, 3.0]);
    assert_eq!(reduced("ReduceMin"), [1.0, 2.0]);
    assert_eq!(reduced("ReduceMean"), [2.5, 2.5]);
    let text = node("ReduceMax", 17).error(&[&x, &list(&[1])]);
    assert_mentions(&text, "before opset 18");
    let mean = node("ReduceMean", 18).of(&[&list(&[-3, 0])]);
    assert_eq!(mean, list(&[-1]));
    let flags = bools(&[2], &[true, false]);
    assert_eq!(node("ReduceMax", 20).of(&[&flags]), bools(&[1], &[true]));
    assert_eq!(node("ReduceMin", 20).of(&[&flags]), bools(&[1], &[false]));
    assert_mentions(&node("ReduceSum", 20).error(&[&flags]), "booleans");
    assert_mentions(
        &node("ReduceProd", 18).error(&[&list(&[1 << 40; 2])]),
        "beyond",
    );
}

#[test]
fn of_nothing() {
    let none = floats(&[2, 0], &[]);
    let reduced = |op| node(op, 20).of(&[&none, &list(&[1])]).to_floats();
    assert_eq!(reduced("ReduceSum"), [0.0; 2]);
    assert_eq!(reduced("ReduceProd"), [1.0; 2]);
    assert_eq!(reduced("ReduceMax"), [f32::NEG_INFINITY; 2]);
    assert_eq!(reduced("ReduceMin"), [f32::INFINITY; 2]);
    assert!(reduced("ReduceMean").iter().all(|x| x.is_nan()));
    let sum = node("ReduceSum", 20).of(&[&none, &list(&[0])]);
    assert_eq!(sum, floats(&[1, 0], &[]));
    assert_mentions(
        &node("ReduceMax", 20).error(&[&list(&[])]),
        "of no integers",
    );
}

#[test]
fn axes_are_checked() {
    let x = counted(&[2, 3]);
    let error = |axes| node("ReduceSum", 13).error(&[&x, &list(axes)]);
    assert_mentions(&error(&[2]), "axis 2 is not one of a value of 2 dimensions");
    assert_mentions(&error(&[i64::MIN]), "is not one of");
    assert_mentions(&error(&[1, -1]), "name one twice");
}

#[test]
fn cumulative_sums() {
    let x = ints(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    let sums = |axis, exclusive, reverse| {
        let node = node("CumSum", 14).int("exclusive", exclusive);
        let sums = node.int("reverse", reverse).of(&[&x, &scalar(axis)]);
        sums.as_ints().unwrap()
    };
    assert_eq!(sums(0, 0, 0), [1, 2, 3, 5, 7, 9]);
    assert_eq!(sums(1, 0, 0), [1, 3, 6, 4, 9, 15]);
    assert_eq!(sums(-1, 1, 0), [0, 1, 3, 0, 4, 9]);
    assert_eq!(sums(-1, 0, 1), [6, 5, 3, 15, 11, 6]);
    assert_eq!(sums(-1, 1, 1), [5, 3, 0, 11, 6, 0]);
    let most = list(&[i64::MAX, 1]);
    assert_mentions(&node("CumSum", 14).error(&[&most, &scalar(0)]), "beyond");
    // The last element has no part in the sums before it.
    let exclusive = node("CumSum", 14).int("exclusive", 1);
    assert_eq!(exclusive.of(&[&most, &scalar(0)]), list(&[0, i64::MAX]));
}
