//! What the compiler must make of the kernels: bounds that CI holds them to.

use std::collections::BTreeMap;
use std::fmt;

use crate::row::Row;

/// A bound on the rows of some shaders.
struct Bound {
    /// The beginnings of the shaders' names; none for all shaders.
    shaders: &'static [&'static str],
    /// The bound, in words.
    what: &'static str,
    holds: fn(&Row) -> bool,
}

/// Kernels without a matrix product: what hides their loads is many subgroups.
const MEMORY_BOUND: &[&str] = &[
    "activation",
    "batch_norm",
    "binary",
    "conv2d_depthwise",
    "conv2d_sum",
    "copy_channels",
    "linear",
    "pad",
    "pool",
    "reduce_space",
    "resample",
    "unary",
    "upsample",
    "where",
    "winograd",
];

const BOUNDS: &[Bound] = &[
    Bound {
        shaders: &[],
        what: "no spilled registers, no scratch memory",
        holds: |row| row.spilled_vgprs == 0 && row.scratch_bytes == 0,
    },
    Bound {
        shaders: &[],
        what: "no loads below 32 bits in the hottest loop",
        holds: |row| row.hottest_loop.loads.range(..32).next().is_none(),
    },
    Bound {
        shaders: MEMORY_BOUND,
        what: "16 subgroups a SIMD; 12 on gfx1200, which has two thirds of the registers, and 4 on GCN, which has room for 10",
        holds: |row| {
            let least = match row.family.as_str() {
                "gfx1200" => 12,
                "vega10" => 4,
                _ => 16,
            };
            // Software alone exchanges all lines in one round.
            let is_for_software = row.shader == "winograd_input" && row.form.ends_with("TILE=4");
            row.waves_per_simd >= least || is_for_software
        },
    },
    Bound {
        shaders: &[
            "conv2d_depthwise",
            "pool",
            "reduce_space",
            "resample",
            "upsample",
        ],
        what: "no division in the hottest loop but an activation's",
        holds: |row| row.hottest_loop.divisions == 0 || has_activation(row),
    },
    Bound {
        shaders: &["conv2d_tiled"],
        what: "one jump in the hottest loop beside the one back (three for images), and no division but an activation's",
        holds: |row| {
            let counts = &row.hottest_loop;
            let jumps = if row.shader == "conv2d_tiled" { 2 } else { 3 };
            counts.branches <= jumps && (counts.divisions == 0 || has_activation(row))
        },
    },
    Bound {
        shaders: &["conv2d_tiled"],
        what: "85 % multiply-adds in the hottest loop (81 % of float16, 78 % for 16 channels, 70 % with a prologue; 48 % of \
               images, which have a tap's 1 to 4 channels a step)",
        holds: |row| {
            let least = match row.form.as_str() {
                _ if row.shader == "conv2d_tiled_nchw" => 0.48,
                form if form.contains("PROLOGUE") => 0.70,
                form if form.contains("TILE_N=16 ") => 0.78,
                form if form.starts_with("f16") => 0.81,
                _ => 0.85,
            };
            has_no_machine_code(row) || (100.0 * row.fma_share()).round() >= 100.0 * least
        },
    },
    Bound {
        shaders: &["conv2d_cooperative"],
        what: "a product of matrices in 9 instructions of the hottest loop, by subgroups of 64",
        holds: |row| {
            let counts = &row.hottest_loop;
            row.loop_matrix == 0
                || row.subgroup_size != 64
                || row.form.contains("PROLOGUE")
                || counts.instructions <= 9 * row.loop_matrix
        },
    },
];

fn has_activation(row: &Row) -> bool {
    row.form.contains("PROLOGUE_ACTIVATION")
}

/// Whether Mesa cannot print a family's instructions: Debian's is built with an LLVM that does not know gfx1200.
fn has_no_machine_code(row: &Row) -> bool {
    row.family == "gfx1200"
}

/// The pipelines that are beyond a bound.
#[derive(Debug, Default, PartialEq)]
pub struct Violations {
    checked: usize,
    /// The pipelines beyond each bound.
    by_bound: BTreeMap<&'static str, Vec<String>>,
}

impl Violations {
    /// Those among `rows`.
    pub fn of(rows: &[Row]) -> Self {
        let mut violations = Self {
            checked: rows.len(),
            ..Self::default()
        };
        for bound in BOUNDS {
            let is_bound = |row: &&Row| {
                let mut shaders = bound.shaders.iter();
                bound.shaders.is_empty() || shaders.any(|shader| row.shader.starts_with(shader))
            };
            let beyond = rows
                .iter()
                .filter(is_bound)
                .filter(|row| !(bound.holds)(row));
            let beyond: Vec<_> = beyond
                .map(|row| format!("{} {} {}", row.family, row.shader, row.form))
                .collect();
            if !beyond.is_empty() {
                violations.by_bound.insert(bound.what, beyond);
            }
        }
        violations
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.by_bound.is_empty()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Pipelines that are listed for a bound.
        const LISTED: usize = 20;
        for (what, pipelines) in &self.by_bound {
            writeln!(
                f,
                "{} pipelines are beyond the bound '{what}':",
                pipelines.len()
            )?;
            for pipeline in pipelines.iter().take(LISTED) {
                writeln!(f, "  {pipeline}")?;
            }
        }
        writeln!(f, "{} pipelines, {} bounds", self.checked, BOUNDS.len())
    }
}
