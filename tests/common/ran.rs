//! Which shaders a session dispatches for a node. Every kernel test names the shaders it is about, so that
//! none passes because another kernel computed the node.
// Each test file is a crate of its own and uses some of this.
#![allow(dead_code)]

use std::collections::BTreeSet;

use shadernet::device::Device;
use shadernet::gpu::{Gpu, Precision};
use shadernet::graph::Conv2d;
use shadernet::session::{ConvAlgorithm, Session};
use shadernet::tensor::Shape;
use shadernet::wgpu::Features;

/// The shaders that must compute a node.
#[derive(Clone, Copy, Debug)]
pub enum Shaders {
    /// This shader and no other.
    Only(&'static str),
    /// The subgroup form of this shader on devices with subgroups, and its plain form on others.
    Team(&'static str),
    /// As `Team`, and every dispatch has this constant.
    TeamWith(&'static str, &'static str),
    /// Several, of which one is this shader with this constant.
    With(&'static str, &'static str),
    /// Several, of which one shader is dispatched so many times.
    Times(&'static str, usize),
    /// One or several of these, for settings that the heuristic selects by.
    AnyOf(&'static [&'static str]),
    /// One or several of these, or none where the node is removed or its output is computed in place.
    NoneOrAnyOf(&'static [&'static str]),
    /// The shader that emulates cooperative matrices in float16, and any dense shader in float32.
    EmulatedMatrices,
    /// Those of this algorithm, in its planar form or not. Any dense shader where the device lacks what
    /// the algorithm needs.
    Algorithm { of: ConvAlgorithm, planar: bool },
}

/// Any shader of convolutions in one group, or groups of whole elements, that are not depthwise.
pub const DENSE: Shaders = Shaders::AnyOf(DENSE_NAMES);

const DENSE_NAMES: &[&str] = &[
    "conv2d",
    "conv2d_nchw",
    "conv2d_subgroup",
    "conv2d_subgroup_nchw",
    "conv2d_sum",
    "conv2d_tiled",
    "conv2d_tiled_nchw",
    "winograd_input",
    "winograd_output",
];

/// Shaders that compute the products of Winograd's algorithm.
const PRODUCT_NAMES: &[&str] = &[
    "conv2d",
    "conv2d_subgroup",
    "conv2d_tiled",
    "conv2d_cooperative",
    "conv2d_cooperative_8x8",
    "conv2d_cooperative_emulated",
];

/// The shaders of `op` if a session prefers `algorithm`: its own where it can compute `op`, any others
/// elsewhere. `planar` is whether the input is read as NCHW.
pub fn preferred(algorithm: ConvAlgorithm, op: &Conv2d, planar: bool) -> Shaders {
    let is_winograd_shape = op.kernel == [3, 3] && op.stride == [1, 1] && op.dilation == [1, 1];
    let can_compute = match algorithm {
        ConvAlgorithm::Winograd { .. } => is_winograd_shape && op.groups == 1 && !planar,
        // Pairs of elements.
        ConvAlgorithm::Cooperative { .. } => {
            op.groups == 1 && !planar && op.in_channels.div_ceil(4).is_multiple_of(2)
        }
        // Tiles of several blocks of output channels.
        ConvAlgorithm::Tiled {
            channels, parts: 1, ..
        } => op.groups == 1 || channels == 16,
        // Sums are split where no part of them is empty.
        ConvAlgorithm::Tiled {
            pixels,
            channels,
            parts,
        } => {
            let step = match (pixels, channels) {
                (32, 32) => 8,
                (_, 16 | 32) => 4,
                _ => 2,
            };
            let parts = parts as usize;
            let taps = op.kernel[0] * op.kernel[1];
            let steps = taps * op.in_channels.div_ceil(4).div_ceil(step);
            op.groups == 1 && !planar && steps.div_ceil(parts) * (parts - 1) < steps
        }
        _ => true,
    };
    match can_compute {
        true => Shaders::Algorithm {
            of: algorithm,
            planar,
        },
        false => DENSE,
    }
}

/// Whether `device` has what `algorithm` needs.
pub fn supports(device: &Device, algorithm: ConvAlgorithm, precision: Precision) -> bool {
    match algorithm {
        ConvAlgorithm::Subgroup => gpu(device).is_some_and(|gpu| {
            let info = gpu.info();
            has_subgroups(device) && [info.subgroup_min_size, info.subgroup_max_size] == [8, 8]
        }),
        ConvAlgorithm::Cooperative { .. } => {
            let features = gpu(device).map(|gpu| gpu.device().features());
            precision == Precision::F16
                && features.is_some_and(|f| f.contains(Features::EXPERIMENTAL_COOPERATIVE_MATRIX))
        }
        _ => true,
    }
}

fn gpu(device: &Device) -> Option<&Gpu> {
    match device {
        Device::Gpu(gpu) => Some(gpu),
        _ => None,
    }
}

fn has_subgroups(device: &Device) -> bool {
    gpu(device).is_some_and(|gpu| gpu.device().features().contains(Features::SUBGROUP))
}

/// Asserts that `session`, on `device`, computes each of these nodes by the shaders expected of it.
///
/// The reference backend has no shaders, and passes.
pub fn assert_ran(
    device: &Device,
    precision: Precision,
    session: &Session,
    shapes: &[Shape],
    expected: &[(&str, Shaders)],
    what: &str,
) {
    assert!(!expected.is_empty(), "no shader is expected: {what}");
    if gpu(device).is_none() {
        return;
    }
    let all = session.shaders(shapes).unwrap();
    for (node, shaders) in expected {
        // A shader's name, then its constants.
        let dispatches = all.iter().filter(|(label, _)| label == node);
        let dispatches: Vec<&str> = dispatches.map(|(_, shader)| shader.as_str()).collect();
        let ran: BTreeSet<&str> = (dispatches.iter())
            .filter_map(|shader| shader.split(' ').next())
            .collect();
        assert!(
            fits(device, precision, *shaders, &ran, &dispatches),
            "'{node}' was computed by {dispatches:?}, expected {shaders:?}; {what}"
        );
    }
}

fn fits(
    device: &Device,
    precision: Precision,
    shaders: Shaders,
    ran: &BTreeSet<&str>,
    dispatches: &[&str],
) -> bool {
    let only = |name: &str| ran.len() == 1 && ran.contains(name);
    let among = |names: &[&str]| ran.iter().all(|name| names.contains(name));
    let has = |dispatch: &str, constant: &str| dispatch.split(' ').any(|word| word == constant);
    match shaders {
        Shaders::Only(name) => only(name),
        Shaders::TeamWith(name, constant) => {
            fits(device, precision, Shaders::Team(name), ran, dispatches)
                && dispatches.iter().all(|dispatch| has(dispatch, constant))
        }
        Shaders::With(name, constant) => {
            let is_it = |dispatch: &&str| {
                dispatch.split(' ').next() == Some(name) && has(dispatch, constant)
            };
            dispatches.iter().any(is_it)
        }
        Shaders::Times(name, times) => {
            let is_it = |dispatch: &&&str| dispatch.split(' ').next() == Some(name);
            dispatches.iter().filter(is_it).count() == times
        }
        Shaders::Team(name) if has_subgroups(device) => only(&format!("{name}_subgroup")),
        Shaders::Team(name) => only(name),
        Shaders::AnyOf(names) => !ran.is_empty() && among(names),
        Shaders::NoneOrAnyOf(names) => among(names),
        Shaders::EmulatedMatrices if precision == Precision::F16 => {
            only("conv2d_cooperative_emulated")
        }
        Shaders::EmulatedMatrices => !ran.is_empty() && among(DENSE_NAMES),
        Shaders::Algorithm { of, .. } if !supports(device, of, precision) => {
            !ran.is_empty() && among(DENSE_NAMES)
        }
        Shaders::Algorithm { of, planar } => {
            let form = |name: &str| only(&format!("{name}{}", if planar { "_nchw" } else { "" }));
            match of {
                ConvAlgorithm::Direct => form("conv2d"),
                ConvAlgorithm::Subgroup => form("conv2d_subgroup"),
                ConvAlgorithm::Tiled {
                    pixels,
                    channels,
                    parts,
                } => {
                    let constants = [format!(" TILE_M={pixels}"), format!(" TILE_N={channels}")];
                    let has_tile = |dispatch: &&str| {
                        let words = format!("{dispatch} ");
                        constants.iter().all(|c| words.contains(&format!("{c} ")))
                    };
                    let (mut sums, tiled): (Vec<_>, Vec<_>) =
                        (dispatches.iter().copied()).partition(|it| it.starts_with("conv2d_sum"));
                    match parts {
                        1 => form("conv2d_tiled") && dispatches.iter().all(has_tile),
                        _ => {
                            sums.dedup();
                            let is_split = |it: &&str| has_tile(it) && it.contains(" SPLIT=1");
                            sums.len() == 1 && !tiled.is_empty() && tiled.iter().all(is_split)
                        }
                    }
                }
                ConvAlgorithm::Cooperative { .. } => {
                    only("conv2d_cooperative") || only("conv2d_cooperative_8x8")
                }
                ConvAlgorithm::Winograd { .. } => {
                    let product = ran.iter().find(|name| PRODUCT_NAMES.contains(name));
                    let transforms = ["winograd_input", "winograd_output"];
                    let expected = product.into_iter().chain(&transforms);
                    expected.copied().eq(ran.iter().copied())
                }
                _ => false,
            }
        }
    }
}
