//! A network described layer by layer, with weights from a safetensors file.
//!
//! Without arguments, weights and input are generated, and the output is compared with the reference
//! backend's. With the two files that `docs/your-own-model.md` exports, it is compared with PyTorch's.
//!
//! ```sh
//! cargo run --release --example own_graph [digits.safetensors digits-io.safetensors]
//! ```

use shadernet::accuracy;
use shadernet::device::{Device, DeviceOptions};
use shadernet::graph::{Activation, Conv2d, Graph, GraphBuilder, Linear, Pool2d};
use shadernet::session::Session;
use shadernet::tensor::Tensor;
use shadernet::weights::{Weights, generate::generated_input};

/// The network `Digits` of `docs/your-own-model.md`. The nodes have the names of the PyTorch modules,
/// so that `conv1` reads the tensors `conv1.weight` and `conv1.bias`.
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

fn run(
    device: &Device,
    graph: &Graph,
    weights: Weights,
    input: &Tensor,
) -> shadernet::Result<Tensor> {
    let shapes = [input.shape().clone()];
    let mut session = Session::new(device, graph, weights, &Default::default(), &shapes)?;
    Ok(session.run(std::slice::from_ref(input))?.swap_remove(0))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph = digits()?;
    let mut files = std::env::args_os().skip(1);
    let weights = match files.next() {
        Some(path) => Weights::open(path)?,
        None => Weights::generated(&graph, 1.0),
    };
    // An error lists every missing tensor and every wrong shape at once.
    let unused = weights.check(&graph)?.unused;
    println!("unused tensors: {unused:?}");

    let (input, expected) = match files.next() {
        Some(path) => {
            let io = Weights::open(path)?;
            let tensor = |name: &str| -> Result<Tensor, Box<dyn std::error::Error>> {
                let shape = io.shape(name).ok_or(format!("no tensor '{name}'"))?.clone();
                Ok(Tensor::new(shape, io.read(name)?.into_owned())?)
            };
            (tensor("input")?, tensor("output")?)
        }
        None => {
            let (input, copy) = (
                generated_input([1, 1, 28, 28]),
                Weights::generated(&graph, 1.0),
            );
            (
                input.clone(),
                run(&Device::reference(), &graph, copy, &input)?,
            )
        }
    };
    let device = Device::open(&DeviceOptions::default())?;
    let output = run(&device, &graph, weights, &input)?;
    println!("on {device}: {} {:.3?}", output.shape(), output.data());
    let difference = accuracy::difference(&output, &expected);
    println!("largest difference: {difference:.1e} of the largest value");
    Ok(())
}
