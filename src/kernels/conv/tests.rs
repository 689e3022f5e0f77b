//! Selected kernels, their grids and their weights, without a device.

use super::super::{DeviceContext, Dispatch, Read};
use crate::gpu::{Cooperative, MatrixKind, MatrixShape, Precision};
use crate::graph::{Conv2d, ConvTranspose2d, Graph, GraphBuilder, Op};
use crate::passes::PassOptions;
use crate::plan::Plan;
use crate::session::ConvAlgorithm;
use crate::tensor::Shape;
use crate::weights::Weights;

fn device(matrices: Option<MatrixKind>) -> DeviceContext {
    DeviceContext {
        precision: Precision::F16,
        subgroup_size: Some(32),
        cooperative: matrices.map(|kind| Cooperative {
            shape: MatrixShape::default(),
            kind,
        }),
        ..DeviceContext::assumed(wgpu::Limits {
            max_compute_workgroup_storage_size: 32_768,
            ..wgpu::Limits::default()
        })
    }
}

fn graph(op: impl Into<Op>, inputs: usize) -> Graph {
    let mut b = GraphBuilder::new("one");
    let x = b.image_input("input", inputs);
    let x = b.node("conv", op, &[x]);
    b.output(x);
    b.build().unwrap()
}

/// The dispatches of a graph of one convolution over an image of this size.
fn dispatches(device: &DeviceContext, graph: &Graph, shape: [usize; 4]) -> Vec<Dispatch> {
    let passes = PassOptions::default();
    let plan = Plan::new(graph, &[Shape::from(shape)], &passes, device).unwrap();
    let steps = plan.steps.into_iter().map(|step| step.dispatch);
    steps
        .filter(|d| d.key.shader.name.starts_with("conv") || d.key.shader.name.starts_with("wino"))
        .collect()
}

/// The pixels and channels of the cooperative kernel's tile and the grid, if that kernel is selected.
fn tile(device: &DeviceContext, conv: Conv2d, size: [usize; 2]) -> Option<([u32; 2], [u32; 3])> {
    let inputs = conv.in_channels;
    let shape = [1, inputs, size[0], size[1]];
    let dispatches = dispatches(device, &graph(conv, inputs), shape);
    let dispatch = dispatches.first().unwrap();
    let constant = |name| {
        let mut constants = dispatch.key.constants.iter();
        constants.find(|c| c.0 == name).unwrap().1
    };
    (dispatch.key.shader.name == "conv2d_cooperative")
        .then(|| (["TILE_M", "TILE_N"].map(constant), dispatch.workgroups))
}

#[test]
fn cooperative_tiles_are_those_of_least_time() {
    let device = device(Some(MatrixKind::Native));
    let conv = |inputs, outputs| Conv2d::new(inputs, outputs, 3).padding(1);
    // 49 tiles of 64 pixels by 64 channels, without padding.
    let found = tile(&device, conv(64, 64), [56, 56]);
    assert_eq!(found, Some(([64, 64], [49, 1, 1])));
    // Much work: the largest tile.
    let found = tile(&device, conv(128, 256), [224, 224]);
    assert_eq!(found, Some(([128, 128], [392, 2, 1])));
    // Few pixels, many channels.
    let found = tile(&device, conv(64, 2048), [5, 6]);
    assert_eq!(found, Some(([32, 128], [1, 16, 1])));
    // Too much padding: 16 of 64 channels, 3 of 32 inputs, or 9 of 32 pixels are used.
    assert_eq!(tile(&device, conv(64, 16), [56, 56]), None);
    assert_eq!(tile(&device, conv(3, 64), [56, 56]), None);
    assert_eq!(tile(&device, conv(64, 64), [3, 3]), None);
    // Little work and long sums: parts of them by other tiles are faster.
    assert_eq!(tile(&device, conv(512, 512), [7, 7]), None);
}

#[test]
fn cooperative_matrices_are_selected_only_where_supported() {
    let conv = || Conv2d::new(64, 64, 3).padding(1);
    assert_eq!(tile(&device(None), conv(), [56, 56]), None);
    assert_eq!(
        tile(&device(Some(MatrixKind::Emulated)), conv(), [56, 56]),
        None
    );
    let offered = device(Some(MatrixKind::Native));
    assert_eq!(tile(&offered, conv().groups(2), [56, 56]), None);
    // A preferred algorithm is used where it is possible, whatever the padding.
    let prefer = |pixels: u32, channels: u32| DeviceContext {
        prefer: Some(ConvAlgorithm::Cooperative { pixels, channels }),
        ..offered.clone()
    };
    let small = |inputs| Conv2d::new(inputs, 5, 1);
    let found = tile(&prefer(32, 128), small(6), [4, 9]);
    assert_eq!(found, Some(([32, 128], [2, 1, 1])));
    assert_eq!(tile(&prefer(64, 64), conv().groups(2), [4, 9]), None);
    // Odd elements are no pairs, and there is no such tile.
    assert_eq!(tile(&prefer(64, 64), small(12), [4, 9]), None);
    assert_eq!(tile(&prefer(64, 32), small(6), [4, 9]), None);
    // Workgroup memory.
    let little = DeviceContext {
        limits: wgpu::Limits::default(),
        ..offered.clone()
    };
    assert_eq!(tile(&little, conv(), [56, 56]), None);
    let direct = DeviceContext {
        prefer: Some(ConvAlgorithm::Direct),
        ..offered.clone()
    };
    assert_eq!(tile(&direct, conv(), [56, 56]), None);
}

#[test]
fn winograd_gemms_are_float32() {
    let device = DeviceContext {
        prefer: Some(ConvAlgorithm::Winograd { tile: 2 }),
        ..device(Some(MatrixKind::Native))
    };
    let conv = Conv2d::new(64, 64, 3).padding(1);
    let dispatches = dispatches(&device, &graph(conv, 64), [1, 64, 28, 28]);
    let names: Vec<_> = dispatches.iter().map(|d| d.key.shader.name).collect();
    assert_eq!(names, ["winograd_input", "conv2d_tiled", "winograd_output"]);
}

#[test]
fn transposed_convolutions_use_cooperative_matrices() {
    let device = device(Some(MatrixKind::Native));
    let graph = graph(ConvTranspose2d::new(64, 64, 2, 2), 64);
    let dispatches = dispatches(&device, &graph, [1, 64, 16, 16]);
    assert_eq!(dispatches.len(), 1);
    assert_eq!(dispatches[0].key.shader.name, "conv2d_cooperative");
    // 256 pixels, and a GEMM for each stride phase.
    assert_eq!(dispatches[0].workgroups, [4, 4, 1]);
}

/// Two elements along K side by side for each output channel, padded with zeros.
#[test]
fn cooperative_weights_are_pairs() {
    let (inputs, outputs) = (70, 24);
    let device = DeviceContext {
        prefer: Some(ConvAlgorithm::Cooperative {
            pixels: 128,
            channels: 64,
        }),
        ..device(Some(MatrixKind::Native))
    };
    let mut conv = Conv2d::new(inputs, outputs, 1);
    conv.kernel = [1, 2];
    let graph = graph(conv, inputs);
    let weights = Weights::generated(&graph, 1.0);
    let dispatches = dispatches(&device, &graph, [1, inputs, 4, 4]);
    let Read::Weight(packed) = &dispatches[0].reads[1] else {
        panic!("the second is the weight");
    };
    let packed = packed.pack(&weights, 0..2).unwrap();
    // Steps of 32 inputs.
    let padded = 96;
    assert_eq!(packed.len(), 2 * 2 * padded * 16);
    let kernels = weights.read("conv.weight").unwrap();
    for (i, found) in packed.iter().enumerate() {
        let (pair, within) = (i / 128 % (padded / 8), i % 128);
        let (output, input) = (
            i / (2 * padded * 16) * 16 + within / 8,
            pair * 8 + within % 8,
        );
        let tap = i / (padded * 16) % 2;
        let expected = match input < inputs && output < outputs {
            true => kernels[(output * inputs + input) * 2 + tap],
            false => 0.0,
        };
        assert_eq!(*found, expected, "{output} {input} {tap}");
    }
}
