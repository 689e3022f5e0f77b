//! Textures as a network's input, on every backend, with runtime checks on and off. Results equal the CPU's
//! preprocessing of images with the same pixels, bit for bit.

#[path = "../common/devices.rs"]
mod devices;
#[path = "../common/host.rs"]
mod host;

mod caches;
mod equality;
mod errors;
mod speed;
mod support;
