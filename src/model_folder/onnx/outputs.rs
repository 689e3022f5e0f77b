//! What the outputs of a model mean, by their names and shapes.

use super::decoders::{CENTER_STRIDE, Decoder, FAST_STRIDE};
use super::metadata::Metadata;
use crate::onnx::OnnxModel;
use crate::tensor::Shape;
use crate::vision::{ChannelOrder, CropMode, Head, Interpolation, Labels, Preprocessing};
use crate::zoo::Task;

/// The meaning of a model's outputs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    /// One score per class.
    Classes(usize),
    /// A map with one score per class and pixel.
    Map(usize),
    /// Ultralytics' YOLOv8 to v12: `[N, 4 + classes + others, boxes]`.
    YoloV8 { classes: usize },
    /// YOLOv5 to v7: `[N, boxes, 5 + classes + others]`.
    YoloV5 { classes: usize },
    /// Boxes after non-maximum suppression, as of YOLOv10: `[N, boxes, 6]`.
    EndToEnd { classes: usize },
    /// YuNet's twelve maps, of these strides.
    YuNet { strides: Vec<i64> },
    /// FastestDet's one map.
    FastestDet { classes: usize },
    /// CenterFace's four maps.
    CenterFace,
    /// Maps that boxes are decoded from by these heads, one for each output.
    Heads(Vec<Head>),
    /// An output of boxes and one of scores, by index, perhaps with a class for the background.
    BoxesAndScores {
        boxes: usize,
        scores: usize,
        classes: usize,
        has_background: bool,
    },
}

/// An output by name, with its shape for one image.
pub(super) type Output = (String, Shape);

/// YuNet's strides.
const STRIDES: [i64; 3] = [8, 16, 32];
/// The classes of COCO, which detectors without names of classes have.
const COCO: usize = 80;

/// What the key `outputs` of a file beside the model may say, in the order in which they are tried.
pub(crate) const KINDS: [&str; 9] = [
    "yunet",
    "centerface",
    "boxes_and_scores",
    "end_to_end",
    "yolov5",
    "yolov8",
    "fastestdet",
    "classes",
    "map",
];

impl Meaning {
    /// The meaning of `outputs` for an image of height and width `image`; `kind` is what the sidecar file says.
    /// `None` where it is not known.
    pub fn of(
        kind: Option<&str>,
        outputs: &[Output],
        image: [usize; 2],
        metadata: &Metadata,
    ) -> Option<Self> {
        let is_tried = |known: &&str| kind.is_none_or(|kind| kind == *known);
        let mut kinds = KINDS.into_iter().filter(is_tried);
        kinds.find_map(|name| Self::as_kind(name, kind.is_some(), outputs, image, metadata))
    }

    /// The outputs as those of `kind`, if they can be. Where it `is_said`, the shape suffices.
    fn as_kind(
        kind: &str,
        is_said: bool,
        outputs: &[Output],
        image: [usize; 2],
        metadata: &Metadata,
    ) -> Option<Self> {
        let dims: Vec<&[usize]> = outputs.iter().map(|(_, shape)| shape.dims()).collect();
        let named = |name: &str| outputs.iter().position(|(found, _)| found == name);
        let known_classes = metadata.names.as_ref().map(Vec::len);
        // Others than the classes' scores: masks' coefficients and keypoints.
        let classes = |values: usize, before: usize| {
            let most = values.checked_sub(before).filter(|&most| most > 0)?;
            match known_classes {
                Some(classes) if classes <= most => Some(classes),
                Some(_) => None,
                None => Some(most),
            }
        };
        match (kind, &dims[..]) {
            ("yunet", _) => {
                let has = |stride: &i64| {
                    let maps = ["cls", "obj", "bbox"].map(|map| named(&format!("{map}_{stride}")));
                    maps.iter().all(Option::is_some)
                };
                let strides: Vec<i64> = STRIDES.into_iter().filter(has).collect();
                (!strides.is_empty()).then_some(Self::YuNet { strides })
            }
            ("centerface", [[_, 1, height, width], [_, 2, ..], [_, 2, ..], [_, 10, ..]]) => {
                ([height, width] == cells(image, CENTER_STRIDE).each_ref() || is_said)
                    .then_some(Self::CenterFace)
            }
            ("boxes_and_scores", [first, second]) => {
                let (boxes, scores) = match (first, second) {
                    ([_, n, 4], [_, m, _]) if n == m => (0, 1),
                    ([_, m, _], [_, n, 4]) if n == m => (1, 0),
                    _ => return None,
                };
                let found = *dims[scores].last()?;
                let is_face = found == 2 && named("scores").is_some() && named("boxes").is_some();
                let has_background =
                    known_classes.map_or(is_face, |classes| found.checked_sub(1) == Some(classes));
                let classes = found.checked_sub(usize::from(has_background))?;
                Some(Self::BoxesAndScores {
                    boxes,
                    scores,
                    classes,
                    has_background,
                })
            }
            ("end_to_end", [[_, boxes, 6], ..]) => {
                (*boxes <= 1000 || is_said).then(|| Self::EndToEnd {
                    classes: known_classes.unwrap_or(COCO),
                })
            }
            ("yolov5", [[_, boxes, values], ..]) => {
                let classes = classes(*values, 5)?;
                (boxes > values || is_said).then_some(Self::YoloV5 { classes })
            }
            ("yolov8", [[_, values, boxes], ..]) => {
                let classes = classes(*values, 4)?;
                (boxes > values || is_said).then_some(Self::YoloV8 { classes })
            }
            ("fastestdet", [[_, channels, height, width]]) => {
                let classes = classes(*channels, 5)?;
                let is_grid = [height, width] == cells(image, FAST_STRIDE).each_ref();
                (is_said || is_grid && classes == COCO).then_some(Self::FastestDet { classes })
            }
            ("classes", [[_, classes] | [_, classes, 1, 1], ..]) => Some(Self::Classes(*classes)),
            ("map", [[_, classes, _, _], ..]) => Some(Self::Map(*classes)),
            _ => None,
        }
    }

    /// What the network is for.
    pub fn task(&self) -> Task {
        match self {
            Self::Classes(_) => Task::Classification,
            Self::Map(_) => Task::Segmentation,
            _ => Task::Detection,
        }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        match self {
            Self::Classes(classes)
            | Self::Map(classes)
            | Self::YoloV8 { classes }
            | Self::YoloV5 { classes }
            | Self::EndToEnd { classes }
            | Self::FastestDet { classes }
            | Self::BoxesAndScores { classes, .. } => *classes,
            Self::YuNet { .. } | Self::CenterFace => 1,
            Self::Heads(heads) => heads.first().map_or(0, Head::classes),
        }
    }

    /// What the key `outputs` of a description says of it; `None` where the key `heads` does.
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::Classes(_) => "classes",
            Self::Map(_) => "map",
            Self::YoloV8 { .. } => "yolov8",
            Self::YoloV5 { .. } => "yolov5",
            Self::EndToEnd { .. } => "end_to_end",
            Self::YuNet { .. } => "yunet",
            Self::FastestDet { .. } => "fastestdet",
            Self::CenterFace => "centerface",
            Self::BoxesAndScores { .. } => "boxes_and_scores",
            Self::Heads(_) => return None,
        })
    }

    /// The names of the classes where nothing says them.
    pub fn labels(&self) -> crate::error::Result<Labels> {
        match self {
            Self::Classes(1000) => Labels::imagenet(),
            Self::Map(1) => Ok(Labels::of(["foreground"])),
            Self::YuNet { .. } | Self::CenterFace => Ok(Labels::of(["face"])),
            Self::BoxesAndScores {
                classes: 1,
                has_background: true,
                ..
            } => Ok(Labels::of(["face"])),
            _ if self.task() == Task::Detection && self.classes() == COCO => Ok(Labels::coco()),
            _ => Ok(Labels::unnamed(self.classes())),
        }
    }

    /// How images are prepared where nothing says it. Height and width count only where the model leaves them free.
    pub fn preprocessing(&self, channels: usize) -> Preprocessing {
        let plain = |crop_mode, size, channel_order, mean: f32, std: f32| Preprocessing {
            input_size: [channels, size, size],
            channel_order,
            mean: vec![mean; channels],
            std: vec![std; channels],
            interpolation: Interpolation::Bilinear,
            crop_pct: 1.0,
            crop_mode,
        };
        let (rgb, bgr) = (ChannelOrder::Rgb, ChannelOrder::Bgr);
        let (letterbox, squash) = (CropMode::Letterbox, CropMode::Squash);
        // Where the network takes values from 0 to 255.
        let byte = 1.0 / 255.0;
        match self {
            Self::Classes(_) => Preprocessing::default(),
            Self::Map(_) => Preprocessing {
                input_size: [channels, 512, 512],
                crop_pct: 1.0,
                crop_mode: squash,
                ..Preprocessing::default()
            },
            Self::YoloV8 { .. } | Self::YoloV5 { .. } | Self::EndToEnd { .. } | Self::Heads(_) => {
                plain(letterbox, 640, rgb, 0.0, 1.0)
            }
            Self::YuNet { .. } => plain(letterbox, 640, bgr, 0.0, byte),
            Self::FastestDet { .. } => plain(squash, 352, bgr, 0.0, 1.0),
            Self::CenterFace => plain(letterbox, 640, rgb, 0.0, byte),
            Self::BoxesAndScores { .. } => plain(squash, 320, rgb, 127.0 / 255.0, 128.0 / 255.0),
        }
    }

    /// Makes the outputs those that the tasks read, and returns how boxes are decoded from them.
    pub fn edit(&self, model: &mut OnnxModel, outputs: &[Output], image: &str) -> Vec<Head> {
        let name = |i: usize| outputs.get(i).map_or("", |(name, _)| name.as_str());
        let extent = |axis: usize| {
            let first = outputs
                .first()
                .and_then(|(_, shape)| shape.dims().get(axis));
            first.copied().unwrap_or(0)
        };
        if self.task() != Task::Detection {
            self.select_scores(model, outputs);
        }
        let mut decoder = Decoder {
            model,
            image: image.to_owned(),
        };
        let (output, boxes) = match self {
            Self::Classes(_) | Self::Map(_) => return Vec::new(),
            Self::Heads(heads) => return heads.clone(),
            Self::YoloV8 { classes } => decoder.yolo_v8(name(0), extent(1), *classes),
            Self::YoloV5 { classes } => decoder.yolo_v5(name(0), extent(2), *classes),
            Self::EndToEnd { classes } => decoder.end_to_end(name(0), *classes),
            Self::YuNet { strides } => decoder.yunet(strides),
            Self::FastestDet { classes } => decoder.fastest_det(name(0), *classes),
            Self::CenterFace => decoder.center_face([name(0), name(1), name(2)]),
            Self::BoxesAndScores {
                boxes,
                scores,
                classes,
                has_background,
            } => decoder.boxes_and_scores(name(*boxes), name(*scores), *classes, *has_background),
        };
        decoder.model.set_outputs(&[&output]);
        vec![Head::Decoded(boxes)]
    }
}

impl Meaning {
    /// Makes the scores of classes the only output.
    fn select_scores(&self, model: &mut OnnxModel, outputs: &[Output]) {
        let Some((name, shape)) = outputs.first() else {
            return;
        };
        let scores = match (self, shape.rank()) {
            (Self::Map(_), rank) | (_, rank @ 2) => logits(model, name, rank, self.classes()),
            // [N, classes, 1, 1]
            _ => model.add_node("Flatten", &[name], &[]),
        };
        model.set_outputs(&[&scores]);
    }
}

/// The number of cells of `stride` pixels in height and width.
fn cells(image: [usize; 2], stride: i64) -> [usize; 2] {
    let stride = usize::try_from(stride).unwrap_or(1).max(1);
    image.map(|side| side.checked_div(stride).unwrap_or(0))
}

/// What the output `name` of `rank` is computed from where that is a softmax over classes, or for one class a sigmoid:
/// the tasks compute probabilities from logits, with the same result.
fn logits(model: &OnnxModel, name: &str, rank: usize, classes: usize) -> String {
    let Some((op_type, [input, ..], axis)) = model.producer_of(name) else {
        return name.to_owned();
    };
    // Before opset 13, a softmax is over all axes from its own on.
    let is_over_classes = match axis {
        Some(1) => rank == 2 || model.opset() >= 13,
        None | Some(-1) => rank == 2,
        _ => false,
    };
    let is_removed = match op_type {
        "Softmax" | "LogSoftmax" => is_over_classes,
        "Sigmoid" => rank == 4 && classes == 1,
        _ => false,
    };
    match is_removed {
        true => input.clone(),
        false => name.to_owned(),
    }
}

/// Makes what a last `ArgMax` over classes reads the output in its place: the tasks find the largest score.
pub(super) fn without_arg_max(model: &mut OnnxModel) {
    let names: Vec<String> = (model.outputs().iter())
        .map(|output| match model.producer_of(&output.name) {
            Some(("ArgMax", [input, ..], Some(1))) => input.clone(),
            _ => output.name.clone(),
        })
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    model.set_outputs(&names);
}
