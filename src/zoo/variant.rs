//! What differs between variants of one architecture: [`ZooOptions`] applied to the network that a family's
//! definition built. The names and rules are those of timm's constructors.

use std::fmt;
use std::str::FromStr;

use super::ZooOptions;
use crate::error::{Error, Result, UnknownName};
use crate::graph::{
    AdaptiveAvgPool2d, Conv2d, Graph, GraphBuilder, Op, Padding, Pool2d, PoolKind, Reduce,
    ReduceKind, ReduceOver, Unary, ValueId,
};

/// The pooling over the whole map before the classifier, with timm's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GlobalPool {
    /// `avg`: the mean.
    #[default]
    Average,
    /// `max`: the maximum.
    Max,
    /// `avgmax`: half the sum of the mean and the maximum.
    AverageMax,
    /// `catavgmax`: the mean, then the maximum: twice as many features.
    ConcatAverageMax,
    /// The empty name: no pooling, and so no classifier. The output is the feature map.
    None,
}

impl GlobalPool {
    const ALL: [(&str, Self); 5] = [
        ("avg", Self::Average),
        ("max", Self::Max),
        ("avgmax", Self::AverageMax),
        ("catavgmax", Self::ConcatAverageMax),
        ("", Self::None),
    ];
}

impl FromStr for GlobalPool {
    type Err = UnknownName;

    /// timm's names. Those that begin with `fast` stand for the same functions.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let lower = name.to_lowercase();
        let plain = match lower.strip_prefix("fast") {
            Some("") => "avg",
            Some(rest) => rest,
            None => &lower,
        };
        let known = Self::ALL.iter().find(|(known, _)| *known == plain);
        known.map(|&(_, this)| this).ok_or_else(|| {
            UnknownName::new("global pooling", name, Self::ALL.map(|(name, _)| name))
        })
    }
}

impl fmt::Display for GlobalPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, this)| this == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// How convolutions are padded, as timm's `pad_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConvPadding {
    /// PyTorch's: the same number on both sides, half of what the kernel covers.
    Symmetric,
    /// TensorFlow's `SAME`.
    Same,
}

/// `graph` with what `options` changes besides classes and channels. If `is_headless`, its last layer, the
/// classifier, is removed. Activations that `keeps_activation` by their names are not replaced.
///
/// # Errors
/// [`Error::Inputs`] with the option where the network has nothing that it could change; those of
/// [`GraphBuilder::build`].
pub(super) fn apply(
    graph: Graph,
    options: &ZooOptions,
    is_headless: bool,
    keeps_activation: impl Fn(&str) -> bool,
) -> Result<Graph> {
    if !is_headless && options.is_plain() {
        return Ok(graph);
    }
    let fault = |option: String, reason: String| {
        Error::Inputs(format!("{}: {option}: {reason}", graph.name()))
    };
    let mut ops: Vec<Op> = graph.nodes().iter().map(|node| node.op().clone()).collect();
    // timm's `act_layer` is the network's own activation, the first one. Gates have others, and so have blocks whose
    // definition names one.
    let is_activation = |op: &Op| matches!(op, Op::Activation(_) | Op::Unary(Unary::Gelu));
    let own = ops.iter().find(|op| is_activation(op)).cloned();
    for (op, node) in ops.iter_mut().zip(graph.nodes()) {
        let is_own = own.as_ref() == Some(&*op);
        match (&mut *op, options.activation, options.bn_eps) {
            (_, Some(other), _) if is_own && !keeps_activation(node.name()) => {
                *op = other.into();
            }
            (Op::BatchNorm2d(norm), _, Some(eps)) => norm.eps = eps,
            (Op::GroupNorm(norm), _, Some(eps)) => norm.eps = eps,
            _ => {}
        }
    }
    if let Some(padding) = options.padding {
        pad(&graph, &mut ops, padding)
            .map_err(|reason| fault(format!("{padding:?} padding"), reason))?;
    }
    if let Some(stride) = options.output_stride {
        dilate(&graph, &mut ops, stride)
            .map_err(|reason| fault(format!("output stride {stride}"), reason))?;
    }
    let pool = options.global_pool.unwrap_or_default();
    let head = Head::find(&graph, pool, is_headless).map_err(|reason| match is_headless {
        true => fault("0 classes".to_owned(), reason),
        false => fault(format!("global pooling '{pool}'"), reason),
    })?;
    head.rebuild(&graph, ops, pool)
}

/// Pads all convolutions.
fn pad(graph: &Graph, ops: &mut [Op], padding: ConvPadding) -> Result<(), String> {
    for (op, node) in ops.iter_mut().zip(graph.nodes()) {
        match op {
            Op::Conv2d(conv) => {
                let [height, width] = conv.kernel;
                let symmetric = Padding::hw(height / 2, width / 2);
                // timm's constructors of such networks, Inception and ConvNeXt, have no `pad_type` either.
                if ![Padding::Same, symmetric].contains(&conv.padding) {
                    let name = node.name();
                    return Err(format!("'{name}' has a padding of its own"));
                }
                conv.padding = match padding {
                    ConvPadding::Same => Padding::Same,
                    ConvPadding::Symmetric => symmetric,
                };
            }
            // timm's constructors of such networks have no `pad_type`.
            Op::Pool2d(pool) if pool.padding != Padding::all(0) => {
                let name = node.name();
                return Err(format!(
                    "'{name}' is a padded pooling, which it does not define"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// How much smaller than the image a map is, and the dilation of the convolutions that read it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Scale {
    stride: usize,
    dilation: usize,
}

/// Replaces the strides of convolutions that would make a map smaller than the image divided by `target` by
/// dilations of the convolutions that follow ("atrous" convolution, Chen et al. 2017).
fn dilate(graph: &Graph, ops: &mut [Op], target: usize) -> Result<(), String> {
    let mut scales: Vec<Scale> = Vec::with_capacity(ops.len());
    for (op, node) in ops.iter_mut().zip(graph.nodes()) {
        let name = node.name();
        let mut inputs = node.inputs().iter().map(|input| scales[input.index()]);
        let mut scale = inputs.next().unwrap_or(Scale {
            stride: 1,
            dilation: 1,
        });
        if inputs.any(|other| other != scale) {
            return Err(format!("'{name}' joins maps of different sizes"));
        }
        let beyond = |stride: usize| scale.stride.saturating_mul(stride) > target;
        match op {
            Op::Conv2d(conv) => {
                let [stride, other] = conv.stride;
                if stride != other {
                    return Err(format!("'{name}' has two strides"));
                }
                spread(conv, scale.dilation);
                if beyond(stride) {
                    conv.stride = [1, 1];
                    // A window without a center, which ConvNeXt's strides are multiples of.
                    if conv.kernel.iter().any(|extent| extent % 2 == 0) {
                        conv.padding = Padding::Same;
                    }
                    scale.dilation = scale.dilation.saturating_mul(stride);
                } else {
                    scale.stride = scale.stride.saturating_mul(stride);
                }
            }
            // ResNet-D's, before a convolution that would have a stride in other networks.
            Op::Pool2d(pool) if *pool == average_down() && beyond(2) => {
                let same = Pool2d::average(2, 1).padding([0, 1, 0, 1]);
                *pool = same;
                scale.dilation = scale.dilation.saturating_mul(2);
            }
            Op::Pool2d(pool) => {
                let stride = pool.stride[0].max(pool.stride[1]);
                if beyond(stride) || scale.dilation > 1 {
                    let kind = op.as_operator().kind();
                    return Err(format!(
                        "'{name}' ({kind}) halves the map, which only a convolution's dilation can replace"
                    ));
                }
                scale.stride = scale.stride.saturating_mul(stride);
            }
            _ => {}
        }
        scales.push(scale);
    }
    Ok(())
}

/// The pooling of ResNet-D's shortcuts.
fn average_down() -> Pool2d {
    let kind = PoolKind::Average {
        count_include_pad: false,
    };
    Pool2d::new(kind, 2).ceil_mode(true)
}

/// Multiplies the dilation of a convolution.
fn spread(conv: &mut Conv2d, by: usize) {
    for (dilation, kernel) in conv.dilation.iter_mut().zip(conv.kernel) {
        // A kernel of one tap has no dilation.
        if kernel > 1 {
            *dilation = dilation.saturating_mul(by);
        }
    }
    if let Padding::Explicit {
        top,
        bottom,
        left,
        right,
    } = &mut conv.padding
    {
        for side in [top, bottom, left, right] {
            *side = side.saturating_mul(by);
        }
    }
}

/// The end of a network that changes.
struct Head {
    /// The global average pooling, where it is replaced.
    pool: Option<ValueId>,
    /// The nodes that are removed: their readers read their inputs.
    removed: Vec<ValueId>,
    /// The layer that reads the pooled features, where there are twice as many.
    widened: Option<ValueId>,
}

impl Head {
    fn find(graph: &Graph, pool: GlobalPool, is_headless: bool) -> Result<Self, String> {
        let output = graph.outputs()[0];
        let op = |value: ValueId| graph.node(value).op();
        if is_headless && !matches!(op(output), Op::Linear(_)) {
            return Err("it ends in no fully connected layer that could be removed".to_owned());
        }
        let mut head = Self {
            pool: None,
            removed: Vec::new(),
            widened: None,
        };
        if is_headless {
            head.removed.push(output);
        }
        if pool == GlobalPool::Average {
            return Ok(head);
        }
        let Some(found) = last_pool(graph) else {
            return Err("it has no global average pooling that could be replaced".to_owned());
        };
        // From the output to the pooling: the classifier, and MobileNetV3's layer before it.
        let follows = |value: &ValueId| graph.node(*value).inputs().first().copied();
        let after = std::iter::successors(Some(output), follows);
        let after: Vec<ValueId> = after.take_while(|value| *value != found).collect();
        let is_rename = |value: &ValueId| matches!(op(*value), Op::Flatten(_) | Op::Dropout);
        // The first layer with parameters.
        let reader = after.iter().rfind(|value| !is_rename(value)).copied();
        match pool {
            GlobalPool::None if !is_headless => {
                return Err("a classifier needs pooled features; it is for 0 classes".to_owned());
            }
            GlobalPool::None => {
                if let Some(reader) = reader.filter(|reader| *reader != output)
                    && matches!(op(reader), Op::Linear(_))
                {
                    let name = graph.node(reader).name();
                    return Err(format!("'{name}' (Linear) needs pooled features"));
                }
                // What remains works on maps.
                head.removed.push(found);
                head.removed.extend(after.into_iter().filter(is_rename));
                return Ok(head);
            }
            GlobalPool::ConcatAverageMax => match reader {
                Some(reader) if matches!(op(reader), Op::Linear(_) | Op::Conv2d(_)) => {
                    head.widened = Some(reader);
                }
                _ => {
                    return Err(
                        "its pooled features are not read by the classifier alone".to_owned()
                    );
                }
            },
            _ => {}
        }
        head.pool = Some(found);
        Ok(head)
    }

    /// The graph of these operators with this end.
    fn rebuild(&self, graph: &Graph, ops: Vec<Op>, pool: GlobalPool) -> Result<Graph> {
        let mut b = GraphBuilder::new(graph.name());
        let mut new: Vec<ValueId> = Vec::with_capacity(ops.len());
        for ((value, node), mut op) in graph.values().zip(ops) {
            let inputs: Vec<ValueId> = (node.inputs().iter())
                .map(|input| new[input.index()])
                .collect();
            if self.removed.contains(&value) {
                new.push(inputs[0]);
                continue;
            }
            let read = match &mut op {
                Op::Linear(linear) => Some(&mut linear.in_features),
                Op::Conv2d(conv) => Some(&mut conv.in_channels),
                _ => None,
            };
            if let (Some(read), true) = (read, self.widened == Some(value)) {
                *read = read.saturating_mul(2);
            }
            new.push(match self.pool == Some(value) {
                true => global_pool(&mut b, node.name(), inputs[0], pool),
                false => b.node(node.name(), op, &inputs),
            });
        }
        for output in graph.outputs() {
            b.output(new[output.index()]);
        }
        b.build()
    }
}

/// The global average pooling whose output nothing but the output of the network depends on. Those within
/// squeeze-and-excitations are others.
fn last_pool(graph: &Graph) -> Option<ValueId> {
    let whole = AdaptiveAvgPool2d::new(1, 1);
    let mut value = graph.outputs()[0];
    loop {
        match (graph.node(value).op(), graph.node(value).inputs()) {
            (Op::AdaptiveAvgPool2d(pool), _) if *pool == whole => return Some(value),
            (_, &[input]) => value = input,
            _ => return None,
        }
    }
}

/// Adds a pooling over the whole map whose last node is called `name`.
fn global_pool(b: &mut GraphBuilder, name: &str, x: ValueId, pool: GlobalPool) -> ValueId {
    let max = Reduce {
        kind: ReduceKind::Max,
        over: ReduceOver::Space,
    };
    let average = AdaptiveAvgPool2d::new(1, 1);
    let both = |b: &mut GraphBuilder| {
        let average = b.adaptive_avg_pool2d(format!("{name}.avg"), x, average);
        [average, b.node(format!("{name}.max"), max, &[x])]
    };
    match pool {
        GlobalPool::Max => b.node(name, max, &[x]),
        GlobalPool::AverageMax => {
            let [average, max] = both(b);
            let sum = b.add(format!("{name}.add"), average, max);
            // The mean of the sum and one pixel of padding is half the sum.
            let kind = PoolKind::Average {
                count_include_pad: true,
            };
            let half = Pool2d::new(kind, 1).kernel_hw(1, 2).stride_hw(1, 1);
            b.pool2d(name, sum, half.padding([0, 0, 0, 1]))
        }
        GlobalPool::ConcatAverageMax => {
            let values = both(b);
            b.concat(name, &values)
        }
        GlobalPool::Average | GlobalPool::None => b.adaptive_avg_pool2d(name, x, average),
    }
}

#[cfg(test)]
mod tests;
