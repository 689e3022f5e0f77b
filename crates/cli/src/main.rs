//! The `shadernet` command, with one file per subcommand. What a program needs is in the library.
//!
//! Exit codes: 0, success; 1, something failed; 2, the command line was wrong; 3, `bench compare` found a
//! regression.

mod adapter_list;
mod batches;
mod bench;
mod cache;
mod class_shares;
mod classify;
mod completions;
mod convert;
mod convert_onnx;
mod cutout;
mod decode_ahead;
mod destination;
mod detect;
mod device_args;
mod devices;
mod doctor;
mod embed;
mod ensemble_args;
mod explain;
mod explain_results;
mod features;
mod frames;
mod freed_memory;
mod image_id;
mod image_paths;
mod inspect;
mod layer_list;
mod lines;
mod log;
mod mapped_weights;
mod models;
mod output;
mod output_files;
mod partial_results;
mod plan;
mod png_rows;
mod preprocessing_args;
mod progress;
#[cfg(feature = "pull")]
mod pull;
mod report;
mod resolve_model;
mod result_format;
mod resume;
mod run;
mod segment;
mod segment_tiles;
mod signals;
mod summary;
mod tune;
mod value_parsers;
mod vector_file;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use device_args::DeviceArgs;
use preprocessing_args::PreprocessingArgs;
use shadernet::device::Device;
use shadernet::gpu::Precision;
use shadernet::model_folder::{ModelFolder, default_model, find_model};
use shadernet::passes::PassOptions;
use shadernet::session::SessionOptions;
use shadernet::zoo::Task;
use shadernet::{Error, Result};
use tune::TuningArgs;
use value_parsers::ImageSize;

/// Convolutional networks on the GPU, through WGSL compute shaders.
#[derive(Parser)]
#[command(
    name = "shadernet",
    version,
    max_term_width = 100,
    after_help = "\
Example:
  shadernet classify photo.jpg      classifies an image
  shadernet detect photo.jpg        detects objects in an image
  shadernet devices                 lists the devices of this machine

SHADERNET_MODELS lists the folders that contain models; `shadernet models --help` says where \
else they are looked up.
SHADERNET_LOG=debug prints messages of the library and wgpu on standard error, as -vv.
SHADERNET_CACHE is the folder for compiled shaders and tuned kernels; if it is set to an empty \
string, none are kept.

Exit codes: 0, success; 1, something failed; 2, the command line was wrong; \
3, `bench compare` found a regression."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print nothing but results and errors
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        display_order = 1000
    )]
    quiet: bool,

    /// Print the library's messages on standard error; -vv also wgpu's
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 1000)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    Classify(classify::Classify),
    Detect(detect::Detect),
    Segment(segment::Segment),
    Explain(explain::Explain),
    Features(features::Features),
    Embed(embed::Embed),
    Convert(convert::Convert),
    Run(run::Run),
    Devices(devices::Devices),
    Doctor(doctor::Doctor),
    Models(models::Models),
    #[cfg(feature = "pull")]
    Pull(pull::Pull),
    Summary(summary::Summary),
    Inspect(inspect::Inspect),
    Plan(plan::Plan),
    Tune(tune::Tune),
    Bench(bench::Bench),
    Completions(completions::Completions),
}

/// How a network is run.
#[derive(Args)]
struct SessionArgs {
    /// How values and weights are stored on the device
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = str::parse::<Precision>)]
    precision: Precision,

    #[command(flatten)]
    passes: PassArgs,

    #[command(flatten)]
    tuning: TuningArgs,
}

impl SessionArgs {
    fn options(&self, device: &Device) -> SessionOptions {
        SessionOptions::new()
            .precision(self.precision)
            .passes(self.passes.options())
            .tuning(self.tuning.load(device))
            .progress(progress::loading())
    }
}

/// Which graph passes run.
#[derive(Args)]
struct PassArgs {
    /// Run the network node by node, without graph passes
    #[arg(long)]
    no_optimize: bool,

    /// Skip the graph pass NAME, such as norms or residuals; can be repeated
    #[arg(long, value_name = "NAME", value_parser = pass)]
    without_pass: Vec<String>,
}

impl PassArgs {
    fn options(&self) -> PassOptions {
        let all = match self.no_optimize {
            true => PassOptions::none(),
            false => PassOptions::default(),
        };
        // Unknown names were rejected by the command line's parser.
        let without =
            |options: PassOptions, name: &String| options.without(name).unwrap_or(options);
        self.without_pass.iter().fold(all, without)
    }
}

fn pass(name: &str) -> Result<String, Error> {
    PassOptions::default().without(name)?;
    Ok(name.to_owned())
}

/// Why a command did not succeed.
enum Failure {
    /// An error to print.
    Error(Error),
    /// An error to print, with what to do about it on the command line.
    Advised(String),
    /// The command line is wrong in a way that its parser cannot detect.
    Usage(String),
    /// Standard output was closed by its reader, as by `head`. Not an error.
    Closed,
    /// All errors have been printed already.
    Reported,
    /// `bench compare` found a regression, and has printed it.
    Worse,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    /// For writes to standard output. Errors of files name the file.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Error(Error::Write {
                path: "standard output".into(),
                source: error,
            }),
        }
    }
}

/// Opens the model folder `model`, or the default classifier.
fn open_model(
    model: Option<&Path>,
    images: &PreprocessingArgs,
    size: Option<ImageSize>,
) -> Result<ModelFolder> {
    let found = match model {
        Some(model) => find_model(model),
        None => default_model(),
    };
    images.open(&found?, size)
}

/// The failure of loading `folder` for a task, with the subcommand for its network where that was made
/// for another task than `expected`.
fn loading_failure(error: Error, folder: &ModelFolder, expected: Task) -> Failure {
    let subcommand = match folder.graph() {
        Ok((_, task)) if task != expected => match task {
            Task::Classification => "classify",
            Task::Segmentation => "segment",
            Task::Detection => "detect",
            _ => return Failure::Error(error),
        },
        _ => return Failure::Error(error),
    };
    Failure::Advised(format!(
        "{}: use `shadernet {subcommand}`, or another model",
        error.report()
    ))
}

fn main() -> ExitCode {
    // The dynamic loader has run for a few milliseconds before this.
    let start = Instant::now();
    freed_memory::keep();
    silence_wayland();
    let mut command = Cli::command();
    let matches = command.get_matches_mut();
    let options = || resume::run_options(&command, &matches);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    signals::handle();
    if cli.quiet {
        output::be_quiet();
    }
    if let Err(reason) = log::init(cli.verbose) {
        output::say(format_args!("error: {reason}"));
        return ExitCode::from(2);
    }
    let result = match cli.command {
        Command::Classify(command) => command.execute(&options()),
        Command::Convert(command) => command.execute(),
        Command::Detect(command) => command.execute(&options()),
        Command::Segment(command) => command.execute(&options()),
        Command::Explain(command) => command.execute(),
        Command::Features(command) => command.execute(),
        Command::Embed(command) => command.execute(),
        Command::Run(command) => command.execute(),
        Command::Devices(command) => command.execute(),
        Command::Doctor(command) => command.execute(),
        Command::Models(command) => command.execute(),
        #[cfg(feature = "pull")]
        Command::Pull(command) => command.execute(),
        Command::Summary(command) => command.execute(),
        Command::Inspect(command) => command.execute(),
        Command::Plan(command) => command.execute(),
        Command::Tune(command) => command.execute(),
        Command::Bench(command) => command.execute(start),
        Command::Completions(command) => command.execute(Cli::command()),
    };
    match result {
        Ok(()) | Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(Failure::Reported) => ExitCode::FAILURE,
        Err(Failure::Worse) => ExitCode::from(3),
        Err(Failure::Usage(reason)) => {
            output::say(format_args!("error: {reason}"));
            ExitCode::from(2)
        }
        Err(Failure::Error(error)) => {
            output::error(&error);
            ExitCode::FAILURE
        }
        Err(Failure::Advised(message)) => {
            output::say(format_args!("error: {message}"));
            ExitCode::FAILURE
        }
    }
}

/// Keeps libwayland from printing "error: XDG_RUNTIME_DIR is invalid or not set in the environment" in
/// containers and over SSH, where there is no Wayland display. Mesa's device selection layer for Vulkan
/// connects to one.
fn silence_wayland() {
    let absent = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    if cfg!(target_os = "linux") && absent("XDG_RUNTIME_DIR") && absent("WAYLAND_DISPLAY") {
        // SAFETY: called first in `main`; there is no other thread yet.
        unsafe { std::env::set_var("WAYLAND_DISPLAY", "/nonexistent") };
    }
}
