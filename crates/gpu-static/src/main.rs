//! What the compiler of AMD's GPUs makes of shadernet's shaders, on a machine without a GPU.
//!
//! Mesa's driver offers a null device of any family. It compiles pipelines as it does on a machine with such a GPU, and
//! tells registers, memory and machine code. `scripts/gpu-static` finds Mesa and runs this.

mod anchors;
mod assembly;
mod bounds;
mod cache;
mod cards;
mod compare;
mod compile;
mod cost;
mod engines;
mod error;
mod families;
mod loops;
mod module;
mod null_device;
mod pipeline;
mod predict;
mod prediction;
mod problem;
mod reflection;
mod row;
mod spirv;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use bounds::Violations;
use error::Error;
use module::Module;
use pipeline::Pipeline;

/// Compiles every form of every shader for AMD's GPUs and reports registers, memory and the hottest loop.
#[derive(Debug, Parser)]
#[command(name = "gpu-static", args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  scripts/gpu-static --json target/gpu-static.json
  scripts/gpu-static --family navi31 --shader conv2d --all
  scripts/gpu-static assembly navi31 conv2d_depthwise_row 'f32 KERNEL=3'
  scripts/gpu-static compare before.json after.json
  scripts/gpu-static bounds --rows target/gpu-static.json
  scripts/gpu-static predict resnet50 unet --batch 1 --batch 8")]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The families; by default navi21 (RDNA2), navi31 (RDNA3), gfx1200 (RDNA4) and vega10 (GCN).
    #[arg(long = "family", value_name = "NAME")]
    families: Vec<String>,
    /// Only shaders whose names contain this.
    #[arg(long, value_name = "PART", default_value = "")]
    shader: String,
    /// Compile for subgroups of 32 where the driver would take 64.
    #[arg(long)]
    wave32: bool,
    /// Print all forms, not only the tiles of each precision and the forms with the defaults.
    #[arg(long)]
    all: bool,
    /// Write all rows to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the machine code of one form of a shader.
    Assembly {
        /// A family, such as navi31.
        family: String,
        /// A shader, such as conv2d_tiled.
        shader: String,
        /// A form, as tables have it.
        form: String,
        /// Compile for subgroups of 32 where the driver would take 64.
        #[arg(long)]
        wave32: bool,
    },
    /// Compare the rows of two files; fails where something got worse.
    Compare {
        /// Rows of before.
        before: PathBuf,
        /// Rows of after.
        after: PathBuf,
    },
    /// Check the bounds that kernels are held to; fails where one is beyond.
    Bounds {
        /// Rows that were written before, rather than those of now.
        #[arg(long, value_name = "FILE")]
        rows: Option<PathBuf>,
    },
    /// Predict times of networks on GPUs, from what their compiler makes of the kernels.
    Predict(prediction::Args),
    /// Compare with other engines' convolutions. scripts/gpu-static-anchors fetches them.
    Anchors(anchors::Args),
    /// Compile pipelines for the family of this process.
    #[command(hide = true)]
    Rows { family: String },
    /// Compile modules for the family of this process.
    #[command(hide = true)]
    ModuleRows { family: String },
    /// The machine code for the family of this process.
    #[command(hide = true)]
    OwnAssembly,
}

/// What the process that started this one passes.
fn passed<T: serde::de::DeserializeOwned>() -> Result<T, Error> {
    serde_json::from_reader(std::io::stdin().lock()).map_err(|source| Error::Json {
        path: PathBuf::from("standard input"),
        source,
    })
}

fn run(args: Args) -> Result<ExitCode, Error> {
    match args.command {
        None => {
            let pipelines = pipeline::all(&args.shader);
            let families = families::chosen(&args.families);
            let rows = families::rows_of_all(&families, &pipelines, args.wave32)?;
            if let Some(path) = &args.json {
                table::write(path, &rows)?;
            }
            println!("{}", table::table(&rows, args.all));
        }
        Some(Command::Assembly {
            family,
            shader,
            form,
            wave32,
        }) => {
            print!("{}", families::assembly(&family, &shader, &form, wave32)?);
        }
        Some(Command::Compare { before, after }) => {
            let changes = compare::compare(&table::read(&before)?, &table::read(&after)?);
            print!("{changes}");
            return Ok(ExitCode::from(u8::from(changes.has_worse())));
        }
        Some(Command::Bounds { rows }) => {
            let rows = match rows {
                Some(path) => table::read(&path)?,
                None => families::rows_of_all(&families::FAMILIES, &pipeline::all(""), false)?,
            };
            let violations = Violations::of(&rows);
            print!("{violations}");
            return Ok(ExitCode::from(u8::from(violations.any())));
        }
        Some(Command::Predict(args)) => prediction::run(&args)?,
        Some(Command::Anchors(args)) => anchors::run(&args)?,
        Some(Command::ModuleRows { family }) => {
            let modules: Vec<Module> = passed()?;
            table::print(&compile::module_rows(&family, &modules)?)?;
        }
        Some(Command::Rows { family }) => {
            let pipelines: Vec<Pipeline> = passed()?;
            table::print(&compile::rows(&family, &pipelines)?)?;
        }
        Some(Command::OwnAssembly) => print!("{}", compile::assembly(&passed()?)?),
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    run(Args::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}
