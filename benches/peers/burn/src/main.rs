//! Serves a network on burn's wgpu backend; the protocol is that of `serve.py`.
//!
//!     serve_burn FILE.param SIDE
//!
//! FILE.param is the network in ncnn's text form, SIDE the height and width of the image. Weights are
//! random: good for timing only.

mod network;
#[path = "../../serve.rs"]
mod serve;

use std::process::ExitCode;

use burn::tensor::{Device, Tensor, TensorData};
use network::Network;

fn main() -> ExitCode {
    serve::serve("serve_burn FILE.param SIDE", |file, _| {
        let device = Device::wgpu(Default::default());
        let network = Network::new(&std::fs::read_to_string(file)?, &device)?;
        Ok(move |image: &[f32], side| {
            let data = TensorData::new(image.to_vec(), [1, 3, side, side]);
            let output = network.forward(Tensor::from_data(data, &device));
            Ok(output.try_into_data()?.try_into_vec::<f32>()?)
        })
    })
}
