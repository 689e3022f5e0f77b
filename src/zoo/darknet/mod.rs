//! Networks of Darknet (Redmon, <https://pjreddie.com/darknet>): Darknet-19 and Darknet-53 (Redmon
//! and Farhadi 2017 and 2018), YOLO (Redmon et al. 2016, "You only look once: Unified, real-time
//! object detection"), YOLOv2 (Redmon and Farhadi 2017, "YOLO9000: Better, faster, stronger") and
//! YOLOv3 (Redmon and Farhadi 2018, "YOLOv3: An incremental improvement").
//!
//! As in a configuration file, a network is a list of [`Layer`]s, identified by their indices:
//! parameters are `layers.N.conv.*`, `layers.N.bn.*` and `layers.N.fc.*`. [`build_layers`] builds a
//! graph from any such list.

#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

mod dialects;
mod layers;
mod local;
mod shortcut;

pub(crate) use dialects::dialects;
pub(crate) use layers::{Conv, LEAKY, Layer, LayerRef, Route, build_layers};
pub(crate) use local::Local;

use super::{Architecture, Definition, Settings, Task};
use crate::error::{Error, Result};
use crate::graph::{Graph, GraphBuilder, ValueId};
use crate::weights::Dialect;

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

/// A network of the zoo: a function from the number of classes to the layers.
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
            node: layers::name(misfit.layer),
            kind: "Darknet layer",
            reason: misfit.reason,
        })
    }

    fn dialects(&self, graph: &Graph) -> Vec<Dialect> {
        dialects(graph)
    }
}

/// The channels of a head: for each of its anchors, a box, objectness and the classes.
fn head(anchors: usize, classes: usize) -> usize {
    classes.saturating_add(5).saturating_mul(anchors)
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

/// The last convolution before an output: with a bias, without batch norm and activation.
fn conv_out(filters: usize) -> Layer {
    Layer::Conv(Conv {
        batch_normalize: false,
        activation: None,
        ..Conv::new(filters, 1)
    })
}

const HALVE: Layer = Layer::MaxPool {
    size: 2,
    stride: 2,
    padding: 1,
};

/// A pooling that keeps the map's size.
const KEEP: Layer = Layer::MaxPool {
    size: 2,
    stride: 1,
    padding: 1,
};

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

/// A 7x7 grid of cells, each with 2 boxes of 5 values and one score per class.
fn grid(classes: usize) -> Layer {
    Layer::Connected {
        // Of each of 7x7 cells, two boxes of 5 numbers, and the classes.
        outputs: classes.saturating_add(2 * 5).saturating_mul(7 * 7),
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
    // The passthrough: the last map of 512 channels, halved in size and concatenated.
    plan.extend([
        Layer::Route([-9].into()),
        conv(64, 1),
        Layer::Reorg { stride: 2 },
    ]);
    plan.extend([Layer::Route([-1, -4].into()), conv(1024, 3)]);
    plan.extend([conv_out(head(5, classes)), Layer::Head]);
    plan
}

fn yolov2_tiny(classes: usize) -> Vec<Layer> {
    let mut plan = halving(&[16, 32, 64, 128, 256]);
    plan.extend([conv(512, 3), KEEP]);
    plan.extend([conv(1024, 3), conv(512, 3)]);
    plan.extend([conv_out(head(5, classes)), Layer::Head]);
    plan
}

fn yolov3(classes: usize) -> Vec<Layer> {
    let mut plan = darknet53_backbone();
    // The backbone's last layer at each scale.
    let scales: [(usize, Option<LayerRef>); 3] = [(512, None), (256, Some(61)), (128, Some(36))];
    for (width, skip) in scales {
        if let Some(skip) = skip {
            plan.extend([Layer::Route([-4].into()), conv(width, 1)]);
            plan.extend([
                Layer::Upsample { stride: 2 },
                Layer::Route([-1, skip].into()),
            ]);
        }
        plan.extend(squeezing(width.saturating_mul(2), 3));
        plan.extend([conv_out(head(3, classes)), Layer::Head]);
    }
    plan
}

fn yolov3_tiny(classes: usize) -> Vec<Layer> {
    let mut plan = halving(&[16, 32, 64, 128, 256]);
    plan.extend([conv(512, 3), KEEP]);
    plan.extend([conv(1024, 3), conv(256, 1), conv(512, 3)]);
    plan.extend([conv_out(head(3, classes)), Layer::Head]);
    plan.extend([
        Layer::Route([-4].into()),
        conv(128, 1),
        Layer::Upsample { stride: 2 },
    ]);
    plan.extend([Layer::Route([-1, 8].into()), conv(256, 3)]);
    plan.extend([conv_out(head(3, classes)), Layer::Head]);
    plan
}

#[cfg(test)]
mod tests {
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
}
