//! Textures as a network's input, on every backend, with runtime checks on and off, held against what the
//! CPU makes of pictures with the same pixels: to the bit.

#[path = "../common/devices.rs"]
mod devices;
#[path = "../common/host.rs"]
mod host;

mod caches;
mod equality;
mod refusals;
mod speed;
mod support;
