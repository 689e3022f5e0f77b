//! The cost of explanations, in forward passes of the same network on the same device:
//! `cargo bench --bench explain [-- NETWORK…]`.
//!
//! Each round times a forward pass and then an explanation, so that changes of the machine's speed affect both
//! alike. The bench prints the median of the rounds' ratios. Both times include preprocessing the image and
//! reading the outputs back.

use std::sync::Arc;
use std::time::Instant;

use shadernet::device::{Device, DeviceOptions};
use shadernet::explain::{ExplainMethod, ExplainOptions, Explainer};
use shadernet::session::Session;
use shadernet::vision::{Labels, Preprocessing, decode};
use shadernet::weights::Weights;
use shadernet::zoo::{self, ZooOptions};

const METHODS: [ExplainMethod; 4] = [
    ExplainMethod::GradCam,
    ExplainMethod::GradCamPlusPlus,
    ExplainMethod::Saliency,
    ExplainMethod::GuidedGradCam,
];

fn main() -> Result<(), shadernet::Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench -- --quick` only checks that the bench runs.
    let is_quick = args.iter().any(|arg| arg == "--quick" || arg == "--test");
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let mut names = vec!["efficientnet_lite0", "mobilenet_v2", "resnet18", "resnet50"];
    if is_quick {
        names.truncate(1);
    }
    // As in criterion, a filter that matches nothing here is meant for another bench.
    if !filters.is_empty() {
        let all = zoo::architectures().map(|architecture| architecture.name);
        names = all
            .filter(|name| filters.iter().any(|filter| filter == name))
            .collect();
    }
    let rounds = if is_quick { 1 } else { 7 };
    let device = Device::open(&DeviceOptions::default())?;
    let image = decode("tests/images/chelsea.png")?;
    println!("{device}, {rounds} rounds");
    for name in names {
        let graph = zoo::find(name)?.build(&ZooOptions::default())?;
        let weights = Arc::new(Weights::generated(&graph, 1.0));
        let preprocessing = Preprocessing::default();
        let options = Default::default();
        let shapes = [preprocessing.apply(&image)?.shape().clone()];
        let mut session = Session::new(&device, &graph, weights.clone(), &options, &shapes)?;
        let mut forward = || -> Result<f64, shadernet::Error> {
            let start = Instant::now();
            session.run(&[preprocessing.apply(&image)?])?;
            Ok(start.elapsed().as_secs_f64())
        };
        forward()?;
        let mut text = format!("{name}: ");
        for method in METHODS {
            let labels = Labels::unnamed(1000);
            let weights = weights.clone();
            let mut explainer =
                Explainer::from_graph(&device, &graph, weights, &preprocessing, labels, &options)?;
            let explain_options = ExplainOptions::new(method);
            explainer.explain(&image, &explain_options)?;
            let mut ratios = Vec::new();
            let mut passes = Vec::new();
            for _ in 0..rounds {
                let pass = forward()?;
                let start = Instant::now();
                explainer.explain(&image, &explain_options)?;
                ratios.push(start.elapsed().as_secs_f64() / pass);
                passes.push(1e3 * pass);
            }
            ratios.sort_by(f64::total_cmp);
            passes.sort_by(f64::total_cmp);
            if method == METHODS[0] {
                text += &format!("forward {:.1} ms", passes[rounds / 2]);
            }
            text += &format!(", {method} {:.2} times", ratios[rounds / 2]);
        }
        println!("{text}");
    }
    Ok(())
}
