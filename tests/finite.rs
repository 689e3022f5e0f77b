//! Outputs that are not finite numbers are errors, which name the first layer of such an output, on every
//! device.

#[path = "common/devices.rs"]
mod devices;

use devices::all_devices;
use shadernet::ErrorKind;
use shadernet::device::Device;
use shadernet::gpu::Precision;
use shadernet::graph::{Activation, BatchNorm2d, Conv2d, Graph, GraphBuilder, Linear};
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

/// Two branches of convolution, batch norm and ReLU, joined and read by a convolution and a classifier: values
/// that passes fuse or store in parts of another.
fn graph() -> Graph {
    let mut b = GraphBuilder::new("branches");
    let image = b.image_input("input", 3);
    let stem = b.conv2d("stem", image, Conv2d::new(3, 4, 3).padding(1).bias(false));
    let stem = b.batch_norm("stem_norm", stem, BatchNorm2d::new(4));
    let stem = b.activation("stem_relu", stem, Activation::Relu);
    let branches = ["left", "right"].map(|name| {
        let conv = Conv2d::new(4, 4, 1).bias(false);
        let x = b.conv2d(name, stem, conv);
        b.activation(format!("{name}_relu"), x, Activation::Relu)
    });
    let x = b.concat("concat", &branches);
    let x = b.conv2d("head", x, Conv2d::new(8, 4, 1).bias(false));
    let x = b.flatten("flatten", x);
    let x = b.linear("fc", x, Linear::new(4 * 8 * 8, 5));
    b.output(x);
    b.build().unwrap()
}

/// Weights that keep values near 1, except for those of `layer`, which are `value`.
fn weights(graph: &Graph, layer: &str, value: f32) -> Weights {
    let tensors = graph.parameters().into_iter().map(|p| {
        let is_layer = p.name == format!("{layer}.weight");
        let plain = match p.name.rsplit_once('.') {
            Some((_, "running_mean" | "bias")) => 0.0,
            Some((name, _)) if name.ends_with("norm") => 1.0,
            _ => 1.0 / (p.shape.len() / p.shape.dims()[0]) as f32,
        };
        let value = if is_layer { value } else { plain };
        (p.name, Tensor::from_fn(p.shape, |_| value))
    });
    Weights::from_tensors("made", tensors)
}

/// The message of the check of the outputs, if they are refused.
fn checked(
    device: &Device,
    weights: Weights,
    input: &Tensor,
    precision: Precision,
) -> Option<String> {
    let options = SessionOptions::new().precision(precision);
    let shapes = [input.shape().clone()];
    let inputs = std::slice::from_ref(input);
    let mut session = Session::new(device, &graph(), weights, &options, &shapes).unwrap();
    let outputs = session.run(inputs).unwrap();
    let error = session.check_finite(inputs, &outputs).err()?;
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let text = error.to_string();
    for part in [
        "the network's outputs are not numbers (",
        "float16",
        "65504",
    ] {
        assert!(text.contains(part), "{text}");
    }
    Some(text)
}

fn input() -> Tensor {
    Tensor::from_fn(Shape::from([1, 3, 8, 8]), |_| 1.0)
}

#[test]
fn damaged_weights_are_found_in_their_layer() {
    for (name, device) in all_devices() {
        for layer in ["stem", "left", "right", "head", "fc"] {
            let weights = weights(&graph(), layer, f32::NAN);
            let text = checked(&device, weights, &input(), Precision::F32).unwrap();
            let found = format!(
                "5 of 5 values are NaN; the first layer whose output is not finite is '{layer}'"
            );
            assert!(text.contains(&found), "{name}: {text}");
        }
        let sound = weights(&graph(), "", 0.0);
        assert_eq!(
            checked(&device, sound, &input(), Precision::F32),
            None,
            "{name}"
        );
    }
}

/// Values above 65,504 are infinite in float16, and numbers in float32.
#[test]
fn float16_overflow_is_found_in_its_layer() {
    for (name, device) in all_devices() {
        for layer in ["stem", "left", "right", "head"] {
            // At most 27 times 3e4.
            let text =
                |precision| checked(&device, weights(&graph(), layer, 3e4), &input(), precision);
            assert_eq!(text(Precision::F32), None, "{name} {layer}");
            if let Device::Gpu(_) = device {
                let text = text(Precision::F16).unwrap();
                let found = format!("whose output is not finite is '{layer}'");
                assert!(text.contains(&found), "{name}: {text}");
            }
        }
    }
}

#[test]
fn an_input_that_is_not_finite_is_named() {
    for (name, device) in all_devices() {
        let mut input = input();
        input.data_mut()[7] = f32::NAN;
        let weights = weights(&graph(), "", 0.0);
        let text = checked(&device, weights, &input, Precision::F32).unwrap();
        assert!(
            text.contains("are NaN, and so are some of its input)"),
            "{name}: {text}"
        );
    }
}
