//! What an import knows of a value.

use std::rc::Rc;

use super::element_type::ElementType;
use super::host::{HostKind, HostTensor};
use super::model::extents;
use super::proto::TensorProto;
use super::view::View;

/// What is known of a value.
#[derive(Clone)]
pub(super) enum Value<'m> {
    /// Its elements.
    Host(Rc<HostTensor>),
    /// Many floating-point numbers that are all this one, of these extents: exporters leave out trained weights so.
    Filled(f32, Vec<usize>),
    /// A weight as the file has it, with its bytes where they are in another file.
    Stored(&'m TensorProto, Option<&'m bytes::Bytes>),
    /// Computed on the device.
    Device(View),
}

impl Value<'_> {
    /// Whether its elements do not depend on the model's inputs.
    pub fn is_constant(&self) -> bool {
        !matches!(self, Self::Device(_))
    }

    /// The extents.
    pub fn dims(&self) -> Result<Vec<usize>, String> {
        match self {
            Self::Host(tensor) => Ok(tensor.dims().to_vec()),
            Self::Stored(tensor, _) => Ok(extents(tensor)?.0),
            Self::Filled(_, dims) => Ok(dims.clone()),
            Self::Device(view) => Ok(view.dims.clone()),
        }
    }

    /// What the elements are.
    pub fn kind(&self) -> HostKind {
        match self {
            Self::Host(tensor) => tensor.kind(),
            Self::Stored(tensor, _) => ElementType(tensor.data_type).kind(),
            Self::Filled(..) => HostKind::Float,
            Self::Device(view) => view.kind,
        }
    }
}
