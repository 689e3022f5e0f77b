//! Two sessions on two threads share the CPU's threads: how many passes they make together, by those of one session.
//!
//! ```sh
//! cargo run --release --example two_sessions -- resnet18 5
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use shadernet::device::Device;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::Tensor;
use shadernet::weights::Weights;
use shadernet::zoo::{self, ZooOptions};

fn main() -> shadernet::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "resnet18".to_owned());
    let seconds = arguments.next().and_then(|text| text.parse().ok());
    let duration = Duration::from_secs(seconds.unwrap_or(5));

    let architecture = zoo::find(&name)?;
    let graph = architecture.build(&ZooOptions::default())?;
    let shapes = architecture.input_shapes(1, &ZooOptions::default());
    let inputs: Vec<Tensor> = shapes
        .iter()
        .map(|shape| Tensor::zeros(shape.clone()))
        .collect();
    let weights = Arc::new(Weights::generated(&graph, 1.0));
    // Sessions on one device share its threads.
    let device = Device::cpu();
    let session = || {
        let options = SessionOptions::default();
        Session::new(&device, &graph, weights.clone(), &options, &shapes)
    };

    let mut first = session()?;
    let mut second = session()?;
    let alone = passes(&mut first, &inputs, duration)?;
    // A session may be sent to another thread.
    let (a, b) = std::thread::scope(|scope| {
        let other = scope.spawn(|| passes(&mut second, &inputs, duration));
        let own = passes(&mut first, &inputs, duration);
        // The other thread does not panic: it returns its errors.
        (own, other.join().expect("the thread ended"))
    });
    let together = a? + b?;
    println!("{name} on {device}");
    println!("one session   {alone:8.1} passes/s");
    println!(
        "two sessions  {together:8.1} passes/s, {:.2} times as many",
        together / alone
    );
    Ok(())
}

/// Passes per second, after some that are not counted.
fn passes(session: &mut Session, inputs: &[Tensor], duration: Duration) -> shadernet::Result<f64> {
    for _ in 0..3 {
        session.run(inputs)?;
    }
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < duration {
        session.run(inputs)?;
        count += 1;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}
