//! Tensors of an ONNX file as tensors on the host.

use half::{bf16, f16};

use super::element_type::ElementType;
use super::host::{HostData, HostTensor, wrapped};
use super::proto::TensorProto;
use crate::tensor::Shape;
use crate::weights::elements;

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: i32 = 1;

/// The dimensions of a tensor.
pub(super) fn dims(tensor: &TensorProto) -> Result<Vec<usize>, String> {
    let dims = tensor.dims.iter().map(|&dim| {
        usize::try_from(dim).map_err(|_| format!("{dim} is not a dimension of a tensor"))
    });
    dims.collect()
}

/// The elements of a tensor, which are `external` where they are in a file of their own. Nothing is allocated
/// that is larger than the data, by more than the ratio of the types.
pub(super) fn host_tensor(
    tensor: &TensorProto,
    external: Option<&[u8]>,
) -> Result<HostTensor, String> {
    let element = ElementType(tensor.data_type);
    let size = (element.size())
        .ok_or_else(|| format!("tensors of {element} elements are not supported"))?;
    let dims = dims(tensor)?;
    let shape = Shape::from(&dims[..]);
    let too_large = || format!("the size of a tensor {shape} {element} does not fit in memory");
    let len = shape.checked_len().ok_or_else(too_large)?;

    if external.is_none() && tensor.data_location == EXTERNAL {
        return Err("its data is in a file of its own, which is not read here".to_owned());
    }
    let raw = external.or((!tensor.raw_data.is_empty()).then_some(&tensor.raw_data[..]));
    let data = match raw {
        Some(bytes) => {
            let expected = len.checked_mul(size).ok_or_else(too_large)?;
            if bytes.len() != expected {
                return Err(format!(
                    "{expected} bytes of data were expected for {shape} {element}, found {}",
                    bytes.len()
                ));
            }
            from_bytes(element, bytes)
        }
        None => {
            let found = typed_len(element, tensor);
            if found != len {
                return Err(format!(
                    "{len} elements were expected for {shape} {element}, found {found}"
                ));
            }
            from_fields(element, tensor)
        }
    }?;
    // Either length has been compared with that of the shape.
    HostTensor::new(dims, data).ok_or_else(too_large)
}

/// Little-endian bytes, a whole number of elements.
fn from_bytes(element: ElementType, bytes: &[u8]) -> Result<HostData, String> {
    fn ints<T: bytemuck::AnyBitPattern + Into<i64>, const SIZE: usize>(
        bytes: &[u8],
        decode: fn([u8; SIZE]) -> T,
    ) -> HostData {
        let values = elements(bytes, decode);
        HostData::Int(values.iter().map(|&value| value.into()).collect())
    }
    Ok(match element {
        ElementType::FLOAT => HostData::Float(elements(bytes, f32::from_le_bytes).into_owned()),
        ElementType::FLOAT16 => {
            let values = elements(bytes, f16::from_le_bytes);
            HostData::Float(values.iter().map(|value| value.to_f32()).collect())
        }
        ElementType::BFLOAT16 => {
            let values = elements(bytes, bf16::from_le_bytes);
            HostData::Float(values.iter().map(|value| value.to_f32()).collect())
        }
        ElementType::DOUBLE => floats(&elements(bytes, f64::from_le_bytes))?,
        ElementType::BOOL => HostData::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
        ElementType::INT8 => ints(bytes, i8::from_le_bytes),
        ElementType::UINT8 => ints(bytes, u8::from_le_bytes),
        ElementType::INT16 => ints(bytes, i16::from_le_bytes),
        ElementType::UINT16 => ints(bytes, u16::from_le_bytes),
        ElementType::INT32 => ints(bytes, i32::from_le_bytes),
        ElementType::UINT32 => ints(bytes, u32::from_le_bytes),
        ElementType::INT64 => ints(bytes, i64::from_le_bytes),
        ElementType::UINT64 => unsigned(&elements(bytes, u64::from_le_bytes))?,
        _ => return Err(unsupported(element)),
    })
}

/// The number of elements in the field for `element`.
fn typed_len(element: ElementType, tensor: &TensorProto) -> usize {
    match element {
        ElementType::FLOAT => tensor.float_data.len(),
        ElementType::DOUBLE => tensor.double_data.len(),
        ElementType::INT64 => tensor.int64_data.len(),
        ElementType::UINT32 | ElementType::UINT64 => tensor.uint64_data.len(),
        _ => tensor.int32_data.len(),
    }
}

/// The numbers of the field for `element`, by the rules of `onnx.proto`. Of narrower integers, only the low
/// bits count: writers differ in how they extend them.
fn from_fields(element: ElementType, tensor: &TensorProto) -> Result<HostData, String> {
    let narrow = tensor.int32_data.iter();
    // All values of 16 bits fit.
    let bits = |&value: &i32| u16::try_from(value & 0xFFFF).unwrap_or(0);
    Ok(match element {
        ElementType::FLOAT => HostData::Float(tensor.float_data.clone()),
        ElementType::DOUBLE => floats(&tensor.double_data)?,
        ElementType::FLOAT16 => HostData::Float(
            narrow
                .map(|value| f16::from_bits(bits(value)).to_f32())
                .collect(),
        ),
        ElementType::BFLOAT16 => HostData::Float(
            narrow
                .map(|value| bf16::from_bits(bits(value)).to_f32())
                .collect(),
        ),
        ElementType::BOOL => HostData::Bool(narrow.map(|&value| value != 0).collect()),
        ElementType::INT64 => HostData::Int(tensor.int64_data.clone()),
        ElementType::UINT64 => unsigned(&tensor.uint64_data)?,
        ElementType::UINT32 => {
            let low = tensor.uint64_data.iter().map(|value| value & 0xFFFF_FFFF);
            unsigned(&low.collect::<Vec<_>>())?
        }
        _ => {
            let values = narrow.map(|&value| wrapped(value.into(), element));
            let values = values.collect::<Option<_>>();
            HostData::Int(values.ok_or_else(|| unsupported(element))?)
        }
    })
}

fn unsupported(element: ElementType) -> String {
    format!("tensors of {element} elements are not supported")
}

fn unsigned(values: &[u64]) -> Result<HostData, String> {
    let values = values.iter().map(|&value| {
        i64::try_from(value).map_err(|_| format!("{value} is beyond the range of int64"))
    });
    values.collect::<Result<_, _>>().map(HostData::Int)
}

fn floats(values: &[f64]) -> Result<HostData, String> {
    let values = values.iter().map(|&value| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounding is intended, and overflow is an error"
        )]
        let narrow = value as f32;
        match value.is_finite() && !narrow.is_finite() {
            true => Err(format!("{value:e} is beyond the range of float32")),
            false => Ok(narrow),
        }
    });
    values.collect::<Result<_, _>>().map(HostData::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(element: ElementType, dims: &[i64]) -> TensorProto {
        TensorProto {
            data_type: element.0,
            dims: dims.to_vec(),
            ..TensorProto::default()
        }
    }

    fn from_raw(element: ElementType, len: i64, bytes: &[u8]) -> Result<HostData, String> {
        let mut tensor = tensor(element, &[len]);
        let external = host_tensor(&tensor, Some(bytes));
        tensor.raw_data = bytes.to_vec().into();
        let read = host_tensor(&tensor, None);
        assert_eq!(read, external);
        read.map(HostTensor::into_data)
    }

    #[test]
    fn raw_data_is_little_endian() {
        let ints = |element, bytes: &[u8], expected: &[i64]| {
            let read = from_raw(element, expected.len() as i64, bytes);
            assert_eq!(read, Ok(HostData::Int(expected.to_vec())), "{element}");
        };
        ints(ElementType::INT8, &[1, 0xFF], &[1, -1]);
        ints(ElementType::UINT8, &[1, 0xFF], &[1, 255]);
        ints(ElementType::INT16, &[1, 2, 0xFE, 0xFF], &[0x201, -2]);
        ints(ElementType::UINT16, &[0xFE, 0xFF], &[0xFFFE]);
        ints(ElementType::INT32, &[0xFF; 4], &[-1]);
        ints(ElementType::UINT32, &[0xFF; 4], &[0xFFFF_FFFF]);
        ints(ElementType::INT64, &(-5_i64).to_le_bytes(), &[-5]);
        ints(ElementType::UINT64, &7_u64.to_le_bytes(), &[7]);
        let floats = |element, bytes: &[u8], expected: f32| {
            assert_eq!(
                from_raw(element, 1, bytes),
                Ok(HostData::Float(vec![expected]))
            );
        };
        floats(ElementType::FLOAT, &1.5_f32.to_le_bytes(), 1.5);
        floats(ElementType::DOUBLE, &1.5_f64.to_le_bytes(), 1.5);
        floats(ElementType::FLOAT16, &[0x00, 0x3E], 1.5);
        floats(ElementType::BFLOAT16, &[0xC0, 0x3F], 1.5);
        let bools = from_raw(ElementType::BOOL, 3, &[0, 1, 2]);
        assert_eq!(bools, Ok(HostData::Bool(vec![false, true, true])));
    }

    #[test]
    fn numbers_in_fields() {
        let int32 = |element, values: &[i32]| {
            let mut tensor = tensor(element, &[values.len() as i64]);
            tensor.int32_data = values.to_vec();
            host_tensor(&tensor, None).unwrap().into_data()
        };
        let ints = |values: &[i64]| HostData::Int(values.to_vec());
        assert_eq!(int32(ElementType::INT32, &[-7]), ints(&[-7]));
        assert_eq!(int32(ElementType::INT8, &[-1, 255]), ints(&[-1, -1]));
        assert_eq!(int32(ElementType::UINT8, &[-1, 255]), ints(&[255, 255]));
        assert_eq!(int32(ElementType::INT16, &[0xFFFF]), ints(&[-1]));
        assert_eq!(int32(ElementType::UINT16, &[0xFFFF]), ints(&[0xFFFF]));
        assert_eq!(
            int32(ElementType::BOOL, &[0, 1]),
            HostData::Bool(vec![false, true])
        );
        assert_eq!(
            int32(ElementType::FLOAT16, &[0x3E00]),
            HostData::Float(vec![1.5])
        );
        assert_eq!(
            int32(ElementType::BFLOAT16, &[0x3FC0]),
            HostData::Float(vec![1.5])
        );

        let mut scalar = tensor(ElementType::FLOAT, &[]);
        scalar.float_data = vec![0.5];
        assert_eq!(host_tensor(&scalar, None).unwrap().scalar(), Some(0.5));
        let mut wide = tensor(ElementType::DOUBLE, &[1]);
        wide.double_data = vec![0.25];
        assert_eq!(host_tensor(&wide, None).unwrap().scalar(), Some(0.25));
        wide.double_data = vec![1e300];
        let text = host_tensor(&wide, None).unwrap_err();
        assert_eq!(text, "1e300 is beyond the range of float32");
        let mut unsigned = tensor(ElementType::UINT32, &[1]);
        unsigned.uint64_data = vec![9];
        assert_eq!(host_tensor(&unsigned, None).unwrap(), HostTensor::ints([9]));
        let mut unsigned = tensor(ElementType::UINT64, &[1]);
        unsigned.uint64_data = vec![u64::MAX];
        let text = host_tensor(&unsigned, None).unwrap_err();
        assert_eq!(text, "18446744073709551615 is beyond the range of int64");
        assert_eq!(
            host_tensor(&tensor(ElementType::INT64, &[0, 3]), None)
                .unwrap()
                .len(),
            0
        );
    }

    #[test]
    fn what_is_expected_and_what_is_found() {
        let error = |tensor: &TensorProto| host_tensor(tensor, None).unwrap_err();
        let mut short = tensor(ElementType::FLOAT, &[3]);
        short.raw_data = vec![0; 10].into();
        assert_eq!(
            error(&short),
            "12 bytes of data were expected for [3] float, found 10"
        );
        let mut few = tensor(ElementType::INT8, &[2, 2]);
        few.int32_data = vec![1];
        assert_eq!(
            error(&few),
            "4 elements were expected for [2, 2] int8, found 1"
        );
        assert_eq!(
            error(&tensor(ElementType::FLOAT, &[2, -1])),
            "-1 is not a dimension of a tensor"
        );
        let large = tensor(ElementType::FLOAT, &[i64::MAX, 4]);
        assert!(error(&large).contains("does not fit in memory"));
        let mut large = tensor(ElementType::INT64, &[i64::MAX]);
        large.raw_data = vec![0].into();
        assert!(error(&large).contains("does not fit in memory"));
        for (number, name) in [
            (8, "string"),
            (14, "complex64"),
            (17, "float8e4m3fn"),
            (22, "int4"),
        ] {
            let text = error(&tensor(ElementType(number), &[1]));
            assert_eq!(
                text,
                format!("tensors of {name} elements are not supported")
            );
        }
        let mut elsewhere = tensor(ElementType::FLOAT, &[1]);
        elsewhere.data_location = EXTERNAL;
        assert!(error(&elsewhere).contains("a file of its own"));
        assert!(host_tensor(&elsewhere, Some(&[0; 4])).is_ok());
    }
}
