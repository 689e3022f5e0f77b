//! Gradients of every operator and of whole networks, against finite differences of the reference backend in
//! float64; and intermediate outputs.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/devices.rs"]
mod devices;
mod differences;
#[path = "../operators/generate.rs"]
mod generate;
mod intermediate_outputs;
mod networks;
mod operators;
mod several_values;
mod unary;
