//! Machine code of AMD's GPUs as LLVM's disassembler writes it: blocks of instructions, and what each instruction is.

/// A run of instructions that begins with a label.
#[derive(Debug, Default)]
pub struct Block {
    /// The name of its label.
    pub label: String,
    /// Its instructions, in order.
    pub instructions: Vec<Instruction>,
}

/// An instruction.
#[derive(Debug)]
pub struct Instruction {
    /// Its mnemonic, such as `v_fma_f32`; of a pair that is issued together, both.
    pub name: String,
    /// The label that it may jump to.
    pub target: Option<String>,
    /// The whole instruction.
    text: String,
}

/// Parses the text. Lines that are no instructions are ignored.
pub fn parse(text: &str) -> Vec<Block> {
    let mut blocks = vec![Block::default()];
    for line in text.lines() {
        let line = line.split(';').next().unwrap_or_default().trim();
        if let Some(label) = line.strip_suffix(':') {
            let label = label.to_owned();
            blocks.push(Block {
                label,
                ..Block::default()
            });
            continue;
        }
        // Two halves of an instruction of RDNA3 that computes two things: `v_dual_fmac_f32 … :: v_dual_mul_f32 …`.
        let mut names = line
            .split("::")
            .filter_map(|half| half.split_whitespace().next());
        let Some(first) = names.next().filter(|name| name.contains('_')) else {
            continue;
        };
        let name = names.fold(first.to_owned(), |all, name| all + " " + name);
        let is_branch = name.starts_with("s_branch") || name.starts_with("s_cbranch");
        let target = is_branch.then(|| line.split_whitespace().nth(1).map(str::to_owned));
        let target = target.flatten();
        // There is one at least: the first.
        if let Some(block) = blocks.last_mut() {
            let text = line.to_owned();
            block.instructions.push(Instruction { name, target, text });
        }
    }
    blocks
}

/// What kind of memory an instruction accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Memory {
    /// Buffers.
    Device,
    /// Memory of the workgroup.
    Workgroup,
    /// Uniform values that all invocations of a subgroup share.
    Scalar,
}

/// An access: the memory, whether it writes, and the bits of each invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The memory.
    pub memory: Memory,
    /// Whether it writes.
    pub is_store: bool,
    /// Bits of each invocation.
    pub bits: u32,
}

/// What an instruction waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Loads of buffers.
    pub device: bool,
    /// Workgroup memory.
    pub workgroup: bool,
    /// Scalar loads.
    pub scalar: bool,
}

impl Instruction {
    /// What it waits for. A wait that leaves some loads in flight counts as one for all.
    pub fn waits(&self) -> Waits {
        let named = |part: &str| self.text.contains(part);
        match self.name.as_str() {
            "s_waitcnt" => Waits {
                device: named("vmcnt"),
                workgroup: named("lgkmcnt"),
                scalar: named("lgkmcnt"),
            },
            // RDNA4 has an instruction for each.
            name if name.starts_with("s_wait_") => Waits {
                device: named("loadcnt"),
                workgroup: named("dscnt"),
                scalar: named("kmcnt"),
            },
            _ => Waits::default(),
        }
    }

    /// Multiply-adds of each invocation. Of float16, the two of a packed one count as one.
    pub fn multiply_adds(&self) -> usize {
        let is_one = |name: &&str| {
            let name = name
                .trim_start_matches("v_dual_")
                .trim_start_matches("v_pk_");
            let name = name.trim_start_matches("v_");
            [
                "fma_f", "fmac_f", "fmaak_f", "fmamk_f", "mad_f", "mac_f", "madak_f", "madmk_f",
                "fma_mix",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        };
        self.name.split(' ').filter(is_one).count()
    }

    /// Whether it multiplies matrices.
    pub fn is_matrix(&self) -> bool {
        ["v_wmma", "v_swmmac", "v_mfma"]
            .iter()
            .any(|prefix| self.name.starts_with(prefix))
    }

    /// Whether it is for the vector units.
    pub fn is_vector(&self) -> bool {
        self.name.starts_with("v_")
    }

    /// Whether RDNA3's second set of units for float32 has it: of a subgroup of 64, these compute the other half at the
    /// same time. The instructions of Mesa's own model of cycles (`aco_statistics.cpp`) that these shaders have.
    pub fn has_twin_units(&self) -> bool {
        let Some(name) = self.name.strip_prefix("v_") else {
            return false;
        };
        let floats = [
            "fma_", "fmac_", "fmaak_", "fmamk_", "mul_", "add_", "sub_", "subrev_", "max_", "min_",
        ];
        let is_float = floats.iter().any(|prefix| {
            let kind = name.strip_prefix(prefix);
            kind.is_some_and(|kind| kind.starts_with("f32") || kind.starts_with("f16"))
        });
        is_float || name.starts_with("mov_b32") || name.starts_with("cndmask_b32")
    }

    /// Whether a division is made of it: the approximate reciprocal, of integers too.
    pub fn is_division(&self) -> bool {
        self.name.starts_with("v_rcp") || self.name.starts_with("v_div_scale")
    }

    /// Whether it may jump.
    pub fn is_branch(&self) -> bool {
        self.target.is_some()
    }

    /// Whether it waits for the rest of the workgroup.
    pub fn is_barrier(&self) -> bool {
        ["s_barrier", "s_barrier_signal"].contains(&self.name.as_str())
    }

    /// Whether the hardware does nothing for it: hints to the scheduler.
    pub fn is_hint(&self) -> bool {
        [
            "s_clause",
            "s_delay_alu",
            "s_nop",
            "s_inst_prefetch",
            "s_code_end",
        ]
        .iter()
        .any(|prefix| self.name.starts_with(prefix))
    }

    /// What it accesses.
    pub fn access(&self) -> Option<Access> {
        let name = self.name.as_str();
        let memory = match name.split('_').next()? {
            "buffer" | "global" | "flat" | "scratch" | "tbuffer" => Memory::Device,
            "ds" => Memory::Workgroup,
            "s" => Memory::Scalar,
            _ => return None,
        };
        let is_store = name.contains("_store") || name.starts_with("ds_write");
        let is_load = name.contains("_load") || name.starts_with("ds_read");
        if !is_store && !is_load {
            return None;
        }
        // Two elements by one instruction of workgroup memory.
        let pair = if name.contains("2addr") || name.contains("read2") || name.contains("write2") {
            2
        } else {
            1
        };
        let last = name
            .rsplit('_')
            .find(|part| !["e32", "e64", "hi"].contains(part))?;
        let bits = match last {
            "dwordx16" | "b512" => 512,
            "dwordx8" | "b256" => 256,
            "dwordx4" | "b128" => 128,
            "dwordx3" | "b96" => 96,
            "dwordx2" | "b64" => 64,
            "ubyte" | "sbyte" | "byte" | "u8" | "i8" | "b8" => 8,
            "ushort" | "sshort" | "short" | "u16" | "i16" | "b16" | "d16" => 16,
            _ if name.contains("b64") => 64,
            _ if name.contains("16") => 16,
            _ => 32,
        };
        let bits = pair * bits;
        Some(Access {
            memory,
            is_store,
            bits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(line: &str) -> Instruction {
        parse(line).remove(0).instructions.remove(0)
    }

    #[test]
    fn blocks_and_targets() {
        let blocks =
            parse("BB0:\n\ts_mov_b32 s0, s3   ; be800003\nBB2:\n\ts_cbranch_scc1 BB0 ; 00\n");
        let labels: Vec<_> = blocks.iter().map(|block| block.label.as_str()).collect();
        assert_eq!(labels, ["", "BB0", "BB2"]);
        assert_eq!(blocks[2].instructions[0].target.as_deref(), Some("BB0"));
    }

    #[test]
    fn twin_units_compute_floats() {
        let has = |line| instruction(line).has_twin_units();
        assert!(has("v_fmac_f32_e32 v0, v1, v2") && has("v_mov_b32_e32 v0, v1"));
        assert!(
            !has("v_add_nc_u32_e32 v0, v1, v2") && !has("v_fma_f64 v[0:1], v[2:3], v[2:3], v[2:3]")
        );
        assert!(!has("ds_load_b32 v0, v1"));
    }

    #[test]
    fn multiply_adds_of_each_generation() {
        for (line, count) in [
            ("v_fma_f32 v0, v1, v2, v3", 1),
            ("v_fmac_f32_e32 v0, v1, v2", 1),
            ("v_mac_f32_e32 v0, v1, v2", 1),
            ("v_pk_fma_f16 v0, v1, v2, v3", 1),
            (
                "v_dual_fmac_f32 v0, v1, v2 :: v_dual_fmac_f32 v3, v4, v5",
                2,
            ),
            ("v_dual_mul_f32 v0, v1, v2 :: v_dual_fmac_f32 v3, v4, v5", 1),
            ("v_mad_u32_u24 v0, v1, v2, v3", 0),
            ("v_mul_f32_e32 v0, v1, v2", 0),
        ] {
            assert_eq!(instruction(line).multiply_adds(), count, "{line}");
        }
    }

    #[test]
    fn widths() {
        for (line, memory, is_store, bits) in [
            (
                "buffer_load_b128 v[0:3], v4, s[0:3], 0 offen",
                Memory::Device,
                false,
                128,
            ),
            (
                "buffer_load_dwordx4 v[0:3], v4, s[0:3], 0 offen",
                Memory::Device,
                false,
                128,
            ),
            (
                "buffer_load_u16 v0, v4, s[0:3], 0 offen",
                Memory::Device,
                false,
                16,
            ),
            (
                "buffer_load_short_d16_hi v0, v4, s[0:3], 0 offen",
                Memory::Device,
                false,
                16,
            ),
            (
                "buffer_load_d16_hi_b16 v0, v4, s[0:3], 0 offen",
                Memory::Device,
                false,
                16,
            ),
            (
                "global_store_b64 v0, v[1:2], s[0:1]",
                Memory::Device,
                true,
                64,
            ),
            (
                "ds_load_2addr_b64 v[0:3], v4 offset1:1",
                Memory::Workgroup,
                false,
                128,
            ),
            ("ds_write_b128 v0, v[1:4]", Memory::Workgroup, true, 128),
            ("ds_load_u16_d16 v0, v4", Memory::Workgroup, false, 16),
            (
                "s_buffer_load_b32 s4, s[12:15], 0xc0",
                Memory::Scalar,
                false,
                32,
            ),
        ] {
            let expected = Access {
                memory,
                is_store,
                bits,
            };
            assert_eq!(instruction(line).access(), Some(expected), "{line}");
        }
        assert_eq!(instruction("s_mov_b32 s0, s3").access(), None);
    }
}
