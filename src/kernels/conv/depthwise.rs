//! One kernel a channel.

use std::borrow::Cow;

use super::super::epilogue::{Epilogue, EpilogueParams};
use super::super::{Dispatch, NodeContext, Read, TensorView};
use super::geometry::{ConvProblem, Filter, Kernels, Window};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{CONV2D_DEPTHWISE, CONV2D_DEPTHWISE_ROW, CONV2D_DEPTHWISE_TRANSPOSED};
use crate::graph::{Conv2d, ConvTranspose2d};

/// Pixels an invocation of `conv2d_depthwise_row.wgsl`.
const COLUMNS: u32 = 4;

uniforms! {
    struct Params for CONV2D_DEPTHWISE, CONV2D_DEPTHWISE_ROW, CONV2D_DEPTHWISE_TRANSPOSED {
        input: TensorView,
        output: TensorView,
        window: Window,
        epilogue: EpilogueParams,
    }
}

pub(super) fn dispatch(context: &NodeContext, conv: &ConvProblem) -> Result<Dispatch> {
    let layout = format!("depthwise{}", conv.filter.form());
    let weight = weight(context, &conv.filter, &layout, |kernels, channel, input| {
        kernels.in_order(channel, input)
    });
    let (params, reads, epilogue) = common(context, &conv.filter, conv.part.window, weight);
    let dispatch = match in_rows(&conv.op) {
        None => context.per_element(&CONV2D_DEPTHWISE, &params, reads)?,
        Some([kernel, stride]) => {
            let output = &context.output;
            let strips = u64::from(output.batch * output.height * output.width.div_ceil(COLUMNS));
            let count = strips * u64::from(output.groups);
            let grid = context.device.flat_grid(&context.node.name, count)?;
            (context.device)
                .dispatch(&CONV2D_DEPTHWISE_ROW, &params, reads, grid)
                .constant("KERNEL", kernel)
                .constant("STRIDE", stride)
        }
    };
    Ok(epilogue.select(dispatch))
}

/// A transposed convolution, whatever its stride; what is cut off before is its window's padding.
pub(super) fn transposed_dispatch(context: &NodeContext, op: &ConvTranspose2d) -> Result<Dispatch> {
    let filter = Filter::transposed(context, op);
    let [top, _, left, _] = context.node.fused.crop;
    let window = Window {
        kernel: op.kernel.map(|v| v as u32),
        stride: op.stride.map(|v| v as u32),
        dilation: op.dilation.map(|v| v as u32),
        padding: [op.padding[0] + top, op.padding[1] + left].map(|v| v as u32),
    };
    // One kernel a channel lies alike whichever way round: a convolution and its gradient share it.
    let weight = weight(context, &filter, "depthwise", |kernels, channel, input| {
        Cow::Borrowed(kernels.get(channel, input))
    });
    let (params, reads, epilogue) = common(context, &filter, window, weight);
    let dispatch = context.per_element(&CONV2D_DEPTHWISE_TRANSPOSED, &params, reads)?;
    Ok(epilogue.select(dispatch))
}

fn common(
    context: &NodeContext,
    filter: &Filter,
    window: Window,
    weight: Read,
) -> (Params, Vec<Read>, Epilogue) {
    let epilogue = Epilogue::of(context);
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        window,
        epilogue: epilogue.params,
    };
    let bias = context.bias(&filter.folding, filter.groups.next_multiple_of(4));
    let residual = epilogue.read(&bias);
    (
        params,
        vec![Read::Input(0), weight, bias, residual],
        epilogue,
    )
}

/// The kernels, `[ky][kx][channels]`, their taps in the order in which `kernel` has them.
fn weight(
    context: &NodeContext,
    filter: &Filter,
    layout: &str,
    kernel: impl for<'a> Fn(&'a Kernels<'_>, usize, usize) -> Cow<'a, [f32]> + Send + Sync + 'static,
) -> Read {
    let filter = filter.clone();
    let channels = filter.groups;
    let padded = channels.next_multiple_of(4);
    let taps = filter.taps();
    context.weight(layout, taps * padded, move |weights, name| {
        let kernels = filter.read(weights, name, 0..channels)?;
        let mut packed = vec![0.0; taps * padded];
        for channel in 0..channels {
            for (tap, value) in kernel(&kernels, channel, 0).iter().enumerate() {
                packed[tap * padded + channel] = *value;
            }
        }
        Ok(packed)
    })
}

/// Kernel and stride, where the shader for several pixels an invocation has them: sizes beyond those
/// that networks use would be more pipelines to compile.
pub(super) fn in_rows(op: &Conv2d) -> Option<[u32; 2]> {
    let kernel = [3, 5].into_iter().find(|&k| op.kernel == [k, k])?;
    let stride = [1, 2].into_iter().find(|&s| op.stride == [s, s])?;
    (op.dilation == [1, 1]).then_some([kernel as u32, stride as u32])
}
