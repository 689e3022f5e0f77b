//! No input and no attribute of a file makes the evaluation panic, or take much memory.

use super::*;

const OPERATORS: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "Cast",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "CumSum",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Equal",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Mean",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "NonZero",
    "Not",
    "Or",
    "Pad",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Round",
    "ScatterND",
    "Shape",
    "Sigmoid",
    "Sign",
    "Size",
    "Slice",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Where",
    "Xor",
];

const ATTRIBUTES: &[&str] = &[
    "allowzero",
    "axes",
    "axis",
    "block_size",
    "end",
    "ends",
    "exclusive",
    "fmod",
    "keepdims",
    "max",
    "min",
    "noop_with_empty_axes",
    "num_outputs",
    "output_dtype",
    "pads",
    "perm",
    "reverse",
    "split",
    "start",
    "starts",
    "to",
    "value",
    "value_floats",
    "value_ints",
];

fn pick<T: Copy>(random: &mut fastrand::Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}

fn number(random: &mut fastrand::Rng) -> i64 {
    let extreme = [
        i64::MIN,
        i64::MIN + 1,
        i64::MAX,
        i64::MAX - 1,
        1 << 62,
        1 << 32,
        -(1 << 31),
    ];
    match random.u8(..8) {
        0 => pick(random, &extreme),
        1 => random.i64(..),
        _ => random.i64(-3..5),
    }
}

fn numbers(random: &mut fastrand::Rng) -> Vec<i64> {
    (0..random.usize(..5)).map(|_| number(random)).collect()
}

fn tensor(random: &mut fastrand::Rng) -> HostTensor {
    let mut dims: Vec<usize> = (0..random.usize(..4)).map(|_| random.usize(..4)).collect();
    if random.u8(..16) == 0 {
        // Without elements, but with dimensions that no memory holds.
        dims.insert(0, 0);
        dims.push(1 << 40);
    }
    let len = dims.iter().product();
    let data = match random.u8(..4) {
        0 => HostData::Bool((0..len).map(|_| random.bool()).collect()),
        1 => {
            let extreme = [f32::NAN, f32::INFINITY, f32::MIN, -0.0, 1e-40];
            let float = |random: &mut fastrand::Rng| match random.u8(..4) {
                0 => pick(random, &extreme),
                _ => random.f32() * 6.0 - 3.0,
            };
            HostData::Float((0..len).map(|_| float(random)).collect())
        }
        _ => HostData::Int((0..len).map(|_| number(random)).collect()),
    };
    HostTensor::new(dims, data).unwrap()
}

fn attribute(random: &mut fastrand::Rng) -> AttributeProto {
    let value = TensorProto {
        dims: (0..random.usize(..3)).map(|_| number(random)).collect(),
        data_type: random.i32(-1..30),
        int64_data: numbers(random),
        raw_data: vec![7_u8; random.usize(..20)].into(),
        data_location: random.i32(..2).max(0),
        ..TensorProto::default()
    };
    AttributeProto {
        name: pick(random, ATTRIBUTES).to_owned(),
        i: number(random),
        f: number(random) as f32,
        ints: numbers(random),
        floats: vec![f32::NAN; random.usize(..3)],
        t: random.bool().then_some(value),
        ..AttributeProto::default()
    }
}

#[test]
fn hostile_nodes() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut evaluated = std::collections::HashSet::new();
    for op_type in OPERATORS {
        assert!(can_evaluate(op_type), "{op_type}");
        for _ in 0..2000 {
            let mut case = node(op_type, random.i64(6..26)).outputs(random.usize(..4));
            let attributes = (0..random.usize(..4)).map(|_| attribute(&mut random));
            case.proto.attribute = attributes.collect();
            let inputs: Vec<_> = (0..random.usize(..6))
                .map(|_| (random.u8(..8) > 0).then(|| tensor(&mut random)))
                .collect();
            let inputs: Vec<_> = inputs.iter().map(Option::as_ref).collect();
            if let Ok(outputs) = case.all(&inputs) {
                assert_eq!(outputs.len(), case.proto.output.len());
                evaluated.insert(*op_type);
            }
        }
    }
    // The random nodes are not all refused early on.
    assert!(evaluated.len() > 50, "{evaluated:?}");
}
