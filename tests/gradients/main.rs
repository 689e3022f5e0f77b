//! Gradients of every operator and of whole networks, against finite differences of the reference backend in
//! float64; and intermediate outputs.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/devices.rs"]
mod devices;
mod differences;
mod elementwise;
#[path = "../operators/generate.rs"]
mod generate;
mod intermediate_outputs;
mod moved;
mod networks;
mod norms;
mod operators;
mod sampling;
mod several_values;
mod unary;
