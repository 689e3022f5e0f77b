//! Answers on the GPU against their CPU twins in `vision`, on every backend, with runtime checks on and
//! off.

mod boxes;
mod classes;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/devices.rs"]
mod devices;
mod harness;
#[path = "../common/host.rs"]
mod host;
mod masks;
mod refused;
mod reuse;
mod tasks;
