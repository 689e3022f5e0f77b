//! What a pass costs on paper: the arithmetic, and the bytes that no plan can do without.

use shadernet::Result;
use shadernet::gpu::Precision;
use shadernet::graph::{Graph, Op};
use shadernet::tensor::Shape;

/// See the module.
pub struct Cost {
    /// Two for each multiplication of convolutions and fully connected layers.
    pub operations: u64,
    /// Weights read once, and values written and read once by whoever makes and uses them, where
    /// everything is fused that can be.
    pub bytes: u64,
}

impl Cost {
    /// Of one pass with inputs of these shapes.
    ///
    /// Taken as free, since another layer can do them while it has the value at hand: batch norm
    /// and activations, one operand and the result of an addition, and joining or slicing channels.
    pub fn of(graph: &Graph, inputs: &[Shape], precision: Precision) -> Result<Self> {
        let shapes = graph.infer(inputs)?;
        let mut elements = 0;
        for (value, node) in graph.values() {
            let len = |i: usize| shapes[i].len() as u64;
            let operands = node.inputs().iter().map(|v| len(v.index()));
            elements += match node.op() {
                Op::BatchNorm2d(_) | Op::Activation(_) | Op::Dropout | Op::Flatten(_) => 0,
                Op::Concat(_) | Op::SliceChannels(_) | Op::Unflatten(_) => 0,
                Op::Binary(_) => operands.skip(1).sum(),
                _ => operands.sum::<u64>() + len(value.index()),
            };
        }
        let paper = graph.summary(inputs)?;
        // Four channels to an element.
        let bytes = precision.element_bytes() / 4;
        Ok(Self {
            operations: 2 * paper.multiplications,
            bytes: bytes * (elements + paper.weight_bytes / 4),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shadernet::graph::{Conv2d, GraphBuilder};

    #[test]
    fn what_can_be_fused_is_free() {
        let mut b = GraphBuilder::new("g");
        let x = b.image_input("input", 1);
        let y = b.conv2d("conv", x, Conv2d::new(1, 4, 1).bias(false));
        let z = b.conv2d("conv2", y, Conv2d::new(4, 4, 1).bias(false));
        let s = b.add("add", y, z);
        b.output(s);
        let graph = b.build().unwrap();
        let cost = |precision| Cost::of(&graph, &[Shape::from([2, 1, 3, 5])], precision).unwrap();
        // The input (30) is written and read; y (120) is written, and read by conv2 and the sum; z.
        let elements = 30 + (30 + 120) + (120 + 120) + 120;
        let weights = 4 + 16;
        assert_eq!(cost(Precision::F32).bytes, 4 * (elements + weights));
        assert_eq!(cost(Precision::F16).bytes, 2 * (elements + weights));
        assert_eq!(cost(Precision::F32).operations, 2 * (30 * 4 + 30 * 16));
    }
}
