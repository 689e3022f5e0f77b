//! Passes recorded in the host's encoder.

use super::devices::backends;
use super::host::{floats, read, values};
use super::support::{Host, deep, scaled, small};
use shadernet::device::Device;
use shadernet::gpu::GpuTensor;
use shadernet::session::{Session, SessionInput, SessionOptions};
use shadernet::tensor::Tensor;
use shadernet::wgpu;

fn upload(host: &Host, tensor: &Tensor, before: usize) -> GpuTensor {
    use wgpu::util::DeviceExt;
    let mut data = vec![f32::NAN; before];
    data.extend(tensor.data());
    let buffer = host
        .device
        .create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("host's"),
            contents: bytemuck::cast_slice(&data),
            usage: wgpu::BufferUsages::COPY_SRC,
        });
    GpuTensor {
        buffer,
        offset: before as u64 * 4,
        shape: tensor.shape().clone(),
    }
}

#[test]
fn a_pass_is_recorded_and_not_submitted() {
    let (graph, weights, input) = deep();
    for backend in backends() {
        let host = Host::open(backend);
        let mut session = host.session(&graph, &weights, input.shape());
        let (first, second) = (scaled(&input, 1), scaled(&input, 2));
        let expected = [&first, &second].map(|input| {
            session
                .run(std::slice::from_ref(input))
                .unwrap()
                .swap_remove(0)
        });
        let buffer = upload(&host, &second, 3);
        let mut encoder = host.device.create_command_encoder(&Default::default());
        session
            .encode(&mut encoder, &[SessionInput::Tensor(&first)])
            .unwrap();
        // Both passes are in one submission; the output of the first is copied before the second.
        let kept = host.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 28,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let outputs = session
            .encode(&mut encoder, &[SessionInput::Tensor(&first)])
            .unwrap();
        let [output] = &outputs[..] else { panic!() };
        assert_eq!((output.shape.dims(), output.bytes()), (&[1, 7][..], 28));
        encoder.copy_buffer_to_buffer(&output.buffer, output.offset, &kept, 0, 28);
        session
            .encode(&mut encoder, &[SessionInput::Buffer(&buffer)])
            .unwrap();
        // Commands may be discarded as well as submitted.
        let mut dropped = host.device.create_command_encoder(&Default::default());
        session
            .encode(&mut dropped, &[SessionInput::Tensor(&first)])
            .unwrap();
        drop(dropped);
        host.queue.submit([encoder.finish()]);
        assert_eq!(
            floats(&read(&host.gpu, &kept)),
            expected[0].data(),
            "{backend:?}"
        );
        let second = values(&host.gpu, output);
        assert_eq!(second, expected[1].data(), "{backend:?}");
    }
}

#[test]
fn buffers_that_cannot_be_read_are_named() {
    let (graph, weights, input) = small();
    let host = Host::open(backends()[0]);
    let mut session = host.session(&graph, &weights, input.shape());
    let good = upload(&host, &input, 2);
    let mut fails = |tensor: GpuTensor, part: &str| {
        let mut encoder = host.device.create_command_encoder(&Default::default());
        let error = session
            .encode(&mut encoder, &[SessionInput::Buffer(&tensor)])
            .unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    fails(
        GpuTensor {
            offset: 12,
            ..good.clone()
        },
        "but it has",
    );
    fails(
        GpuTensor {
            offset: u64::MAX - 3,
            ..good.clone()
        },
        "but it has",
    );
    fails(
        GpuTensor {
            offset: 7,
            ..good.clone()
        },
        "a multiple of 4",
    );
    fails(
        GpuTensor {
            shape: [1, 3, 64].into(),
            ..good.clone()
        },
        "expected [N, 3, H, W]",
    );
    let usage = wgpu::BufferUsages::COPY_DST;
    let buffer = host.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: good.buffer.size(),
        usage,
        mapped_at_creation: false,
    });
    fails(
        GpuTensor {
            buffer,
            ..good.clone()
        },
        "usage COPY_SRC was expected",
    );
}

#[test]
fn encoding_without_a_gpu_is_refused() {
    let (graph, weights, input) = small();
    let host = Host::open(backends()[0]);
    let shapes = [input.shape().clone()];
    let options = SessionOptions::default();
    for (device, name) in [
        (Device::cpu(), "the CPU: "),
        (Device::reference(), "the reference backend: "),
    ] {
        let weights = weights.clone();
        let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
        let mut encoder = host.device.create_command_encoder(&Default::default());
        let error = session
            .encode(&mut encoder, &[SessionInput::Tensor(&input)])
            .unwrap_err();
        let text = error.report().to_string();
        assert!(
            text.starts_with(name) && text.contains("use a GPU"),
            "{text}"
        );
    }
}
