//! Copies: between NCHW tensors and the order of the kernels, and of ranges of channels.

use super::kernel::{Kernel, Scratch, Values, part};
use super::map::Map;

/// Floats of a task at least: fewer are not worth a second thread.
const TASK_FLOATS: usize = 16384;

/// What is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copy {
    /// An NCHW tensor, whose images are `image` floats apart, to a value. Its padding becomes zero.
    Pack { image: usize },
    /// A value to an NCHW tensor, whose images are `image` floats apart.
    Unpack { image: usize },
    /// Channels from `from` on to those from `to` on.
    Channels {
        from: usize,
        to: usize,
        count: usize,
    },
}

/// Copies of all inputs, one after another.
#[derive(Debug)]
pub(super) struct Copies {
    /// For each, the index of its input, and the input's map; of a tensor, its shape.
    copies: Vec<(usize, Map, Copy)>,
    /// Of a tensor, the map of the value that it is a copy of.
    output: Map,
    stages: [usize; 1],
}

impl Copies {
    pub fn new(copies: Vec<(usize, Map, Copy)>, output: Map, threads: usize) -> Self {
        let parts = (output.pixels() * output.channels).div_ceil(TASK_FLOATS);
        let parts = match threads {
            1 => 1,
            _ => parts.clamp(1, 4 * threads).min(output.pixels()),
        };
        Self {
            copies,
            output,
            stages: [parts.max(1)],
        }
    }
}

impl Kernel for Copies {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, _scratch: Scratch) {
        let output = self.output;
        let plane = output.height * output.width;
        let pixels = part(output.pixels(), self.stages[0], task);
        for (index, map, copy) in &self.copies {
            let from = values.inputs[*index];
            // SAFETY: the caller's.
            unsafe {
                for pixel in pixels.clone() {
                    let (image, at) = (pixel / plane, pixel % plane);
                    match *copy {
                        // In a tensor, the channels of a pixel are a plane apart.
                        Copy::Pack { image: length } => {
                            let from = from.add(image * length + at);
                            let to = values.output.add(pixel * output.stride);
                            for channel in 0..output.channels {
                                *to.add(channel) = *from.add(channel * plane);
                            }
                            for channel in output.channels..output.channels.next_multiple_of(4) {
                                *to.add(channel) = 0.0;
                            }
                        }
                        Copy::Unpack { image: length } => {
                            let from = from.add(pixel * map.stride);
                            let to = values.output.add(image * length + at);
                            for channel in 0..map.channels {
                                *to.add(channel * plane) = *from.add(channel);
                            }
                        }
                        Copy::Channels {
                            from: first,
                            to,
                            count,
                        } => {
                            let from = from.add(pixel * map.stride + first);
                            let to = values.output.add(pixel * output.stride + to);
                            from.copy_to_nonoverlapping(to, count);
                        }
                    }
                }
            }
        }
    }
}
