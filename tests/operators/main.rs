//! Every operator's kernels against the reference backend in float64, over random shapes: odd channels,
//! size 1, batches, strides that do not divide, dilation, groups, asymmetric padding. On every
//! backend, with runtime checks on and off, in float32 and float16. Every test names the shaders that must
//! compute its nodes.

mod binding_limits;
mod broadcast;
mod compare;
mod convolution;
mod cooperative;
#[path = "../common/devices.rs"]
mod devices;
mod every_shader;
mod fused;
mod generate;
mod gradients;
mod grid_sample;
mod group_norm;
mod layout;
mod loop_limit;
mod matmul;
mod padding;
mod pointwise;
mod pooling;
#[path = "../common/ran.rs"]
mod ran;
mod rearrange;
mod reductions;
mod resample;
mod selecting;
#[path = "../common/tolerance.rs"]
mod tolerance;
mod transposed;
mod unary;
