//! The extents of a graph's inputs and outputs: which of them are free.

use super::super::element_type::ElementType;
use super::super::proto::{
    DimensionProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::attribute::to_int;
use crate::error::{Error, Result};
use crate::graph::{Graph, Input, Op};
use crate::tensor::Shape;

/// Which extents of a graph's inputs are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Free {
    /// The number of images, the first of every shape.
    pub batch: bool,
    /// Height and width, and the lengths of lists.
    pub space: bool,
}

impl Free {
    /// What of `shapes` may be of another size: twice as large.
    pub fn of(graph: &Graph, shapes: &[Shape]) -> Result<Self> {
        graph.infer(shapes)?;
        let takes = |free: Self| {
            let other: Vec<Shape> = (graph.inputs().iter().zip(shapes))
                .map(|(&input, shape)| match graph.node(input).op() {
                    Op::Input(input) => free.doubled(input, shape),
                    _ => shape.clone(),
                })
                .collect();
            other != shapes && graph.infer(&other).is_ok()
        };
        let [batch, space] = [true, false].map(|batch| {
            takes(Self {
                batch,
                space: !batch,
            })
        });
        Ok(Self { batch, space })
    }

    /// Whether the extent of `axis` of an input is free.
    fn is_free(self, input: &Input, axis: usize) -> bool {
        let may_be = match axis {
            0 => self.batch,
            _ => self.space,
        };
        may_be && input.dims().get(axis) == Some(&None)
    }

    /// `shape` with its free extents doubled.
    fn doubled(self, input: &Input, shape: &Shape) -> Shape {
        let dims = shape.dims().iter().enumerate();
        let dims = dims.map(|(axis, &dim)| match self.is_free(input, axis) {
            true => dim.saturating_mul(2),
            false => dim,
        });
        Shape::from(dims.collect::<Vec<usize>>())
    }
}

/// The inputs and outputs of `graph`, the latter under these names, with `shapes` for the inputs' fixed extents.
pub(super) fn inputs_and_outputs(
    graph: &Graph,
    shapes: &[Shape],
    free: Free,
    outputs: &[String],
) -> Result<[Vec<ValueInfoProto>; 2]> {
    let mut inputs = Vec::new();
    let mut larger = Vec::new();
    let mut maps = 0_usize;
    for (&value, shape) in graph.inputs().iter().zip(shapes) {
        let node = graph.node(value);
        let Op::Input(input) = node.op() else {
            return Err(node.error("an input was expected"));
        };
        if shape.rank() == 4 {
            maps = maps.saturating_add(1);
        }
        let dims = shape.dims().iter().enumerate().map(|(axis, &dim)| {
            let name = match (axis, shape.rank()) {
                (0, _) => return (free.is_free(input, axis).then(|| "batch".to_owned()), dim),
                (2, 4) => "height",
                (3, 4) => "width",
                _ => "length",
            };
            // Extents of one name are equal.
            let name = match (name, maps) {
                ("height" | "width", 0 | 1) => name.to_owned(),
                _ => format!("{}_{name}", node.name()),
            };
            (free.is_free(input, axis).then_some(name), dim)
        });
        let dims = dims.map(|(name, dim)| match name {
            Some(_) => DimensionProto {
                dim_param: name,
                ..DimensionProto::default()
            },
            None => fixed(dim),
        });
        let element_type = match input.is_ids() {
            true => ElementType::INT64,
            false => ElementType::FLOAT,
        };
        inputs.push(value_info(node.name(), element_type, dims.collect()));
        larger.push([
            Free {
                space: false,
                ..free
            }
            .doubled(input, shape),
            Free {
                batch: false,
                ..free
            }
            .doubled(input, shape),
        ]);
    }
    let known = graph.infer(shapes)?;
    let [more_images, larger_images] = [0, 1].map(|i| {
        larger
            .iter()
            .map(|pair| pair[i].clone())
            .collect::<Vec<_>>()
    });
    let (more_images, larger_images) = (graph.infer(&more_images)?, graph.infer(&larger_images)?);
    let outputs = graph.outputs().iter().zip(outputs).map(|(value, name)| {
        let of = |shapes: &[Shape]| shapes.get(value.index()).map(|shape| shape.dims().to_vec());
        let (Some(dims), Some(more), Some(larger)) =
            (of(&known), of(&more_images), of(&larger_images))
        else {
            return Err(Error::Inputs(format!("{name} is not a value of the graph")));
        };
        let dims = (dims.iter().zip(&more).zip(&larger).enumerate()).map(
            |(axis, ((&dim, &with_more), &with_larger))| match () {
                () if with_larger != dim => DimensionProto::default(),
                () if with_more == dim => fixed(dim),
                () if axis == 0
                    && Some(with_more) == dim.checked_mul(2)
                    && dim == batch(shapes) =>
                {
                    DimensionProto {
                        dim_param: Some("batch".to_owned()),
                        ..DimensionProto::default()
                    }
                }
                // Free, but not one of the inputs' extents.
                () => DimensionProto::default(),
            },
        );
        Ok(value_info(name, ElementType::FLOAT, dims.collect()))
    });
    let outputs = outputs.collect::<Result<Vec<_>>>()?;
    Ok([inputs, outputs])
}

fn batch(shapes: &[Shape]) -> usize {
    let first = shapes.first().and_then(|shape| shape.dims().first());
    first.copied().unwrap_or(1)
}

fn fixed(dim: usize) -> DimensionProto {
    DimensionProto {
        dim_value: Some(to_int(dim)),
        ..DimensionProto::default()
    }
}

fn value_info(name: &str, element_type: ElementType, dim: Vec<DimensionProto>) -> ValueInfoProto {
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: element_type.0,
                shape: Some(TensorShapeProto { dim }),
            }),
        }),
    }
}
