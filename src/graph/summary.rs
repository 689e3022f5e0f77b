//! Sizes, costs and receptive fields of a network. Needs no weights and no device.

use super::{Graph, Op, Places, peak};
use crate::error::Result;
use crate::tensor::Shape;

/// The part of an operator's input that one output pixel depends on, for receptive fields.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reach {
    /// The input pixel at the same position.
    Pixel,
    /// A window that slides over the map.
    Window {
        /// Height and width in input pixels, gaps from dilation included.
        size: [usize; 2],
        /// Vertical and horizontal step.
        stride: [usize; 2],
    },
    /// A window, with output pixels closer together than input pixels.
    Upsampled {
        /// Height and width in input pixels.
        size: [usize; 2],
        /// Output pixels per input pixel, vertically and horizontally.
        factor: [f64; 2],
    },
    /// The whole map.
    Whole,
}

/// The receptive field of a value in the network's input, as computed in Araujo et al. 2019 ("Computing
/// receptive fields of convolutional neural networks").
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReceptiveField {
    /// Height and width in input pixels; `None` if it is the whole input.
    pub size: Option<[f64; 2]>,
    /// Input pixels between neighboring pixels of the value, vertically and horizontally.
    pub jump: [f64; 2],
}

/// One node of a [`Summary`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LayerSummary {
    /// The node's name.
    pub name: String,
    /// The name of its operator in PyTorch.
    pub kind: &'static str,
    /// The shape of its output.
    pub output: Shape,
    /// Height and width of its window, if it has one.
    pub kernel: Option<[usize; 2]>,
    /// Vertical and horizontal stride, if it has a window.
    pub stride: Option<[usize; 2]>,
    /// `[top, bottom, left, right]`, if it has a window.
    pub padding: Option<[usize; 4]>,
    /// Number of learnable elements.
    pub parameters: u64,
    /// Multiplications of one pass, in convolutions and fully connected layers.
    pub multiplications: u64,
    /// The receptive field of its output.
    pub receptive_field: ReceptiveField,
}

/// Sizes and costs of a network, see [`Graph::summary`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Every node but inputs and dropout, in execution order.
    pub layers: Vec<LayerSummary>,
    /// Number of learnable elements.
    pub parameters: u64,
    /// Number of learnable elements of fully connected layers.
    pub linear_parameters: u64,
    /// Multiplications of one pass, in convolutions and fully connected layers.
    pub multiplications: u64,
    /// Bytes of all weights in float32, running statistics included.
    pub weight_bytes: u64,
    /// Bytes in float32 of the largest set of values that must be alive at the same time.
    pub activation_bytes: u64,
    /// The largest receptive field of any value whose field is not the whole input.
    pub receptive_field: [f64; 2],
}

/// The window of an operator, if it has one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Geometry {
    kernel: Option<[usize; 2]>,
    stride: Option<[usize; 2]>,
    /// Top, bottom, left, right.
    pub(super) padding: Option<[usize; 4]>,
}

impl Geometry {
    pub(super) fn of(op: &Op, input: Option<&Shape>) -> Self {
        let [_, _, h, w] = input.map_or([1; 4], Shape::nchw);
        let (kernel, stride, padding) = match op {
            Op::Conv2d(op) => (op.kernel, op.stride, op.padding_for([h, w])),
            Op::Pool2d(op) => (op.kernel, op.stride, op.padding_for([h, w])),
            Op::ConvTranspose2d(op) => {
                let [y, x] = op.padding;
                (op.kernel, op.stride, [y, y, x, x])
            }
            _ => return Self::default(),
        };
        Self {
            kernel: Some(kernel),
            stride: Some(stride),
            padding: Some(padding),
        }
    }
}

impl Graph {
    /// Sizes, costs and receptive fields for inputs of these shapes.
    ///
    /// # Errors
    /// As [`Graph::infer`].
    pub fn summary(&self, inputs: &[Shape]) -> Result<Summary> {
        let shapes = self.infer(inputs)?;
        let mut fields: Vec<ReceptiveField> = Vec::with_capacity(shapes.len());
        let mut layers = Vec::new();
        let mut linear_parameters = 0;
        for (value, node) in self.values() {
            let output = &shapes[value.index()];
            let operands: Vec<&Shape> = node.inputs.iter().map(|v| &shapes[v.index()]).collect();
            let operator = node.op.as_operator();
            let inputs: Vec<ReceptiveField> =
                node.inputs.iter().map(|v| fields[v.index()]).collect();
            let field = match operands.is_empty() {
                true => ReceptiveField {
                    size: Some([1.0; 2]),
                    jump: [1.0; 2],
                },
                false => widest(&inputs).through(operator.reach(&operands, output)),
            };
            fields.push(field);
            if matches!(node.op, Op::Input(_) | Op::Dropout) {
                continue;
            }
            let parameters = (operator.parameters().iter())
                .filter(|p| p.learnable)
                .map(|p| p.shape.len() as u64)
                .fold(0, u64::saturating_add);
            if matches!(node.op, Op::Linear(_)) {
                linear_parameters = u64::saturating_add(linear_parameters, parameters);
            }
            let geometry = Geometry::of(&node.op, operands.first().copied());
            layers.push(LayerSummary {
                name: node.name.clone(),
                kind: operator.kind(),
                output: output.clone(),
                kernel: geometry.kernel,
                stride: geometry.stride,
                padding: geometry.padding,
                parameters,
                multiplications: operator.multiplications(&operands, output),
                receptive_field: field,
            });
        }
        let largest = fields.iter().filter_map(|f| f.size);
        Ok(Summary {
            parameters: self.parameter_count(),
            linear_parameters,
            multiplications: (layers.iter())
                .map(|layer| layer.multiplications)
                .fold(0, u64::saturating_add),
            weight_bytes: (self.parameters().iter())
                .map(|p| (p.shape.len() as u64).saturating_mul(4))
                .fold(0, u64::saturating_add),
            activation_bytes: self.live_elements(&shapes).saturating_mul(4),
            receptive_field: largest.fold([1.0; 2], |[h, w], [y, x]| [h.max(y), w.max(x)]),
            layers,
        })
    }

    /// Elements of the largest set of values that are alive at the same time, which is a lower bound for
    /// any memory plan. A value lives from the node that produces it to the last node that reads it, or to
    /// the end if it is an output. Nodes that only rename a value need no memory.
    fn live_elements(&self, shapes: &[Shape]) -> u64 {
        let is_rename = |i: usize| match &self.nodes[i].op {
            Op::Dropout | Op::Flatten(_) | Op::Unflatten(_) => true,
            Op::Rearrange(op) => op.is_reshape(),
            _ => false,
        };
        let Places { roots, .. } = Places::new(&self.nodes, is_rename);
        let lifetimes = self.lifetimes(&roots, &self.outputs);
        let owners = lifetimes.iter().zip(shapes);
        peak(owners.filter_map(|(lifetime, shape)| Some(((*lifetime)?, shape.len() as u64))))
    }
}

/// The receptive field of all inputs of a node together: the largest height and width, with the jump of the
/// first.
fn widest(fields: &[ReceptiveField]) -> ReceptiveField {
    let size = (fields.iter()).try_fold([1.0_f64; 2], |[h, w], field| {
        field.size.map(|[y, x]| [h.max(y), w.max(x)])
    });
    ReceptiveField {
        size,
        // A constant has no inputs.
        jump: fields.first().map_or([1.0; 2], |field| field.jump),
    }
}

impl ReceptiveField {
    /// The field of an operator's output, given its input's.
    fn through(self, reach: Reach) -> Self {
        let grow = |size: [usize; 2]| {
            self.size.map(|[h, w]| {
                [
                    h + (size[0] as f64 - 1.0) * self.jump[0],
                    w + (size[1] as f64 - 1.0) * self.jump[1],
                ]
            })
        };
        let [y, x] = self.jump;
        match reach {
            Reach::Pixel => self,
            Reach::Window { size, stride } => Self {
                size: grow(size),
                jump: [y * stride[0] as f64, x * stride[1] as f64],
            },
            Reach::Upsampled { size, factor } => Self {
                size: grow(size),
                jump: [y / factor[0], x / factor[1]],
            },
            Reach::Whole => Self { size: None, ..self },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Conv2d, GraphBuilder, Pool2d, Upsample};

    #[test]
    fn receptive_fields_accumulate_along_a_chain() {
        let mut b = GraphBuilder::new("g");
        let x = b.image_input("input", 3);
        let x = b.conv2d("conv1", x, Conv2d::new(3, 4, 7).stride(2).padding(3));
        let x = b.pool2d("pool", x, Pool2d::max(3, 2).padding(1));
        let x = b.conv2d("conv2", x, Conv2d::new(4, 4, 3).dilation(2).padding(2));
        let x = b.node("up", Upsample::nearest(2.0), &[x]);
        b.output(x);
        let summary = b
            .build()
            .unwrap()
            .summary(&[Shape::from([1, 3, 64, 64])])
            .unwrap();
        let fields: Vec<_> = (summary.layers.iter())
            .map(|layer| {
                (
                    layer.receptive_field.size.unwrap()[0],
                    layer.receptive_field.jump[0],
                )
            })
            .collect();
        assert_eq!(fields, [(7.0, 2.0), (11.0, 4.0), (27.0, 4.0), (27.0, 2.0)]);
    }

    #[test]
    fn renamed_values_need_no_memory() {
        let mut b = GraphBuilder::new("g");
        let x = b.image_input("input", 1);
        let y = b.conv2d("conv", x, Conv2d::new(1, 2, 1));
        let z = b.conv2d("conv2", y, Conv2d::new(2, 2, 1));
        let s = b.add("add", y, z);
        let f = b.flatten("flat", s);
        b.output(f);
        let summary = b
            .build()
            .unwrap()
            .summary(&[Shape::from([1, 1, 2, 5])])
            .unwrap();
        // y, z and their sum: 3 maps of 20 elements.
        assert_eq!(summary.activation_bytes, 60 * 4);
    }
}
