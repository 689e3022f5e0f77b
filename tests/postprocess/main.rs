//! Postprocessing on the GPU against the CPU functions of `vision`, on every backend, with runtime checks on
//! and off.

mod boxes;
mod classes;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/devices.rs"]
mod devices;
mod errors;
mod harness;
#[path = "../common/host.rs"]
mod host;
mod masks;
mod reuse;
mod tasks;
