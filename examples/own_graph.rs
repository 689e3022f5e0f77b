//! A network described layer by layer, with weights from a safetensors file.
//!
//! The weights here are generated, so that the example needs no training and no PyTorch.
//! `docs/your-own-model.md` explains how to export those of a PyTorch model.
//!
//! ```sh
//! cargo run --release --example own_graph [WEIGHTS.safetensors]
//! ```

use shadernet::accuracy;
use shadernet::device::{Device, DeviceOptions};
use shadernet::graph::{Activation, Conv2d, Graph, GraphBuilder, Linear, Pool2d};
use shadernet::session::{Session, SessionOptions};
use shadernet::weights::{Weights, generate::generated_input};

/// The same network as `Digits` in `docs/your-own-model.md`. Node names are the names of the PyTorch
/// modules, so that `conv1` reads the tensors `conv1.weight` and `conv1.bias`.
fn digits() -> shadernet::Result<Graph> {
    let mut b = GraphBuilder::new("digits");
    let x = b.image_input("input", 1); // [N, 1, H, W]
    let x = b.conv2d("conv1", x, Conv2d::new(1, 16, 3).padding(1));
    let x = b.activation("relu1", x, Activation::Relu);
    let x = b.pool2d("pool1", x, Pool2d::max(2, 2));
    let x = b.conv2d("conv2", x, Conv2d::new(16, 32, 3).padding(1));
    let x = b.activation("relu2", x, Activation::Relu);
    let x = b.pool2d("pool2", x, Pool2d::max(2, 2));
    let x = b.flatten("flatten", x);
    let x = b.linear("fc", x, Linear::new(32 * 7 * 7, 10));
    b.output(x);
    b.build()
}

fn main() -> shadernet::Result<()> {
    let graph = digits()?;
    let weights = || match std::env::args_os().nth(1) {
        Some(path) => Weights::open(path),
        None => Ok(Weights::generated(&graph, 1.0)),
    };
    // Lists every missing tensor and every wrong shape at once.
    let checked = weights()?.check(&graph)?;
    println!("{} parameters", graph.parameter_count());
    println!("tensors that the graph does not use: {:?}", checked.unused);

    let input = generated_input([1, 1, 28, 28]);
    let run = |device: &Device| {
        let (options, shapes) = (SessionOptions::default(), [input.shape().clone()]);
        let mut session = Session::new(device, &graph, weights()?, &options, &shapes)?;
        Ok::<_, shadernet::Error>(session.run(std::slice::from_ref(&input))?.swap_remove(0))
    };
    let device = Device::open(&DeviceOptions::default())?;
    let (output, reference) = (run(&device)?, run(&Device::cpu())?);
    println!(
        "output {} on {device}: {:.4?}",
        output.shape(),
        output.data()
    );
    let difference = accuracy::difference(&output, &reference);
    println!(
        "largest difference from the reference backend: {difference:.1e} of the largest output"
    );
    Ok(())
}
