//! Devices, and tensors on them.

use shadernet::device::Device;
use shadernet::gpu::{Gpu, GpuTensor};
use shadernet::tensor::Tensor;
use shadernet::wgpu::BufferUsages;

use crate::devices::devices;
use crate::host::buffer;

/// Every GPU of the tests, with its name.
pub fn gpus() -> impl Iterator<Item = (&'static str, &'static Gpu)> {
    devices().iter().filter_map(|(name, device)| match device {
        Device::Gpu(gpu) => Some((name.as_str(), gpu)),
        _ => None,
    })
}

/// Reproducible pseudorandom numbers between -1 and 1.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f32 {
        let step = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = step.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn tensor<const N: usize>(&mut self, shape: [usize; N]) -> Tensor {
        Tensor::from_fn(shape, |_| self.next())
    }
}

/// A tensor that begins `offset` bytes into its buffer, with NaN before and after.
pub fn upload(gpu: &Gpu, tensor: &Tensor, offset: u64) -> GpuTensor {
    let nan = vec![0xff; offset as usize];
    let data: Vec<u8> = tensor.data().iter().flat_map(|x| x.to_le_bytes()).collect();
    let bytes = [&nan, &data[..], &nan].concat();
    GpuTensor {
        buffer: buffer(gpu, &bytes, BufferUsages::STORAGE),
        offset,
        shape: tensor.shape().clone(),
    }
}
