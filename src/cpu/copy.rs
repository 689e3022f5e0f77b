//! Copies: between NCHW tensors and the order of the kernels, and of ranges of channels.

use std::ops::Range;

use super::kernel::{Kernel, Scratch, Values, part, pixel_tasks};
use super::map::Map;

/// Floats of a task at least.
const TASK_FLOATS: usize = 16384;

/// What is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copy {
    /// An NCHW tensor, whose images are `image` floats apart, to a value. Its padding becomes zero.
    Pack { image: usize },
    /// A value to an NCHW tensor, whose images are `image` floats apart.
    Unpack { image: usize },
    /// All channels, those of each of `groups` groups side by side: the first of all, then the second, and so on.
    Shuffle { groups: usize },
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
        Self {
            copies,
            output,
            stages: [pixel_tasks(&output, TASK_FLOATS, threads)],
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
                match *copy {
                    Copy::Pack { image } => {
                        let tensor = Planes { plane, image };
                        match output.channels {
                            1 => tensor.pack::<1>(from, values.output, output, pixels.clone()),
                            3 => tensor.pack::<3>(from, values.output, output, pixels.clone()),
                            _ => tensor.pack_any(from, values.output, output, pixels.clone()),
                        }
                    }
                    Copy::Unpack { image } => {
                        let tensor = Planes { plane, image };
                        tensor.unpack(from, *map, values.output, pixels.clone());
                    }
                    Copy::Shuffle { groups } => {
                        let in_group = output.channels / groups;
                        for pixel in pixels.clone() {
                            let from = from.add(pixel * map.stride);
                            let to = values.output.add(pixel * output.stride);
                            for group in 0..groups {
                                for i in 0..in_group {
                                    *to.add(i * groups + group) = *from.add(group * in_group + i);
                                }
                            }
                        }
                    }
                    Copy::Channels {
                        from: first,
                        to,
                        count,
                    } => {
                        for pixel in pixels.clone() {
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

/// An NCHW tensor: floats of a channel of an image, and of an image.
#[derive(Clone, Copy)]
struct Planes {
    plane: usize,
    image: usize,
}

impl Planes {
    /// Copies pixels of the tensor `from` to the value `to`.
    #[inline(always)]
    unsafe fn pack_any(self, from: *const f32, to: *mut f32, map: Map, pixels: Range<usize>) {
        let padded = map.channels.next_multiple_of(4);
        for pixel in pixels {
            // SAFETY: the caller's.
            unsafe {
                let from = from.add(pixel / self.plane * self.image + pixel % self.plane);
                let to = to.add(pixel * map.stride);
                for channel in 0..map.channels {
                    *to.add(channel) = *from.add(channel * self.plane);
                }
                for channel in map.channels..padded {
                    *to.add(channel) = 0.0;
                }
            }
        }
    }

    /// The same where the compiler knows the number of channels, at most four, as images have.
    unsafe fn pack<const C: usize>(
        self,
        from: *const f32,
        to: *mut f32,
        map: Map,
        pixels: Range<usize>,
    ) {
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (image, at) = (pixel / self.plane, pixel % self.plane);
            let count = (pixels.end - pixel).min(self.plane - at);
            // SAFETY: the caller's.
            unsafe {
                let from = from.add(image * self.image + at);
                let to = to.add(pixel * map.stride);
                for i in 0..count {
                    let mut values = [0.0; 4];
                    for (channel, value) in values.iter_mut().take(C).enumerate() {
                        *value = *from.add(channel * self.plane + i);
                    }
                    to.add(i * map.stride).cast::<[f32; 4]>().write(values);
                }
            }
            pixel += count;
        }
    }

    /// Copies pixels of the value `from` to the tensor `to`.
    unsafe fn unpack(self, from: *const f32, map: Map, to: *mut f32, pixels: Range<usize>) {
        for pixel in pixels {
            // SAFETY: the caller's.
            unsafe {
                let from = from.add(pixel * map.stride);
                let to = to.add(pixel / self.plane * self.image + pixel % self.plane);
                for channel in 0..map.channels {
                    *to.add(channel * self.plane) = *from.add(channel);
                }
            }
        }
    }
}
