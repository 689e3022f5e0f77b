//! Resources that are reused between calls, and recorded parameters that are not changed.

use shadernet::device::Device;
use shadernet::postprocess::{BoxList, ColorTable, ImagePlacement, MaskTexture, TopK};
use shadernet::tensor::Tensor;
use shadernet::vision::{DetectionOptions, Head, Preprocessing};
use shadernet::wgpu::{TextureFormat, TextureUsages};

use crate::devices::open_all;
use crate::harness::{Random, gpus, upload};
use crate::host::{bytes_of, download, submitted, texture};

fn head() -> Head {
    Head::yolo_v3(&[[10.0, 14.0]], &[0], 2)
}

#[test]
fn recorded_parameters_are_not_changed_by_later_ones() {
    for (name, gpu) in gpus() {
        let mut kernel = BoxList::new(gpu, &[head()]).unwrap();
        let output = Random(1).tensor([1, 7, 9, 9]);
        let on_device = [upload(gpu, &output, 32)];
        let placement = ImagePlacement::new(&Preprocessing::default(), 300, 200);
        let thresholds: Vec<f32> = (1..12).map(|i| 0.03 * i as f32).collect();
        // All in one encoder, and more than are cached.
        let copies: Vec<_> = submitted(gpu, |encoder| {
            let each = thresholds.iter().map(|&threshold| {
                let options = DetectionOptions::new().threshold(threshold).iou(0.45);
                let list = kernel
                    .encode(encoder, &on_device, &placement, &options)
                    .unwrap();
                download(gpu, encoder, &list)
            });
            each.collect()
        });
        for (threshold, copy) in thresholds.into_iter().zip(copies) {
            let found = BoxList::parse(&bytes_of(gpu, &copy)).unwrap();
            let expected = head().decode(&output, placement.input, threshold).unwrap();
            assert_eq!(
                found.candidates as usize,
                expected[0].len(),
                "{name}: {threshold}"
            );
        }
    }
}

#[test]
fn repeated_calls_with_the_same_buffers_create_nothing() {
    for (name, device) in open_all() {
        let Device::Gpu(gpu) = device else {
            continue;
        };
        let mut top_k = TopK::new(&gpu, true).unwrap();
        let mut boxes = BoxList::new(&gpu, &[head(), head()]).unwrap();
        let mut mask = MaskTexture::new(&gpu).unwrap();
        let logits = upload(&gpu, &Tensor::zeros([2, 10]), 0);
        let map = upload(&gpu, &Tensor::zeros([1, 3, 4, 4]), 0);
        let outputs = [16, 64].map(|offset| upload(&gpu, &Tensor::zeros([1, 7, 3, 3]), offset));
        let size = [20, 20];
        let usage = TextureUsages::STORAGE_BINDING;
        let textures = [(); 3].map(|()| texture(&gpu, size, TextureFormat::Rgba8Unorm, usage));
        let views = textures.map(|texture| texture.create_view(&Default::default()));
        let placement = ImagePlacement::new(&Preprocessing::default(), 300, 200);
        let colors = ColorTable::default();
        let mut counts = Vec::new();
        for i in 0..40 {
            submitted(&gpu, |encoder| {
                top_k.encode(encoder, &logits, 5).unwrap();
                boxes
                    .encode(encoder, &outputs, &placement, &Default::default())
                    .unwrap();
                mask.encode(encoder, &map, &views[i % 3], &colors, None)
                    .unwrap();
            });
            gpu.device()
                .poll(shadernet::wgpu::PollType::wait_indefinitely())
                .unwrap();
            let counters = gpu.device().get_internal_counters().hal;
            counts.push([counters.buffers.read(), counters.bind_groups.read()]);
        }
        assert!(
            counts[3..].iter().all(|count| *count == counts[3]),
            "{name}: {counts:?}"
        );
    }
}
