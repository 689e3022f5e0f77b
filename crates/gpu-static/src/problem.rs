//! A convolution that engines are compared on.

use shadernet::plan::Transfer;

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

    /// What is read and written where one dispatch does all.
    pub fn transfers(&self) -> Vec<Transfer> {
        vec![
            self.input(),
            transfer("weights", self.outputs * self.depth(), false),
            self.output(),
        ]
    }

    fn input(&self) -> Transfer {
        transfer("input", self.pixels() * self.inputs, false)
    }

    fn output(&self) -> Transfer {
        transfer("output", self.pixels() * self.outputs, true)
    }
}

/// All of a value in float32.
fn transfer(memory: &str, elements: u64, is_write: bool) -> Transfer {
    Transfer {
        memory: memory.to_owned(),
        bytes: 4 * elements,
        total: 4 * elements,
        is_write,
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

    /// What the three dispatches read and write.
    pub fn transfers(&self, problem: &Problem) -> [Vec<Transfer>; 3] {
        let input = |is_write| transfer("transformed input", self.input, is_write);
        let output = |is_write| transfer("transformed output", self.output, is_write);
        let weights = transfer("transformed weights", self.weights, false);
        [
            vec![problem.input(), input(true)],
            vec![input(false), weights, output(true)],
            vec![output(false), problem.output()],
        ]
    }
}
