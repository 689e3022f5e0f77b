//! The theoretical cost of a pass: its arithmetic, and the minimum memory traffic.

use shadernet::Result;
use shadernet::gpu::Precision;
use shadernet::graph::{Graph, Op};
use shadernet::tensor::Shape;

/// The cost of a pass if everything that can be fused is fused.
pub struct Cost {
    /// Two for each multiplication of convolutions and fully connected layers.
    pub operations: u64,
    /// Bytes of weights, read once, and of values, written once and read once by each node that uses them.
    pub bytes: u64,
}

impl Cost {
    /// The cost of one pass with these input shapes.
    ///
    /// What can be fused into another layer costs nothing: batch norm and activations, one operand and the
    /// result of an addition, and concatenating or slicing channels.
    pub fn new(graph: &Graph, inputs: &[Shape], precision: Precision) -> Result<Self> {
        let shapes = graph.infer(inputs)?;
        let mut elements = 0;
        for (value, node) in graph.values() {
            let len = |i: usize| shapes[i].len() as u64;
            let operands = node.inputs().iter().map(|v| len(v.index()));
            elements += match node.op() {
                Op::BatchNorm2d(_)
                | Op::LayerScale(_)
                | Op::Activation(_)
                | Op::Dropout
                | Op::Flatten(_) => 0,
                Op::Concat(_) | Op::SliceChannels(_) | Op::Unflatten(_) => 0,
                Op::Binary(_) => operands.skip(1).sum(),
                _ => operands.sum::<u64>() + len(value.index()),
            };
        }
        let summary = graph.summary(inputs)?;
        // An element of a buffer holds four channels.
        let bytes = precision.element_bytes() / 4;
        Ok(Self {
            operations: 2 * summary.multiplications,
            bytes: bytes * (elements + summary.weight_bytes / 4),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shadernet::graph::{Conv2d, GraphBuilder};

    #[test]
    fn fusible_operators_cost_nothing() {
        let mut b = GraphBuilder::new("g");
        let x = b.image_input("input", 1);
        let y = b.conv2d("conv", x, Conv2d::new(1, 4, 1).bias(false));
        let z = b.conv2d("conv2", y, Conv2d::new(4, 4, 1).bias(false));
        let s = b.add("add", y, z);
        b.output(s);
        let graph = b.build().unwrap();
        let cost = |precision| Cost::new(&graph, &[Shape::from([2, 1, 3, 5])], precision).unwrap();
        // The input (30) is written and read; y (120) is written, and read by conv2 and the sum; z.
        let elements = 30 + (30 + 120) + (120 + 120) + 120;
        let weights = 4 + 16;
        assert_eq!(cost(Precision::F32).bytes, 4 * (elements + weights));
        assert_eq!(cost(Precision::F16).bytes, 2 * (elements + weights));
        assert_eq!(cost(Precision::F32).operations, 2 * (30 * 4 + 30 * 16));
    }
}
