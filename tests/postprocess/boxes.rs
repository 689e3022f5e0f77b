//! `BoxList`.

use shadernet::gpu::Gpu;
use shadernet::postprocess::{BoxList, BoxListOutput, ImagePlacement};
use shadernet::tensor::Tensor;
use shadernet::vision::{
    CropMode, DecodedBoxes, DetectionOptions, Head, Preprocessing, ScoredBox,
    non_maximum_suppression,
};

use crate::common::tolerance;
use crate::harness::{Random, gpus, upload};
use crate::host::{read, submitted, words};

/// The list of boxes in `outputs`, in the bytes of the device.
fn bytes(
    gpu: &Gpu,
    kernel: &mut BoxList,
    outputs: &[Tensor],
    placement: &ImagePlacement,
    options: &DetectionOptions,
) -> Vec<u8> {
    let outputs: Vec<_> = (outputs.iter().enumerate())
        .map(|(i, output)| upload(gpu, output, 16 * i as u64))
        .collect();
    let list = submitted(gpu, |encoder| {
        kernel.encode(encoder, &outputs, placement, options)
    });
    read(gpu, &list.unwrap())
}

fn list(gpu: &Gpu, case: &Case, options: &DetectionOptions) -> BoxListOutput {
    let mut kernel = BoxList::new(gpu, &case.heads).unwrap();
    BoxList::parse(&bytes(
        gpu,
        &mut kernel,
        &case.outputs,
        &case.placement,
        options,
    ))
    .unwrap()
}

struct Case {
    heads: Vec<Head>,
    outputs: Vec<Tensor>,
    placement: ImagePlacement,
}

impl Case {
    fn candidates(&self, threshold: f32) -> Vec<ScoredBox> {
        let decoded = self.heads.iter().zip(&self.outputs);
        decoded
            .flat_map(|(head, output)| {
                let boxes = head
                    .decode(output, self.placement.input, threshold)
                    .unwrap();
                boxes.into_iter().flatten()
            })
            .collect()
    }

    /// The boxes that `Detector` returns.
    fn expected(&self, options: &DetectionOptions) -> Vec<ScoredBox> {
        let boxes = non_maximum_suppression(self.candidates(options.threshold), options.iou);
        boxes
            .into_iter()
            .filter_map(|found| self.in_image_pixels(found))
            .collect()
    }

    fn in_image_pixels(&self, found: ScoredBox) -> Option<ScoredBox> {
        let ImagePlacement {
            input: [input_height, input_width],
            placement,
            size: (width, height),
        } = self.placement;
        let to_pixels = |x: f32, y: f32| {
            let [x, y] = placement.to_image([x * input_width as f32, y * input_height as f32]);
            [x.clamp(0.0, width as f32), y.clamp(0.0, height as f32)]
        };
        let [x0, y0, x1, y1] = found.corners;
        let ([x0, y0], [x1, y1]) = (to_pixels(x0, y0), to_pixels(x1, y1));
        (x0 < x1 && y0 < y1).then_some(ScoredBox {
            corners: [x0, y0, x1, y1],
            ..found
        })
    }

    /// Whether the expected boxes do not depend on rounding errors.
    fn is_decisive(&self, options: &DetectionOptions) -> bool {
        let mut scores: Vec<f32> = (self.candidates(options.threshold).iter())
            .map(|found| found.score)
            .collect();
        scores.sort_by(f32::total_cmp);
        let classes = |threshold: f32, iou: f32| -> Vec<usize> {
            let options = DetectionOptions::new().threshold(threshold).iou(iou);
            self.expected(&options)
                .iter()
                .map(|found| found.class)
                .collect()
        };
        let margin = tolerance::DECISIVE_MARGIN;
        let nearby =
            [-margin, margin].map(|d| classes(options.threshold + d, options.iou + 10.0 * d));
        let are_distinct = |pair: &[f32]| pair[1] - pair[0] > tolerance::DISTINCT_SCORES;
        scores.windows(2).all(are_distinct) && nearby[0] == nearby[1]
    }
}

fn check(name: &str, gpu: &Gpu, case: &Case, options: &DetectionOptions) {
    let found = list(gpu, case, options);
    let candidates = case.candidates(options.threshold).len();
    assert_eq!(found.candidates as usize, candidates, "{name}");
    assert_eq!([found.dropped, found.unlisted], [0, 0], "{name}");
    compare(name, case, &found.boxes, &case.expected(options));
}

fn compare(name: &str, case: &Case, found: &[ScoredBox], expected: &[ScoredBox]) {
    assert_eq!(found.len(), expected.len(), "{name}: {:?}", case.heads);
    let side = case.placement.size.0.max(case.placement.size.1) as f32;
    for (found, expected) in found.iter().zip(expected) {
        let pairs = found.corners.iter().zip(expected.corners);
        let near = found.class == expected.class
            && (found.score - expected.score).abs() <= tolerance::BOX * expected.score
            && pairs
                .into_iter()
                .all(|(f, e)| (f - e).abs() <= tolerance::BOX * side);
        assert!(near, "{name}: {:?}: {found:?} {expected:?}", case.heads);
    }
}

fn placements() -> [ImagePlacement; 3] {
    let placement = |input_size, crop_mode, crop_pct, width, height| {
        let preprocessing = Preprocessing {
            input_size,
            crop_mode,
            crop_pct,
            ..Preprocessing::default()
        };
        ImagePlacement::new(&preprocessing, width, height)
    };
    [
        placement([3, 64, 96], CropMode::Squash, 1.0, 96, 64),
        placement([3, 96, 96], CropMode::Letterbox, 1.0, 1000, 300),
        placement([3, 64, 64], CropMode::Center, 0.875, 123, 457),
    ]
}

/// The output of a head. Most boxes are small, and most objectness is low.
fn output(head: &Head, random: &mut Random, [height, width]: [usize; 2]) -> Tensor {
    let classes = head.classes();
    match head {
        Head::Detection {
            side, boxes, sqrt, ..
        } => {
            let cells = side * side;
            let [scores, confidences] = [cells * classes, cells * (classes + boxes)];
            Tensor::from_fn([1, cells * (classes + 5 * boxes)], |i| {
                let x = random.next();
                match i {
                    i if i < scores => 2.0 * x,
                    i if i < confidences => x,
                    _ if *sqrt => x,
                    _ => x.abs(),
                }
            })
        }
        Head::Region { anchors, .. } => map(anchors.len(), classes, [height, width], random),
        Head::Yolo { mask, .. } => map(mask.len(), classes, [height, width], random),
        Head::Decoded(boxes) => decoded(boxes, 4 * height * width, random),
        other => panic!("no outputs for {other:?}"),
    }
}

fn map(boxes: usize, classes: usize, [height, width]: [usize; 2], random: &mut Random) -> Tensor {
    // With more classes, each is less likely: otherwise no case with so many boxes would be decisive.
    let bias = (classes as f32).ln();
    Tensor::from_fn([1, boxes * (5 + classes), height, width], |i| {
        let x = random.next();
        match i / (height * width) % (5 + classes) {
            0..4 => x,
            4 => 3.0 * x,
            _ => 4.0 * x - bias,
        }
    })
}

/// Boxes that are decoded: in the input or near it, as pixels of an input of 64 by 64 or as shares.
fn decoded(boxes: &DecodedBoxes, count: usize, random: &mut Random) -> Tensor {
    let objectness = usize::from(boxes.has_objectness);
    let values = 4 + objectness + boxes.classes;
    let unit = if boxes.in_pixels { 64.0 } else { 1.0 };
    let mut value = |value: usize| {
        let x = random.next().abs();
        match value {
            0 | 1 => unit * x / 2.0,
            2 | 3 if boxes.has_corners => unit * (0.5 + x / 2.0),
            2 | 3 => unit * x,
            _ => x,
        }
    };
    let table: Vec<Vec<f32>> = (0..count)
        .map(|_| (0..values).map(&mut value).collect())
        .collect();
    match boxes.by_box {
        true => Tensor::from_fn([1, count, values], |i| table[i / values][i % values]),
        false => Tensor::from_fn([1, values, count], |i| table[i % count][i / count]),
    }
}

fn heads() -> Vec<Vec<Head>> {
    let detection = |side, boxes, classes, sqrt, softmax| Head::Detection {
        side,
        boxes,
        classes,
        sqrt,
        softmax,
    };
    let region = |anchors: &[[f32; 2]], classes, softmax| Head::Region {
        anchors: anchors.to_vec(),
        classes,
        softmax,
    };
    let anchors = [[10.0, 14.0], [23.0, 27.0], [37.0, 58.0], [81.0, 82.0]];
    let yolo = |mask: &[usize], classes| Head::yolo_v3(&anchors, mask, classes);
    let scaled = |scale_x_y, new_coords| Head::Yolo {
        anchors: anchors.to_vec(),
        mask: vec![1, 2],
        classes: 4,
        scale_x_y,
        new_coords,
    };
    vec![
        vec![detection(3, 2, 5, true, false)],
        vec![detection(4, 1, 3, false, true)],
        vec![detection(2, 3, 1, true, true)],
        vec![region(&[[0.5, 0.7], [1.5, 1.0]], 4, true)],
        vec![region(&[[1.0, 1.0]], 2, false)],
        vec![yolo(&[0], 1)],
        vec![yolo(&[1, 3], 20)],
        vec![yolo(&[2, 3], 3), yolo(&[0, 1], 3)],
        vec![scaled(1.2, false)],
        vec![scaled(2.0, true)],
        // As of YOLOv8, YOLOv5 and UltraFace, and all else the other way.
        vec![Head::Decoded(DecodedBoxes {
            in_pixels: true,
            ..DecodedBoxes::new(6)
        })],
        vec![Head::Decoded(DecodedBoxes {
            has_objectness: true,
            by_box: true,
            in_pixels: true,
            ..DecodedBoxes::new(3)
        })],
        vec![Head::Decoded(DecodedBoxes {
            by_box: true,
            has_corners: true,
            ..DecodedBoxes::new(1)
        })],
        vec![Head::Decoded(DecodedBoxes {
            has_objectness: true,
            has_corners: true,
            ..DecodedBoxes::new(2)
        })],
        vec![
            yolo(&[0], 5),
            region(&[[1.0, 2.0]], 5, true),
            detection(2, 2, 5, false, false),
        ],
    ]
}

#[test]
fn boxes_equal_those_of_the_cpu() {
    for (name, gpu) in gpus() {
        for (i, heads) in heads().into_iter().enumerate() {
            let mut listed = 0;
            for (j, placement) in placements().into_iter().enumerate() {
                for (threshold, iou) in [(0.25, 0.45), (0.1, 0.2), (0.5, 0.9)] {
                    let options = DetectionOptions::new().threshold(threshold).iou(iou);
                    let case = |seed| {
                        let mut random = Random(seed);
                        let size = [[1, 1], [3, 5], [4, 2]][j];
                        let outputs = heads.iter().map(|head| output(head, &mut random, size));
                        Case {
                            outputs: outputs.collect(),
                            heads: heads.clone(),
                            placement,
                        }
                    };
                    let mut cases = (100 * i as u64..).map(case);
                    let case = cases.find(|case| case.is_decisive(&options)).unwrap();
                    listed += case.expected(&options).len();
                    check(name, gpu, &case, &options);
                }
            }
            assert!(listed > 9, "{heads:?}: {listed} boxes are too few to test");
        }
    }
}

/// Maps of zeros: every score is a quarter, and every box is as large as the anchor.
fn identical([height, width]: [usize; 2], anchors: usize, classes: usize, size: f32) -> Case {
    Case {
        heads: vec![Head::yolo_v3(
            &vec![[size, size]; anchors],
            &(0..anchors).collect::<Vec<_>>(),
            classes,
        )],
        outputs: vec![Tensor::zeros([1, anchors * (5 + classes), height, width])],
        placement: placements()[0],
    }
}

const LOW: DetectionOptions = DetectionOptions::new().threshold(0.2).iou(0.45);

#[test]
fn the_first_of_equal_boxes_is_kept() {
    for (name, gpu) in gpus() {
        // The boxes of a cell are identical; those of neighboring cells overlap by a third.
        let case = identical([4, 6], 3, 4, 32.0);
        check(name, gpu, &case, &LOW);
        let options = LOW.iou(0.1);
        check(name, gpu, &case, &options);
    }
}

#[test]
fn a_high_threshold_gives_an_empty_list() {
    for (name, gpu) in gpus() {
        let case = identical([4, 6], 3, 4, 32.0);
        let options = DetectionOptions::new().threshold(1.0).iou(0.45);
        let mut kernel = BoxList::new(gpu, &case.heads).unwrap();
        // The second list is empty, although the first was not.
        for options in [&LOW, &options] {
            let found = bytes(gpu, &mut kernel, &case.outputs, &case.placement, options);
            let found = BoxList::parse(&found).unwrap();
            assert_eq!(found.boxes.is_empty(), options.threshold == 1.0, "{name}");
            assert_eq!(found.candidates == 0, options.threshold == 1.0, "{name}");
        }
    }
}

#[test]
fn without_classes_there_are_no_boxes() {
    for (name, gpu) in gpus() {
        let mut case = identical([4, 6], 2, 0, 32.0);
        check(name, gpu, &case, &LOW);
        case.heads = vec![Head::Region {
            anchors: vec![[1.0, 1.0]; 2],
            classes: 0,
            softmax: true,
        }];
        check(name, gpu, &case, &LOW);
    }
}

#[test]
fn boxes_beyond_the_capacity_are_counted() {
    for (name, gpu) in gpus() {
        // 4,800 candidates. Only those of the same cell overlap.
        let case = identical([40, 40], 3, 1, 0.5);
        let found = list(gpu, &case, &LOW);
        assert_eq!(
            [found.candidates, found.dropped],
            [4800, 4800 - 4096],
            "{name}"
        );
        assert_eq!(found.boxes.len(), BoxList::MOST as usize, "{name}");
        assert!(found.unlisted > 1000, "{name}: {}", found.unlisted);

        // As many candidates as fit, but more than are listed: the first ones are listed.
        let case = identical([64, 64], 1, 1, 0.5);
        let found = list(gpu, &case, &LOW);
        assert_eq!([found.candidates, found.dropped], [4096, 0], "{name}");
        assert_eq!(found.unlisted, 4096 - BoxList::MOST, "{name}");
        compare(
            name,
            &case,
            &found.boxes,
            &case.expected(&LOW)[..BoxList::MOST as usize],
        );
    }
}

#[test]
fn values_that_are_not_finite_are_counted() {
    for (name, gpu) in gpus() {
        let mut random = Random(9);
        for heads in heads() {
            let mut kernel = BoxList::new(gpu, &heads).unwrap();
            let mut count = 0;
            let outputs: Vec<Tensor> = (heads.iter())
                .map(|head| {
                    let output = output(head, &mut random, [3, 5]);
                    Tensor::from_fn(output.shape().clone(), |i| match random.next() > 0.8 {
                        true => {
                            count += 1;
                            [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY]
                                [count as usize % 4]
                        }
                        false => output.data()[i],
                    })
                })
                .collect();
            let found = bytes(gpu, &mut kernel, &outputs, &placements()[0], &LOW);
            assert_eq!(words(&found)[3], count, "{name}: {heads:?}");
            let error = BoxList::parse(&found).unwrap_err().to_string();
            assert!(
                error.contains(&format!("({count} values are NaN or infinite)")),
                "{error}"
            );
        }
    }
}

#[test]
fn infinite_boxes_are_clamped_to_the_image() {
    for (name, gpu) in gpus() {
        let mut case = identical([1, 3], 1, 2, 32.0);
        // An infinite width, a width of zero, and an objectness of 1.
        let special = [(2, 0, 100.0), (2, 1, -3e38), (4, 2, 3e38)];
        for (channel, cell, value) in special {
            case.outputs[0].data_mut()[channel * 3 + cell] = value;
        }
        check(name, gpu, &case, &LOW);
        // Class scores whose exponentials are infinite, also through a softmax.
        case.heads = vec![Head::Region {
            anchors: vec![[1.0, 1.0]],
            classes: 2,
            softmax: true,
        }];
        for (channel, cell, value) in [(5, 0, 3e38), (6, 1, -3e38)] {
            case.outputs[0].data_mut()[channel * 3 + cell] = value;
        }
        check(name, gpu, &case, &LOW);
    }
}
