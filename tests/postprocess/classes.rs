//! `ArgMax` and `TopK`.

use shadernet::gpu::Gpu;
use shadernet::postprocess::{ArgMax, ClassScore, TopK};
use shadernet::tensor::Tensor;
use shadernet::vision::{Mask, softmax, top_k};

use crate::common::tolerance;
use crate::harness::{Random, gpus, upload};
use crate::host::{read, submitted, words};

fn arg_max(gpu: &Gpu, kernel: &mut ArgMax, logits: &Tensor, offset: u64) -> Vec<u32> {
    let logits = upload(gpu, logits, offset);
    let map = submitted(gpu, |encoder| kernel.encode(encoder, &logits)).unwrap();
    let expected = match *logits.shape.dims() {
        [n, _, h, w] => vec![n, h, w],
        _ => vec![logits.shape.dims()[0]],
    };
    assert_eq!(map.shape.dims(), expected);
    words(&read(gpu, &map.buffer))[..map.shape.len()].to_vec()
}

/// The class of each pixel by the rules of `Mask`, for any number of images and classes.
fn expected_classes(logits: &Tensor) -> Vec<u32> {
    let [n, channels, h, w] = logits.shape().nchw();
    let plane = h * w;
    let class = |pixel: usize| {
        let first = pixel / plane * channels * plane + pixel % plane;
        let at = |channel: usize| logits.data()[first + channel * plane];
        if channels == 1 {
            return u32::from(at(0) > 0.0);
        }
        let better = |best, channel| {
            if at(channel) > at(best) {
                channel
            } else {
                best
            }
        };
        (0..channels).fold(0, better) as u32
    };
    (0..n * plane).map(class).collect()
}

#[test]
fn arg_max_equals_the_cpu() {
    for (name, gpu) in gpus() {
        let mut kernel = ArgMax::new(gpu).unwrap();
        let mut random = Random(1);
        for (n, h, w) in [(1, 1, 1), (3, 5, 7), (2, 1, 130), (1, 33, 2)] {
            for channels in [1, 2, 5, 21, 257] {
                let logits = random.tensor([n, channels, h, w]);
                for offset in [0, 48, 1040] {
                    let found = arg_max(gpu, &mut kernel, &logits, offset);
                    assert_eq!(
                        found,
                        expected_classes(&logits),
                        "{name}: {}",
                        logits.shape()
                    );
                }
            }
        }
        let vectors = random.tensor([300, 10]);
        assert_eq!(
            arg_max(gpu, &mut kernel, &vectors, 16),
            expected_classes(&vectors)
        );

        // `Mask` itself, at the size of the map, where nothing is interpolated.
        let logits = random.tensor([1, 21, 9, 4]);
        let mask = Mask::from_logits(&logits, 4, 9).unwrap();
        let classes: Vec<u32> = mask
            .classes()
            .iter()
            .map(|&class| u32::from(class))
            .collect();
        assert_eq!(arg_max(gpu, &mut kernel, &logits, 0), classes, "{name}");
    }
}

#[test]
fn arg_max_of_ties_nan_and_infinity_equals_the_cpu() {
    const SPECIAL: [f32; 9] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
    ];
    for (name, gpu) in gpus() {
        let mut kernel = ArgMax::new(gpu).unwrap();
        let mut random = Random(2);
        for channels in [1, 2, 3, 5] {
            let logits = Tensor::from_fn([2, channels, 20, 20], |_| {
                SPECIAL[(random.next().abs() * 8.99) as usize]
            });
            let found = arg_max(gpu, &mut kernel, &logits, 0);
            assert_eq!(found, expected_classes(&logits), "{name}: {channels}");
        }
    }
}

fn top(gpu: &Gpu, kernel: &mut TopK, scores: &Tensor, k: usize) -> Vec<Vec<ClassScore>> {
    let scores = upload(gpu, scores, 16);
    let top = submitted(gpu, |encoder| kernel.encode(encoder, &scores, k)).unwrap();
    top.parse(&read(gpu, &top.buffer)).unwrap()
}

fn check_top(name: &str, gpu: &Gpu, kernel: &mut TopK, scores: &Tensor, k: usize, logits: bool) {
    let found = top(gpu, kernel, scores, k);
    let [_, classes, ..] = scores.shape().nchw();
    let images = scores.data().chunks(classes);
    assert_eq!(found.len(), images.len());
    for (found, image) in found.iter().zip(images) {
        let probabilities = if logits {
            softmax(image)
        } else {
            image.to_vec()
        };
        let expected = top_k(&probabilities, k);
        let what = format!("{name}: {} {k}", scores.shape());
        let order: Vec<usize> = found.iter().map(|score| score.class).collect();
        assert_eq!(order, expected, "{what}");
        for found in found {
            let (found, expected) = (found.probability, probabilities[found.class]);
            let allowed = tolerance::SOFTMAX * expected.abs();
            let near = found == expected || (found - expected).abs() <= allowed;
            assert!(
                near || (found.is_nan() && expected.is_nan()),
                "{what}: {found} {expected}"
            );
        }
    }
}

/// Values that differ by more than rounding errors, shuffled.
fn distinct(random: &mut Random, images: usize, classes: usize) -> Tensor {
    let mut data = Vec::new();
    for _ in 0..images {
        let mut image: Vec<f32> = (0..classes).map(|i| i as f32 * 0.02 - 2.0).collect();
        for i in (1..classes).rev() {
            image.swap(i, (random.next().abs() * i as f32) as usize);
        }
        data.extend(image);
    }
    Tensor::new([images, classes], data).unwrap()
}

#[test]
fn top_k_equals_the_cpu() {
    for (name, gpu) in gpus() {
        let mut of_logits = TopK::new(gpu, true).unwrap();
        let mut of_probabilities = TopK::new(gpu, false).unwrap();
        let mut random = Random(3);
        for (images, classes) in [
            (1, 1),
            (1, 2),
            (5, 3),
            (2, 64),
            (3, 65),
            (2, 257),
            (1, 1000),
        ] {
            let scores = distinct(&mut random, images, classes);
            for k in [1, 5, 128] {
                check_top(name, gpu, &mut of_logits, &scores, k, true);
                check_top(name, gpu, &mut of_probabilities, &scores, k, false);
            }
        }
        let maps = distinct(&mut random, 2, 10).reshape([2, 10, 1, 1]).unwrap();
        check_top(name, gpu, &mut of_logits, &maps, 3, true);
    }
}

#[test]
fn top_k_of_ties_nan_and_infinity_equals_the_cpu() {
    const NAN: f32 = f32::NAN;
    const INFINITY: f32 = f32::INFINITY;
    let images = [
        [0.0, -0.0, 0.0, -1.0, 1.0, 0.0],
        [1.0, NAN, 2.0, -NAN, 3.0, 0.0],
        [1.0, INFINITY, 2.0, -INFINITY, 3.0, 0.0],
        [-INFINITY; 6],
        [1.0, -INFINITY, 2.0, 4.0, 3.0, 0.0],
        [90.0, 91.0, 95.0, 94.0, 93.0, 92.0],
        [-90.0, -91.0, -95.0, -94.0, -93.0, -92.0],
        [3e38, 1e38, 2e38, -3e38, 0.0, 1.0],
    ];
    for (name, gpu) in gpus() {
        let mut of_logits = TopK::new(gpu, true).unwrap();
        let mut of_probabilities = TopK::new(gpu, false).unwrap();
        for image in images {
            let scores = Tensor::new([1, 6], image.to_vec()).unwrap();
            // The CPU sorts probabilities: where they underflow to 0, the order of the logits is lost.
            let k = if image[0] == 3e38 { 1 } else { 6 };
            check_top(name, gpu, &mut of_logits, &scores, k, true);
            check_top(name, gpu, &mut of_probabilities, &scores, 6, false);
        }
    }
}
