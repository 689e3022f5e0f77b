//! Serves a network on burn's wgpu backend; the protocol is that of `serve.py`.
//!
//!     serve_burn FILE.param SIDE
//!
//! FILE.param is the network in ncnn's text form, SIDE the height and width of the image. Weights are
//! random: good for timing only.

mod network;

use std::io::BufRead;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use network::Network;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() {
    // `compare.py` shows the last line that is said, which would be the advice on backtraces.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    if let Err(error) = serve() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<()> {
    let [file, side] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("serve_burn FILE.param SIDE".into());
    };
    let side: usize = side.parse()?;
    let device = Device::wgpu(Default::default());
    let network = Network::new(&std::fs::read_to_string(file)?, &device)?;
    let image: Vec<f32> = (0..3 * side * side)
        .map(|i| (i as f32 * 0.37).sin())
        .collect();

    let forward = || -> Result<()> {
        let data = TensorData::new(image.clone(), [1, 3, side, side]);
        let answer = network.forward(Tensor::from_data(data, &device));
        let values = answer.try_into_data()?.try_into_vec::<f32>()?;
        // The weights are random: nothing computes zeros, but kernels that failed without a word leave them.
        let sound = values.iter().all(|v| v.is_finite()) && values.iter().any(|v| *v != 0.0);
        match sound {
            true => Ok(()),
            false => Err("the answer is zeros or not finite".into()),
        }
    };

    forward()?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        line?;
        let begin = Instant::now();
        forward()?;
        println!("{:.6}", begin.elapsed().as_secs_f64());
    }
    Ok(())
}
