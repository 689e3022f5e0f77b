//! Guarantees for a host that shares its device with sessions: see `docs/embedding.md`.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/devices.rs"]
mod devices;
#[path = "../common/host.rs"]
mod host;

mod chunks;
mod encode;
mod faults;
mod in_flight;
mod limits;
mod loading;
mod support;
mod texture_to_mask;
