//! Segmentation within a host's frame: from the host's texture to a mask in another of its textures.

use shadernet::device::Device;
use shadernet::model_folder::ModelFolder;
use shadernet::postprocess::ColorTable;
use shadernet::tasks::{SegmentSize, Segmenter};
use shadernet::texture::{Preprocessor, TextureInput};
use shadernet::vision::{CropMode, Preprocessing, decode};
use shadernet::weights::{Dtype, Weights};
use shadernet::wgpu::{BufferUsages, TextureFormat, TextureUsages};
use shadernet::zoo::{self, ZooOptions};

use super::common::{place, tolerance, write_weights};
use super::devices::backends;
use super::host::{buffer, floats, image_view, read, submitted, texels, texture};
use super::support::Host;

/// Device, textures and encoder are the host's. Shadernet maps no buffer, and creates nothing after the first
/// frame was recorded. The host reads the mask back here only to compare it.
#[test]
fn a_texture_becomes_a_mask() {
    let folder = tempfile::tempdir().unwrap();
    let graph = zoo::build("unet", &ZooOptions::classes(2)).unwrap();
    let weights = Weights::generated(&graph, 1.0);
    write_weights(
        &folder.path().join("model.safetensors"),
        &weights,
        Dtype::F16,
    );
    let config = serde_json::json!({
        "architecture": "unet",
        "num_classes": 2,
        "pretrained_cfg": {"input_size": [3, 48, 64]},
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let folder = ModelFolder::open(folder.path()).unwrap();

    let image = decode(place::repository().join("tests/images/coffee.png")).unwrap();
    let size = image.dimensions().into();
    let mut reference_segmenter =
        Segmenter::new(&Device::reference(), &folder, &Default::default()).unwrap();
    let expected = reference_segmenter
        .segment(&image, SegmentSize::Model)
        .unwrap();
    let preprocessing = Preprocessing {
        crop_pct: 1.0,
        crop_mode: CropMode::Squash,
        ..folder.preprocessing.clone()
    };
    let input = preprocessing.apply(&image).unwrap();

    for backend in backends() {
        let host = Host::open(backend);
        let frame = image_view(&host.gpu, &image);
        let usage = TextureUsages::STORAGE_BINDING | TextureUsages::COPY_SRC;
        let mask = texture(&host.gpu, size, TextureFormat::Rgba8Unorm, usage);
        let target = mask.create_view(&Default::default());

        let device = Device::from(host.gpu.clone());
        let mut segmenter = Segmenter::new(&device, &folder, &Default::default()).unwrap();
        let colors = ColorTable::new(&[[10, 20, 30, 40], [50, 60, 70, 80]]).unwrap();
        let mut counts = Vec::new();
        for _ in 0..3 {
            let mut encoder = host.device.create_command_encoder(&Default::default());
            segmenter
                .encode(&mut encoder, &frame, &target, &colors)
                .unwrap();
            host.queue.submit([encoder.finish()]);
            // Until then, wgpu itself keeps objects of the submission.
            host.wait();
            let hal = host.device.get_internal_counters().hal;
            counts.push(
                [&hal.buffers, &hal.bind_groups, &hal.textures].map(|counter| counter.read()),
            );
        }
        assert_eq!(counts[0], counts[2], "{backend:?}");

        let found = texels(&host.gpu, &mask);
        let expected_texels = expected.classes().iter().zip(expected.probabilities());
        let (mut compared, mut ties) = ([0; 2], 0);
        for (found, (class, probability)) in found.into_iter().zip(expected_texels) {
            // Of two classes, the better one has at least a half.
            if probability - 0.5 < tolerance::TEXTURE_TIE {
                ties += 1;
                continue;
            }
            assert_eq!(
                found,
                colors.get(*class),
                "{backend:?}: {class} {probability}"
            );
            compared[usize::from(*class)] += 1;
        }
        println!("{backend:?}: {compared:?} texels of each class, {ties} ties");
        assert!(compared.iter().all(|&count| count > 1000) && ties < compared[0].min(compared[1]));

        // The network's input.
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let buffer = buffer(&host.gpu, &vec![0; 4 * input.data().len()], usage);
        let mut preprocessor = Preprocessor::new(&host.gpu).unwrap();
        let textures = [TextureInput::new(&frame, &preprocessing)];
        submitted(&host.gpu, |encoder| {
            preprocessor.encode(encoder, &textures, &buffer)
        })
        .unwrap();
        let found = floats(&read(&host.gpu, &buffer));
        let plane = input.data().len() / 3;
        let largest = (found.iter().zip(input.data()).enumerate())
            .map(|(i, (found, expected))| (found - expected).abs() * preprocessing.std[i / plane])
            .fold(0.0_f32, f32::max);
        println!(
            "{backend:?}: preprocessing differs by {largest} at most, allowed are {}",
            tolerance::PIXEL_LEVEL
        );
        assert!(largest <= tolerance::PIXEL_LEVEL, "{backend:?}: {largest}");
    }
}
