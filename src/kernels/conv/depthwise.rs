//! Depthwise convolution: one filter per channel.

use std::borrow::Cow;
use std::ops::Range;

use super::super::epilogue::{Epilogue, EpilogueParams};
use super::super::loop_iterations::{SumPart, plain, split_sum};
use super::super::{Dispatch, LoweringContext, Read, TensorView};
use super::filter::{Filter, Kernels};
use super::problem::{ConvProblem, TransposedConvProblem};
use super::window::Window;
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{CONV2D_DEPTHWISE, CONV2D_DEPTHWISE_ROW, CONV2D_DEPTHWISE_TRANSPOSED};

/// Output pixels per invocation of `conv2d_depthwise_row.wgsl`.
const COLUMNS: u32 = 4;

uniforms! {
    struct Params for CONV2D_DEPTHWISE, CONV2D_DEPTHWISE_ROW, CONV2D_DEPTHWISE_TRANSPOSED {
        input: TensorView,
        output: TensorView,
        window: Window,
        epilogue: EpilogueParams,
    }
}

/// The shader of a depthwise convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DepthwiseShader {
    /// One output element per invocation, for all settings: `conv2d_depthwise.wgsl`.
    Element,
    /// Several pixels of a row per invocation: `conv2d_depthwise_row.wgsl`.
    Row { kernel: u32, stride: u32 },
}

impl DepthwiseShader {
    /// The shader for rows where it has this kernel and stride. Only sizes that are common in networks
    /// have it, since every size is one more pipeline to compile.
    pub fn select(problem: &ConvProblem) -> Self {
        let kernel = [3, 5]
            .into_iter()
            .find(|&k| problem.filter.kernel == [k, k]);
        let stride = [1, 2].into_iter().find(|&s| problem.stride == [s, s]);
        match (kernel, stride) {
            (Some(kernel), Some(stride)) if problem.dilation == [1, 1] => Self::Row {
                kernel: kernel as u32,
                stride: stride as u32,
            },
            _ => Self::Element,
        }
    }
}

pub(super) fn dispatches(
    context: &LoweringContext,
    problem: &ConvProblem,
    filter: &Filter,
    shader: DepthwiseShader,
) -> Result<Vec<Dispatch>> {
    let layout = format!("depthwise{}", filter.order_suffix());
    let kernel = problem.filter.kernel;
    let dispatch = |part: SumPart| {
        let taps = tap_range(kernel, &part);
        let weight = weight(
            context,
            filter,
            &layout,
            &taps,
            |kernels, channel, input| kernels.in_window_order(channel, input),
        );
        let window = problem.window().part(&part);
        let (params, reads, epilogue) = common(context, filter, window, weight, &part);
        let iterations = plain(part.window());
        let dispatch = match shader {
            DepthwiseShader::Element => {
                context.per_element(&CONV2D_DEPTHWISE, &params, reads, iterations)?
            }
            DepthwiseShader::Row { kernel, stride } => {
                let output = &context.output;
                let strips =
                    u64::from(output.batch * output.height * output.width.div_ceil(COLUMNS));
                let count = strips * u64::from(output.c4);
                let grid = context.device.flat_grid(&context.node.name, count)?;
                (context.device)
                    .dispatch(&CONV2D_DEPTHWISE_ROW, &params, reads, grid, iterations)
                    .constant("KERNEL", kernel)
                    .constant("STRIDE", stride)
            }
        };
        Ok(epilogue.select(dispatch))
    };
    parts(context, kernel).into_iter().map(dispatch).collect()
}

/// A transposed convolution of any stride. What is cut off before is its window's padding.
pub(super) fn transposed_dispatches(
    context: &LoweringContext,
    problem: &TransposedConvProblem,
    filter: &Filter,
) -> Result<Vec<Dispatch>> {
    let kernel = problem.filter.kernel;
    let window = Window {
        kernel: kernel.map(|v| v as u32),
        stride: problem.stride.map(|v| v as u32),
        dilation: problem.dilation.map(|v| v as u32),
        padding: problem.cut.map(|v| v as u32),
    };
    let dispatch = |part: SumPart| {
        let taps = tap_range(kernel, &part);
        // With one filter per channel both orders of dimensions are the same: a convolution and its
        // gradient share the packed weight.
        let weight = weight(
            context,
            filter,
            "depthwise",
            &taps,
            |kernels, channel, input| Cow::Borrowed(kernels.get(channel, input)),
        );
        let (params, reads, epilogue) = common(context, filter, window.part(&part), weight, &part);
        let iterations = plain(part.window());
        let shader = &CONV2D_DEPTHWISE_TRANSPOSED;
        let dispatch = context.per_element(shader, &params, reads, iterations)?;
        Ok(epilogue.select(dispatch))
    };
    parts(context, kernel).into_iter().map(dispatch).collect()
}

/// The parts of a sum over `kernel`: whole rows where there are several, so that a part's taps are contiguous.
fn parts(context: &LoweringContext, kernel: [usize; 2]) -> Vec<SumPart> {
    let limit = context.device.max_loop_iterations;
    split_sum(kernel, 1, limit, |window, _| plain(window))
}

/// A part's taps. They are contiguous: several rows are whole.
fn tap_range([_, width]: [usize; 2], part: &SumPart) -> Range<usize> {
    let first = part.rows.start * width + part.columns.start;
    first..first + part.rows.len() * part.columns.len()
}

fn common(
    context: &LoweringContext,
    filter: &Filter,
    window: Window,
    weight: Read,
    part: &SumPart,
) -> (Params, Vec<Read>, Epilogue) {
    let epilogue = Epilogue::of_part(context, part);
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        window,
        epilogue: epilogue.params,
    };
    let len = filter.groups.next_multiple_of(4);
    let bias = match part.is_first {
        true => context.bias(&filter.folding, len),
        false => context.zeros(len),
    };
    let residual = epilogue.read(&bias);
    (
        params,
        vec![Read::Input(0), weight, bias, residual],
        epilogue,
    )
}

/// The weights of `taps`, packed as `[ky][kx][channels]`, with the taps in the order in which `kernel` returns them.
fn weight(
    context: &LoweringContext,
    filter: &Filter,
    layout: &str,
    taps: &Range<usize>,
    kernel: impl for<'a> Fn(&'a Kernels<'_>, usize, usize) -> Cow<'a, [f32]> + Send + Sync + 'static,
) -> Read {
    let filter = filter.clone();
    let channels = filter.groups;
    let padded = channels.next_multiple_of(4);
    let layout = match taps.len() == filter.taps() {
        true => layout.to_owned(),
        false => format!("{layout} of taps {taps:?}"),
    };
    let taps = taps.clone();
    context.weight(&layout, taps.len() * padded, move |weights, name| {
        let kernels = filter.read(weights, name, 0..channels)?;
        let mut packed = vec![0.0; taps.len() * padded];
        for channel in 0..channels {
            for (tap, value) in kernel(&kernels, channel, 0)[taps.clone()]
                .iter()
                .enumerate()
            {
                packed[tap * padded + channel] = *value;
            }
        }
        Ok(packed)
    })
}
