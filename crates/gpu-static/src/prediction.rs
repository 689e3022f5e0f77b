//! The subcommand `predict`: predicted times of networks on named GPUs.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde::Serialize;
use shadernet::Precision;
use shadernet::plan::PlanReport;
use shadernet::session::SessionOptions;

use crate::cards::{CARDS, Card};
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::predict::{self, RowsByForm};
use crate::{families, table};

/// The networks of the documents.
const NETWORKS: [&str; 4] = ["resnet50", "vgg16", "unet", "densenet121"];

/// What to predict.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Networks of the zoo; by default resnet50, vgg16, unet and densenet121.
    networks: Vec<String>,
    /// Images of a pass; may be given several times. By default 1 and 8.
    #[arg(long = "batch", value_name = "N")]
    batches: Vec<usize>,
    /// Only the GPUs whose names contain this.
    #[arg(long, value_name = "PART", default_value = "")]
    card: String,
    /// Values and weights in float16.
    #[arg(long)]
    half: bool,
    /// With `--half`: use cooperative matrices where they are faster. Of the GPUs, those of RDNA3 have them here.
    #[arg(long, requires = "half")]
    matrices: bool,
    /// The convolution algorithm to use wherever it is possible.
    #[arg(long)]
    prefer: Option<shadernet::ConvAlgorithm>,
    /// Print the steps that take longest, and the time of each shader.
    #[arg(long)]
    steps: bool,
    /// Write the predictions to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A network's predicted time.
#[derive(Debug, Serialize)]
struct Prediction {
    card: &'static str,
    network: String,
    batch: usize,
    precision: &'static str,
    milliseconds: f64,
    dispatches: usize,
    gflops: f64,
}

/// Predicts and prints.
///
/// # Errors
/// Where a network is unknown, or the families cannot be compiled for.
pub fn run(args: &Args) -> Result<(), Error> {
    let mut options = SessionOptions::default();
    options.precision = if args.half {
        Precision::F16
    } else {
        Precision::F32
    };
    options.prefer = args.prefer;
    let defaults = NETWORKS.map(str::to_owned);
    let networks = if args.networks.is_empty() {
        &defaults[..]
    } else {
        &args.networks
    };
    let batches = if args.batches.is_empty() {
        &[1, 8][..]
    } else {
        &args.batches
    };
    let mut predictions = Vec::new();
    for card in CARDS.iter().filter(|card| card.name.contains(&args.card)) {
        let mut plans = Vec::new();
        for network in networks {
            for &batch in batches {
                let plan = predict::plan(network, batch, &options, card, args.matrices)?;
                plans.push((batch, plan));
            }
        }
        let rows = compiled(&plans, card)?;
        for (batch, plan) in &plans {
            let seconds = predict::seconds(plan, card, &rows)?;
            let total: f64 = seconds.iter().sum();
            let operations: u64 = plan.steps.iter().map(|step| step.operations).sum();
            predictions.push(Prediction {
                card: card.name,
                network: plan.network.clone(),
                batch: *batch,
                precision: plan.precision.name(),
                milliseconds: 1e3 * total,
                dispatches: plan.steps.len(),
                gflops: operations as f64 / total / 1e9,
            });
            if args.steps {
                println!("{} {} at batch {batch}", card.name, plan.network);
                println!("{}", slowest(plan, &seconds, &rows));
                println!("{}", by_shader(plan, &seconds));
            }
        }
    }
    if let Some(path) = &args.json {
        table::write(path, &predictions)?;
    }
    println!("{}", predictions_table(&predictions));
    Ok(())
}

/// The rows of all pipelines of the plans.
fn compiled(plans: &[(usize, PlanReport)], card: &Card) -> Result<RowsByForm, Error> {
    let pipelines = plans.iter().flat_map(|(_, plan)| {
        let steps = plan.steps.iter();
        steps.map(move |step| Pipeline::of_step(plan, step))
    });
    let pipelines: HashSet<_> = pipelines.collect();
    let pipelines: Vec<_> = pipelines.into_iter().collect();
    let rows = families::rows(card.family, &pipelines, false)?;
    Ok(predict::by_form(rows))
}

fn predictions_table(predictions: &[Prediction]) -> String {
    let header = [
        "GPU",
        "network",
        "batch",
        "precision",
        "predicted ms",
        "dispatches",
        "GFLOP/s",
    ];
    let mut table = table::empty(&header, 4);
    for it in predictions {
        table.add_row([
            it.card.to_owned(),
            it.network.clone(),
            it.batch.to_string(),
            it.precision.to_owned(),
            format!("{:.2}", it.milliseconds),
            it.dispatches.to_string(),
            format!("{:.0}", it.gflops),
        ]);
    }
    table.trim_fmt()
}

/// The time of each shader.
fn by_shader(plan: &PlanReport, seconds: &[f64]) -> String {
    let mut shaders: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for (step, seconds) in plan.steps.iter().zip(seconds) {
        let (steps, total) = shaders.entry(step.shader).or_default();
        (*steps, *total) = (*steps + 1, *total + seconds);
    }
    let mut shaders: Vec<_> = shaders.into_iter().collect();
    shaders.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
    let mut table = table::empty(&["shader", "dispatches", "predicted ms"], 1);
    for (shader, (steps, seconds)) in shaders {
        let milliseconds = format!("{:.3}", 1e3 * seconds);
        table.add_row([shader.to_owned(), steps.to_string(), milliseconds]);
    }
    table.trim_fmt()
}

/// The steps that take longest.
fn slowest(plan: &PlanReport, seconds: &[f64], rows: &RowsByForm) -> String {
    let mut steps: Vec<_> = plan.steps.iter().zip(seconds).collect();
    steps.sort_by(|a, b| b.1.total_cmp(a.1));
    let header = [
        "step",
        "output",
        "kernel",
        "workgroups",
        "waves",
        "predicted µs",
        "GFLOP/s",
    ];
    let mut table = table::empty(&header, 3);
    for (step, &seconds) in steps.into_iter().take(12) {
        let pipeline = Pipeline::of_step(plan, step);
        let workgroups: u64 = step.workgroups.iter().map(|&n| u64::from(n)).product();
        table.add_row([
            step.name.clone(),
            plan.nodes[step.node].output.to_string(),
            format!("{} {}", pipeline.shader, pipeline.form()),
            workgroups.to_string(),
            rows[&pipeline.key()].waves_per_simd.to_string(),
            format!("{:.1}", 1e6 * seconds),
            format!("{:.0}", step.operations as f64 / seconds / 1e9),
        ]);
    }
    table.trim_fmt()
}
