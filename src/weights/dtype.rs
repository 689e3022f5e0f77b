use std::fmt;

/// An element type of weights in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// bfloat16: the upper 16 bits of single precision.
    Bf16,
    /// IEEE 754 double precision. Only read, and rounded to single precision.
    F64,
    /// 8 bits with 4 bits of exponent: finite numbers and NaN (Micikevicius et al. 2022). Only read.
    F8E4M3,
    /// 8 bits with 5 bits of exponent: the upper half of half precision (Micikevicius et al. 2022). Only read.
    F8E5M2,
    /// 8 bits with 4 bits of exponent, one NaN and no negative zero (Noune et al. 2022). Only read.
    F8E4M3Fnuz,
    /// 8 bits with 5 bits of exponent, one NaN and no negative zero (Noune et al. 2022). Only read.
    F8E5M2Fnuz,
}

impl Dtype {
    /// All element types that can be read.
    pub const ALL: [Self; 8] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::F64,
        Self::F8E4M3,
        Self::F8E5M2,
        Self::F8E4M3Fnuz,
        Self::F8E5M2Fnuz,
    ];

    /// The element types that can be written.
    pub const WRITABLE: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// The type that safetensors calls `name`, if it is supported.
    pub fn from_safetensors(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.safetensors() == name)
    }

    /// The name in safetensors files: `F32`, `F16`, `BF16`, `F64`, `F8_E4M3`, …
    pub fn safetensors(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F64 => "F64",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E5M2 => "F8_E5M2",
            Self::F8E4M3Fnuz => "F8_E4M3FNUZ",
            Self::F8E5M2Fnuz => "F8_E5M2FNUZ",
        }
    }

    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F8E4M3 | Self::F8E5M2 | Self::F8E4M3Fnuz | Self::F8E5M2Fnuz => 1,
        }
    }
}

/// PyTorch's name.
impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
            Self::F64 => "float64",
            Self::F8E4M3 => "float8_e4m3fn",
            Self::F8E5M2 => "float8_e5m2",
            Self::F8E4M3Fnuz => "float8_e4m3fnuz",
            Self::F8E5M2Fnuz => "float8_e5m2fnuz",
        })
    }
}
