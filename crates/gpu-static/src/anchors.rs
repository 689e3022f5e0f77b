//! The subcommand `anchors`: other engines' convolutions next to ours, through the same compiler and the same model.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Serialize;
use shadernet::ConvAlgorithm;
use shadernet::graph::{Conv2d, GraphBuilder};
use shadernet::plan::PlanReport;
use shadernet::session::SessionOptions;
use shadernet::tensor::Shape;

use crate::cards::{CARDS, Card};
use crate::engines::Engine;
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::predict::{self, Dispatch, RowsByForm};
use crate::problem::Problem;
use crate::row::Row;
use crate::{families, table};

/// What is compared: convolutions of ResNet-50 and of VGG-16's size.
const PROBLEMS: [Problem; 2] = [
    Problem {
        inputs: 256,
        outputs: 256,
        size: 56,
        kernel: 3,
    },
    Problem {
        inputs: 1024,
        outputs: 256,
        size: 14,
        kernel: 1,
    },
];

/// Where the other engines' modules are.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that scripts/gpu-static-anchors fills.
    folder: PathBuf,
    /// Only the GPUs whose names contain this.
    #[arg(long, value_name = "PART", default_value = "")]
    card: String,
    /// Write all rows to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A dispatch of an engine.
#[derive(Debug, Serialize)]
struct Line {
    card: &'static str,
    problem: String,
    /// With its version.
    engine: String,
    algorithm: String,
    workgroups: u64,
    /// The share of multiply-adds in all steps along K; 0 where there are none.
    share: f64,
    microseconds: f64,
    /// Of all dispatches of the algorithm.
    total_microseconds: f64,
    row: Row,
}

/// Compiles, predicts and prints.
///
/// # Errors
/// Where a family cannot be compiled for, and where a module cannot be read.
pub fn run(args: &Args) -> Result<(), Error> {
    let engines = Engine::all(&args.folder)?;
    let mut lines = Vec::new();
    for card in CARDS.iter().filter(|card| card.name.contains(&args.card)) {
        for problem in &PROBLEMS {
            lines.extend(ours(problem, card)?);
            for engine in &engines {
                lines.extend(theirs(problem, card, engine)?);
            }
        }
    }
    if let Some(path) = &args.json {
        table::write(path, &lines)?;
    }
    println!("{}", lines_table(&lines));
    Ok(())
}

/// What this engine selects, and the tile of its implicit GEMM that is predicted to be fastest. The dispatches that
/// pack the network's input and unpack its output are left out: other engines' values are taken as they are, too.
fn ours(problem: &Problem, card: &Card) -> Result<Vec<Line>, Error> {
    let tiled = ConvAlgorithm::all().into_iter();
    let tiled = tiled.filter(|it| matches!(it, ConvAlgorithm::Tiled { .. }));
    let plans = [None].into_iter().chain(tiled.map(Some));
    let plans = plans.map(|prefer| {
        let mut plan = plan(problem, card, prefer)?;
        plan.steps.retain(|step| step.kernel.is_some());
        Ok(plan)
    });
    let plans = plans.collect::<Result<Vec<_>, Error>>()?;
    let pipelines = plans.iter().flat_map(|plan| {
        let steps = plan.steps.iter();
        steps.map(move |step| Pipeline::of_step(plan, step))
    });
    let pipelines: HashSet<_> = pipelines.collect();
    let pipelines: Vec<_> = pipelines.into_iter().collect();
    let rows = predict::by_form(families::rows(card.family, &pipelines, false)?);

    let timed = plans
        .iter()
        .map(|plan| Ok((plan, predict::seconds(plan, card, &rows)?)));
    let timed = timed.collect::<Result<Vec<_>, Error>>()?;
    let total = |seconds: &[f64]| seconds.iter().sum::<f64>();
    let (selected, gemms) = timed.split_at(1);
    let fastest = gemms
        .iter()
        .min_by(|a, b| total(&a.1).total_cmp(&total(&b.1)));
    let mut lines = Vec::new();
    for ((plan, seconds), why) in selected
        .iter()
        .chain(fastest)
        .zip(["selected", "fastest tile"])
    {
        for (step, one) in plan.steps.iter().zip(seconds) {
            // `predict::seconds` has found the row of each step.
            let row = &rows[&Pipeline::of_step(plan, step).key()];
            lines.push(Line {
                card: card.name,
                problem: problem.name(),
                engine: "shadernet".to_owned(),
                algorithm: format!("{} ({why})", kernel(plan)),
                share: share(&predict::dispatch_of(step, 0.0, row), row),
                workgroups: step.workgroups.iter().map(|&n| u64::from(n)).product(),
                microseconds: 1e6 * one,
                total_microseconds: 1e6 * total(seconds),
                row: row.clone(),
            });
        }
    }
    Ok(lines)
}

/// The algorithm of a plan's convolution.
fn kernel(plan: &PlanReport) -> String {
    let kernel = plan.steps.iter().find_map(|step| step.kernel);
    kernel.map_or_else(String::new, |kernel| kernel.to_string())
}

fn plan(
    problem: &Problem,
    card: &Card,
    prefer: Option<ConvAlgorithm>,
) -> Result<PlanReport, Error> {
    let name = problem.name();
    let [inputs, outputs, size, kernel] = [
        problem.inputs,
        problem.outputs,
        problem.size,
        problem.kernel,
    ]
    .map(|it| it as usize);
    let mut builder = GraphBuilder::new(&name);
    let x = builder.image_input("x", inputs);
    let convolution = Conv2d::new(inputs, outputs, kernel).padding(kernel / 2);
    let y = builder.conv2d("convolution", x, convolution.bias(false));
    builder.output(y);
    let graph = builder
        .build()
        .map_err(|error| predict::plan_fault(&name, &error))?;
    let shape = Shape::from(vec![1, inputs, size, size]);
    let options = SessionOptions::default().prefer(prefer);
    predict::plan_graph(&graph, &[shape], &options, card, false)
}

/// What another engine does, without padding the input, which ncnn has a dispatch for.
fn theirs(problem: &Problem, card: &Card, engine: &Engine) -> Result<Vec<Line>, Error> {
    let anchors = engine.anchors(problem, card);
    let steps = anchors.iter().flat_map(|anchor| &anchor.steps);
    let modules: Vec<_> = steps.map(|step| step.module.clone()).collect();
    let rows: RowsByForm = predict::by_form(families::module_rows(card.family, &modules)?);
    let lines = anchors.iter().flat_map(|anchor| {
        let transfers = anchor.steps.iter().map(|step| &step.transfers[..]);
        let moved = predict::moved(card, transfers);
        let steps = anchor.steps.iter().zip(moved);
        let timed = steps.map(|(step, moved)| {
            // Each module has a row.
            let row = &rows[&step.module.key()];
            let dispatch = step.dispatch(moved);
            let seconds = predict::dispatch_seconds(&dispatch, card, row);
            (dispatch, row, seconds)
        });
        let timed: Vec<_> = timed.collect();
        let total: f64 = timed.iter().map(|(.., seconds)| seconds).sum();
        timed.into_iter().map(move |(dispatch, row, seconds)| Line {
            card: card.name,
            problem: problem.name(),
            engine: engine.name.clone(),
            algorithm: anchor.algorithm.to_owned(),
            workgroups: dispatch.workgroups,
            share: share(&dispatch, row),
            microseconds: 1e6 * seconds,
            total_microseconds: 1e6 * total,
            row: row.clone(),
        })
    });
    Ok(lines.collect())
}

/// The share of multiply-adds in the hottest loop and in the loop around it.
fn share(dispatch: &Dispatch, row: &Row) -> f64 {
    let iterations = dispatch.products / row.loop_fma.max(1) as f64;
    let hottest = iterations * row.loop_instructions as f64;
    let around = dispatch.around * row.around_instructions as f64;
    dispatch.products / (hottest + around).max(1.0)
}

fn lines_table(lines: &[Line]) -> String {
    let header = [
        "GPU",
        "problem",
        "engine",
        "algorithm",
        "shader",
        "workgroups",
        "VGPRs",
        "LDS",
        "scratch",
        "waves",
        "loop",
        "fma",
        "around",
        "share",
        "predicted µs",
        "of all",
    ];
    let mut table = table::empty(&header, 5);
    for line in lines {
        let row = &line.row;
        table.add_row([
            line.card.to_owned(),
            line.problem.clone(),
            line.engine.to_owned(),
            line.algorithm.clone(),
            row.shader.clone(),
            line.workgroups.to_string(),
            row.vgprs.to_string(),
            row.workgroup_bytes.to_string(),
            row.scratch_bytes.to_string(),
            format!("{}×{}", row.waves_per_simd, row.subgroup_size),
            row.loop_instructions.to_string(),
            row.loop_fma.to_string(),
            row.around_instructions.to_string(),
            match row.loop_fma {
                0 => String::new(),
                _ => format!("{:.0} %", 100.0 * line.share),
            },
            format!("{:.1}", line.microseconds),
            format!("{:.1}", line.total_microseconds),
        ]);
    }
    table.trim_fmt()
}
