//! Embedding: rows of a table, looked up by token ids.

use super::weight::split;
use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::EMBEDDING;
use crate::gpu::uniform::uniforms;
use crate::graph::Embedding;

uniforms! {
    struct Params for EMBEDDING {
        output: TensorView,
        rows: u32,
        first_row: u32,
        end_row: u32,
        missing: f32,
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: &Embedding) -> Result<Vec<Dispatch>> {
    let (rows, dim) = (op.num_embeddings, op.dim);
    let padded = dim.next_multiple_of(4);
    let row_bytes = padded as u64 / 4 * context.device.precision.element_bytes();
    let mut steps = Vec::new();
    for part in split(context.device, &context.node.name, rows, row_bytes)? {
        let params = Params {
            output: context.output,
            rows: rows as u32,
            first_row: part.start as u32,
            end_row: part.end as u32,
            missing: f32::NAN,
        };
        let range = part.clone();
        let layout = format!("embedding {part:?}");
        let table = context.weight(&layout, part.len() * padded, move |weights, name| {
            let values = weights.read_range(name, range.start * dim..range.end * dim)?;
            let mut packed = vec![0.0; range.len() * padded];
            for (packed, values) in packed.chunks_mut(padded).zip(values.chunks(dim)) {
                packed[..dim].copy_from_slice(values);
            }
            Ok(packed)
        });
        let reads = vec![Read::Input(0), table];
        steps.push(context.per_element(&EMBEDDING, &params, reads, NO_LOOPS)?);
    }
    Ok(steps)
}
