//! An ONNX file in parts, so that its weights need not be in memory at once: a message of Protocol Buffers begins with
//! its length, which is known before.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::super::element_type::ElementType;
use super::super::proto::{GraphProto, ModelProto, TensorProto};
use super::attribute::to_ints;
use super::writer::Parameter;
use crate::error::{Error, Result};
use crate::output_file::OutputFile;
use crate::weights::{Dtype, Weights};

/// The fields of `onnx.proto` that are written here: `ModelProto.graph`, `GraphProto.initializer`,
/// `TensorProto.raw_data`.
const GRAPH: u32 = 7;
const INITIALIZER: u32 = 5;
const RAW_DATA: u32 = 9;

/// The most bytes of a message, in every implementation of Protocol Buffers.
const MAX_BYTES: u64 = (1 << 31) - 1;

/// A file without the weights' elements.
pub(super) struct OnnxLayout {
    /// All before the first weight.
    head: Vec<u8>,
    /// For each weight, all before its elements.
    heads: Vec<Vec<u8>>,
    bytes: u64,
}

impl OnnxLayout {
    /// The file of `model`, with `graph`, and as many weights.
    pub fn new(
        model: &ModelProto,
        graph: &GraphProto,
        parameters: &[Parameter],
    ) -> Result<Self, String> {
        let graph = graph.encode_to_vec();
        let mut length = to_u64(graph.len());
        let mut heads = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            let tensor = TensorProto {
                dims: to_ints(&parameter.dims),
                data_type: element_type(parameter.dtype).0,
                name: parameter.initializer.clone(),
                ..TensorProto::default()
            };
            let tensor = tensor.encode_to_vec();
            let elements = elements_bytes(parameter);
            let mut raw = Vec::new();
            field(&mut raw, RAW_DATA, elements);
            let inner = to_u64(tensor.len().saturating_add(raw.len())).saturating_add(elements);
            let mut head = Vec::new();
            field(&mut head, INITIALIZER, inner);
            head.extend(tensor);
            head.extend(raw);
            length = length
                .saturating_add(to_u64(head.len()))
                .saturating_add(elements);
            heads.push(head);
        }
        let mut head = model.encode_to_vec();
        field(&mut head, GRAPH, length);
        let bytes = to_u64(head.len()).saturating_add(length);
        head.extend(graph);
        if bytes > MAX_BYTES {
            return Err(format!(
                "the file would have {bytes} bytes, and ONNX files have at most {MAX_BYTES}; store the weights as \
                 float16, or write a network with fewer"
            ));
        }
        Ok(Self { head, heads, bytes })
    }

    /// The size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the file with these weights.
    pub fn write(&self, path: &Path, parameters: &[Parameter], weights: &Weights) -> Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, OutputFile::create(path)?);
        let failed = |error| Error::write(path)(error);
        self.write_to(&mut out, parameters, failed, |out, parameter| {
            weights.write_elements(&parameter.name, parameter.dtype, out, path)
        })?;
        let file = out.into_inner();
        let file = file.map_err(|error| failed(error.into_error()))?;
        file.finish()
    }

    /// Writes everything; `elements` writes those of a weight.
    pub fn write_to<W: Write>(
        &self,
        out: &mut W,
        parameters: &[Parameter],
        failed: impl Fn(io::Error) -> Error,
        mut elements: impl FnMut(&mut W, &Parameter) -> Result<()>,
    ) -> Result<()> {
        out.write_all(&self.head).map_err(&failed)?;
        for (head, parameter) in self.heads.iter().zip(parameters) {
            out.write_all(head).map_err(&failed)?;
            elements(out, parameter)?;
        }
        Ok(())
    }
}

/// The key of a field whose value is bytes, and their number.
fn field(out: &mut Vec<u8>, number: u32, bytes: u64) {
    out.reserve(key_len(number).saturating_add(encoded_len_varint(bytes)));
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes, out);
}

/// The bytes of a weight's elements.
pub(super) fn elements_bytes(parameter: &Parameter) -> u64 {
    let size = to_u64(parameter.dtype.size());
    let dims = parameter.dims.iter().map(|&dim| to_u64(dim));
    dims.fold(size, u64::saturating_mul)
}

fn element_type(dtype: Dtype) -> ElementType {
    match dtype {
        Dtype::F16 => ElementType::FLOAT16,
        _ => ElementType::FLOAT,
    }
}

fn to_u64(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
