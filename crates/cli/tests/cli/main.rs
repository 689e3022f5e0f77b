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
mod detect;
mod explain;
mod features;
mod foreign_text;
mod golden;
mod lists;
mod memory;
mod models;
mod plan;
mod report;
mod run;
mod segment;
mod summary;
mod support;
mod tune;
mod usage;
