//! `MaskTexture`.

use shadernet::gpu::Gpu;
use shadernet::postprocess::{ColorTable, MapRegion, MaskTexture};
use shadernet::tensor::Tensor;
use shadernet::vision::Mask;
use shadernet::wgpu::{self, TextureFormat, TextureUsages};

use crate::common::tolerance;
use crate::harness::{Random, gpus, upload};
use crate::host::{descriptor, submitted, texels, texture};

const USAGE: TextureUsages = TextureUsages::STORAGE_BINDING.union(TextureUsages::COPY_SRC);

/// A table with a different color for every class.
fn distinct_colors() -> ColorTable {
    let colors: Vec<[u8; 4]> = (0..=255)
        .map(|class| [class, 255 - class, 7, class])
        .collect();
    ColorTable::new(&colors).unwrap()
}

fn classes(
    gpu: &Gpu,
    kernel: &mut MaskTexture,
    logits: &Tensor,
    size: [u32; 2],
    region: Option<MapRegion>,
) -> Vec<u8> {
    let logits = upload(gpu, logits, 80);
    let mask = texture(gpu, size, TextureFormat::Rgba8Unorm, USAGE);
    let view = mask.create_view(&Default::default());
    let table = distinct_colors();
    submitted(gpu, |encoder| {
        kernel.encode(encoder, &logits, &view, &table, region)
    })
    .unwrap();
    let texels = texels(gpu, &mask);
    for &[class, rest, seven, alpha] in &texels {
        assert_eq!([rest, seven, alpha], [255 - class, 7, class]);
    }
    texels.into_iter().map(|[class, ..]| class).collect()
}

/// Whether the logits of two classes at a texel are equal but for rounding.
fn is_tie(logits: &Tensor, [width, height]: [u32; 2], texel: usize, classes: [u8; 2]) -> bool {
    let [_, channels, h, w] = logits.shape().nchw();
    let neighbors = |i: usize, out: u32, size: usize| {
        let position = ((i as f64 + 0.5) * size as f64 / f64::from(out) - 0.5).max(0.0);
        let first = (position as usize).min(size - 1);
        (first, (first + 1).min(size - 1), position - first as f64)
    };
    let (left, right, u) = neighbors(texel % width as usize, width, w);
    let (top, bottom, v) = neighbors(texel / width as usize, height, h);
    let logit = |class: u8| {
        // With a single logit, class 0 has the logit 0.
        if usize::from(class) == channels || channels == 1 && class == 0 {
            return 0.0;
        }
        let map = &logits.data()[usize::from(class) % channels * h * w..];
        let at = |y: usize, x: usize| f64::from(map[y * w + x]);
        let row = |y| at(y, left) * (1.0 - u) + at(y, right) * u;
        row(top) * (1.0 - v) + row(bottom) * v
    };
    (logit(classes[0]) - logit(classes[1])).abs() < tolerance::TIE
}

fn check(name: &str, logits: &Tensor, size: [u32; 2], found: &[u8]) {
    let mask = Mask::from_logits(logits, size[0], size[1]).unwrap();
    assert_eq!(mask.classes().len(), found.len());
    for (texel, (&found, &expected)) in found.iter().zip(mask.classes()).enumerate() {
        assert!(
            found == expected || is_tie(logits, size, texel, [found, expected]),
            "{name}: {} to {size:?}: {found} at {texel}, not {expected}",
            logits.shape()
        );
    }
}

#[test]
fn masks_equal_those_of_the_cpu() {
    for (name, gpu) in gpus() {
        let mut kernel = MaskTexture::new(gpu).unwrap();
        let mut random = Random(4);
        let sizes = [[1, 1], [7, 5], [64, 40], [101, 67]];
        for (h, w) in [(1, 1), (5, 7), (1, 20), (33, 18)] {
            for channels in [1, 2, 5, 21, 256] {
                let logits = random.tensor([1, channels, h, w]);
                for size in sizes {
                    let found = classes(gpu, &mut kernel, &logits, size, None);
                    check(name, &logits, size, &found);
                }
            }
        }
    }
}

#[test]
fn masks_of_a_region_equal_those_of_a_cropped_map() {
    for (name, gpu) in gpus() {
        let mut kernel = MaskTexture::new(gpu).unwrap();
        let logits = Random(5).tensor([1, 5, 12, 9]);
        let region = MapRegion {
            top: 3,
            left: 2,
            height: 7,
            width: 6,
        };
        let inner = Tensor::from_fn([1, 5, region.height, region.width], |i| {
            let (x, y) = (i % region.width, i / region.width % region.height);
            let channel = i / (region.width * region.height);
            logits.data()[(channel * 12 + region.top + y) * 9 + region.left + x]
        });
        let found = classes(gpu, &mut kernel, &logits, [50, 31], Some(region));
        check(name, &inner, [50, 31], &found);
    }
}

#[test]
fn nan_and_infinite_logits_are_ordered_as_on_the_cpu() {
    for (name, gpu) in gpus() {
        let mut kernel = MaskTexture::new(gpu).unwrap();
        let mut random = Random(6);
        for channels in [1, 3] {
            let logits = Tensor::from_fn([1, channels, 10, 10], |_| match random.next() {
                x if x > 0.9 => f32::NAN,
                x if x > 0.8 => f32::INFINITY,
                x if x > 0.7 => f32::NEG_INFINITY,
                x => x,
            });
            let found = classes(gpu, &mut kernel, &logits, [10, 10], None);
            check(name, &logits, [10, 10], &found);
            let found = classes(gpu, &mut kernel, &logits, [23, 19], None);
            check(name, &logits, [23, 19], &found);
        }
    }
}

#[test]
fn masks_are_written_to_a_mip_level() {
    for (name, gpu) in gpus() {
        let mut kernel = MaskTexture::new(gpu).unwrap();
        let logits = Random(7).tensor([1, 4, 6, 6]);
        let on_device = upload(gpu, &logits, 0);
        let mask = gpu.device().create_texture(&wgpu::TextureDescriptor {
            mip_level_count: 2,
            ..descriptor([40, 26], TextureFormat::Rgba8Unorm, USAGE)
        });
        let view = mask.create_view(&wgpu::TextureViewDescriptor {
            base_mip_level: 1,
            mip_level_count: Some(1),
            ..Default::default()
        });
        let level = texture(
            gpu,
            [20, 13],
            TextureFormat::Rgba8Unorm,
            TextureUsages::COPY_DST | USAGE,
        );
        submitted(gpu, |encoder| {
            kernel
                .encode(encoder, &on_device, &view, &distinct_colors(), None)
                .unwrap();
            let from = wgpu::TexelCopyTextureInfo {
                mip_level: 1,
                ..mask.as_image_copy()
            };
            encoder.copy_texture_to_texture(from, level.as_image_copy(), level.size());
        });
        let found: Vec<u8> = texels(gpu, &level)
            .into_iter()
            .map(|[class, ..]| class)
            .collect();
        check(name, &logits, [20, 13], &found);
    }
}
