//! Builds a graph from a list of layers, as in a Darknet configuration file.

use super::local::Local;
use super::shortcut;
use crate::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Conv2d, GraphBuilder, Linear, Pad2d, Pool2d, Reorg,
    SliceChannels, Upsample, ValueId,
};

/// The slope of Darknet's `leaky`.
pub(crate) const LEAKY: Activation = Activation::LeakyRelu { slope: 0.1 };

/// One section of a configuration file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Layer {
    /// `[convolutional]`.
    Conv(Conv),
    /// `[maxpool]`. `padding` is the sum of the padding before and after, `size - 1` by default; the map
    /// then keeps its size at stride 1.
    MaxPool {
        size: usize,
        stride: usize,
        padding: usize,
    },
    /// `[avgpool]`: the mean of each channel.
    AvgPool,
    /// `[local]`.
    Local(Local),
    /// `[crop]`: the center of the image, as large as this.
    Crop { height: usize, width: usize },
    /// `[route]`.
    Route(Route),
    /// `[shortcut]`: the sum of the previous layer's output and this layer's, then the activation. The sum has
    /// the size of the previous layer's output.
    Shortcut(LayerRef, Option<Activation>),
    /// `[upsample]`: nearest-neighbor upsampling by `stride` in both directions.
    Upsample { stride: usize },
    /// `[reorg]`: space-to-depth in Darknet's own order.
    Reorg { stride: usize },
    /// `[connected]`: a fully connected layer.
    Connected {
        outputs: usize,
        /// Whether a batch norm replaces the bias.
        batch_normalize: bool,
        activation: Option<Activation>,
    },
    /// `[yolo]`, `[region]` or `[detection]`: its input is an output of the network.
    Head,
    /// `[dropout]`, and `[softmax]`, which the reader of the logits applies: returns its input.
    Identity,
}

/// `[route]`: the outputs of some layers, concatenated along the channels. With groups, each output is split into
/// as many parts, of which the one with this index is taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub from: Vec<LayerRef>,
    pub groups: usize,
    pub group: usize,
}

impl<const N: usize> From<[LayerRef; N]> for Route {
    /// Whole outputs.
    fn from(from: [LayerRef; N]) -> Self {
        Self {
            from: from.to_vec(),
            groups: 1,
            group: 0,
        }
    }
}

/// The index of a layer. Negative numbers count back from the layer that refers to it.
pub(crate) type LayerRef = isize;

/// `[convolutional]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conv {
    pub filters: usize,
    pub size: usize,
    pub stride: usize,
    /// Zeros on all four sides.
    pub padding: usize,
    pub groups: usize,
    /// Whether a batch norm replaces the bias.
    pub batch_normalize: bool,
    /// `None` is Darknet's `linear`.
    pub activation: Option<Activation>,
}

impl Conv {
    /// The usual settings: padding of half the kernel, batch norm and leaky ReLU.
    pub fn new(filters: usize, size: usize) -> Self {
        Self {
            filters,
            size,
            stride: 1,
            padding: size / 2,
            groups: 1,
            batch_normalize: true,
            activation: Some(LEAKY),
        }
    }
}

/// Why a list of layers does not form a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The layer's index.
    pub layer: usize,
    /// What was expected and what was found.
    pub reason: String,
}

/// The most channels, rows or columns that a layer may output: far more than in any network, and few
/// enough that products of two do not overflow.
const MAX_EXTENT: usize = 1 << 24;

/// Adds `layers` after `image` and returns the inputs of the heads, or the last layer's output if there
/// is no head. `size` is the channels, height and width of `image`; only fully connected layers depend
/// on height and width.
pub(crate) fn build_layers(
    b: &mut GraphBuilder,
    image: ValueId,
    size: [usize; 3],
    layers: &[Layer],
) -> Result<Vec<ValueId>, Misfit> {
    let mut done: Vec<Output> = Vec::with_capacity(layers.len());
    let mut heads = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        let misfit = |reason: String| Misfit { layer: i, reason };
        let before = done
            .last()
            .copied()
            .unwrap_or(Output { value: image, size });
        let earlier = |layer: LayerRef| {
            let index = match layer < 0 {
                true => layer.saturating_add_unsigned(i),
                false => layer,
            };
            let found = usize::try_from(index)
                .ok()
                .and_then(|index| done.get(index));
            found.copied().ok_or_else(|| {
                misfit(format!(
                    "it refers to layer {index}, but only those before it, 0..{i}, can be used"
                ))
            })
        };
        let output = match layer {
            Layer::Conv(conv) => conv.build(b, i, before).map_err(misfit)?,
            Layer::MaxPool {
                size,
                stride,
                padding,
            } => max_pool(b, i, before, [*size, *stride, *padding]).map_err(misfit)?,
            Layer::AvgPool => Output {
                value: b.adaptive_avg_pool2d(name(i), before.value, AdaptiveAvgPool2d::new(1, 1)),
                size: [before.size[0], 1, 1],
            },
            Layer::Local(local) => local.build(b, i, before).map_err(misfit)?,
            Layer::Crop { height, width } => {
                crop(b, i, before, [*height, *width]).map_err(misfit)?
            }
            Layer::Route(route) => {
                let from = route.from.iter().map(|&layer| earlier(layer));
                let from: Vec<Output> = from.collect::<Result<_, _>>()?;
                route.build(b, i, from).map_err(misfit)?
            }
            Layer::Shortcut(from, activation) => {
                let sum = shortcut::add(b, i, before, earlier(*from)?).map_err(misfit)?;
                sum.with(activate(b, i, sum.value, *activation))
            }
            Layer::Upsample { stride } => {
                let op = Upsample::nearest(*stride as f64);
                let [c, h, w] = before.size;
                Output {
                    value: b.node(name(i), op, &[before.value]),
                    size: [c, h.saturating_mul(*stride), w.saturating_mul(*stride)],
                }
            }
            Layer::Reorg { stride } => reorg(b, i, before, *stride).map_err(misfit)?,
            Layer::Connected {
                outputs,
                batch_normalize,
                activation,
            } => {
                let flat = b.flatten(format!("{}.flatten", name(i)), before.value);
                let features = before
                    .size
                    .iter()
                    .fold(1_usize, |n, &d| n.saturating_mul(d));
                let op = Linear::new(features, *outputs).bias(!batch_normalize);
                let mut x = b.linear(format!("{}.fc", name(i)), flat, op);
                if *batch_normalize {
                    x = b.batch_norm(format!("{}.bn", name(i)), x, BatchNorm2d::new(*outputs));
                }
                Output {
                    value: activate(b, i, x, *activation),
                    size: [*outputs, 1, 1],
                }
            }
            Layer::Head => {
                heads.push(before.value);
                before
            }
            Layer::Identity => before.with(b.dropout(name(i), before.value)),
        };
        if let [c, h, w] = output.size
            && c.max(h).max(w) > MAX_EXTENT
        {
            return Err(misfit(format!(
                "its output of {c} channels, {w}x{h}, has more than {MAX_EXTENT} along one dimension"
            )));
        }
        done.push(output);
    }
    if heads.is_empty() {
        heads.extend(done.last().map(|output| output.value));
    }
    Ok(heads)
}

/// The output of a layer.
#[derive(Clone, Copy)]
pub(super) struct Output {
    pub value: ValueId,
    /// Channels, height and width.
    pub size: [usize; 3],
}

impl Output {
    pub fn with(self, value: ValueId) -> Self {
        Self { value, ..self }
    }
}

impl Conv {
    fn build(&self, b: &mut GraphBuilder, i: usize, x: Output) -> Result<Output, String> {
        let [c, h, w] = x.size;
        let op = Conv2d::new(c, self.filters, self.size)
            .stride(self.stride)
            .padding(self.padding)
            .groups(self.groups)
            .bias(!self.batch_normalize);
        let extent = |size: usize| {
            let padded = size.saturating_add(self.padding.saturating_mul(2));
            let room = padded.checked_sub(self.size)?;
            Some(room.checked_div(self.stride)?.saturating_add(1))
        };
        let (Some(out_h), Some(out_w)) = (extent(h), extent(w)) else {
            return Err(format!(
                "its {}x{} kernel, stride {}, does not fit an input of {w}x{h}",
                self.size, self.size, self.stride
            ));
        };
        let mut y = b.conv2d(format!("{}.conv", name(i)), x.value, op);
        if self.batch_normalize {
            y = b.batch_norm(format!("{}.bn", name(i)), y, BatchNorm2d::new(self.filters));
        }
        Ok(Output {
            value: activate(b, i, y, self.activation),
            size: [self.filters, out_h, out_w],
        })
    }
}

/// Leaves out padding that no window reaches: 2x2 windows over a map of even size need none.
fn max_pool(
    b: &mut GraphBuilder,
    i: usize,
    x: Output,
    settings: [usize; 3],
) -> Result<Output, String> {
    let [size, stride, padding] = settings;
    let [c, h, w] = x.size;
    let extent = |n: usize| n.checked_sub(size)?.checked_div(stride)?.checked_add(1);
    let padded = [h, w].map(|n| extent(n.saturating_add(padding)));
    let before = padding / 2;
    let mut op = Pool2d::max(size, stride);
    if before > 0 || padded != [h, w].map(extent) {
        let after = padding.saturating_sub(before);
        op = op.padding([before, after, before, after]);
    }
    let [Some(out_h), Some(out_w)] = padded else {
        return Err(format!(
            "its {size}x{size} window, stride {stride}, does not fit an input of {w}x{h}"
        ));
    };
    Ok(Output {
        value: b.pool2d(name(i), x.value, op),
        size: [c, out_h, out_w],
    })
}

impl Route {
    fn build(
        &self,
        b: &mut GraphBuilder,
        i: usize,
        mut from: Vec<Output>,
    ) -> Result<Output, String> {
        if self.groups == 1 {
            return join(b, i, &from);
        }
        let single = from.len() == 1;
        for (k, output) in from.iter_mut().enumerate() {
            let channels = output.size[0];
            let part = channels.checked_div(self.groups).unwrap_or(0);
            if part == 0 || !channels.is_multiple_of(self.groups) || self.group >= self.groups {
                return Err(format!(
                    "it takes group {} of {} from {channels} channels; groups must divide them, and group_id \
                     be below groups",
                    self.group, self.groups
                ));
            }
            // Below the number of channels, as the group is below the number of groups.
            let start = part.saturating_mul(self.group);
            let op = SliceChannels::from(start..start.saturating_add(part));
            let part_name = match single {
                true => name(i),
                false => format!("{}.{k}", name(i)),
            };
            output.value = b.node(part_name, op, &[output.value]);
            output.size[0] = part;
        }
        join(b, i, &from)
    }
}

/// The center, rounded down as in Darknet's `forward_crop_layer`.
fn crop(b: &mut GraphBuilder, i: usize, x: Output, to: [usize; 2]) -> Result<Output, String> {
    let [c, h, w] = x.size;
    let (Some(rows), Some(columns)) = (h.checked_sub(to[0]), w.checked_sub(to[1])) else {
        return Err(format!(
            "it crops to {}x{}, more than its input of {w}x{h}",
            to[1], to[0]
        ));
    };
    let sides = [rows, columns].map(|excess| [excess / 2, excess.div_ceil(2)]);
    let [[top, bottom], [left, right]] = sides;
    let op = Pad2d::crop([top, bottom, left, right])?;
    Ok(Output {
        value: b.node(name(i), op, &[x.value]),
        size: [c, to[0], to[1]],
    })
}

/// Concatenates outputs.
fn join(b: &mut GraphBuilder, i: usize, from: &[Output]) -> Result<Output, String> {
    let [first, rest @ ..] = from else {
        return Err("it names no layer".to_owned());
    };
    let [_, h, w] = first.size;
    if let Some(other) = rest.iter().find(|o| o.size[1..] != first.size[1..]) {
        let [_, other_h, other_w] = other.size;
        return Err(format!(
            "it joins maps of {w}x{h} and {other_w}x{other_h}; they must have one size"
        ));
    }
    if rest.is_empty() {
        return Ok(*first);
    }
    let channels = (from.iter()).fold(0_usize, |sum, o| sum.saturating_add(o.size[0]));
    let values: Vec<ValueId> = from.iter().map(|o| o.value).collect();
    Ok(Output {
        value: b.concat(name(i), &values),
        size: [channels, h, w],
    })
}

fn reorg(b: &mut GraphBuilder, i: usize, x: Output, stride: usize) -> Result<Output, String> {
    let [c, h, w] = x.size;
    let squared = stride.saturating_mul(stride);
    if stride == 0 || !c.is_multiple_of(squared) {
        return Err(format!(
            "its stride {stride} squared must divide its {c} input channels"
        ));
    }
    let extent = |n: usize| n.checked_div(stride).unwrap_or(0);
    Ok(Output {
        value: b.node(name(i), Reorg { stride }, &[x.value]),
        size: [c.saturating_mul(squared), extent(h), extent(w)],
    })
}

pub(super) fn activate(
    b: &mut GraphBuilder,
    i: usize,
    x: ValueId,
    activation: Option<Activation>,
) -> ValueId {
    match activation {
        Some(activation) => b.activation(format!("{}.act", name(i)), x, activation),
        None => x,
    }
}

pub(super) fn name(i: usize) -> String {
    format!("layers.{i}")
}

#[cfg(test)]
mod tests;
