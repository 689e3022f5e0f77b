//! The WGSL sources and the import step.
//!
//! A line `#import NAME` is replaced by the file `shaders/NAME.wgsl`, once per shader however often it is
//! imported. Three imports depend on the shader's variant:
//!
//! - `#import element`: the element type of the requested precision, unless an earlier
//!   `#import element_half` has chosen it;
//! - `#import input`: how the shader reads its input, in the engine's layout or NCHW;
//! - `#import reduction`: how the invocations of a workgroup reduce, through memory or by subgroups.
//!
//! So one file can be two shaders: a portable one, and one for NCHW inputs or for devices with subgroups.
//! Sources are not changed otherwise.

use std::collections::HashSet;

/// How values and weights are stored on the device. Arithmetic is float32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// float32.
    #[default]
    F32,
    /// float16: half the memory and bandwidth, about three decimal digits.
    F16,
}

impl Precision {
    /// `f32` or `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Bytes per element, four channels of one pixel.
    pub fn element_bytes(self) -> u64 {
        match self {
            Self::F32 => 16,
            Self::F16 => 8,
        }
    }
}

/// A compute shader.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Shader {
    /// For a portable shader, the name of its file in `shaders/`, without the extension; for another variant,
    /// that with a suffix.
    pub name: &'static str,
    /// The resources that it binds.
    pub bindings: Bindings,
    source: &'static str,
    variant: Variant,
}

/// The resources that a shader binds, in this order: a uniform block, read-only storage buffers, sampled
/// textures (two-dimensional, float, not filterable), and one resource that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bindings {
    /// The number of read-only storage buffers.
    pub reads: u32,
    /// The number of sampled textures.
    pub textures: u32,
    /// The resource that it writes.
    pub writes: WriteTarget,
}

/// The kind of resource that a shader writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteTarget {
    /// A storage buffer.
    Buffer,
    /// A storage texture of format `rgba8unorm`.
    Texture,
}

/// Which of the shaders that a file can be.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Variant {
    /// Runs on every device, and reads its input in the engine's layout.
    Portable,
    /// Reads its input as NCHW float32, as callers pass it.
    Nchw,
    /// Reduces by subgroups rather than through workgroup memory.
    Subgroup,
}

macro_rules! source {
    ($name:literal) => {
        include_str!(concat!("../../shaders/", $name, ".wgsl"))
    };
}

macro_rules! shaders {
    ($(
        $constant:ident = $name:literal, reads $reads:literal
        $(and textures $textures:literal)? $(into $written:ident)? $(, $variant:ident variant of $file:ident)?;
    )*) => {
        $(
            #[doc = concat!("`shaders/", $name, ".wgsl`.")]
            pub static $constant: Shader = Shader {
                name: $name,
                bindings: Bindings {
                    reads: $reads,
                    textures: 0 $(+ $textures)?,
                    writes: shaders!(writes $($written)?),
                },
                source: shaders!(source $name $($file)?),
                variant: shaders!(variant $($variant)?),
            };
        )*

        /// Every shader, sorted by name.
        pub static SHADERS: &[&Shader] = &[$(&$constant),*];
    };
    (writes) => { WriteTarget::Buffer };
    (writes texture) => { WriteTarget::Texture };
    (source $name:literal) => { source!($name) };
    (source $name:literal $file:ident) => { $file.source };
    (variant) => { Variant::Portable };
    (variant nchw) => { Variant::Nchw };
    (variant subgroup) => { Variant::Subgroup };
}

shaders! {
    ACTIVATION = "activation", reads 1;
    ACTIVATION_BACKWARD = "activation_backward", reads 2;
    ADAPTIVE_AVG_POOL_BACKWARD = "adaptive_avg_pool_backward", reads 1;
    ARG_MAX = "arg_max", reads 1;
    AVG_POOL_BACKWARD = "avg_pool_backward", reads 1;
    BATCH_NORM = "batch_norm", reads 2;
    BINARY = "binary", reads 2;
    BOX_CANDIDATES = "box_candidates", reads 2;
    BOX_LIST = "box_list", reads 1;
    CONSTANT = "constant", reads 1;
    CONV2D = "conv2d", reads 5;
    CONV2D_COOPERATIVE = "conv2d_cooperative", reads 5;
    CONV2D_COOPERATIVE_8X8 = "conv2d_cooperative_8x8", reads 5;
    CONV2D_COOPERATIVE_EMULATED = "conv2d_cooperative_emulated", reads 5;
    CONV2D_DEPTHWISE = "conv2d_depthwise", reads 4;
    CONV2D_DEPTHWISE_ROW = "conv2d_depthwise_row", reads 4;
    CONV2D_DEPTHWISE_TRANSPOSED = "conv2d_depthwise_transposed", reads 4;
    CONV2D_GROUPED = "conv2d_grouped", reads 4;
    CONV2D_NCHW = "conv2d_nchw", reads 5, nchw variant of CONV2D;
    CONV2D_SUBGROUP = "conv2d_subgroup", reads 5;
    CONV2D_SUBGROUP_NCHW = "conv2d_subgroup_nchw", reads 5, nchw variant of CONV2D_SUBGROUP;
    CONV2D_SUM = "conv2d_sum", reads 3;
    CONV2D_TILED = "conv2d_tiled", reads 5;
    CONV2D_TILED_NCHW = "conv2d_tiled_nchw", reads 5, nchw variant of CONV2D_TILED;
    COPY_CHANNELS = "copy_channels", reads 1;
    CUM_SUM = "cum_sum", reads 1;
    EMBEDDING = "embedding", reads 2;
    FLATTEN = "flatten", reads 1;
    GATHER = "gather", reads 2;
    GRID_SAMPLE = "grid_sample", reads 2;
    GRID_SAMPLE_BACKWARD = "grid_sample_backward", reads 2;
    GRID_SAMPLE_POSITIONS_BACKWARD = "grid_sample_positions_backward", reads 3;
    GROUP_NORM = "group_norm", reads 2;
    GROUP_NORM_BACKWARD = "group_norm_backward", reads 3;
    GROUP_NORM_BACKWARD_SUBGROUP = "group_norm_backward_subgroup", reads 3, subgroup variant of GROUP_NORM_BACKWARD;
    GROUP_NORM_SUBGROUP = "group_norm_subgroup", reads 2, subgroup variant of GROUP_NORM;
    HARDMAX = "hardmax", reads 1;
    HARDMAX_SUBGROUP = "hardmax_subgroup", reads 1, subgroup variant of HARDMAX;
    LINEAR = "linear", reads 4;
    LINEAR_BACKWARD = "linear_backward", reads 2;
    LINEAR_BACKWARD_SUBGROUP = "linear_backward_subgroup", reads 2, subgroup variant of LINEAR_BACKWARD;
    LINEAR_SUBGROUP = "linear_subgroup", reads 4, subgroup variant of LINEAR;
    LOCAL_RESPONSE_NORM = "local_response_norm", reads 1;
    LOCAL_RESPONSE_NORM_BACKWARD = "local_response_norm_backward", reads 2;
    LOOP_PROBE = "loop_probe", reads 1;
    MASK_TEXTURE = "mask_texture", reads 2 into texture;
    MATMUL = "matmul", reads 2;
    MAX_POOL_BACKWARD = "max_pool_backward", reads 3;
    PACK = "pack", reads 1;
    PAD = "pad", reads 1;
    PEAK_FMA = "peak_fma", reads 1;
    PEAK_MEMORY = "peak_memory", reads 1;
    POOL = "pool", reads 1;
    PREPROCESS = "preprocess", reads 1 and textures 1;
    REARRANGE = "rearrange", reads 1;
    REDUCE_CHANNELS = "reduce_channels", reads 1;
    REDUCE_SPACE = "reduce_space", reads 2;
    REDUCE_SPACE_SUBGROUP = "reduce_space_subgroup", reads 2, subgroup variant of REDUCE_SPACE;
    REORG = "reorg", reads 1;
    RESAMPLE = "resample", reads 2;
    SOFTMAX = "softmax", reads 1;
    SOFTMAX_SUBGROUP = "softmax_subgroup", reads 1, subgroup variant of SOFTMAX;
    TOP_K = "top_k", reads 1;
    TOP_K_CHANNELS = "top_k_channels", reads 1;
    UNARY = "unary", reads 1;
    UNARY_BACKWARD = "unary_backward", reads 2;
    UNFLATTEN = "unflatten", reads 1;
    UNPACK = "unpack", reads 1;
    UPSAMPLE = "upsample", reads 1;
    UPSAMPLE_BACKWARD = "upsample_backward", reads 1;
    WHERE = "where", reads 3;
    WINOGRAD_INPUT = "winograd_input", reads 1;
    WINOGRAD_OUTPUT = "winograd_output", reads 3;
}

const ELEMENT_F32: &str = include_str!("../../shaders/shared/element_f32.wgsl");
const ELEMENT_F16: &str = include_str!("../../shaders/shared/element_f16.wgsl");
const ELEMENT_HALF: &str = include_str!("../../shaders/shared/element_half.wgsl");

/// Shared files, by the name under which they are imported.
const SHARED: &[(&str, &str)] = &[
    (
        "shared/activation",
        include_str!("../../shaders/shared/activation.wgsl"),
    ),
    (
        "shared/sum_part",
        include_str!("../../shaders/shared/sum_part.wgsl"),
    ),
    (
        "shared/candidates",
        include_str!("../../shaders/shared/candidates.wgsl"),
    ),
    (
        "shared/channel_groups",
        include_str!("../../shaders/shared/channel_groups.wgsl"),
    ),
    (
        "shared/conv2d",
        include_str!("../../shaders/shared/conv2d.wgsl"),
    ),
    (
        "shared/conv2d_cooperative",
        include_str!("../../shaders/shared/conv2d_cooperative.wgsl"),
    ),
    (
        "shared/conv2d_cooperative_elements",
        include_str!("../../shaders/shared/conv2d_cooperative_elements.wgsl"),
    ),
    (
        "shared/conv2d_cooperative_sums",
        include_str!("../../shaders/shared/conv2d_cooperative_sums.wgsl"),
    ),
    (
        "shared/conv2d_cooperative_native",
        include_str!("../../shaders/shared/conv2d_cooperative_native.wgsl"),
    ),
    (
        "shared/pool_backward_range",
        include_str!("../../shaders/shared/pool_backward_range.wgsl"),
    ),
    (
        "shared/depthwise",
        include_str!("../../shaders/shared/depthwise.wgsl"),
    ),
    (
        "shared/epilogue",
        include_str!("../../shaders/shared/epilogue.wgsl"),
    ),
    (
        "shared/grid",
        include_str!("../../shaders/shared/grid.wgsl"),
    ),
    (
        "shared/grid_sample",
        include_str!("../../shaders/shared/grid_sample.wgsl"),
    ),
    (
        "shared/input_c4",
        include_str!("../../shaders/shared/input_c4.wgsl"),
    ),
    (
        "shared/input_nchw",
        include_str!("../../shaders/shared/input_nchw.wgsl"),
    ),
    (
        "shared/argmax",
        include_str!("../../shaders/shared/argmax.wgsl"),
    ),
    (
        "shared/tensor_view",
        include_str!("../../shaders/shared/tensor_view.wgsl"),
    ),
    ("shared/nan", include_str!("../../shaders/shared/nan.wgsl")),
    (
        "shared/float_order",
        include_str!("../../shaders/shared/float_order.wgsl"),
    ),
    (
        "shared/prologue",
        include_str!("../../shaders/shared/prologue.wgsl"),
    ),
    (
        "shared/reduce",
        include_str!("../../shaders/shared/reduce.wgsl"),
    ),
    (
        "shared/reduction_memory",
        include_str!("../../shaders/shared/reduction_memory.wgsl"),
    ),
    (
        "shared/reduction_subgroup",
        include_str!("../../shaders/shared/reduction_subgroup.wgsl"),
    ),
    (
        "shared/reduction_team",
        include_str!("../../shaders/shared/reduction_team.wgsl"),
    ),
    (
        "shared/operand",
        include_str!("../../shaders/shared/operand.wgsl"),
    ),
    ("shared/pow", include_str!("../../shaders/shared/pow.wgsl")),
    (
        "shared/sigmoid",
        include_str!("../../shaders/shared/sigmoid.wgsl"),
    ),
    (
        "shared/special",
        include_str!("../../shaders/shared/special.wgsl"),
    ),
    (
        "shared/trigonometry",
        include_str!("../../shaders/shared/trigonometry.wgsl"),
    ),
    (
        "shared/truth",
        include_str!("../../shaders/shared/truth.wgsl"),
    ),
    (
        "shared/unary",
        include_str!("../../shaders/shared/unary.wgsl"),
    ),
    (
        "shared/window",
        include_str!("../../shaders/shared/window.wgsl"),
    ),
    (
        "shared/winograd",
        include_str!("../../shaders/shared/winograd.wgsl"),
    ),
];

impl Shader {
    /// The precisions that kernels use it with. Cooperative matrices, and what emulates them, are of float16.
    pub fn precisions(&self) -> &'static [Precision] {
        match self.name.starts_with("conv2d_cooperative") {
            true => &[Precision::F16],
            false => &[Precision::F32, Precision::F16],
        }
    }

    /// Whether only devices with cooperative matrices can compile it.
    pub fn needs_cooperative_matrices(&self) -> bool {
        ["conv2d_cooperative", "conv2d_cooperative_8x8"].contains(&self.name)
    }

    /// The whole source, with imports replaced.
    pub fn assemble(&self, precision: Precision) -> String {
        let mut text = String::new();
        self.include(self.source, precision, &mut HashSet::new(), &mut text);
        text
    }

    fn include(
        &self,
        source: &'static str,
        precision: Precision,
        included: &mut HashSet<&'static str>,
        text: &mut String,
    ) {
        for line in source.lines() {
            let Some(name) = line.strip_prefix("#import ") else {
                text.push_str(line);
                text.push('\n');
                continue;
            };
            let name = match name {
                "input" if self.variant == Variant::Nchw => "shared/input_nchw",
                "input" => "shared/input_c4",
                "reduction" if self.variant == Variant::Subgroup => "shared/reduction_subgroup",
                "reduction" => "shared/reduction_memory",
                _ => name,
            };
            if !included.insert(name) {
                continue;
            }
            let file = match (name, precision) {
                ("element", Precision::F32) => Some(ELEMENT_F32),
                ("element", Precision::F16) => Some(ELEMENT_F16),
                ("element_half", _) => {
                    included.insert("element");
                    Some(ELEMENT_HALF)
                }
                _ => SHARED.iter().find(|(n, _)| *n == name).map(|(_, s)| *s),
            };
            match file {
                Some(file) => self.include(file, precision, included, text),
                // The line is kept. It is not WGSL, so naga's error message quotes it; the tests compile every
                // shader, so an unknown import is found before a release.
                None => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shader_file_is_registered() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
        let stems = |dir: &std::path::Path| -> Vec<String> {
            let mut names: Vec<String> = std::fs::read_dir(dir)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "wgsl"))
                .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            names.sort();
            names
        };
        let files = SHADERS.iter().filter(|s| s.variant == Variant::Portable);
        let registered: Vec<&str> = files.map(|s| s.name).collect();
        assert_eq!(stems(&root), registered);
        let mut shared: Vec<&str> = SHARED.iter().map(|(n, _)| &n["shared/".len()..]).collect();
        shared.extend(["element_f16", "element_f32", "element_half"]);
        shared.sort_unstable();
        assert_eq!(stems(&root.join("shared")), shared);
    }

    #[test]
    fn imports_are_included_once() {
        for shader in SHADERS {
            for precision in [Precision::F32, Precision::F16] {
                let text = shader.assemble(precision);
                assert!(!text.contains("#import"), "{}", shader.name);
                // Shaders that access no tensors of a network have none.
                assert!(
                    text.matches("alias Element").count() <= 1,
                    "{}",
                    shader.name
                );
            }
        }
    }
}
