//! Networks of Darknet (Redmon, <https://pjreddie.com/darknet>): Darknet-19 and Darknet-53 (Redmon
//! and Farhadi 2017 and 2018), YOLO (Redmon et al. 2016, "You only look once: Unified, real-time
//! object detection"), YOLOv2 (Redmon and Farhadi 2017, "YOLO9000: Better, faster, stronger") and
//! YOLOv3 (Redmon and Farhadi 2018, "YOLOv3: An incremental improvement").
//!
//! As in a configuration file, a network is a list of [`Layer`]s, and a layer is known by its index:
//! parameters are `layers.N.conv.*`, `layers.N.bn.*` and `layers.N.fc.*`. [`build_layers`] makes a
//! graph of any such list.

use super::{Architecture, Definition, Settings, Task};
use crate::error::{Error, Result};
use crate::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Conv2d, GraphBuilder, Linear, Pool2d, Reorg,
    Upsample, ValueId,
};

pub(super) const ARCHITECTURES: &[Architecture] = &[
    Architecture::classifier(
        "darknet19",
        "Darknet",
        "19 convolutions, the backbone of YOLOv2 (Redmon and Farhadi 2017)",
        &Plan(darknet19),
    ),
    Architecture {
        input_size: [3, 256, 256],
        ..Architecture::classifier(
            "darknet53",
            "Darknet",
            "53 layers with shortcuts, the backbone of YOLOv3 (Redmon and Farhadi 2018)",
            &Plan(darknet53),
        )
    },
    detector(
        "yolov1",
        "24 convolutions and a 7x7 grid of 2 boxes (Redmon et al. 2016)",
        20,
        448,
        &Plan(yolov1),
    ),
    detector(
        "yolov1_tiny",
        "8 convolutions and a 7x7 grid of 2 boxes (Redmon et al. 2016, fast YOLO)",
        20,
        448,
        &Plan(yolov1_tiny),
    ),
    detector(
        "yolov2",
        "Darknet-19 with a passthrough and 5 anchors (Redmon and Farhadi 2017)",
        80,
        416,
        &Plan(yolov2),
    ),
    detector(
        "yolov2_tiny",
        "9 convolutions and 5 anchors (Redmon and Farhadi 2017, tiny variant)",
        80,
        416,
        &Plan(yolov2_tiny),
    ),
    detector(
        "yolov3",
        "Darknet-53 and 3 anchors at each of 3 scales (Redmon and Farhadi 2018)",
        80,
        416,
        &Plan(yolov3),
    ),
    detector(
        "yolov3_tiny",
        "13 convolutions and 3 anchors at each of 2 scales (Redmon and Farhadi 2018, tiny variant)",
        80,
        416,
        &Plan(yolov3_tiny),
    ),
];

const fn detector(
    name: &'static str,
    description: &'static str,
    num_classes: usize,
    size: usize,
    definition: &'static Plan,
) -> Architecture {
    Architecture {
        task: Task::Detection,
        num_classes,
        input_size: [3, size, size],
        ..Architecture::classifier(name, "YOLO", description, definition)
    }
}

/// The slope of Darknet's `leaky`.
pub(crate) const LEAKY: Activation = Activation::LeakyRelu { slope: 0.1 };

/// One section of a configuration file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Layer {
    /// `[convolutional]`.
    Conv(Conv),
    /// `[maxpool]`. With a stride of 1 it keeps its input's size.
    MaxPool { size: usize, stride: usize },
    /// `[avgpool]`: the mean of each channel.
    AvgPool,
    /// `[route]`: the outputs of these layers, joined along the channels.
    Route(Vec<LayerRef>),
    /// `[shortcut]`: the layer before, and that layer's output added.
    Shortcut(LayerRef, Option<Activation>),
    /// `[upsample]`: every pixel so many times, in both directions.
    Upsample { stride: usize },
    /// `[reorg]`, in Darknet's own order.
    Reorg { stride: usize },
    /// `[connected]`: a fully connected layer.
    Connected {
        outputs: usize,
        /// Whether batch norm takes the place of the bias.
        batch_normalize: bool,
        activation: Option<Activation>,
    },
    /// `[yolo]`, `[region]` or `[detection]`: what it is given is an output of the network.
    Head,
    /// `[dropout]`, and `[softmax]`, which who reads the logits applies: its input.
    Identity,
}

/// A layer by its place: negative counts back from the layer that refers to it.
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
    /// Whether batch norm takes the place of the bias.
    pub batch_normalize: bool,
    /// `None` is Darknet's `linear`.
    pub activation: Option<Activation>,
}

impl Conv {
    /// As nearly all are: padded by half the kernel, with batch norm and leaky.
    pub(crate) fn new(filters: usize, size: usize) -> Self {
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

/// Why a list of layers makes no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The layer's index.
    pub layer: usize,
    /// What was expected and found.
    pub reason: String,
}

/// The most channels, rows or columns that a layer may answer: far more than any network's, and few
/// enough that products of two do not overflow.
const MOST: usize = 1 << 24;

/// Adds `layers` after `image`, whose channels, height and width are `size` (height and width matter
/// to fully connected layers alone), and answers what the heads are given; where there is no head,
/// the last layer's output.
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
            let index = if layer < 0 { i as isize + layer } else { layer };
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
            Layer::MaxPool { size, stride } => max_pool(b, i, before, *size, *stride),
            Layer::AvgPool => Output {
                value: b.adaptive_avg_pool2d(name(i), before.value, AdaptiveAvgPool2d::new(1, 1)),
                size: [before.size[0], 1, 1],
            },
            Layer::Route(from) => {
                let from: Vec<Output> =
                    from.iter().map(|&l| earlier(l)).collect::<Result<_, _>>()?;
                route(b, i, &from).map_err(misfit)?
            }
            Layer::Shortcut(from, activation) => {
                let sum = b.add(name(i), before.value, earlier(*from)?.value);
                before.with(activate(b, i, sum, *activation))
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
            && c.max(h).max(w) > MOST
        {
            return Err(misfit(format!(
                "its output of {c} channels, {w}x{h}, has more than {MOST} of one of them"
            )));
        }
        done.push(output);
    }
    if heads.is_empty() {
        heads.extend(done.last().map(|output| output.value));
    }
    Ok(heads)
}

/// What a layer answers: channels, height and width.
#[derive(Clone, Copy)]
struct Output {
    value: ValueId,
    size: [usize; 3],
}

impl Output {
    fn with(self, value: ValueId) -> Self {
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
            let room = (size + 2 * self.padding).checked_sub(self.size)?;
            Some(room.checked_div(self.stride)? + 1)
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

fn max_pool(b: &mut GraphBuilder, i: usize, x: Output, size: usize, stride: usize) -> Output {
    let [c, h, w] = x.size;
    let mut op = Pool2d::max(size, stride);
    let mut out = [h, w];
    if stride == 1 {
        let before = size.saturating_sub(1) / 2;
        op = op.padding([before, size / 2, before, size / 2]);
    } else {
        let extent = |n: usize| n.checked_sub(size)?.checked_div(stride).map(|n| n + 1);
        // What does not fit is told by the graph, which also knows sizes other than this.
        out = [extent(h).unwrap_or(0), extent(w).unwrap_or(0)];
    }
    Output {
        value: b.pool2d(name(i), x.value, op),
        size: [c, out[0], out[1]],
    }
}

fn route(b: &mut GraphBuilder, i: usize, from: &[Output]) -> Result<Output, String> {
    let [first, rest @ ..] = from else {
        return Err("it names no layer to take".to_owned());
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
    let values: Vec<ValueId> = from.iter().map(|o| o.value).collect();
    Ok(Output {
        value: b.concat(name(i), &values),
        size: [from.iter().map(|o| o.size[0]).sum(), h, w],
    })
}

fn reorg(b: &mut GraphBuilder, i: usize, x: Output, stride: usize) -> Result<Output, String> {
    let [c, h, w] = x.size;
    let squared = stride.saturating_mul(stride);
    if stride == 0 || !c.is_multiple_of(squared) {
        return Err(format!(
            "its stride {stride} squared must divide the {c} channels it is given"
        ));
    }
    Ok(Output {
        value: b.node(name(i), Reorg { stride }, &[x.value]),
        size: [c * squared, h / stride, w / stride],
    })
}

fn activate(b: &mut GraphBuilder, i: usize, x: ValueId, activation: Option<Activation>) -> ValueId {
    match activation {
        Some(activation) => b.activation(format!("{}.act", name(i)), x, activation),
        None => x,
    }
}

fn name(i: usize) -> String {
    format!("layers.{i}")
}

/// A network of the zoo: its layers for so many classes.
struct Plan(fn(usize) -> Vec<Layer>);

impl Definition for Plan {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let [height, width] = settings.size;
        let size = [settings.channels, height, width];
        build_layers(b, image, size, &self.0(settings.classes)).map_err(|misfit| Error::Node {
            node: name(misfit.layer),
            kind: "Darknet layer",
            reason: misfit.reason,
        })
    }
}

fn conv(filters: usize, size: usize) -> Layer {
    Layer::Conv(Conv::new(filters, size))
}

fn conv_stride_2(filters: usize, size: usize) -> Layer {
    Layer::Conv(Conv {
        stride: 2,
        ..Conv::new(filters, size)
    })
}

/// The last convolution before an output: a bias and nothing else.
fn conv_out(filters: usize) -> Layer {
    Layer::Conv(Conv {
        batch_normalize: false,
        activation: None,
        ..Conv::new(filters, 1)
    })
}

const HALVE: Layer = Layer::MaxPool { size: 2, stride: 2 };

/// Convolutions of 3x3, each followed by a pooling that halves the map.
fn halving(widths: &[usize]) -> Vec<Layer> {
    let pairs = widths.iter().flat_map(|&width| [conv(width, 3), HALVE]);
    pairs.collect()
}

/// `pairs` times 1x1 to half the channels and 3x3 back to `width`.
fn squeezing(width: usize, pairs: usize) -> impl Iterator<Item = Layer> {
    let pair = move || [conv(width / 2, 1), conv(width, 3)];
    (0..pairs).flat_map(move |_| pair())
}

fn darknet19_backbone() -> Vec<Layer> {
    let mut plan = halving(&[32, 64]);
    for (i, (width, pairs)) in [(128, 1), (256, 1), (512, 2), (1024, 2)]
        .into_iter()
        .enumerate()
    {
        if i > 0 {
            plan.push(HALVE);
        }
        plan.push(conv(width, 3));
        plan.extend(squeezing(width, pairs));
    }
    plan
}

fn darknet19(classes: usize) -> Vec<Layer> {
    let mut plan = darknet19_backbone();
    plan.extend([conv_out(classes), Layer::AvgPool]);
    plan
}

fn darknet53_backbone() -> Vec<Layer> {
    let mut plan = vec![conv(32, 3)];
    for (width, blocks) in [(64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)] {
        plan.push(conv_stride_2(width, 3));
        for _ in 0..blocks {
            plan.extend(squeezing(width, 1));
            plan.push(Layer::Shortcut(-3, None));
        }
    }
    plan
}

fn darknet53(classes: usize) -> Vec<Layer> {
    let mut plan = darknet53_backbone();
    plan.extend([Layer::AvgPool, conv_out(classes)]);
    plan
}

/// A 7x7 grid of cells, each with 2 boxes of 5 numbers and the classes.
fn grid(classes: usize) -> Layer {
    Layer::Connected {
        outputs: 7 * 7 * (2 * 5 + classes),
        batch_normalize: false,
        activation: None,
    }
}

fn yolov1(classes: usize) -> Vec<Layer> {
    let mut plan = vec![conv_stride_2(64, 7), HALVE, conv(192, 3), HALVE];
    plan.extend([
        conv(128, 1),
        conv(256, 3),
        conv(256, 1),
        conv(512, 3),
        HALVE,
    ]);
    plan.extend(squeezing(512, 4));
    plan.extend([conv(512, 1), conv(1024, 3), HALVE]);
    plan.extend(squeezing(1024, 2));
    plan.extend([
        conv(1024, 3),
        conv_stride_2(1024, 3),
        conv(1024, 3),
        conv(1024, 3),
    ]);
    plan.push(Layer::Connected {
        outputs: 4096,
        batch_normalize: false,
        activation: Some(LEAKY),
    });
    plan.extend([Layer::Identity, grid(classes), Layer::Head]);
    plan
}

fn yolov1_tiny(classes: usize) -> Vec<Layer> {
    let mut plan = halving(&[16, 32, 64, 128, 256, 512]);
    plan.extend([conv(1024, 3), conv(256, 3), grid(classes), Layer::Head]);
    plan
}

fn yolov2(classes: usize) -> Vec<Layer> {
    let mut plan = darknet19_backbone();
    plan.extend([conv(1024, 3), conv(1024, 3)]);
    // The last map of 512 channels, brought to half its size beside the rest.
    plan.extend([
        Layer::Route(vec![-9]),
        conv(64, 1),
        Layer::Reorg { stride: 2 },
    ]);
    plan.extend([Layer::Route(vec![-1, -4]), conv(1024, 3)]);
    plan.extend([conv_out(5 * (5 + classes)), Layer::Head]);
    plan
}

fn yolov2_tiny(classes: usize) -> Vec<Layer> {
    let mut plan = halving(&[16, 32, 64, 128, 256]);
    plan.extend([conv(512, 3), Layer::MaxPool { size: 2, stride: 1 }]);
    plan.extend([conv(1024, 3), conv(512, 3)]);
    plan.extend([conv_out(5 * (5 + classes)), Layer::Head]);
    plan
}

fn yolov3(classes: usize) -> Vec<Layer> {
    let mut plan = darknet53_backbone();
    for (width, skip) in [(512, None), (256, Some(61)), (128, Some(36))] {
        if let Some(skip) = skip {
            plan.extend([Layer::Route(vec![-4]), conv(width, 1)]);
            plan.extend([Layer::Upsample { stride: 2 }, Layer::Route(vec![-1, skip])]);
        }
        plan.extend(squeezing(2 * width, 3));
        plan.extend([conv_out(3 * (5 + classes)), Layer::Head]);
    }
    plan
}

fn yolov3_tiny(classes: usize) -> Vec<Layer> {
    let mut plan = halving(&[16, 32, 64, 128, 256]);
    plan.extend([conv(512, 3), Layer::MaxPool { size: 2, stride: 1 }]);
    plan.extend([conv(1024, 3), conv(256, 1), conv(512, 3)]);
    plan.extend([conv_out(3 * (5 + classes)), Layer::Head]);
    plan.extend([
        Layer::Route(vec![-4]),
        conv(128, 1),
        Layer::Upsample { stride: 2 },
    ]);
    plan.extend([Layer::Route(vec![-1, 8]), conv(256, 3)]);
    plan.extend([conv_out(3 * (5 + classes)), Layer::Head]);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Shape;
    use crate::zoo::{self, ZooOptions};

    fn output_shapes(name: &str, options: &ZooOptions) -> Vec<Shape> {
        let architecture = zoo::find(name).unwrap();
        let graph = architecture.build(options).unwrap();
        let shapes = graph.infer(&architecture.input_shapes(1, options)).unwrap();
        let outputs = graph.outputs().iter();
        outputs.map(|o| shapes[o.index()].clone()).collect()
    }

    #[test]
    fn output_depths_for_80_classes() {
        let shapes = |name| output_shapes(name, &ZooOptions::classes(80));
        for name in ["yolov1", "yolov1_tiny"] {
            assert_eq!(shapes(name), [Shape::from([1, 7 * 7 * 90])]);
        }
        for name in ["yolov2", "yolov2_tiny"] {
            assert_eq!(shapes(name), [Shape::from([1, 425, 13, 13])]);
        }
        let scales = [13, 26, 52].map(|side| Shape::from([1, 255, side, side]));
        assert_eq!(shapes("yolov3"), scales);
        assert_eq!(shapes("yolov3_tiny"), scales[..2]);
        assert_eq!(
            output_shapes("yolov1", &ZooOptions::default()),
            [[1, 1470].into()]
        );
    }

    #[test]
    fn lists_that_make_no_network_are_refused() {
        let misfit = |layers: &[Layer]| {
            let mut b = GraphBuilder::new("g");
            let image = b.image_input("input", 3);
            build_layers(&mut b, image, [3, 8, 8], layers).unwrap_err()
        };
        for from in [-2, 1, 7] {
            let found = misfit(&[conv(4, 3), Layer::Route(vec![from])]);
            assert_eq!(found.layer, 1);
            assert!(found.reason.contains("0..1"), "{}", found.reason);
        }
        let found = misfit(&[conv(4, 3), HALVE, Layer::Route(vec![-1, -2])]);
        assert!(found.reason.contains("4x4 and 8x8"), "{}", found.reason);
        assert!(misfit(&[Layer::Route(vec![])]).reason.contains("no layer"));
        let found = misfit(&[conv(6, 3), Layer::Reorg { stride: 2 }]);
        assert!(found.reason.contains("6 channels"), "{}", found.reason);
        let large = Layer::Conv(Conv {
            padding: 0,
            ..Conv::new(4, 9)
        });
        assert_eq!(misfit(&[large]).layer, 0);
    }
}
