//! Convolutions with cooperative matrices: emulated ones, and those of the device.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use shadernet::device::Device;
use shadernet::gpu::{
    CooperativeMatrices, Gpu, GpuOptions, MatrixCheck, MatrixShape, Precision, adapters,
};
use shadernet::graph::{Activation, BatchNorm2d, Conv2d, ConvTranspose2d, GraphBuilder, Linear};
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::tensor::Shape;

use crate::compare::Case;
use crate::generate::{cases, conv_settings, extents, graph_of, tensor, weights_for};
use crate::ran::Shaders::{Algorithm, EmulatedMatrices};
use crate::{devices, tolerance};

/// The tiles. All shapes have them but the largest.
fn algorithms() -> Vec<ConvAlgorithm> {
    let all = ConvAlgorithm::all().into_iter();
    all.filter(|it| matches!(it, ConvAlgorithm::Cooperative { .. }))
        .collect()
}

/// The devices that emulate `shape`, if it can compute tiles of `algorithm`.
fn devices_of(shape: MatrixShape, algorithm: ConvAlgorithm) -> Vec<(String, Device)> {
    let largest = ConvAlgorithm::Cooperative {
        pixels: 128,
        channels: 128,
    };
    let all = devices::with_matrices_emulated().iter();
    all.filter(|(name, _)| name.contains(&shape.to_string()))
        .filter(|_| algorithm != largest || shape.side() != 8)
        .cloned()
        .collect()
}

/// Input channels in whole pairs of elements, which the shader needs.
fn input_channels(most_pairs: usize) -> impl Strategy<Value = usize> {
    (0..most_pairs, 5..9_usize).prop_map(|(pairs, rest)| 8 * pairs + rest)
}

proptest! {
    #![proptest_config(cases())]

    /// Tests everything in the cooperative shader except the matrices: loads, weight layout, stores.
    #[test]
    fn convolution_by_emulated_matrices(
        (mut conv, [n, h, w], seed) in conv_settings(),
        inputs in input_channels(9),
        outputs in 1..140_usize,
        size in 0..12_usize,
        residual in any::<bool>(),
        algorithm in select(algorithms()),
        shape in select(MatrixShape::ALL.to_vec()),
    ) {
        (conv.in_channels, conv.out_channels) = (inputs, outputs);
        let mut b = GraphBuilder::new("matrices");
        let x = b.input("input", &[None, None, None, None]);
        let norm = b.batch_norm("norm", x, BatchNorm2d::new(inputs));
        let before = b.activation("before", norm, Activation::Relu);
        let mut y = b.conv2d("conv", before, conv.clone());
        if residual {
            let other = b.conv2d("other", before, conv);
            let act = b.activation("act", other, Activation::Relu);
            y = b.add("add", y, act);
        }
        b.output(y);
        let graph = b.build().unwrap();
        let input = tensor(&Shape::from([n, inputs, h + size, w + size]), seed);
        let mut expected = vec![("conv", EmulatedMatrices)];
        if residual {
            expected.push(("other", EmulatedMatrices));
        }
        Case::new(&graph, &[input], seed, &expected)
            .prefer(algorithm)
            .factor(tolerance::PROLOGUE_FACTOR)
            .run_on(&devices_of(shape, algorithm));
    }

    #[test]
    fn transposed_convolution_by_emulated_matrices(
        (inputs, outputs) in (input_channels(3), 1..40_usize),
        (kernel, stride) in ([1..5_usize, 1..5_usize], [1..4_usize, 1..4_usize]),
        [n, h, w] in extents(),
        seed in 0..1000_u64,
        algorithm in select(algorithms()),
        shape in select(MatrixShape::ALL.to_vec()),
    ) {
        let mut op = ConvTranspose2d::new(inputs, outputs, 1, 1);
        (op.kernel, op.stride) = (kernel, stride);
        let input = Shape::from([n, inputs, h, w]);
        let graph = graph_of(op, std::slice::from_ref(&input));
        Case::new(&graph, &[tensor(&input, seed)], seed, &[("op", EmulatedMatrices)])
            .prefer(algorithm)
            .run_on(&devices_of(shape, algorithm));
    }
}

/// The rows of a fully connected layer are pixels. Every tile is computed in every shape.
#[test]
fn linear_layers_by_emulated_matrices() {
    for (algorithm, rows) in algorithms().into_iter().zip([33, 40, 64, 129]) {
        let input = Shape::from([rows, 70]);
        let graph = graph_of(Linear::new(70, 37), std::slice::from_ref(&input));
        for shape in MatrixShape::ALL {
            Case::new(&graph, &[tensor(&input, 3)], 3, &[("op", EmulatedMatrices)])
                .prefer(algorithm)
                .run_on(&devices_of(shape, algorithm));
        }
    }
}

/// A device with cooperative matrices uses them for a suitable shape in float16. On others another algorithm
/// is used, and a session that prefers them has a warning.
#[test]
fn convolution_by_matrices_of_the_device() {
    let conv = Conv2d::new(64, 96, 3).padding(1);
    let shape = Shape::from([1, 64, 17, 19]);
    let graph = graph_of(conv, std::slice::from_ref(&shape));
    let input = tensor(&shape, 5);
    let algorithms = [
        None,
        Some(ConvAlgorithm::Cooperative {
            pixels: 64,
            channels: 64,
        }),
    ];
    let all = devices::with_matrices();
    let inputs = std::slice::from_ref(&input);
    for algorithm in algorithms {
        let of = ConvAlgorithm::Cooperative {
            pixels: 64,
            channels: 64,
        };
        let expected = [("op", Algorithm { of, planar: false })];
        let mut case =
            Case::new(&graph, inputs, 5, &expected).factor(tolerance::winograd_factor(4));
        if let Some(algorithm) = algorithm {
            case = case.prefer(algorithm);
        }
        case.run_on(&all);
    }
    let weights = Arc::new(weights_for(&graph, 5));
    // These devices are opened without matrices.
    for (name, device) in devices::devices() {
        for precision in [Precision::F32, Precision::F16] {
            for prefer in algorithms {
                let options = SessionOptions::new().precision(precision).prefer(prefer);
                let weights = weights.clone();
                let shapes = std::slice::from_ref(&shape);
                let session = Session::new(device, &graph, weights, &options, shapes).unwrap();
                assert_eq!(session.warning().is_some(), prefer.is_some(), "{name}");
            }
        }
    }
}

/// A driver may offer matrices that it computes wrongly: sessions do not use them, and say so.
#[test]
fn wrong_matrices_are_not_used() {
    let conv = Conv2d::new(64, 96, 3).padding(1);
    let shape = Shape::from([1, 64, 17, 19]);
    let graph = graph_of(conv, std::slice::from_ref(&shape));
    let weights = Arc::new(weights_for(&graph, 5));
    let inputs = [tensor(&shape, 5)];
    let prefer = ConvAlgorithm::Cooperative {
        pixels: 64,
        channels: 64,
    };
    for backend in devices::backends() {
        let adapter = adapters(Some(backend)).swap_remove(0);
        let open = |matrices| {
            let options = GpuOptions::new().cooperative_matrices(matrices);
            Gpu::open(&adapter, &options).unwrap()
        };
        let session = |gpu: &Gpu, precision| {
            let options = SessionOptions::new().precision(precision).prefer(prefer);
            let device = Device::from(gpu.clone());
            let shapes = std::slice::from_ref(&shape);
            Session::new(&device, &graph, weights.clone(), &options, shapes).unwrap()
        };
        let shaders = |session: &Session| {
            let shaders = session.shaders(std::slice::from_ref(&shape)).unwrap();
            shaders
                .into_iter()
                .map(|(_, shader)| shader)
                .collect::<String>()
        };

        let emulated = CooperativeMatrices::Emulated(MatrixShape::default());
        let correct = open(emulated);
        assert_eq!(correct.check_cooperative_matrices(), MatrixCheck::Verified);
        let mut by_matrices = session(&correct, Precision::F16);
        assert_eq!(by_matrices.warning(), None);
        assert!(shaders(&by_matrices).contains("conv2d_cooperative"));
        let expected = by_matrices.run(&inputs).unwrap();

        let broken = open(emulated);
        broken.inject_fault("conv2d_cooperative_emulated");
        let mut others = session(&broken, Precision::F16);
        assert!(!shaders(&others).contains("conv2d_cooperative"));
        let warning = others.warning().unwrap();
        assert!(
            warning.contains("cooperative matrices are not used: the driver offers them, but"),
            "{warning}"
        );
        assert!(warning.contains("of 5184 results"), "{warning}");
        let MatrixCheck::Wrong(reason) = broken.check_cooperative_matrices() else {
            panic!("the fault was not found");
        };
        assert!(warning.contains(&reason), "{reason}");
        let found = others.run(&inputs).unwrap();
        let largest = expected[0]
            .data()
            .iter()
            .fold(0.0_f32, |a, b| a.max(b.abs()));
        for (found, expected) in found[0].data().iter().zip(expected[0].data()) {
            assert!(
                (found - expected).abs() <= 0.02 * largest,
                "{found} {expected}"
            );
        }
        // Float32 uses no matrices anyway.
        let warning = session(&broken, Precision::F32);
        let warning = warning.warning().unwrap_or_default();
        assert!(!warning.contains("the driver offers them"), "{warning}");

        let without = open(CooperativeMatrices::Off).check_cooperative_matrices();
        let unused = [MatrixCheck::NotOffered, MatrixCheck::NotUsed];
        assert!(unused.contains(&without), "{without:?}");
    }
}
