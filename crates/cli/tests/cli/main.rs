//! Tests of the command: runs the binary, and checks its output and exit codes.

#[path = "../../../../tests/common/mod.rs"]
mod common;
#[path = "../../../../tests/common/devices.rs"]
mod devices;

mod adapters;
mod bench_kernels;
mod bench_model;
mod cache;
mod classify;
mod compare;
mod convert;
mod crashing_drivers;
mod detect;
mod doctor_matrices;
mod embed;
mod ensemble;
mod everyday;
mod explain;
mod features;
mod finite;
mod foreign_text;
mod frames;
mod golden;
#[cfg(feature = "pull")]
mod hub_server;
mod limits;
mod lists;
mod memory;
mod model_args;
mod models;
mod onnx;
mod outputs;
mod plan;
#[cfg(feature = "pull")]
mod pull;
mod report;
#[cfg(unix)]
mod resume;
mod run;
mod segment;
mod segment_tiles;
#[cfg(unix)]
mod signals;
mod summary;
mod support;
mod tune;
mod usage;
