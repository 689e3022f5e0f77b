//! Tasks that read a host's texture and postprocess on the GPU, against the same tasks on a decoded image.

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

use crate::common::{place, tolerance, write_weights};
use crate::devices::open_all;
use crate::host::{INPUT_USAGES, descriptor, image_view, read, submitted, texels, texture, write};

fn in_repository(path: &str) -> std::path::PathBuf {
    place::repository().join(path)
}

fn model(name: &str) -> ModelFolder {
    ModelFolder::open(in_repository("models").join(name)).unwrap()
}

fn image(name: &str) -> RgbImage {
    decode(in_repository("tests/images").join(name)).unwrap()
}

fn gpus() -> Vec<(String, Gpu)> {
    let gpu = |(name, device)| match device {
        Device::Gpu(gpu) => (name, gpu),
        _ => panic!("a GPU was expected"),
    };
    open_all().into_iter().map(gpu).collect()
}

#[test]
fn a_texture_of_a_cat_is_classified() {
    let (folder, image) = (model("efficientnet_lite0"), image("chelsea.png"));
    for (name, gpu) in gpus() {
        let mut classifier =
            Classifier::new(&Device::from(gpu.clone()), &folder, &Default::default()).unwrap();
        classifier.prepare_encode().unwrap();
        let expected = classifier.classify(&image, 5).unwrap();
        let check = |classifier: &mut Classifier, gpu: &Gpu| {
            let view = image_view(gpu, &image);
            let top = submitted(gpu, |encoder| classifier.encode(encoder, &view, 5)).unwrap();
            let found = top.parse(&read(gpu, &top.buffer)).unwrap();
            let found = classifier.named(&found[0]).unwrap();
            assert_eq!(found.len(), 5);
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.label, expected.label, "{name}");
                let error = (found.probability - expected.probability).abs();
                assert!(
                    error < tolerance::TEXTURE_PROBABILITY,
                    "{name}: {found:?} {expected:?}"
                );
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
fn the_cup_in_a_texture_is_detected() {
    let (folder, image) = (model("yolov3_tiny"), image("coffee.png"));
    for (name, gpu) in gpus() {
        let mut detector =
            Detector::new(&Device::from(gpu.clone()), &folder, &Default::default()).unwrap();
        for threshold in [0.25, 0.05] {
            let options = shadernet::tasks::DetectionOptions::new().threshold(threshold);
            let expected = detector.detect(&image, &options).unwrap();
            assert!(!expected.is_empty());
            let view = image_view(&gpu, &image);
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
        let error = (found.score - expected.score).abs();
        assert!(error < tolerance::TEXTURE_SCORE, "{name}");
        let pairs = found.corners.iter().zip(expected.corners);
        for (found, expected) in pairs {
            assert!(
                (found - expected).abs() < tolerance::TEXTURE_CORNER,
                "{name}: {found} {expected}"
            );
        }
    }
}

/// A model folder of a U-Net with generated weights.
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
fn masks_have_the_size_of_the_target_texture() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, image) = (unet("unet", scratch.path()), image("coffee.png"));
    let (width, height) = image.dimensions();
    for (name, gpu) in gpus() {
        let mut segmenter =
            Segmenter::new(&Device::from(gpu.clone()), &folder, &Default::default()).unwrap();
        let expected = segmenter.segment(&image, SegmentSize::Model).unwrap();
        let view = image_view(&gpu, &image);
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

/// A mask in the colors of [`ColorTable::pascal_voc`] with an alpha of 99.
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
        // Where the two most likely classes tie, each has at most a half.
        let may_be_tie = probability < 0.5 + tolerance::TIE as f32;
        assert!(
            texel == color || may_be_tie,
            "{name}: {i}: {texel:?} {color:?}"
        );
    }
    assert!(classes.len() > 1, "{classes:?}");
}

/// A mip level of a texture, whose color encoding is not its format's usual one: both must be as the source
/// states, in one call and in chunks, and boxes must be in the level's texels.
#[test]
fn tasks_use_the_mip_level_and_color_encoding_of_the_source() {
    let max = Duration::ZERO;
    let image = image("coffee.png");
    let (width, height) = image.dimensions();
    let values = image
        .pixels()
        .flat_map(|&image::Rgb([r, g, b])| [r, g, b, 255].map(|byte| f32::from(byte) / 255.0));
    let encoded: Vec<u8> = values
        .flat_map(|value| f16::from_f32(value).to_le_bytes())
        .collect();
    let scratch = tempfile::tempdir().unwrap();
    let (cat, cup) = (model("efficientnet_lite0"), model("yolov3_tiny"));
    let map = unet("unet", scratch.path());
    for (name, gpu) in gpus() {
        let (device, options) = (Device::from(gpu.clone()), Default::default());
        let frame = gpu.device().create_texture(&wgpu::TextureDescriptor {
            mip_level_count: 2,
            // The second level has the size of the image; the first is black.
            ..descriptor(
                [2 * width + 1, 2 * height],
                TextureFormat::Rgba16Float,
                INPUT_USAGES,
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
        let expected = classifier.classify(&image, 5).unwrap();
        let top = submitted(&gpu, |e| classifier.encode(e, source, 5)).unwrap();
        let whole = read(&gpu, &top.buffer);
        let found = classifier.named(&top.parse(&whole).unwrap()[0]).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.label, expected.label, "{name}");
            let error = (found.probability - expected.probability).abs();
            assert!(
                error < tolerance::TEXTURE_PROBABILITY,
                "{name}: {found:?} {expected:?}"
            );
        }
        let chunks = submitted(&gpu, |e| classifier.encode_chunks(e, source, max)).unwrap();
        let outputs = encode_all(&gpu, chunks);
        let top = submitted(&gpu, |e| classifier.encode_postprocess(e, &outputs, 5)).unwrap();
        assert_eq!(read(&gpu, &top.buffer), whole, "{name}");

        let mut detector = Detector::new(&device, &cup, &options).unwrap();
        let options = Default::default();
        let expected = detector.detect(&image, &options).unwrap();
        assert!(!expected.is_empty());
        let list = submitted(&gpu, |e| detector.encode(e, source, &options)).unwrap();
        let whole = BoxList::parse(&read(&gpu, &list)).unwrap();
        assert_found(&name, &detector.named(&whole), &expected);
        let chunks = submitted(&gpu, |e| detector.encode_chunks(e, source, max)).unwrap();
        let outputs = encode_all(&gpu, chunks);
        let postprocess = |e: &mut _| detector.encode_postprocess(e, &outputs, source, &options);
        let in_chunks =
            BoxList::parse(&read(&gpu, &submitted(&gpu, postprocess).unwrap())).unwrap();
        assert_eq!(in_chunks, whole, "{name}");
        // A mip level that does not exist.
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let beyond = source.mip_level(40);
        let refused = detector.encode_postprocess(&mut encoder, &outputs, beyond, &options);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("a mip level below 2"), "{message}");

        let mut segmenter = Segmenter::new(&device, &map, &Default::default()).unwrap();
        let expected = segmenter.segment(&image, SegmentSize::Model).unwrap();
        let colors = ColorTable::pascal_voc(99);
        let usage = TextureUsages::STORAGE_BINDING | TextureUsages::COPY_SRC;
        let format = TextureFormat::Rgba8Unorm;
        let [whole, in_chunks] = [(); 2].map(|()| texture(&gpu, [width, height], format, usage));
        let to = whole.create_view(&Default::default());
        submitted(&gpu, |e| segmenter.encode(e, source, &to, &colors)).unwrap();
        assert_mask(&name, &texels(&gpu, &whole), &expected);
        let chunks = submitted(&gpu, |e| segmenter.encode_chunks(e, source, max)).unwrap();
        let outputs = encode_all(&gpu, chunks);
        let to = in_chunks.create_view(&Default::default());
        submitted(&gpu, |e| {
            segmenter.encode_postprocess(e, &outputs, &to, &colors)
        })
        .unwrap();
        assert_eq!(texels(&gpu, &in_chunks), texels(&gpu, &whole), "{name}");
    }
}

#[test]
fn a_network_whose_input_exceeds_the_image_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = unet("unet_paper", scratch.path());
    let (_, gpu) = gpus().swap_remove(0);
    let mut segmenter =
        Segmenter::new(&Device::from(gpu.clone()), &folder, &Default::default()).unwrap();
    let view = image_view(&gpu, &RgbImage::new(10, 10));
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

/// Records all chunks, each in a submission of its own. Returns the outputs.
fn encode_all(gpu: &Gpu, mut chunks: PassChunks) -> Vec<GpuTensor> {
    assert!(chunks.progress().1 > 1);
    loop {
        let outputs = submitted(gpu, |encoder| chunks.encode(encoder)).unwrap();
        if let Some(outputs) = outputs {
            return outputs;
        }
    }
}

#[test]
fn passes_in_chunks_equal_whole_ones() {
    let max = Duration::ZERO;
    let image = image("coffee.png");
    let scratch = tempfile::tempdir().unwrap();
    let (cat, cup) = (model("efficientnet_lite0"), model("yolov3_tiny"));
    let map = unet("unet", scratch.path());
    // Chunks consist of the same dispatches on every device, so one device suffices.
    for (name, gpu) in gpus().into_iter().take(1) {
        let (device, options) = (Device::from(gpu.clone()), Default::default());
        let view = image_view(&gpu, &image);

        let mut classifier = Classifier::new(&device, &cat, &options).unwrap();
        classifier.prepare_chunks().unwrap();
        let top = submitted(&gpu, |e| classifier.encode(e, &view, 5)).unwrap();
        let whole = read(&gpu, &top.buffer);
        let chunks = submitted(&gpu, |e| classifier.encode_chunks(e, &view, max)).unwrap();
        let outputs = encode_all(&gpu, chunks);
        let top = submitted(&gpu, |e| classifier.encode_postprocess(e, &outputs, 5)).unwrap();
        assert_eq!(read(&gpu, &top.buffer), whole, "{name}");

        let mut detector = Detector::new(&device, &cup, &options).unwrap();
        detector.prepare_chunks().unwrap();
        let options = Default::default();
        let list = submitted(&gpu, |e| detector.encode(e, &view, &options)).unwrap();
        let whole = BoxList::parse(&read(&gpu, &list)).unwrap();
        let chunks = submitted(&gpu, |e| detector.encode_chunks(e, &view, max)).unwrap();
        let outputs = encode_all(&gpu, chunks);
        let list = submitted(&gpu, |e| {
            detector.encode_postprocess(e, &outputs, &view, &options)
        });
        let in_chunks = BoxList::parse(&read(&gpu, &list.unwrap())).unwrap();
        assert_eq!(in_chunks, whole, "{name}");

        let mut segmenter = Segmenter::new(&device, &map, &Default::default()).unwrap();
        segmenter.prepare_chunks().unwrap();
        let usage = TextureUsages::STORAGE_BINDING | TextureUsages::COPY_SRC;
        let [whole, in_chunks] =
            [(); 2].map(|()| texture(&gpu, [90, 60], TextureFormat::Rgba8Unorm, usage));
        let colors = ColorTable::default();
        let to = whole.create_view(&Default::default());
        submitted(&gpu, |e| segmenter.encode(e, &view, &to, &colors)).unwrap();
        let chunks = submitted(&gpu, |e| segmenter.encode_chunks(e, &view, max)).unwrap();
        let outputs = encode_all(&gpu, chunks);
        let to = in_chunks.create_view(&Default::default());
        submitted(&gpu, |e| {
            segmenter.encode_postprocess(e, &outputs, &to, &colors)
        })
        .unwrap();
        assert_eq!(texels(&gpu, &in_chunks), texels(&gpu, &whole), "{name}");
    }
}

#[test]
fn encoding_on_the_cpu_is_refused() {
    let folder = model("yolov3_tiny");
    let mut detector = Detector::new(&Device::cpu(), &folder, &Default::default()).unwrap();
    let message = detector.prepare_encode().unwrap_err().report().to_string();
    assert!(message.contains("use a GPU"), "{message}");
    let (_, gpu) = gpus().swap_remove(0);
    let view = image_view(&gpu, &RgbImage::new(10, 10));
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let result = detector.encode(&mut encoder, &view, &Default::default());
    let message = result.unwrap_err().report().to_string();
    assert!(message.contains("use a GPU"), "{message}");
}
