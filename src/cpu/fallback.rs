//! Operators without a fast kernel: the reference backend's loops, between copies from and to the order of the
//! kernels. Unlike the others, they allocate.

use super::device::CpuDevice;
use super::kernel::{Kernel, Scratch, Values};
use super::map::Map;
use super::packed::Building;
use crate::error::Result;
use crate::graph::Node;
use crate::reference;
use crate::tensor::{Shape, Tensor};

#[derive(Debug)]
pub(super) struct Fallback {
    node: Node,
    /// Its loops run on the device's threads.
    device: CpuDevice,
    /// The operator's parameters, in its order.
    parameters: Vec<Vec<f32>>,
    inputs: Vec<(Map, Shape)>,
    output: (Map, Shape),
}

impl Fallback {
    pub fn new(
        node: &Node,
        inputs: Vec<(Map, Shape)>,
        output: (Map, Shape),
        building: &mut Building,
    ) -> Result<Self> {
        let parameters = node
            .op
            .as_operator()
            .parameters()
            .into_iter()
            .map(|parameter| {
                let name = node.parameter_name(&parameter.name);
                building.read(&name, parameter.shape.len())
            });
        Ok(Self {
            parameters: parameters.collect::<Result<_>>()?,
            node: node.clone(),
            device: building.device.clone(),
            inputs,
            output,
        })
    }
}

impl Kernel for Fallback {
    fn stages(&self) -> &[usize] {
        &[1]
    }

    unsafe fn run(&self, values: &Values, _stage: usize, _task: usize, _scratch: Scratch) {
        let operands: Vec<Tensor> = (self.inputs.iter().zip(values.inputs))
            // SAFETY: the caller's.
            .map(|((map, shape), from)| unsafe { unpacked(map, shape, *from) })
            .collect();
        let operands: Vec<&Tensor> = operands.iter().collect();
        let (map, shape) = &self.output;
        let compute = || reference::compute(&self.node, &self.parameters, &operands, shape);
        let output = self.device.install(compute);
        let plane = map.height * map.width;
        for (i, value) in output.into_iter().enumerate() {
            let (image, channel) = (i / plane / map.channels, i / plane % map.channels);
            let pixel = image * plane + i % plane;
            // SAFETY: the caller's.
            unsafe { *values.output.add(pixel * map.stride + channel) = value };
        }
    }
}

/// A value as an NCHW tensor.
unsafe fn unpacked(map: &Map, shape: &Shape, from: *const f32) -> Tensor {
    let plane = map.height * map.width;
    Tensor::from_fn(shape.clone(), |i| {
        let (image, channel) = (i / plane / map.channels, i / plane % map.channels);
        let pixel = image * plane + i % plane;
        // SAFETY: the caller's.
        unsafe { *from.add(pixel * map.stride + channel) }
    })
}
