//! A convolution that engines are compared on.

/// A convolution of one image with stride 1 whose output has the size of its input.
#[derive(Clone, Copy, Debug)]
pub struct Problem {
    /// Channels of the input.
    pub inputs: u64,
    /// Channels of the output.
    pub outputs: u64,
    /// Pixels along each side.
    pub size: u64,
    /// Taps along each side of the kernel.
    pub kernel: u64,
}

impl Problem {
    /// What tables call it.
    pub fn name(&self) -> String {
        let Self {
            inputs,
            outputs,
            size,
            kernel,
        } = self;
        format!("{kernel}x{kernel}, {inputs}->{outputs}, {size}x{size}")
    }

    /// Pixels of the input, and of the output.
    pub fn pixels(&self) -> u64 {
        self.size * self.size
    }

    /// The K of its GEMM.
    pub fn depth(&self) -> u64 {
        self.inputs * self.kernel * self.kernel
    }

    /// Bytes of input, weights and output.
    pub fn bytes(&self) -> u64 {
        4 * (self.pixels() * (self.inputs + self.outputs) + self.outputs * self.depth())
    }
}

/// Elements of Winograd's convolution: of the transformed input, weights and output.
#[derive(Clone, Copy, Debug)]
pub struct Transformed {
    /// Tiles along each side.
    pub side: u64,
    /// Multiplications of a tile.
    pub taps: u64,
    input: u64,
    weights: u64,
    output: u64,
}

impl Transformed {
    /// Of tiles of `tile`x`tile` pixels.
    pub fn new(problem: &Problem, tile: u64) -> Self {
        let side = problem.size.div_ceil(tile);
        let taps = (tile + 2) * (tile + 2);
        Self {
            side,
            taps,
            input: taps * side * side * problem.inputs,
            weights: taps * problem.inputs * problem.outputs,
            output: taps * side * side * problem.outputs,
        }
    }

    /// All tiles.
    pub fn tiles(&self) -> u64 {
        self.side * self.side
    }

    /// Bytes of the three dispatches.
    pub fn bytes(&self, problem: &Problem) -> [u64; 3] {
        [
            problem.pixels() * problem.inputs + self.input,
            self.input + self.weights + self.output,
            self.output + problem.pixels() * problem.outputs,
        ]
        .map(|elements| 4 * elements)
    }
}
