//! What instructions cost: how long they keep each part of a compute unit busy, and how long a subgroup waits.

use serde::{Deserialize, Serialize};

use crate::assembly::{Instruction, Memory};

/// Cycles from a load to its data, where no other subgroup is in between. Of AMD's generations, measured by others: about
/// 100 ns from the second-level cache, 30 from workgroup memory and from the scalar cache, at 2.4 GHz.
const DEVICE_LATENCY: f64 = 280.0;
const WORKGROUP_LATENCY: f64 = 64.0;
const SCALAR_LATENCY: f64 = 100.0;
/// Cycles of a product of matrices of 16x16x16 on a SIMD: 8,192 operations at 256 a cycle (RDNA3).
const MATRIX_CYCLES: f64 = 32.0;

/// Of one subgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Cycles of the vector units, but products of matrices.
    pub vector: f64,
    /// Cycles of products of matrices.
    pub matrix: f64,
    /// Instructions of the scalar unit, jumps and waits included.
    pub scalar: f64,
    /// Bits of an invocation that are moved to and from workgroup memory, and to and from buffers.
    pub workgroup_bits: f64,
    /// Bits of buffers.
    pub device_bits: f64,
    /// Cycles that the subgroup waits for data, if it is alone.
    pub waits: f64,
}

/// How fast a SIMD is.
#[derive(Clone, Copy, Debug)]
pub struct Simd {
    /// Cycles of a vector instruction.
    cycles: f64,
    /// Whether instructions with twin units take half of them.
    has_twin_units: bool,
}

impl Simd {
    /// For subgroups of this size: 32 invocations a cycle on RDNA, 16 on GCN. RDNA3 and later compute both halves of a
    /// subgroup of 64 at once where they have the units.
    pub fn new(family: &str, subgroup_size: u32) -> Self {
        let lanes = if family == "vega10" { 16.0 } else { 32.0 };
        Self {
            cycles: f64::from(subgroup_size) / lanes,
            has_twin_units: subgroup_size == 64 && ["navi31", "gfx1200"].contains(&family),
        }
    }

    fn cycles(self, instruction: &Instruction) -> f64 {
        match self.has_twin_units && instruction.has_twin_units() {
            true => self.cycles / 2.0,
            false => self.cycles,
        }
    }
}

/// When what was last asked of a memory arrives, in cycles from the begin.
#[derive(Default)]
struct Arrivals {
    device: f64,
    workgroup: f64,
    scalar: f64,
}

impl Cost {
    /// The cost of instructions that follow each other.
    pub fn of<'a>(instructions: impl Iterator<Item = &'a Instruction>, simd: Simd) -> Self {
        let mut cost = Self::default();
        let (mut now, mut arrivals) = (0.0, Arrivals::default());
        for instruction in instructions {
            if instruction.is_hint() {
                continue;
            }
            match instruction {
                it if it.is_matrix() => {
                    cost.matrix += MATRIX_CYCLES;
                    now += MATRIX_CYCLES;
                }
                it if it.is_vector() => {
                    let cycles = simd.cycles(it);
                    cost.vector += cycles;
                    now += cycles;
                }
                _ => now += 1.0,
            }
            if let Some(access) = instruction.access() {
                let bits = f64::from(access.bits);
                match access.memory {
                    Memory::Device => cost.device_bits += bits,
                    Memory::Workgroup => cost.workgroup_bits += bits,
                    Memory::Scalar => cost.scalar += 1.0,
                }
                match access.memory {
                    _ if access.is_store => {}
                    Memory::Device => arrivals.device = now + DEVICE_LATENCY,
                    Memory::Workgroup => arrivals.workgroup = now + WORKGROUP_LATENCY,
                    Memory::Scalar => arrivals.scalar = now + SCALAR_LATENCY,
                }
            } else if instruction.name.starts_with("s_") {
                cost.scalar += 1.0;
            }
            let waits = instruction.waits();
            let mut arrival: f64 = 0.0;
            if waits.device {
                arrival = arrival.max(std::mem::take(&mut arrivals.device));
            }
            if waits.workgroup {
                arrival = arrival.max(std::mem::take(&mut arrivals.workgroup));
            }
            if waits.scalar {
                arrival = arrival.max(std::mem::take(&mut arrivals.scalar));
            }
            cost.waits += (arrival - now).max(0.0);
            now = now.max(arrival);
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::parse;

    fn cost(lines: &str) -> Cost {
        Cost::of(
            parse(lines).iter().flat_map(|block| &block.instructions),
            Simd::new("navi21", 64),
        )
    }

    #[test]
    fn a_load_that_is_long_ago_is_not_waited_for() {
        let load = "buffer_load_b128 v[0:3], v4, s[0:3], 0 offen\n";
        let products = "v_fma_f32 v0, v1, v2, v3\n".repeat(200);
        let wait = "s_waitcnt vmcnt(0)\n";
        assert!(cost(&format!("{load}{wait}")).waits > 270.0);
        assert_eq!(cost(&format!("{load}{products}{wait}")).waits, 0.0);
        assert_eq!(cost(&format!("{load}{products}")).device_bits, 128.0);
        let cycles = |family| {
            let blocks = parse("v_fma_f32 v0, v1, v2, v3\nv_add_nc_u32_e32 v0, v1, v2\n");
            let instructions = blocks.iter().flat_map(|block| &block.instructions);
            Cost::of(instructions, Simd::new(family, 64)).vector
        };
        assert_eq!(["vega10", "navi21", "navi31"].map(cycles), [8.0, 4.0, 3.0]);
        // Waiting for scalar loads is not waiting for buffers.
        assert_eq!(cost(&format!("{load}s_waitcnt lgkmcnt(0)\n")).waits, 0.0);
    }
}
