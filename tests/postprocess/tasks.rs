//! From a host's texture to an answer on the GPU, in one call: what the tasks answer from a picture.

use std::path::Path;
use std::time::Duration;

use half::f16;
use shadernet::device::Device;
use shadernet::gpu::{Gpu, GpuTensor};
use shadernet::model_folder::ModelFolder;
use shadernet::postprocess::{BoxList, ColorTable};
use shadernet::session::PassChunks;
use shadernet::tasks::{Classifier, Detection, Detector, SegmentSize, Segmenter};
use shadernet::texture::{ColorEncoding, TextureSource};
use shadernet::vision::{Mask, RgbImage, decode, mask_color};
use shadernet::weights::{Dtype, Weights};
use shadernet::wgpu::{self, TextureFormat, TextureUsages};
use shadernet::zoo::{self, ZooOptions};

use crate::common::{place, write_weights};
use crate::devices::open_all;
use crate::host::{SHOWN, descriptor, drawn, read, submitted, texels, texture, write};

fn in_repository(path: &str) -> std::path::PathBuf {
    place::repository().join(path)
}

fn model(name: &str) -> ModelFolder {
    ModelFolder::open(in_repository("models").join(name)).unwrap()
}

fn picture(name: &str) -> RgbImage {
    decode(in_repository("tests/images").join(name)).unwrap()
}

fn gpus() -> Vec<(String, Gpu)> {
    let gpu = |(name, device)| match device {
        Device::Gpu(gpu) => (name, gpu),
        Device::Cpu { .. } => panic!("a GPU was expected"),
    };
    open_all().into_iter().map(gpu).collect()
}

#[test]
fn the_cat_is_named() {
    let (folder, picture) = (model("efficientnet_lite0"), picture("chelsea.png"));
    for (name, gpu) in gpus() {
        let mut classifier =
            Classifier::new(&Device::from(gpu.clone()), &folder, &Default::default()).unwrap();
        classifier.prepare_encode().unwrap();
        let expected = classifier.classify(&picture, 5).unwrap();
        let check = |classifier: &mut Classifier, gpu: &Gpu| {
            let view = drawn(gpu, &picture);
            let top = submitted(gpu, |encoder| classifier.encode(encoder, &view, 5)).unwrap();
            let found = top.parse(&read(gpu, &top.buffer)).unwrap();
            let found = classifier.named(&found[0]);
            assert_eq!(found.len(), 5);
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.label, expected.label, "{name}");
                let error = (found.probability - expected.probability).abs();
                assert!(error < 1e-6, "{name}: {found:?} {expected:?}");
            }
        };
        check(&mut classifier, &gpu);

        let [(_, other), ..] = &gpus()[..] else {
            panic!()
        };
        gpu.device().destroy();
        classifier.restore(other).unwrap();
        check(&mut classifier, other);
    }
}

#[test]
fn the_cup_is_found() {
    let (folder, picture) = (model("yolov3_tiny"), picture("coffee.png"));
    for (name, gpu) in gpus() {
        let mut detector =
            Detector::new(&Device::from(gpu.clone()), &folder, &Default::default()).unwrap();
        for threshold in [0.25, 0.05] {
            let options = shadernet::tasks::DetectionOptions::new().threshold(threshold);
            let expected = detector.detect(&picture, &options).unwrap();
            assert!(!expected.is_empty());
            let view = drawn(&gpu, &picture);
            let list = submitted(&gpu, |encoder| detector.encode(encoder, &view, &options));
            let found = BoxList::parse(&read(&gpu, &list.unwrap())).unwrap();
            let found = detector.named(&found);
            assert_found(&name, &found, &expected);
        }
    }
}

fn assert_found(name: &str, found: &[Detection], expected: &[Detection]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.label, expected.label, "{name}");
        assert!((found.score - expected.score).abs() < 1e-5, "{name}");
        let pairs = found.corners.iter().zip(expected.corners);
        for (found, expected) in pairs {
            assert!(
                (found - expected).abs() < 0.01,
                "{name}: {found} {expected}"
            );
        }
    }
}

/// A folder of a U-Net with generated weights.
fn unet(architecture: &str, folder: &Path) -> ModelFolder {
    let options = ZooOptions::classes(3).with_channels(3);
    let graph = zoo::build(architecture, &options).unwrap();
    let weights = Weights::generated(&graph, 1.0);
    write_weights(&folder.join("model.safetensors"), &weights, Dtype::F16);
    let config = serde_json::json!({
        "architecture": architecture,
        "num_classes": 3,
        "pretrained_cfg": {"input_size": [3, 48, 64]},
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    ModelFolder::open(folder).unwrap()
}

#[test]
fn a_mask_lies_over_the_picture() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, picture) = (unet("unet", scratch.path()), picture("coffee.png"));
    let (width, height) = picture.dimensions();
    for (name, gpu) in gpus() {
        let mut segmenter =
            Segmenter::new(&Device::from(gpu.clone()), &folder, &Default::default()).unwrap();
        let expected = segmenter.segment(&picture, SegmentSize::Model).unwrap();
        let view = drawn(&gpu, &picture);
        let usage = TextureUsages::STORAGE_BINDING | TextureUsages::COPY_SRC;
        let mask = texture(&gpu, [width, height], TextureFormat::Rgba8Unorm, usage);
        let to = mask.create_view(&Default::default());
        let colors = ColorTable::pascal_voc(99);
        submitted(&gpu, |encoder| {
            segmenter.encode(encoder, &view, &to, &colors)
        })
        .unwrap();
        assert_mask(&name, &texels(&gpu, &mask), &expected);
    }
}

/// Of [`ColorTable::pascal_voc`] with an alpha of 99.
fn assert_mask(name: &str, found: &[[u8; 4]], expected: &Mask) {
    let mut classes = std::collections::BTreeSet::new();
    assert_eq!(found.len(), expected.classes().len(), "{name}");
    for (i, &texel) in found.iter().enumerate() {
        let (class, probability) = (expected.classes()[i], expected.probabilities()[i]);
        classes.insert(class);
        let [red, green, blue] = mask_color(class).0;
        let color = match class {
            0 => [0; 4],
            _ => [red, green, blue, 99],
        };
        // Of two classes that are as likely as each other, no more than a half.
        let may_be_tie = probability < 0.5 + 1e-5;
        assert!(
            texel == color || may_be_tie,
            "{name}: {i}: {texel:?} {color:?}"
        );
    }
    assert!(classes.len() > 1, "{classes:?}");
}

/// A level of a texture, and numbers that are not what their format says: seen right only where the host is
/// heard, whole and in pieces, and the boxes are in the level's texels.
#[test]
fn tasks_hear_what_the_host_says_of_a_view() {
    let max = Duration::ZERO;
    let picture = picture("coffee.png");
    let (width, height) = picture.dimensions();
    let numbers = picture
        .pixels()
        .flat_map(|&image::Rgb([r, g, b])| [r, g, b, 255].map(|byte| f32::from(byte) / 255.0));
    let encoded: Vec<u8> = numbers
        .flat_map(|number| f16::from_f32(number).to_le_bytes())
        .collect();
    let scratch = tempfile::tempdir().unwrap();
    let (cat, cup) = (model("efficientnet_lite0"), model("yolov3_tiny"));
    let map = unet("unet", scratch.path());
    for (name, gpu) in gpus() {
        let (device, options) = (Device::from(gpu.clone()), Default::default());
        let frame = gpu.device().create_texture(&wgpu::TextureDescriptor {
            mip_level_count: 2,
            // Of the same proportions; the first level is black.
            ..descriptor(
                [2 * width + 1, 2 * height],
                TextureFormat::Rgba16Float,
                SHOWN,
            )
        });
        write(&gpu, &frame, 1, &encoded);
        let view = frame.create_view(&wgpu::TextureViewDescriptor {
            base_mip_level: 1,
            ..Default::default()
        });
        let source = TextureSource::new(&view)
            .mip_level(1)
            .color_encoding(ColorEncoding::Srgb);

        let mut classifier = Classifier::new(&device, &cat, &options).unwrap();
        let expected = classifier.classify(&picture, 5).unwrap();
        let top = submitted(&gpu, |e| classifier.encode(e, source, 5)).unwrap();
        let whole = read(&gpu, &top.buffer);
        let found = classifier.named(&top.parse(&whole).unwrap()[0]);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.label, expected.label, "{name}");
            let error = (found.probability - expected.probability).abs();
            assert!(error < 1e-6, "{name}: {found:?} {expected:?}");
        }
        let slices = submitted(&gpu, |e| classifier.encode_chunks(e, source, max)).unwrap();
        let outputs = in_pieces(&gpu, slices);
        let top = submitted(&gpu, |e| classifier.encode_postprocess(e, &outputs, 5)).unwrap();
        assert_eq!(read(&gpu, &top.buffer), whole, "{name}");

        let mut detector = Detector::new(&device, &cup, &options).unwrap();
        let options = Default::default();
        let expected = detector.detect(&picture, &options).unwrap();
        assert!(!expected.is_empty());
        let list = submitted(&gpu, |e| detector.encode(e, source, &options)).unwrap();
        let whole = BoxList::parse(&read(&gpu, &list)).unwrap();
        assert_found(&name, &detector.named(&whole), &expected);
        let slices = submitted(&gpu, |e| detector.encode_chunks(e, source, max)).unwrap();
        let outputs = in_pieces(&gpu, slices);
        let answer = |e: &mut _| detector.encode_postprocess(e, &outputs, source, &options);
        let pieces = BoxList::parse(&read(&gpu, &submitted(&gpu, answer).unwrap())).unwrap();
        assert_eq!(pieces, whole, "{name}");
        // A level that there is not has no texels for boxes to be in.
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let beyond = source.mip_level(40);
        let refused = detector.encode_postprocess(&mut encoder, &outputs, beyond, &options);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("a mip level below 2"), "{message}");

        let mut segmenter = Segmenter::new(&device, &map, &Default::default()).unwrap();
        let expected = segmenter.segment(&picture, SegmentSize::Model).unwrap();
        let colors = ColorTable::pascal_voc(99);
        let usage = TextureUsages::STORAGE_BINDING | TextureUsages::COPY_SRC;
        let format = TextureFormat::Rgba8Unorm;
        let [whole, pieces] = [(); 2].map(|()| texture(&gpu, [width, height], format, usage));
        let to = whole.create_view(&Default::default());
        submitted(&gpu, |e| segmenter.encode(e, source, &to, &colors)).unwrap();
        assert_mask(&name, &texels(&gpu, &whole), &expected);
        let slices = submitted(&gpu, |e| segmenter.encode_chunks(e, source, max)).unwrap();
        let outputs = in_pieces(&gpu, slices);
        let to = pieces.create_view(&Default::default());
        submitted(&gpu, |e| {
            segmenter.encode_postprocess(e, &outputs, &to, &colors)
        })
        .unwrap();
        assert_eq!(texels(&gpu, &pieces), texels(&gpu, &whole), "{name}");
    }
}

#[test]
fn a_network_that_sees_more_than_the_picture_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = unet("unet_paper", scratch.path());
    let (_, gpu) = gpus().swap_remove(0);
    let mut segmenter =
        Segmenter::new(&Device::from(gpu.clone()), &folder, &Default::default()).unwrap();
    let view = drawn(&gpu, &RgbImage::new(10, 10));
    let usage = TextureUsages::STORAGE_BINDING;
    let mask = texture(&gpu, [10, 10], TextureFormat::Rgba8Unorm, usage);
    let to = mask.create_view(&Default::default());
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let refused = segmenter.encode(&mut encoder, &view, &to, &ColorTable::default());
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("for a map of 48x64: use Segmenter::segment"),
        "{message}"
    );
}

/// Records the pieces one by one, each in a submission of its own; the outputs.
fn in_pieces(gpu: &Gpu, mut slices: PassChunks) -> Vec<GpuTensor> {
    assert!(slices.progress().1 > 1);
    loop {
        let outputs = submitted(gpu, |encoder| slices.encode(encoder)).unwrap();
        if let Some(outputs) = outputs {
            return outputs;
        }
    }
}

#[test]
fn passes_in_pieces_answer_as_whole_ones_do() {
    let max = Duration::ZERO;
    let picture = picture("coffee.png");
    let scratch = tempfile::tempdir().unwrap();
    let (cat, cup) = (model("efficientnet_lite0"), model("yolov3_tiny"));
    let map = unet("unet", scratch.path());
    // Pieces are of the same dispatches on every device: one will do.
    for (name, gpu) in gpus().into_iter().take(1) {
        let (device, options) = (Device::from(gpu.clone()), Default::default());
        let view = drawn(&gpu, &picture);

        let mut classifier = Classifier::new(&device, &cat, &options).unwrap();
        classifier.prepare_chunks().unwrap();
        let top = submitted(&gpu, |e| classifier.encode(e, &view, 5)).unwrap();
        let whole = read(&gpu, &top.buffer);
        let slices = submitted(&gpu, |e| classifier.encode_chunks(e, &view, max)).unwrap();
        let outputs = in_pieces(&gpu, slices);
        let top = submitted(&gpu, |e| classifier.encode_postprocess(e, &outputs, 5)).unwrap();
        assert_eq!(read(&gpu, &top.buffer), whole, "{name}");

        let mut detector = Detector::new(&device, &cup, &options).unwrap();
        detector.prepare_chunks().unwrap();
        let options = Default::default();
        let list = submitted(&gpu, |e| detector.encode(e, &view, &options)).unwrap();
        let whole = BoxList::parse(&read(&gpu, &list)).unwrap();
        let slices = submitted(&gpu, |e| detector.encode_chunks(e, &view, max)).unwrap();
        let outputs = in_pieces(&gpu, slices);
        let list = submitted(&gpu, |e| {
            detector.encode_postprocess(e, &outputs, &view, &options)
        });
        let pieces = BoxList::parse(&read(&gpu, &list.unwrap())).unwrap();
        assert_eq!(pieces, whole, "{name}");

        let mut segmenter = Segmenter::new(&device, &map, &Default::default()).unwrap();
        segmenter.prepare_chunks().unwrap();
        let usage = TextureUsages::STORAGE_BINDING | TextureUsages::COPY_SRC;
        let [whole, pieces] =
            [(); 2].map(|()| texture(&gpu, [90, 60], TextureFormat::Rgba8Unorm, usage));
        let colors = ColorTable::default();
        let to = whole.create_view(&Default::default());
        submitted(&gpu, |e| segmenter.encode(e, &view, &to, &colors)).unwrap();
        let slices = submitted(&gpu, |e| segmenter.encode_chunks(e, &view, max)).unwrap();
        let outputs = in_pieces(&gpu, slices);
        let to = pieces.create_view(&Default::default());
        submitted(&gpu, |e| {
            segmenter.encode_postprocess(e, &outputs, &to, &colors)
        })
        .unwrap();
        assert_eq!(texels(&gpu, &pieces), texels(&gpu, &whole), "{name}");
    }
}

#[test]
fn the_cpu_has_no_encoder() {
    let folder = model("yolov3_tiny");
    let mut detector = Detector::new(&Device::cpu(), &folder, &Default::default()).unwrap();
    let message = detector.prepare_encode().unwrap_err().report().to_string();
    assert!(message.contains("use a GPU"), "{message}");
    let (_, gpu) = gpus().swap_remove(0);
    let view = drawn(&gpu, &RgbImage::new(10, 10));
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let result = detector.encode(&mut encoder, &view, &Default::default());
    let message = result.unwrap_err().report().to_string();
    assert!(message.contains("use a GPU"), "{message}");
}
