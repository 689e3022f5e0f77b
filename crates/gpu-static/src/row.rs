//! What is known of a pipeline: a row of the table.

use serde::{Deserialize, Serialize};

use crate::assembly;
use crate::cost::{Cost, Simd};
use crate::loops::{self, Counts};
use crate::null_device::Compiled;

/// What a family's compiler made of a form of a shader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The family: `navi31` and so on.
    pub family: String,
    /// The shader's name.
    pub shader: String,
    /// Its precision and constants, such as `f32 KERNEL=3 STRIDE=1`.
    pub form: String,
    /// Invocations of a workgroup.
    pub workgroup_size: u32,
    /// Scalar registers that did not fit.
    pub spilled_sgprs: u64,
    /// Vector registers that did not fit.
    pub spilled_vgprs: u64,
    /// Memory of an invocation for what did not fit, and for arrays that are indexed while it runs.
    pub scratch_bytes: u64,
    /// Vector registers of an invocation.
    pub vgprs: u64,
    /// Memory of a workgroup.
    pub workgroup_bytes: u64,
    /// Subgroups that a SIMD holds at once.
    pub waves_per_simd: u64,
    /// Invocations of a subgroup.
    pub subgroup_size: u32,
    /// Instructions of the hottest loop; 0 where there is no loop.
    pub loop_instructions: usize,
    /// Its multiply-adds.
    pub loop_fma: usize,
    /// Its products of matrices.
    pub loop_matrix: usize,
    /// All of the hottest loop.
    pub hottest_loop: Counts,
    /// All of the shader, loops counted once.
    pub whole: Counts,
    /// What the hottest loop costs a subgroup, once.
    pub loop_cost: Cost,
    /// Instructions of the loop around the hottest that are not in the hottest; 0 where there is none.
    #[serde(default)]
    pub around_instructions: usize,
    /// What these cost a subgroup, once.
    #[serde(default)]
    pub around_cost: Cost,
    /// What all but the hottest loop costs it, other loops counted once.
    pub rest_cost: Cost,
}

impl Row {
    /// The row of what `compiled` is, of a shader's form.
    pub fn new(
        family: &str,
        (shader, form): (String, String),
        invocations: u32,
        compiled: &Compiled,
    ) -> Self {
        let statistic = |name: &str| {
            let found = compiled.statistics.iter().find(|(known, _)| known == name);
            found.map_or(0, |(_, value)| *value)
        };
        let blocks = assembly::parse(&compiled.assembly);
        let loops = loops::loops(&blocks);
        let hottest = loops::hottest(&loops);
        let hottest_loop = hottest.map(|it| it.counts.clone()).unwrap_or_default();
        let inside = hottest.map_or(0..0, |it| it.first..it.last + 1);
        let around = hottest.and_then(|it| loops::around(&loops, it));
        let around_range = around.map_or(0..0, |it| it.first..it.last + 1);
        let subgroup_size = compiled.subgroup_size;
        let cost = |is_chosen: &dyn Fn(usize) -> bool| {
            let chosen = blocks.iter().enumerate().filter(|(i, _)| is_chosen(*i));
            let instructions = chosen.flat_map(|(_, block)| &block.instructions);
            Cost::of(instructions, Simd::new(family, subgroup_size))
        };
        Self {
            family: family.to_owned(),
            shader,
            form,
            workgroup_size: invocations,
            spilled_sgprs: statistic("Spilled SGPRs"),
            spilled_vgprs: statistic("Spilled VGPRs"),
            scratch_bytes: statistic("Scratch size"),
            vgprs: statistic("VGPRs"),
            workgroup_bytes: statistic("LDS size"),
            waves_per_simd: statistic("Subgroups per SIMD"),
            subgroup_size,
            around_instructions: around
                .map_or(0, |it| it.counts.instructions - hottest_loop.instructions),
            around_cost: cost(&|i| around_range.contains(&i) && !inside.contains(&i)),
            loop_cost: cost(&|i| inside.contains(&i)),
            rest_cost: cost(&|i| !inside.contains(&i)),
            loop_instructions: hottest_loop.instructions,
            loop_fma: hottest_loop.multiply_adds,
            loop_matrix: hottest_loop.matrices,
            hottest_loop,
            whole: loops::whole(&blocks),
        }
    }

    /// The share of multiply-adds in the hottest loop's instructions.
    pub fn fma_share(&self) -> f64 {
        self.loop_fma as f64 / self.loop_instructions.max(1) as f64
    }
}
