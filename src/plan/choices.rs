//! The convolutions of a graph that several algorithms can compute.

use super::selections::Selections;
use crate::error::Result;
use crate::graph::{Conv2d, Graph, Node, Op};
use crate::kernels::{self, Choice, DeviceContext};
use crate::passes::{self, PassOptions};
use crate::tensor::Shape;

/// A convolution of an optimized graph.
#[derive(Debug)]
pub struct ConvLayer {
    /// The node.
    pub node: Node,
    /// Its operator.
    pub op: Conv2d,
    /// Shapes of its inputs; where it adds a residual, that comes last.
    pub inputs: Vec<Shape>,
    /// The algorithms that can compute it.
    pub choice: Choice,
}

/// Those of `graph` after `passes`, in order.
///
/// # Errors
/// As [`Graph::infer`].
pub(crate) fn conv_layers(
    graph: &Graph,
    inputs: &[Shape],
    passes: &PassOptions,
    device: &DeviceContext,
) -> Result<Vec<ConvLayer>> {
    let (graph, _) = passes::optimize(graph, inputs, passes)?;
    let shapes = graph.infer(inputs)?;
    let selected = Selections::new(&graph, shapes, device);
    let mut layers = Vec::new();
    for (value, node) in graph.values() {
        let Op::Conv2d(op) = &node.op else {
            continue;
        };
        let Some(choice) = kernels::choice(&selected.selections[value.index()], device) else {
            continue;
        };
        let inputs = node.inputs.iter();
        layers.push(ConvLayer {
            node: node.clone(),
            op: op.clone(),
            inputs: inputs
                .map(|input| selected.shapes[input.index()].clone())
                .collect(),
            choice,
        });
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ConvAlgorithm;
    use crate::zoo::{self, ZooOptions};

    /// What tuning goes by. For ResNet-50, a few of the tiles and splits are estimated to be nearly as fast as the best.
    #[test]
    fn the_selected_algorithm_has_the_least_estimate() {
        let architecture = zoo::find("resnet50").unwrap();
        let graph = architecture.build(&ZooOptions::default()).unwrap();
        let inputs = architecture.input_shapes(1, &ZooOptions::default());
        let device = DeviceContext::assumed(wgpu::Limits::default());
        let layers = conv_layers(&graph, &inputs, &PassOptions::default(), &device).unwrap();
        let (mut tiles, mut near) = (0, 0);
        for layer in &layers {
            let choice = &layer.choice;
            let selected = choice.estimates[&choice.selected];
            // Winograd's convolution is not selected for few tiles, whatever its estimate.
            let of_tiles = (choice.estimates.iter())
                .filter(|(kernel, _)| matches!(kernel, ConvAlgorithm::Tiled { .. }))
                .map(|(_, cycles)| *cycles);
            let least = of_tiles.clone().min().unwrap();
            assert!(selected <= least, "{choice:?}");
            assert!(!choice.estimates.contains_key(&ConvAlgorithm::Direct));
            tiles += of_tiles.clone().count();
            near += of_tiles.filter(|&cycles| cycles <= 2 * least).count();
        }
        println!(
            "{near} of {tiles} tiles of {} layers are near",
            layers.len()
        );
        assert!(3 * near < 2 * tiles, "{near} of {tiles}");
    }
}
