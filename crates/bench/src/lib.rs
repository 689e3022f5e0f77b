//! Benchmarks of the shadernet inference engine: kernel timing, device peaks and tuning.
//!
//! - [`kernels`] times every implementation of an operator and checks each against the reference backend.
//! - [`peak`] measures a device's peak arithmetic and memory throughput, the upper bound for any kernel.
//! - [`tune`] times the algorithms of each convolution of a network and keeps the fastest.
//! - [`samples`] holds repeated measurements and their statistics.
//!
//! ```
//! use shadernet_bench::samples::Samples;
//!
//! let seconds = Samples::new(vec![0.3, 0.1, 0.2]).unwrap();
//! assert_eq!(seconds.median(), 0.2);
//! ```

#[doc(hidden)]
pub mod fault_injection;
pub mod kernels;
pub mod loops;
pub mod peak;
mod reference_output;
pub mod samples;
pub mod tune;
