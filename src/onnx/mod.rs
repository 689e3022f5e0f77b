//! Networks in ONNX files.
//!
//! An [`OnnxModel`] is a file that was read and checked. [`OnnxModel::import`] makes a [`Graph`](crate::Graph) and
//! [`Weights`](crate::Weights) of it for inputs of certain shapes; what depends on shapes only is computed then, on
//! the host. Opsets 7 to 28 are read; [`OnnxModel::operators`] says which of a model's operators are supported.
//! Inputs and outputs are floating-point tensors in the shapes that the model has for them.
//!
//! ```
//! use shadernet::onnx::OnnxModel;
//! use shadernet::{Device, Session, SessionOptions, Shape, Tensor};
//!
//! let model = OnnxModel::open("tests/onnx/yunet_n_dynamic.onnx")?;
//! let shapes = [Shape::from([1, 3, 64, 96])];
//! let imported = model.import(&shapes)?;
//!
//! let options = SessionOptions::default();
//! let mut session =
//!     Session::new(&Device::cpu(), &imported.graph, imported.weights, &options, &shapes)?;
//! let outputs = session.run(&[Tensor::zeros(shapes[0].clone())])?;
//! assert_eq!(model.outputs()[0].name, "cls_8");
//! assert_eq!(outputs[0].shape().dims(), [1, 8 * 12, 1]);
//! # Ok::<(), shadernet::Error>(())
//! ```

// What a file says about itself is not to be trusted.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

mod catalog;
mod decode;
mod edit;
mod element_type;
mod evaluate;
mod export;
mod external;
mod failures;
mod functions;
mod host;
mod import;
mod inputs;
mod model;
mod node;
mod operators;
mod ops;
mod order;
mod proto;
mod readers;
mod value;
mod view;
mod weight;

pub use catalog::{CatalogEntry, catalog};
pub(crate) use edit::Setting;
pub use element_type::ElementType;
pub use export::{EXPORT_OPSET, OnnxExport, WrittenOnnx};
pub use import::ImportedModel;
pub use model::{OnnxDim, OnnxModel, OnnxValue};
pub use operators::{OnnxOperator, OnnxSupport};
