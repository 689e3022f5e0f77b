//! `shadernet bench frames`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use shadernet::gpu::Gpu;
use shadernet::session::{Session, SessionInput};
use shadernet::tensor::Tensor;
use shadernet::{Error, Result, wgpu};
use shadernet_bench::samples::Samples;

use super::{device_info, require_gpu};
use crate::resolve_model::NetworkArgs;
use crate::value_parsers::{count, milliseconds};
use crate::{DeviceArgs, Failure, SessionArgs, output, progress};

/// Measure how long a network keeps a user interface waiting for the GPU
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet bench frames resnet50 --budget 4

A pass is split into chunks of about --budget milliseconds, according to the \
measured times of its steps. Each frame submits one chunk, like a program that \
draws in between. The longest submission is the longest time that the interface \
waits; for comparison, whole passes are timed, too. A chunk has at least one \
dispatch: if that takes longer than the budget, so does the chunk.")]
pub struct FramesArgs {
    #[command(flatten)]
    network: NetworkArgs,

    #[command(flatten)]
    session: SessionArgs,

    /// Milliseconds that a chunk may take
    #[arg(long, value_name = "MS", default_value = "4", value_parser = milliseconds)]
    budget: Duration,

    /// Number of frames
    #[arg(long, value_name = "N", default_value = "200", value_parser = count)]
    frames: NonZeroUsize,

    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The measurements.
struct Frames {
    /// Seconds of each submission of one chunk.
    submissions: Samples,
    /// Chunks per pass.
    chunks: usize,
    /// Completed passes.
    passes: usize,
    /// The planned time of the longest chunk.
    planned: Duration,
    /// Seconds of each whole pass.
    whole_passes: Samples,
}

impl FramesArgs {
    pub fn execute(&self) -> Result<(), Failure> {
        let network = self.network.resolve()?;
        let device = self.device.open()?;
        let gpu = require_gpu(&device)?;
        let options = self.session.options(&device);
        let (graph, weights) = (&network.graph, network.weights()?);
        let mut session = Session::new(&device, graph, weights, &options, &network.inputs)?;
        output::warn(session.warning());
        let bar = progress::spinner();
        bar.set_message("timing the steps");
        bar.disable_steady_tick();
        session.prepare_chunks(&network.inputs)?;
        bar.set_message("running frames");
        let frames = self.measure(gpu, &mut session, &network.input_tensors())?;
        bar.finish_and_clear();
        match self.json {
            true => {
                let mut line = device_info(&device);
                line["network"] = json!(graph.name());
                line["weights"] = json!(network.weights_source());
                line["budget_ms"] = json!(ms(self.budget.as_secs_f64()));
                line["frames"] = json!(frames.submissions.count());
                line["pieces"] = json!(frames.chunks);
                line["passes"] = json!(frames.passes);
                line["planned_longest_ms"] = json!(ms(frames.planned.as_secs_f64()));
                line["median_ms"] = json!(ms(frames.submissions.median()));
                line["longest_ms"] = json!(ms(frames.submissions.max()));
                line["whole_pass_ms"] = json!(ms(frames.whole_passes.median()));
                line["longest_whole_pass_ms"] = json!(ms(frames.whole_passes.max()));
                output::json_line(&line)?;
            }
            false => self.print(&frames, &mut output::stdout())?,
        }
        Ok(())
    }

    fn measure(&self, gpu: &Gpu, session: &mut Session, tensors: &[Tensor]) -> Result<Frames> {
        let inputs: Vec<SessionInput> = tensors.iter().map(SessionInput::Tensor).collect();
        let encoder = || gpu.device().create_command_encoder(&Default::default());
        let mut whole_passes = Vec::new();
        for _ in 0..WHOLE_PASSES {
            let mut encoder = encoder();
            session.encode(&mut encoder, &inputs)?;
            whole_passes.push(submit_and_wait(gpu, encoder)?);
        }
        let mut submissions = Vec::new();
        let (mut chunks, mut passes, mut planned) = (0, 0, Duration::ZERO);
        let mut current = None;
        while submissions.len() < self.frames.get() {
            let mut encoder = encoder();
            let mut pass = match current.take() {
                Some(pass) => pass,
                None => session.encode_chunks(&mut encoder, &inputs, self.budget)?,
            };
            let outputs = pass.encode(&mut encoder)?;
            submissions.push(submit_and_wait(gpu, encoder)?);
            (chunks, planned) = (pass.progress().1, pass.longest());
            match outputs {
                Some(_) => passes += 1,
                None => current = Some(pass),
            }
        }
        let samples = |seconds| {
            Samples::new(seconds).ok_or_else(|| Error::Inputs("no frames were measured".to_owned()))
        };
        Ok(Frames {
            submissions: samples(submissions)?,
            chunks,
            passes,
            planned,
            whole_passes: samples(whole_passes)?,
        })
    }

    fn print(&self, frames: &Frames, out: &mut impl Write) -> io::Result<()> {
        let budget = self.budget.as_secs_f64();
        let longest = frames.submissions.max();
        writeln!(
            out,
            "{} frames of one chunk each, {} chunks per pass, {} passes\n\
             longest submission  {:9.2} ms, {:.2} times the budget of {:.2} ms\n\
             median              {:9.2} ms\n\
             longest chunk       {:9.2} ms as planned\n\
             without a budget    {:9.2} ms, the longest of {} whole passes ({:.2} ms median)",
            frames.submissions.count(),
            frames.chunks,
            frames.passes,
            ms(longest),
            longest / budget,
            ms(budget),
            ms(frames.submissions.median()),
            ms(frames.planned.as_secs_f64()),
            ms(frames.whole_passes.max()),
            frames.whole_passes.count(),
            ms(frames.whole_passes.median()),
        )
    }
}

/// Whole passes timed for comparison.
const WHOLE_PASSES: usize = 10;

fn ms(seconds: f64) -> f64 {
    seconds * 1e3
}

/// Submits the commands and waits for them. Returns the seconds that takes.
fn submit_and_wait(gpu: &Gpu, encoder: wgpu::CommandEncoder) -> Result<f64> {
    let commands = encoder.finish();
    let start = Instant::now();
    gpu.queue().submit([commands]);
    let waited = gpu.device().poll(wgpu::PollType::wait_indefinitely());
    waited.map_err(|error| Error::Device {
        device: gpu.info().name.clone(),
        context: "waiting for a frame".to_owned(),
        source: error.into(),
    })?;
    Ok(start.elapsed().as_secs_f64())
}
