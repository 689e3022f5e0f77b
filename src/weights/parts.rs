//! Weights in files of another format.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{Data, Dtype, FileBytes, Stored, Weights};
use crate::tensor::{Shape, Tensor};

impl Weights {
    /// Weights from parts of `files`, as little-endian bytes, from tensors in memory, and of one number each.
    pub(crate) fn from_parts(
        name: impl Into<String>,
        files: &[Arc<FileBytes>],
        parts: impl IntoIterator<Item = (String, Shape, Dtype, bytes::Bytes)>,
        tensors: impl IntoIterator<Item = (String, Tensor)>,
        filled: impl IntoIterator<Item = (String, Shape, f32)>,
    ) -> Self {
        let mut weights = Self::from_tensors(name, tensors);
        let parts = parts.into_iter().map(|(name, shape, dtype, bytes)| {
            let stored = Stored {
                shape,
                dtype: dtype.safetensors().to_owned(),
                data: Data::Bytes(bytes),
            };
            (name, stored)
        });
        weights.tensors.extend(parts);
        weights
            .tensors
            .extend(filled.into_iter().map(|(name, shape, value)| {
                let stored = Stored {
                    shape,
                    dtype: Dtype::F32.safetensors().to_owned(),
                    data: Data::Filled(value),
                };
                (name, stored)
            }));
        weights.files = files.to_vec();
        weights
    }

    /// Hashes what distinguishes a tensor from others of the same name: its shape, and its elements or where in
    /// memory they are.
    pub(crate) fn hash_content(&self, name: &str, hasher: &mut impl Hasher) {
        let Some(stored) = self.tensors.get(name) else {
            return;
        };
        stored.shape.dims().hash(hasher);
        match &stored.data {
            Data::Float32(values) => hasher.write(bytemuck::cast_slice(values)),
            Data::Bytes(bytes) => (bytes.as_ptr() as usize).hash(hasher),
            Data::InFile { file, bytes } => (file, bytes.start).hash(hasher),
            Data::Strided {
                file,
                bytes,
                strides,
            } => (file, bytes.start, strides).hash(hasher),
            Data::Filled(value) => value.to_bits().hash(hasher),
            Data::Generated(gain) => gain.to_bits().hash(hasher),
        }
    }

    /// Gives the tensor `name` another name.
    pub(crate) fn rename(&mut self, name: &str, new: String) {
        if let Some(stored) = self.tensors.remove(name) {
            self.tensors.insert(new, stored);
        }
    }
}
