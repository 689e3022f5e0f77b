//! Measures what the engine does: single kernels, whole devices, and which kernel is fastest for each layer.
//!
//! - [`kernels`] times every way to compute an operator, each checked against the reference backend.
//! - [`peak`] measures what a device can do at most, the bound that kernels are held to.
//! - [`tune`] times the algorithms of each convolution of a network and keeps the fastest.
//! - [`samples`] summarises repeated measurements.
//!
//! ```
//! use shadernet_bench::samples::Samples;
//!
//! let seconds = Samples::new(vec![0.3, 0.1, 0.2]).unwrap();
//! assert_eq!(seconds.median(), 0.2);
//! ```

pub mod kernels;
pub mod peak;
pub mod samples;
pub mod tune;
