use super::*;

fn floats_of(values: &[f32], dims: &[i64]) -> TensorProto {
    TensorProto {
        data_type: 1,
        dims: dims.to_vec(),
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

#[test]
fn constants() {
    let constant = || node("Constant", 13);
    let value = constant().tensor("value", floats_of(&[1.5, 2.5], &[2]));
    assert_eq!(value.of(&[]), floats(&[2], &[1.5, 2.5]));
    assert_eq!(constant().int("value_int", -3).of(&[]), scalar(-3));
    assert_eq!(
        constant().ints("value_ints", &[1, 2]).of(&[]),
        list(&[1, 2])
    );
    assert_eq!(
        constant().float("value_float", 0.5).of(&[]),
        floats(&[], &[0.5])
    );
    let values = constant().with("value_floats", |a| a.floats = vec![0.5]);
    assert_eq!(values.of(&[]), floats(&[1], &[0.5]));
    assert_mentions(&constant().error(&[]), "'value' is missing");
    let text = constant().with("value_string", |_| ()).error(&[]);
    assert_mentions(&text, "'value_string' is not supported");
    let text = constant().tensor("value", floats_of(&[], &[1])).error(&[]);
    assert_mentions(&text, "1 elements were expected for [1] float, found 0");
}

#[test]
fn constants_of_a_shape() {
    let filled = node("ConstantOfShape", 9);
    assert_eq!(filled.of(&[&list(&[2, 1])]), floats(&[2, 1], &[0.0; 2]));
    assert_eq!(filled.of(&[&list(&[])]), floats(&[], &[0.0]));
    assert_eq!(filled.of(&[&list(&[0, 1 << 60])]).len(), 0);
    let one = TensorProto {
        data_type: 7,
        dims: vec![1],
        int64_data: vec![1],
        ..TensorProto::default()
    };
    let ones = node("ConstantOfShape", 9).tensor("value", one);
    assert_eq!(ones.of(&[&list(&[3])]), list(&[1, 1, 1]));
    assert_mentions(&filled.error(&[&list(&[-1])]), "-1 is not a dimension");
    assert_eq!(
        filled.error(&[&list(&[1 << 14, (1 << 13) + 1])]),
        "its result would have 134234112 elements, and at most 16777216 are evaluated on the host"
    );
    assert_mentions(&filled.error(&[&list(&[1 << 40, 1 << 40])]), "more than");
    assert_mentions(&filled.error(&[&list(&[1; 65])]), "65 dimensions");
    let two = node("ConstantOfShape", 9).tensor("value", floats_of(&[1.0, 2.0], &[2]));
    assert_mentions(
        &two.error(&[&list(&[3])]),
        "must have one element, and has 2",
    );
}

#[test]
fn ranges() {
    let range = |a, b, c| node("Range", 11).of(&[&scalar(a), &scalar(b), &scalar(c)]);
    assert_eq!(range(3, 9, 3), list(&[3, 6]));
    assert_eq!(range(10, 4, -4), list(&[10, 6]));
    assert_eq!(range(1, 1, 1), list(&[]));
    assert_eq!(range(4, 1, 1), list(&[]));
    assert_eq!(range(i64::MAX - 1, i64::MAX, 5), list(&[i64::MAX - 1]));
    assert_eq!(
        range(i64::MIN, i64::MAX, i64::MAX),
        list(&[i64::MIN, -1, i64::MAX - 1])
    );
    let real = [1.0, 2.0, 0.4].map(|x| floats(&[], &[x]));
    let real = node("Range", 11).of(&real.each_ref());
    assert_eq!(real, floats(&[3], &[1.0, 1.4, 1.8]));
    let error = |a, b, c| node("Range", 11).error(&[&scalar(a), &scalar(b), &scalar(c)]);
    assert_mentions(&error(0, 1, 0), "'delta' is zero");
    assert_mentions(
        &error(i64::MIN, i64::MAX, 1),
        "18446744073709551615 elements",
    );
    let nan = [0.0, 1.0, f32::NAN].map(|x| floats(&[], &[x]));
    assert_mentions(&node("Range", 11).error(&nan.each_ref()), "not a range");
    let many = [0.0, 1e30, 1e-30].map(|x| floats(&[], &[x]));
    assert_mentions(&node("Range", 11).error(&many.each_ref()), "elements");
}

#[test]
fn shapes() {
    let x = counted(&[2, 3, 4]);
    assert_eq!(node("Shape", 13).of(&[&x]), list(&[2, 3, 4]));
    let part = |start, end| {
        let shape = node("Shape", 15).int("start", start).int("end", end);
        shape.of(&[&x])
    };
    assert_eq!(part(-1, i64::MAX), list(&[4]));
    assert_eq!(part(i64::MIN, -1), list(&[2, 3]));
    assert_eq!(part(2, 1), list(&[]));
    let text = node("Shape", 13).int("start", 1).error(&[&x]);
    assert_mentions(&text, "'start' is an attribute from opset 15 on");
    assert_eq!(node("Size", 13).of(&[&x]), scalar(24));
}

#[test]
fn dropout_keeps_all() {
    let x = floats(&[2], &[1.0, 2.0]);
    let outputs = |opset| node("Dropout", opset).outputs(2).all(&[Some(&x)]).unwrap();
    assert_eq!(outputs(7), [x.clone(), floats(&[2], &[1.0, 1.0])]);
    assert_eq!(outputs(13), [x.clone(), bools(&[2], &[true, true])]);
    assert_eq!(node("Dropout", 13).of(&[&x]), x);
    let training = bools(&[], &[true]);
    let training = node("Dropout", 13).all(&[Some(&x), None, Some(&training)]);
    assert_mentions(&training.unwrap_err(), "training");
}

#[test]
fn casts() {
    let cast = |x: &HostTensor, to| node("Cast", 13).int("to", to).of(&[x]);
    let x = floats(&[4], &[-1.9, 1.9, 0.0, 300.5]);
    assert_eq!(cast(&x, 7), list(&[-1, 1, 0, 300]));
    assert_eq!(cast(&x, 2), list(&[255, 1, 0, 44]));
    assert_eq!(cast(&x, 9), bools(&[4], &[true, true, false, true]));
    assert_eq!(cast(&floats(&[1], &[f32::NAN]), 9), bools(&[1], &[true]));
    let wide = list(&[128, -129, 1 << 40, (1 << 31) + 5]);
    assert_eq!(cast(&wide, 3), list(&[-128, 127, 0, 5]));
    assert_eq!(
        cast(&wide, 6),
        list(&[128, -129, 0, i64::from(i32::MIN) + 5])
    );
    assert_eq!(
        cast(&wide, 12),
        list(&[128, (1 << 32) - 129, 0, (1 << 31) + 5])
    );
    // Both are rounded to half precision.
    assert_eq!(cast(&floats(&[1], &[2049.0]), 10), floats(&[1], &[2048.0]));
    assert_eq!(cast(&list(&[257]), 16), floats(&[1], &[256.0]));
    assert_eq!(cast(&bools(&[1], &[true]), 1), floats(&[1], &[1.0]));
    let error = |x: &HostTensor, to| node("Cast", 13).int("to", to).error(&[x]);
    assert_mentions(&error(&x, 8), "a cast to string is not supported");
    assert_mentions(&error(&list(&[-1]), 13), "uint64");
    assert_mentions(&error(&floats(&[1], &[1e19]), 13), "uint64");
    assert_mentions(&node("Cast", 13).error(&[&x]), "'to' is missing");
}

#[test]
fn dequantized() {
    let x = ints(&[2, 2], &[0, 3, 128, 255]);
    let (scale, zero) = (floats(&[], &[2.0]), scalar(128));
    let y = node("DequantizeLinear", 10).of(&[&x, &scale, &zero]);
    assert_eq!(y, floats(&[2, 2], &[-256.0, -250.0, 0.0, 254.0]));
    let listed = floats(&[1], &[2.0]);
    assert_eq!(node("DequantizeLinear", 13).of(&[&x, &listed, &zero]), y);
    let scales = floats(&[2], &[2.0, 0.5]);
    let y = node("DequantizeLinear", 13).of(&[&x, &scales]);
    assert_eq!(y, floats(&[2, 2], &[0.0, 1.5, 256.0, 127.5]));
    let y = node("DequantizeLinear", 13)
        .int("axis", -2)
        .of(&[&x, &scales]);
    assert_eq!(y, floats(&[2, 2], &[0.0, 6.0, 64.0, 127.5]));
    let text = node("DequantizeLinear", 10).error(&[&x, &scales]);
    assert_mentions(&text, "scales of shape [2] are not supported");
    let text = node("DequantizeLinear", 13).error(&[&x, &scales, &zero]);
    assert_mentions(&text, "its zero point []");
    // A scale for each block of two, and of one that is not whole.
    let blocks = |axis, size| {
        node("DequantizeLinear", 21)
            .int("axis", axis)
            .int("block_size", size)
    };
    let y = blocks(1, 2).of(&[&x, &floats(&[2, 1], &[2.0, 0.5])]);
    assert_eq!(y, floats(&[2, 2], &[0.0, 6.0, 64.0, 127.5]));
    let y = blocks(0, 3).of(&[&x, &floats(&[1, 2], &[2.0, 0.5])]);
    assert_eq!(y, floats(&[2, 2], &[0.0, 1.5, 256.0, 127.5]));
    let text = blocks(1, 2).error(&[&x, &floats(&[1, 2], &[2.0, 0.5])]);
    assert_mentions(&text, "have scales [2, 1]");
}
