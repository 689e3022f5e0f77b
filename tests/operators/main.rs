//! Every operator's kernels against the CPU twin in float64, over random shapes: odd channels,
//! size 1, batches, strides that do not divide, dilation, groups, asymmetric padding. On every
//! backend, with runtime checks on and off, in float32 and float16.

mod compare;
mod convolution;
#[path = "../common/devices.rs"]
mod devices;
mod fused;
mod generate;
mod gradients;
mod layout;
mod padding;
mod pointwise;
mod pooling;
mod reductions;
mod transposed;
