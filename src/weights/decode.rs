//! Tensors' bytes as float32.

use std::borrow::Cow;

use bytemuck::AnyBitPattern;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::Dtype;

/// Elements of `dtype` as float32: borrowed where they are stored as aligned float32 in this machine's byte
/// order, converted otherwise.
///
/// # Errors
/// The first finite float64 that is beyond the range of float32.
pub(crate) fn to_float32(dtype: Dtype, bytes: &[u8]) -> Result<Cow<'_, [f32]>, f64> {
    let float8 = |format: Float8| {
        let table = format.table();
        // Indexed by any byte: the table has 256 elements.
        let values = bytes.iter().map(|&byte| table[usize::from(byte)]);
        Cow::Owned(values.collect())
    };
    Ok(match dtype {
        Dtype::F32 => elements(bytes, f32::from_le_bytes),
        Dtype::F16 => elements(bytes, f16::from_le_bytes).to_f32_vec().into(),
        Dtype::Bf16 => elements(bytes, bf16::from_le_bytes).to_f32_vec().into(),
        Dtype::F64 => {
            let wide = elements(bytes, f64::from_le_bytes);
            let narrow: Result<Vec<f32>, f64> = wide.iter().map(|&x| narrowed(x)).collect();
            narrow?.into()
        }
        Dtype::F8E4M3 => float8(Float8::E4M3),
        Dtype::F8E5M2 => float8(Float8::E5M2),
        Dtype::F8E4M3Fnuz => float8(Float8::E4M3_FNUZ),
        Dtype::F8E5M2Fnuz => float8(Float8::E5M2_FNUZ),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is intended, and overflow is an error"
)]
fn narrowed(x: f64) -> Result<f32, f64> {
    let narrow = x as f32;
    match x.is_finite() && !narrow.is_finite() {
        true => Err(x),
        false => Ok(narrow),
    }
}

/// Little-endian bytes as elements: borrowed where they are aligned, decoded otherwise. A file's header
/// may have any length, so its data may be unaligned.
pub(crate) fn elements<T: AnyBitPattern, const SIZE: usize>(
    bytes: &[u8],
    decode: fn([u8; SIZE]) -> T,
) -> Cow<'_, [T]> {
    if cfg!(target_endian = "little")
        && let Ok(elements) = bytemuck::try_cast_slice(bytes)
    {
        return Cow::Borrowed(elements);
    }
    let (chunks, _) = bytes.as_chunks::<SIZE>();
    Cow::Owned(chunks.iter().map(|chunk| decode(*chunk)).collect())
}

/// A format of 8 bits: a sign, an exponent, a mantissa.
#[derive(Clone, Copy)]
struct Float8 {
    mantissa_bits: u8,
    bias: i32,
    /// The magnitude that is infinite, and from which on all others are NaN.
    infinity: Option<u8>,
    /// The one magnitude that is NaN.
    nan: Option<u8>,
    /// Whether what would be negative zero is NaN.
    negative_zero_is_nan: bool,
}

impl Float8 {
    const E4M3: Self = Self {
        mantissa_bits: 3,
        bias: 7,
        infinity: None,
        nan: Some(0x7F),
        negative_zero_is_nan: false,
    };
    const E5M2: Self = Self {
        mantissa_bits: 2,
        bias: 15,
        infinity: Some(0x7C),
        nan: None,
        negative_zero_is_nan: false,
    };
    const E4M3_FNUZ: Self = Self {
        bias: 8,
        nan: None,
        negative_zero_is_nan: true,
        ..Self::E4M3
    };
    const E5M2_FNUZ: Self = Self {
        bias: 16,
        infinity: None,
        negative_zero_is_nan: true,
        ..Self::E5M2
    };

    /// The values of all bytes.
    fn table(self) -> [f32; 256] {
        let mut byte = 0_u8;
        [(); 256].map(|()| {
            let value = self.value(byte);
            byte = byte.wrapping_add(1);
            value
        })
    }

    fn value(self, byte: u8) -> f32 {
        let (magnitude, sign) = match byte {
            0x80 if self.negative_zero_is_nan => return f32::NAN,
            0x80.. => (byte & 0x7F, -1.0_f32),
            _ => (byte, 1.0),
        };
        match self.infinity {
            Some(infinity) if magnitude == infinity => return sign * f32::INFINITY,
            Some(infinity) if magnitude > infinity => return f32::NAN,
            _ if self.nan == Some(magnitude) => return f32::NAN,
            _ => {}
        }
        let implicit = 1_u8 << self.mantissa_bits;
        let exponent = i32::from(magnitude >> self.mantissa_bits);
        let mantissa = magnitude & implicit.wrapping_sub(1);
        // Subnormal numbers have the smallest exponent, and no implicit bit.
        let significand = match exponent {
            0 => f32::from(mantissa),
            _ => f32::from(mantissa | implicit),
        };
        let shift = self
            .bias
            .saturating_add(i32::from(self.mantissa_bits))
            .saturating_sub(exponent.max(1));
        // Exact: all these numbers are normal in float32.
        sign * significand * 0.5_f32.powi(shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_at_any_alignment() {
        let numbers: Vec<f32> = (0..5).map(|i| i as f32 - 1.5).collect();
        for shift in 0..4 {
            let mut bytes = vec![0_u8; shift];
            bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
            assert_eq!(elements(&bytes[shift..], f32::from_le_bytes)[..], numbers);
        }
    }

    /// From the papers' tables, and PyTorch's `torch.finfo`.
    #[test]
    fn float8_has_the_published_values() {
        let read = |dtype, byte| to_float32(dtype, &[byte]).unwrap()[0];
        for (dtype, byte, value) in [
            (Dtype::F8E4M3, 0x38, 1.0),
            (Dtype::F8E4M3, 0xB9, -1.125),
            (Dtype::F8E4M3, 0x7E, 448.0),
            (Dtype::F8E4M3, 0x08, 0.015_625),
            (Dtype::F8E4M3, 0x01, 0.001_953_125),
            (Dtype::F8E5M2, 0x3C, 1.0),
            (Dtype::F8E5M2, 0xFB, -57344.0),
            (Dtype::F8E5M2, 0x01, 1.525_878_9e-5),
            (Dtype::F8E5M2, 0xFC, f32::NEG_INFINITY),
            (Dtype::F8E4M3Fnuz, 0x40, 1.0),
            (Dtype::F8E4M3Fnuz, 0x7F, 240.0),
            (Dtype::F8E4M3Fnuz, 0x01, 0.000_976_562_5),
            (Dtype::F8E5M2Fnuz, 0x40, 1.0),
            (Dtype::F8E5M2Fnuz, 0x7F, 57344.0),
            (Dtype::F8E5M2Fnuz, 0x01, 7.629_394_5e-6),
        ] {
            assert_eq!(read(dtype, byte), value, "{dtype} {byte:#x}");
        }
        assert_eq!(read(Dtype::F8E4M3, 0x80).to_bits(), (-0.0_f32).to_bits());
        for (dtype, byte) in [
            (Dtype::F8E4M3, 0x7F),
            (Dtype::F8E4M3, 0xFF),
            (Dtype::F8E5M2, 0x7D),
            (Dtype::F8E4M3Fnuz, 0x80),
            (Dtype::F8E5M2Fnuz, 0x80),
        ] {
            assert!(read(dtype, byte).is_nan(), "{dtype} {byte:#x}");
        }
        // Every E5M2 is the upper half of a float16.
        for byte in 0..=255 {
            let half = f16::from_bits(u16::from(byte) << 8).to_f32();
            let read = read(Dtype::F8E5M2, byte);
            assert!(read == half || read.is_nan() && half.is_nan(), "{byte:#x}");
        }
    }

    #[test]
    fn float64_beyond_float32_is_an_error() {
        let read = |x: f64| to_float32(Dtype::F64, &x.to_le_bytes()).map(|read| read[0]);
        assert_eq!(read(0.1), Ok(0.1));
        assert_eq!(read(1e-300), Ok(0.0));
        assert_eq!(read(f64::INFINITY), Ok(f32::INFINITY));
        assert!(read(f64::NAN).unwrap().is_nan());
        assert_eq!(read(-1e39), Err(-1e39));
    }
}
