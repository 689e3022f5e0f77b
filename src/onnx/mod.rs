//! Networks in ONNX files.

// What a file says about itself is not to be trusted.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

mod decode;
mod element_type;
mod evaluate;
mod external;
mod functions;
mod host;
mod import;
mod model;
mod node;
mod operators;
mod ops;
mod order;
mod proto;
mod view;
mod weight;

pub use element_type::ElementType;
pub use import::ImportedModel;
pub use model::{OnnxDim, OnnxModel, OnnxValue};
pub use operators::{OnnxOperator, OnnxSupport};
