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

use super::{about, gpu_of};
use crate::resolve_model::NetworkArgs;
use crate::{DeviceArgs, Failure, SessionArgs, output, progress};

/// Show how long an interface would wait for a network that runs beside it
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet bench frames resnet50 --budget 4

A pass is cut into pieces of about --budget milliseconds each by the times of its
steps, and each frame submits one, as a program does that draws in between. The
longest submission is what an interface waits for at most; beside it stands what
it would wait for where a pass is submitted whole. Pieces are of whole
dispatches: where one alone takes longer than the budget, so does its piece.")]
pub struct FramesArgs {
    #[command(flatten)]
    network: NetworkArgs,

    #[command(flatten)]
    session: SessionArgs,

    /// Milliseconds that a piece may take
    #[arg(long, value_name = "MS", default_value = "4", value_parser = milliseconds)]
    budget: Duration,

    /// How many frames
    #[arg(long, value_name = "N", default_value = "200")]
    frames: NonZeroUsize,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "a number was expected".to_owned())?;
    (Duration::try_from_secs_f64(number / 1e3).ok())
        .filter(|budget| !budget.is_zero())
        .ok_or("a number above 0 was expected".to_owned())
}

/// What was measured, in seconds.
struct Frames {
    /// Of one piece each.
    submissions: Samples,
    pieces: usize,
    /// Passes that were ended.
    passes: usize,
    /// What the longest piece was to take.
    planned: Duration,
    /// Of whole passes.
    whole: Samples,
}

impl FramesArgs {
    pub fn execute(&self) -> Result<(), Failure> {
        let network = self.network.find()?;
        let device = self.device.open()?;
        let gpu = gpu_of(&device)?;
        let options = self.session.options(&device);
        let (graph, weights) = (&network.graph, network.weights()?);
        let mut session = Session::new(&device, graph, weights, &options, &network.inputs)?;
        if let Some(notice) = session.warning() {
            output::say(notice);
        }
        let bar = progress::spinner();
        bar.set_message("timing the steps");
        bar.disable_steady_tick();
        session.prepare_chunks(&network.inputs)?;
        bar.set_message("running frames");
        let frames = self.measure(gpu, &mut session, &network.input_tensors())?;
        bar.finish_and_clear();
        match self.json {
            true => {
                let mut line = about(&device);
                line["network"] = json!(graph.name());
                line["budget_ms"] = json!(ms(self.budget.as_secs_f64()));
                line["frames"] = json!(frames.submissions.count());
                line["pieces"] = json!(frames.pieces);
                line["passes"] = json!(frames.passes);
                line["planned_longest_ms"] = json!(ms(frames.planned.as_secs_f64()));
                line["median_ms"] = json!(ms(frames.submissions.median()));
                line["longest_ms"] = json!(ms(frames.submissions.max()));
                line["whole_pass_ms"] = json!(ms(frames.whole.median()));
                line["longest_whole_pass_ms"] = json!(ms(frames.whole.max()));
                output::json_line(&line)?;
            }
            false => self.print(&frames, &mut io::stdout().lock())?,
        }
        Ok(())
    }

    fn measure(&self, gpu: &Gpu, session: &mut Session, tensors: &[Tensor]) -> Result<Frames> {
        let inputs: Vec<SessionInput> = tensors.iter().map(SessionInput::Tensor).collect();
        let encoder = || gpu.device().create_command_encoder(&Default::default());
        // Whole passes first: they are what a piece is held against.
        let mut whole = Vec::new();
        for _ in 0..WHOLE_PASSES {
            let mut encoder = encoder();
            session.encode(&mut encoder, &inputs)?;
            whole.push(submitted(gpu, encoder)?);
        }
        let mut submissions = Vec::new();
        let (mut pieces, mut passes, mut planned) = (0, 0, Duration::ZERO);
        let mut slices = None;
        while submissions.len() < self.frames.get() {
            let mut encoder = encoder();
            let mut pass = match slices.take() {
                Some(pass) => pass,
                None => session.encode_chunks(&mut encoder, &inputs, self.budget)?,
            };
            let outputs = pass.encode(&mut encoder)?;
            submissions.push(submitted(gpu, encoder)?);
            (pieces, planned) = (pass.progress().1, pass.longest());
            match outputs {
                Some(_) => passes += 1,
                None => slices = Some(pass),
            }
        }
        let measured = |samples| {
            Samples::new(samples).ok_or_else(|| Error::Inputs("no frames were measured".to_owned()))
        };
        Ok(Frames {
            submissions: measured(submissions)?,
            pieces,
            passes,
            planned,
            whole: measured(whole)?,
        })
    }

    fn print(&self, frames: &Frames, out: &mut impl Write) -> io::Result<()> {
        let budget = self.budget.as_secs_f64();
        let longest = frames.submissions.max();
        writeln!(
            out,
            "{} frames of one piece each, {} pieces a pass, {} passes\n\
             longest submission  {:9.2} ms, {:.2} times the budget of {:.2} ms\n\
             median              {:9.2} ms\n\
             longest piece       {:9.2} ms as planned\n\
             without a budget    {:9.2} ms, the longest of {} whole passes ({:.2} ms median)",
            frames.submissions.count(),
            frames.pieces,
            frames.passes,
            ms(longest),
            longest / budget,
            ms(budget),
            ms(frames.submissions.median()),
            ms(frames.planned.as_secs_f64()),
            ms(frames.whole.max()),
            frames.whole.count(),
            ms(frames.whole.median()),
        )
    }
}

/// Whole passes that are timed for comparison.
const WHOLE_PASSES: usize = 10;

fn ms(seconds: f64) -> f64 {
    seconds * 1e3
}

/// Submits what was recorded; answers the seconds until it is done.
fn submitted(gpu: &Gpu, encoder: wgpu::CommandEncoder) -> Result<f64> {
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
