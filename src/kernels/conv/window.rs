//! The windows of a convolution, the output pixels they are for, and the taps they see.

use std::fmt;
use std::ops::Range;

use super::super::loop_iterations::SumPart;
use crate::gpu::uniform::uniforms;

uniforms! {
    /// `Window` of `shaders/shared/window.wgsl`.
    #[derive(PartialEq, Eq)]
    pub(crate) struct Window {
        pub kernel: [u32; 2],
        pub stride: [u32; 2],
        pub dilation: [u32; 2],
        /// Wraps around below zero, as the shader's arithmetic does.
        pub padding: [u32; 2],
    }

    /// `Outputs` of `shaders/shared/window.wgsl`.
    #[derive(PartialEq, Eq)]
    pub(crate) struct Outputs {
        pub size: [u32; 2],
        pub step: [u32; 2],
        pub origin: [u32; 2],
        pub pixels: u32,
        /// Stride phases along a row, where a dispatch computes several phases.
        pub phase_columns: u32,
    }
}

/// Output pixels that see the same taps: all of a convolution, or a stride phase of a transposed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phase {
    pub window: Window,
    pub outputs: Outputs,
    /// The kernel's rows and columns in the order in which the window sees them.
    pub rows: Taps,
    pub columns: Taps,
}

impl Window {
    /// The window of some of its rows and columns.
    pub(in crate::kernels) fn part(self, part: &SumPart) -> Self {
        let first = [part.rows.start, part.columns.start].map(|v| v as u32);
        Self {
            kernel: part.window().map(|v| v as u32),
            // What is before the first tap is no longer above or left of the window.
            padding: [0, 1]
                .map(|i| self.padding[i].wrapping_sub(first[i].wrapping_mul(self.dilation[i]))),
            ..self
        }
    }
}

impl Phase {
    /// Rows and columns of the window.
    pub fn kernel(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }

    /// The same outputs with some of the taps.
    pub(in crate::kernels) fn part(self, part: &SumPart) -> Self {
        Self {
            window: self.window.part(part),
            rows: self.rows.part(&part.rows),
            columns: self.columns.part(&part.columns),
            ..self
        }
    }

    /// Taps of the window.
    pub fn taps(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// The row and column in the kernel of each tap, in the window's order.
    pub fn kernel_taps(self) -> impl Iterator<Item = (usize, usize)> {
        let columns = self.columns;
        (self.rows.iter()).flat_map(move |row| columns.iter().map(move |column| (row, column)))
    }
}

/// Rows or columns of a kernel in the order in which a window sees them. They are equally far apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taps {
    first: usize,
    step: isize,
    len: usize,
}

impl Taps {
    /// The first to the last.
    pub fn forward(len: usize) -> Self {
        Self {
            first: 0,
            step: 1,
            len,
        }
    }

    /// The last to the first.
    pub fn reverse(len: usize) -> Self {
        Self::descending(len.saturating_sub(1), 1, len)
    }

    /// From `first` down in steps of `step`.
    pub fn descending(first: usize, step: usize, len: usize) -> Self {
        Self {
            first,
            step: -(step as isize),
            len,
        }
    }

    /// Some of them.
    pub fn part(self, range: &Range<usize>) -> Self {
        Self {
            first: self
                .first
                .wrapping_add_signed(range.start as isize * self.step),
            step: self.step,
            len: range.len(),
        }
    }

    pub fn len(self) -> usize {
        self.len
    }

    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..self.len).map(move |i| (self.first as isize + i as isize * self.step) as usize)
    }
}

/// Short, as it is a part of the names of weights.
impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:+}x{}", self.first, self.step, self.len)
    }
}
