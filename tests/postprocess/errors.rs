//! Errors for invalid inputs, foreign objects and lost devices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shadernet::device::Device;
use shadernet::gpu::{Gpu, GpuTensor, adapters};
use shadernet::postprocess::{
    ArgMax, BoxList, ColorTable, ImagePlacement, MapRegion, MaskTexture, TopK,
};
use shadernet::tensor::Tensor;
use shadernet::vision::{DetectionOptions, Head, Preprocessing};
use shadernet::wgpu::{self, BufferUsages, TextureFormat, TextureUsages};

use crate::devices::{backends, with_binding_limit};
use crate::harness::{gpus, upload};
use crate::host::{buffer, read, submitted, texture, words};

/// The message of an error, which names what was expected and what was found.
fn refused<T>(
    gpu: &Gpu,
    encode: impl FnOnce(&mut wgpu::CommandEncoder) -> shadernet::Result<T>,
) -> String {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let message = encode(&mut encoder).err().unwrap().to_string();
    // Nothing was recorded that makes the submission invalid.
    gpu.queue().submit([encoder.finish()]);
    message
}

#[test]
fn invalid_tensors_are_refused() {
    for (_, gpu) in gpus() {
        let mut kernel = ArgMax::new(gpu).unwrap();
        let good = upload(gpu, &Tensor::zeros([1, 2, 2, 2]), 0);
        let with = |offset: u64, shape: &[usize]| GpuTensor {
            buffer: good.buffer.clone(),
            offset,
            shape: shape.to_vec().into(),
        };
        let wrong = [
            with(0, &[8]),
            with(2, &[1, 2]),
            with(4, &[1, 2, 2, 2]),
            with(0, &[1, 0, 2, 2]),
            with(0, &[usize::MAX, 2]),
            with(u64::MAX - 3, &[1, 2]),
        ];
        for tensor in wrong {
            let message = refused(gpu, |encoder| kernel.encode(encoder, &tensor));
            assert!(
                message.contains("expected") && message.contains("found"),
                "{message}"
            );
        }
        let copied = GpuTensor {
            buffer: buffer(gpu, &[0; 32], BufferUsages::COPY_SRC),
            ..good.clone()
        };
        let message = refused(gpu, |encoder| kernel.encode(encoder, &copied));
        assert!(message.contains("STORAGE"), "{message}");

        let mut top_k = TopK::new(gpu, true).unwrap();
        let message = refused(gpu, |encoder| top_k.encode(encoder, &good, 1));
        assert!(message.contains("[N, C]"), "{message}");
        let vector = with(0, &[2, 4]);
        for k in [0, 129, usize::MAX] {
            let message = refused(gpu, |encoder| top_k.encode(encoder, &vector, k));
            assert!(message.contains("between 1 and 128"), "{message}");
        }
    }
}

#[test]
fn a_buffer_may_exceed_a_binding_but_a_tensor_may_not() {
    for (name, device) in with_binding_limit(1024) {
        let Device::Gpu(gpu) = device else {
            continue;
        };
        let mut kernel = ArgMax::new(&gpu).unwrap();
        // Its buffer has more bytes than can be bound.
        let last = Tensor::from_fn([1, 2, 2, 2], |i| i as f32);
        let on_device = upload(&gpu, &last, 4096 + 16);
        let classes = submitted(&gpu, |encoder| kernel.encode(encoder, &on_device)).unwrap();
        assert_eq!(words(&read(&gpu, &classes.buffer))[..4], [1; 4], "{name}");
        let large = upload(&gpu, &Tensor::zeros([1, 1, 20, 20]), 0);
        let message = refused(&gpu, |encoder| kernel.encode(encoder, &large));
        assert!(
            message.contains("max_storage_buffer_binding_size"),
            "{message}"
        );
    }
}

#[test]
fn kernels_are_send_and_sync() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<ArgMax>();
    is_send_and_sync::<TopK>();
    is_send_and_sync::<MaskTexture>();
    is_send_and_sync::<BoxList>();
}

#[test]
fn textures_that_cannot_be_written_are_refused() {
    for (_, gpu) in gpus() {
        let mut kernel = MaskTexture::new(gpu).unwrap();
        let logits = upload(gpu, &Tensor::zeros([1, 2, 4, 4]), 0);
        let view =
            |format, usage| texture(gpu, [8, 8], format, usage).create_view(&Default::default());
        let colors = ColorTable::default();
        let (format, usage) = (TextureFormat::Rgba8Unorm, TextureUsages::STORAGE_BINDING);
        for (view, what) in [
            (
                view(format, TextureUsages::TEXTURE_BINDING),
                "STORAGE_BINDING",
            ),
            (view(TextureFormat::Rgba16Float, usage), "Rgba8Unorm"),
            (
                view(
                    TextureFormat::Rgba8UnormSrgb,
                    TextureUsages::TEXTURE_BINDING,
                ),
                "Rgba8Unorm",
            ),
        ] {
            let encode = |encoder: &mut _| kernel.encode(encoder, &logits, &view, &colors, None);
            let message = refused(gpu, encode);
            assert!(
                message.contains(what) && message.contains("found"),
                "{message}"
            );
        }
        let good = view(format, usage);
        let outside = MapRegion {
            top: 1,
            left: 0,
            height: 4,
            width: 4,
        };
        let encode =
            |encoder: &mut _| kernel.encode(encoder, &logits, &good, &colors, Some(outside));
        assert!(refused(gpu, encode).contains("4 rows from 1"));
        let many = upload(gpu, &Tensor::zeros([1, 257, 1, 1]), 0);
        let encode = |encoder: &mut _| kernel.encode(encoder, &many, &good, &colors, None);
        assert!(refused(gpu, encode).contains("256 classes"));
    }
}

#[test]
fn outputs_that_do_not_fit_the_heads_are_refused() {
    for (_, gpu) in gpus() {
        let head = Head::Region {
            anchors: vec![[1.0, 1.0]],
            classes: 2,
            softmax: true,
        };
        let mut kernel = BoxList::new(gpu, &[head]).unwrap();
        let placement = ImagePlacement::new(&Preprocessing::default(), 30, 20);
        let output = |shape: [usize; 4]| upload(gpu, &Tensor::zeros(shape), 0);
        for (outputs, what) in [
            (vec![], "each of 1 heads"),
            (vec![output([1, 8, 2, 2])], "[N, 7, H, W]"),
            (vec![output([2, 7, 2, 2])], "one image"),
        ] {
            let encode =
                |encoder: &mut _| kernel.encode(encoder, &outputs, &placement, &Default::default());
            let message = refused(gpu, encode);
            assert!(message.contains(what), "{message}");
        }
        let options = DetectionOptions::new().threshold(f32::NAN).iou(0.5);
        let outputs = [output([1, 7, 2, 2])];
        let encode = |encoder: &mut _| kernel.encode(encoder, &outputs, &placement, &options);
        assert!(refused(gpu, encode).contains("threshold"));
    }
    for bytes in [
        &[][..],
        &[0; 31],
        &[255; 6176],
        &[1, 0, 0, 0, 0, 0, 0, 0].repeat(5),
    ] {
        let message = BoxList::parse(bytes).unwrap_err().to_string();
        assert!(
            message.contains("a list of boxes was expected"),
            "{message}"
        );
    }
}

/// A host's device, and the number of errors that reached its handler, which must stay 0.
fn host_device(adapter: &wgpu::Adapter) -> (Gpu, Arc<AtomicUsize>) {
    let descriptor = wgpu::DeviceDescriptor {
        required_limits: Gpu::preferred_limits(adapter),
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    let uncaptured = Arc::new(AtomicUsize::new(0));
    let counter = uncaptured.clone();
    device.on_uncaptured_error(Arc::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    (Gpu::from_wgpu(adapter, device, queue), uncaptured)
}

#[test]
fn validation_errors_are_returned() {
    for backend in backends() {
        let adapter = adapters(Some(backend)).swap_remove(0);
        let [(gpu, uncaptured), (other, _)] = [(), ()].map(|()| host_device(&adapter));
        let foreign = upload(&other, &Tensor::zeros([1, 2]), 0);
        let mut kernel = ArgMax::new(&gpu).unwrap();
        // Twice: the invalid bind group is not cached.
        for _ in 0..2 {
            let message = refused(&gpu, |encoder| kernel.encode(encoder, &foreign));
            assert!(message.contains("arg_max"), "{}: {message}", backend.name());
        }
        // The shader cannot write a view of an array.
        let logits = upload(&gpu, &Tensor::zeros([1, 2, 4, 4]), 0);
        let usage = TextureUsages::STORAGE_BINDING;
        let mask = texture(&gpu, [8, 8], TextureFormat::Rgba8Unorm, usage);
        let array = mask.create_view(&wgpu::TextureViewDescriptor {
            dimension: Some(wgpu::TextureViewDimension::D2Array),
            ..Default::default()
        });
        let mut masks = MaskTexture::new(&gpu).unwrap();
        let colors = ColorTable::default();
        let encode = |encoder: &mut _| masks.encode(encoder, &logits, &array, &colors, None);
        assert!(refused(&gpu, encode).contains("mask_texture"));
        assert_eq!(uncaptured.load(Ordering::Relaxed), 0, "{}", backend.name());
    }
}

#[test]
fn a_lost_device_is_an_error() {
    for backend in backends() {
        let adapter = adapters(Some(backend)).swap_remove(0);
        let (gpu, uncaptured) = host_device(&adapter);
        let logits = upload(&gpu, &Tensor::zeros([1, 2]), 0);
        let mut arg_max = ArgMax::new(&gpu).unwrap();
        let mut top_k = TopK::new(&gpu, true).unwrap();
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        arg_max.encode(&mut encoder, &logits).unwrap();
        gpu.device().destroy();
        let assert_lost = |result: shadernet::Result<()>| {
            let error = result.unwrap_err();
            let is_lost = matches!(error, shadernet::Error::DeviceLost { .. });
            assert!(is_lost, "{}: {error}", backend.name());
        };
        // A kernel that was used before, one that was not, and a new one.
        assert_lost(arg_max.encode(&mut encoder, &logits).map(drop));
        assert_lost(top_k.encode(&mut encoder, &logits, 2).map(drop));
        assert_lost(BoxList::new(&gpu, &[]).map(drop));
        assert_eq!(uncaptured.load(Ordering::Relaxed), 0, "{}", backend.name());
    }
}
