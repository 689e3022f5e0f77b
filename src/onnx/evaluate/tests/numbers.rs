use super::*;

const OPSET: i64 = 17;

fn binary(op_type: &str, a: &HostTensor, b: &HostTensor) -> HostTensor {
    node(op_type, OPSET).of(&[a, b])
}

fn unary(op_type: &str, values: &[f32]) -> Vec<f32> {
    let input = floats(&[values.len()], values);
    node(op_type, OPSET).of(&[&input]).to_floats()
}

#[test]
fn operands_broadcast() {
    let (row, column) = (list(&[1, 2, 3]), ints(&[2, 1], &[10, 20]));
    let sum = ints(&[2, 3], &[11, 12, 13, 21, 22, 23]);
    assert_eq!(binary("Add", &row, &column), sum);
    assert_eq!(binary("Sub", &scalar(1), &row), list(&[0, -1, -2]));
    assert_eq!(binary("Mul", &ints(&[0], &[]), &list(&[7])), list(&[]));
    let text = node("Add", OPSET).error(&[&row, &list(&[1, 2])]);
    assert_mentions(&text, "[3] and [2] do not broadcast");
    let (a, b) = (counted(&[1 << 14, 1]), counted(&[1 << 14]));
    assert_mentions(&node("Add", OPSET).error(&[&a, &b]), "268435456 elements");
}

#[test]
fn types_of_results() {
    let half = floats(&[1], &[0.5]);
    assert_eq!(binary("Add", &list(&[1]), &half), floats(&[1], &[1.5]));
    assert_eq!(binary("Less", &list(&[1]), &half), bools(&[1], &[false]));
    let flag = bools(&[1], &[true]);
    assert_mentions(&node("Add", OPSET).error(&[&flag, &half]), "booleans");
    assert_mentions(&node("Add", OPSET).error(&[&flag, &flag]), "booleans");
    assert_mentions(&node("Sqrt", OPSET).error(&[&list(&[4])]), "are integers");
    assert_mentions(&node("And", OPSET).error(&[&half, &half]), "of booleans");
}

#[test]
fn integers() {
    let (a, b) = (list(&[7, -7, 7, -7]), list(&[2, 2, -2, -2]));
    assert_eq!(binary("Div", &a, &b), list(&[3, -3, -3, 3]));
    assert_eq!(
        binary("Mod", &a, &list(&[3, 3, -3, -3])),
        list(&[1, 2, -2, -1])
    );
    let fmod = node("Mod", OPSET).int("fmod", 1);
    assert_eq!(
        fmod.of(&[&a, &list(&[3, 3, -3, -3])]),
        list(&[1, -1, 1, -1])
    );
    let lowest = list(&[i64::MIN]);
    assert_eq!(binary("Mod", &lowest, &list(&[-1])), list(&[0]));
    let error = |op, a: &HostTensor, b| node(op, OPSET).error(&[a, &list(&[b])]);
    assert_mentions(&error("Div", &lowest, 0), "is divided by zero");
    assert_mentions(&error("Mod", &lowest, 0), "is divided by zero");
    assert_mentions(&error("Div", &lowest, -1), "beyond the range of int64");
    assert_mentions(
        &error("Sub", &lowest, 1),
        "-9223372036854775808 - 1 is beyond",
    );
    assert_mentions(&error("Mul", &lowest, 2), "beyond");
    assert_mentions(&node("Neg", OPSET).error(&[&lowest]), "beyond");
    assert_mentions(&node("Abs", OPSET).error(&[&lowest]), "beyond");
    assert_eq!(
        node("Sign", OPSET).of(&[&list(&[-5, 0, 9])]),
        list(&[-1, 0, 1])
    );
    assert_eq!(node("Relu", OPSET).of(&[&list(&[-5, 9])]), list(&[0, 9]));
}

#[test]
fn powers_have_the_type_of_the_base() {
    let power = |base, exponent| binary("Pow", &list(&[base]), &list(&[exponent]));
    assert_eq!(power(-3, 3), list(&[-27]));
    assert_eq!(power(2, -1), list(&[0]));
    assert_eq!(power(-1, -3), list(&[-1]));
    assert_eq!(power(0, 0), list(&[1]));
    let by_float = binary("Pow", &list(&[9, 2]), &floats(&[2], &[0.5, 3.0]));
    assert_eq!(by_float, list(&[3, 8]));
    let of_float = binary("Pow", &floats(&[2], &[1.5, -2.0]), &list(&[2, 3]));
    assert_eq!(of_float, floats(&[2], &[2.25, -8.0]));
    let error = |base, exponent| {
        let exponent = floats(&[1], &[exponent]);
        node("Pow", OPSET).error(&[&list(&[base]), &exponent])
    };
    assert_mentions(&error(2, 63.0), "beyond");
    assert_mentions(&error(0, -1.0), "not a number");
    assert_mentions(&error(2, f32::NAN), "beyond");
    assert_mentions(&error(-2, 1e30), "beyond");
}

#[test]
fn floating_point() {
    assert_eq!(
        unary("Round", &[0.5, 1.5, 2.5, -2.5]),
        [0.0, 2.0, 2.0, -2.0]
    );
    assert_eq!(unary("Floor", &[-1.5]), [-2.0]);
    assert_eq!(unary("Ceil", &[-1.5, 1.2]), [-1.0, 2.0]);
    assert_eq!(unary("Sqrt", &[9.0]), [3.0]);
    assert_eq!(unary("Exp", &[0.0]), [1.0]);
    assert_eq!(unary("Log", &[1.0, 0.0]), [0.0, f32::NEG_INFINITY]);
    assert_eq!(unary("Reciprocal", &[4.0]), [0.25]);
    assert_eq!(unary("Sigmoid", &[0.0, -1000.0, 1000.0]), [0.5, 0.0, 1.0]);
    assert_eq!(unary("Tanh", &[0.0, 100.0]), [0.0, 1.0]);
    assert_eq!(unary("Abs", &[-2.0]), [2.0]);
    assert_eq!(unary("Sign", &[-2.0, 0.0, 0.1]), [-1.0, 0.0, 1.0]);
    assert!(unary("Relu", &[f32::NAN])[0].is_nan());
    let (a, b) = (floats(&[2], &[5.5, -5.5]), floats(&[1], &[3.0]));
    let fmod = node("Mod", OPSET).int("fmod", 1);
    assert_eq!(fmod.of(&[&a, &b]), floats(&[2], &[2.5, -2.5]));
    assert_mentions(&node("Mod", OPSET).error(&[&a, &b]), "'fmod'");
}

#[test]
fn any_number_of_operands() {
    let (a, b, c) = (list(&[3, 8]), list(&[5]), ints(&[1, 1], &[4]));
    assert_eq!(node("Max", 13).of(&[&a, &b, &c]), ints(&[1, 2], &[5, 8]));
    assert_eq!(node("Min", 13).of(&[&a, &b, &c]), ints(&[1, 2], &[3, 4]));
    assert_eq!(node("Min", 13).of(&[&a]), a);
    let (x, y) = (floats(&[2], &[1.0, 2.0]), floats(&[1], &[4.0]));
    assert_eq!(
        node("Sum", 13).of(&[&x, &y, &y]),
        floats(&[2], &[9.0, 10.0])
    );
    assert_eq!(node("Mean", 13).of(&[&x, &y]), floats(&[2], &[2.5, 3.0]));
    let nan = floats(&[1], &[f32::NAN]);
    assert!(node("Max", 13).of(&[&nan, &y]).scalar().unwrap().is_nan());
    assert!(node("Min", 13).of(&[&y, &nan]).scalar().unwrap().is_nan());
    assert_eq!(node("Sum", 7).of(&[&x, &x]), floats(&[2], &[2.0, 4.0]));
    assert_mentions(
        &node("Sum", 7).error(&[&x, &y]),
        "broadcast from opset 8 on",
    );
    assert_mentions(&node("Mean", 13).error(&[&a]), "are integers");
    assert_mentions(&node("Sum", 13).error(&[]), "no inputs");
}

#[test]
fn clips() {
    let x = floats(&[3], &[-2.0, 0.5, 2.0]);
    let (low, high) = (floats(&[], &[-1.0]), floats(&[], &[1.0]));
    let clipped = floats(&[3], &[-1.0, 0.5, 1.0]);
    assert_eq!(node("Clip", 13).of(&[&x, &low, &high]), clipped);
    let old = node("Clip", 6).float("min", -1.0).float("max", 1.0);
    assert_eq!(old.of(&[&x]), clipped);
    let upper = node("Clip", 12).all(&[Some(&list(&[1, 9])), None, Some(&scalar(5))]);
    assert_eq!(upper.unwrap(), [list(&[1, 5])]);
    assert_eq!(
        node("Clip", 13).of(&[&x, &high, &low]),
        floats(&[3], &[-1.0; 3])
    );
    let text = node("Clip", 11).float("min", 0.0).error(&[&x]);
    assert_mentions(&text, "'min' is an input from opset 11 on");
    let text = node("Clip", 10).error(&[&x, &low]);
    assert_mentions(&text, "'min' is an attribute before opset 11");
    assert_mentions(
        &node("Clip", 13).error(&[&x, &x]),
        "must have one element, and has 3",
    );
}

#[test]
fn comparisons_and_logic() {
    let (a, b) = (list(&[1, 2, 3]), list(&[2]));
    let holds = |op, expected: [bool; 3]| {
        assert_eq!(binary(op, &a, &b), bools(&[3], &expected), "{op}");
    };
    holds("Equal", [false, true, false]);
    holds("Less", [true, false, false]);
    holds("LessOrEqual", [true, true, false]);
    holds("Greater", [false, false, true]);
    holds("GreaterOrEqual", [false, true, true]);
    // As float32, both would be the same.
    let large = list(&[(1 << 53) + 1]);
    assert_eq!(
        binary("Greater", &large, &list(&[1 << 53])),
        bools(&[1], &[true])
    );
    let nan = floats(&[1], &[f32::NAN]);
    assert_eq!(binary("LessOrEqual", &nan, &nan), bools(&[1], &[false]));
    let (p, q) = (bools(&[2, 1], &[true, false]), bools(&[2], &[true, false]));
    let all = |op| binary(op, &p, &q);
    assert_eq!(all("And"), bools(&[2, 2], &[true, false, false, false]));
    assert_eq!(all("Or"), bools(&[2, 2], &[true, true, true, false]));
    assert_eq!(all("Xor"), bools(&[2, 2], &[false, true, true, false]));
    assert_eq!(all("Equal"), bools(&[2, 2], &[true, false, false, true]));
    assert_eq!(node("Not", OPSET).of(&[&q]), bools(&[2], &[false, true]));
    assert_mentions(&node("Less", OPSET).error(&[&p, &q]), "no order");
    let chosen = node("Where", 16).of(&[&p, &a, &scalar(0)]);
    assert_eq!(chosen, ints(&[2, 3], &[1, 2, 3, 0, 0, 0]));
    let real = node("Where", 16).of(&[&q, &list(&[1]), &floats(&[], &[0.5])]);
    assert_eq!(real, floats(&[2], &[1.0, 0.5]));
    assert_mentions(&node("Where", 16).error(&[&a, &a, &a]), "of booleans");
}
