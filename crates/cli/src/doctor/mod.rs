//! `shadernet doctor`.

mod kernels;
mod text;
mod traps;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};
use shadernet::device::Device;
use shadernet::gpu::{Backend, Gpu, MatrixCheck};
use shadernet::model_folder::default_model;
use shadernet::session::{Session, SessionOptions};
use shadernet::{Error, Result, output_file};
use shadernet_bench::kernels::{Divergence, first_divergence};

use self::text::{faults, report, summary};
use super::bench::{ChildProcessArgs, Target, device_info, text};
use super::output_files::check_outputs;
use super::resolve_model::Network;
use super::{DeviceArgs, Failure, output};
use kernels::{check_cpu_kernels, check_kernels, check_loops};

/// Check every kernel and a network on this machine, and report errors
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet doctor
  shadernet doctor --quick
  shadernet doctor --backend vulkan --report doctor.md
  shadernet doctor --backend gl --against vulkan

Every kernel of every operator is compared with the reference backend on the CPU, in \
float32 and float16, on small shapes that cover edge cases. Then the bundled network is \
compared with the reference backend and with the first adapter that works; if they \
differ, the first step that differs is named. The cpu backend is checked in the same way in float32, \
and the network is timed there. \
Each adapter and backend is checked in a process of its own, so that a driver that \
crashes or hangs affects only its own result. \
The exit code is 1 if anything is wrong. The report can be attached to an issue.")]
pub struct Doctor {
    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    child: ChildProcessArgs,

    /// Compare only the network, with this backend or adapter instead of the reference backend
    #[arg(long, value_name = "BACKEND[:ADAPTER]")]
    against: Option<Against>,

    /// Check only one case of each kind, in float32: less than 20 s even without a GPU
    #[arg(long)]
    quick: bool,

    /// Check only the cooperative matrices, in a child process: a driver that has them wrong may crash
    #[arg(long, hide = true)]
    only_matrices: bool,

    /// Write a Markdown report of all checks
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Print one JSON object per adapter, one per line
    #[arg(long)]
    json: bool,
}

/// A device to compare with.
#[derive(Clone)]
struct Against {
    backend: Backend,
    adapter: Option<String>,
}

impl FromStr for Against {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (backend, adapter) = match text.split_once(':') {
            Some((backend, adapter)) => (backend, Some(adapter.to_owned())),
            None => (text, None),
        };
        let backend = backend
            .parse::<Backend>()
            .map_err(|error| error.to_string())?;
        Ok(Self { backend, adapter })
    }
}

/// How much the network's outputs may differ between devices, relative to the largest magnitude. It allows
/// for the rounding of a hundred layers.
const TOLERANCE: f64 = 1e-3;

impl Doctor {
    pub fn execute(&self) -> Result<(), Failure> {
        if self.only_matrices {
            let found = match self.device.open()? {
                Device::Gpu(gpu) => traps::matrices(&gpu),
                Device::Cpu(_) | Device::Reference => Value::Null,
            };
            return Ok(output::json_line(&found)?);
        }
        check_outputs([("--report", self.report.as_deref())], [])?;
        let results = match (self.device.is_one_device(), &self.against) {
            (true, _) => {
                self.child.misbehave_for_tests();
                let results = self.check_device()?;
                self.print(&results)?;
                vec![results]
            }
            (false, Some(_)) => {
                return Err(Failure::Usage(
                    "--against compares one device with another; name it with --backend or --adapter"
                        .to_owned(),
                ));
            }
            (false, None) if self.device.threads.is_some() => {
                return Err(Failure::Usage(
                    "--threads is for the cpu backend only; add --backend cpu, or leave it out"
                        .to_owned(),
                ));
            }
            (false, None) => self.check_all_devices()?,
        };
        if let Some(path) = &self.report {
            output_file::write(path, report(&results)?.as_bytes())?;
        }
        for line in &results {
            if !faults(line)?.is_empty() {
                return Err(Failure::Reported);
            }
        }
        Ok(())
    }

    /// Prints the results of a device.
    fn print(&self, results: &Value) -> Result<(), Failure> {
        match self.json {
            true => output::json_line(results)?,
            false => write!(output::stdout(), "{}", summary(results, &faults(results)?))?,
        }
        Ok(())
    }

    /// Checks the device that the options select.
    fn check_device(&self) -> Result<Value, Failure> {
        let device = self.device.open()?;
        let reference = match &self.against {
            None => Device::reference(),
            Some(against) => {
                let mut options = self.device.options().backend(against.backend);
                options.adapter = against.adapter.clone();
                Device::open(&options)?
            }
        };
        let mut results = device_info(&device);
        results["kind"] = json!("doctor");
        let network = network()?;
        match &device {
            Device::Gpu(gpu) if self.against.is_none() => {
                results["shader_compiler"] = traps::shader_compiler(gpu);
                results["cooperative_matrices"] = self.check_matrices(gpu, &results);
                results["pipelines"] = traps::pipelines(gpu, &network)?;
                results["kernels"] = check_kernels(gpu, self.quick)?;
                results["loops"] = check_loops(gpu)?;
            }
            Device::Cpu(cpu) if self.against.is_none() => {
                results["kernels"] = check_cpu_kernels(cpu, self.quick)?;
            }
            Device::Gpu(_) | Device::Cpu(_) => {}
            Device::Reference => {
                return Err(Failure::Usage(
                    "the reference backend is what the others are compared with; select another with --backend"
                        .to_owned(),
                ));
            }
        }
        let mut row = compare_network(&reference, &device, &network)?;
        if let (Device::Cpu(_), None, Some(_)) = (&device, &self.against, row.get("tolerance")) {
            row["ms"] = json!(pass_seconds(&device, &network)? * 1e3);
        }
        results["networks"] = json!([row]);
        Ok(results)
    }

    /// Checks the cooperative matrices of a device where it offers them, in a process of their own.
    fn check_matrices(&self, gpu: &Gpu, results: &Value) -> Value {
        if gpu.check_cooperative_matrices() == MatrixCheck::NotOffered {
            return traps::matrices(gpu);
        }
        let mut args: Vec<OsString> = vec!["doctor".into(), "--only-matrices".into()];
        args.extend(self.device.with_matrices().flags());
        let (backend, adapter) = (text(results, "backend"), text(results, "device"));
        match self.child.run_on(&args, backend, adapter) {
            Ok(mut lines) => lines.swap_remove(0),
            Err(reason) => traps::wrong_matrices(&format!("checking them failed: {reason}")),
        }
    }

    /// Checks every adapter and backend and the CPU, and prints the results of each when it is done. All after the first that
    /// works are also compared with the first.
    fn check_all_devices(&self) -> Result<Vec<Value>, Failure> {
        if !self.quick {
            output::note(
                "checking every kernel: up to a minute for each adapter and backend; --quick takes a few seconds",
            );
        }
        let mut args: Vec<OsString> = vec!["doctor".into()];
        args.extend(self.device.flags());
        args.extend(self.quick.then(|| "--quick".into()));
        let mut first = None;
        (self.child).run_on_all(&Target::all(), "doctor", &args, |bar, line| {
            match &first {
                _ if !line["failed"].is_null() => {}
                None => {
                    first = Some(format!(
                        "{}:{}",
                        text(line, "backend"),
                        text(line, "device")
                    ))
                }
                Some(first) => self.compare_with(first, line),
            }
            bar.suspend(|| self.print(line))
        })
    }

    /// Adds the comparison of a device with the one called `first` to its results.
    fn compare_with(&self, first: &str, line: &mut Value) {
        let mut args: Vec<OsString> = vec!["doctor".into()];
        args.extend(self.device.flags());
        args.extend(["--against".into(), first.into()]);
        let (backend, adapter) = (text(line, "backend"), text(line, "device"));
        let row = match self.child.run_on(&args, backend, adapter) {
            Ok(mut lines) => {
                let row = lines
                    .first_mut()
                    .and_then(|line| line.pointer_mut("/networks/0"));
                row.map_or(Value::Null, Value::take)
            }
            Err(reason) => json!({"against": first, "failed": reason}),
        };
        if let Some(networks) = line["networks"].as_array_mut() {
            networks.push(row);
        }
    }
}

/// The network that devices are compared with: the default model, or MobileNetV2 with generated weights where the
/// command was built without it and there is no folder of it.
fn network() -> Result<Network> {
    let name = match default_model() {
        Ok(model) => model.name,
        Err(_) => "mobilenet_v2".to_owned(),
    };
    Network::resolve(&name, None, 1)
}

/// Passes that are timed.
const PASSES: usize = 10;

/// Seconds of the fastest of a few passes: other processes only make one slower.
fn pass_seconds(device: &Device, network: &Network) -> Result<f64> {
    let (options, weights) = (SessionOptions::default(), network.weights()?);
    let mut session = Session::new(device, &network.graph, weights, &options, &network.inputs)?;
    let inputs = network.input_tensors();
    let mut fastest = f64::INFINITY;
    for _ in 0..PASSES {
        let start = Instant::now();
        session.run(&inputs)?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(fastest)
}

/// Compares a network on two devices.
fn compare_network(reference: &Device, device: &Device, network: &Network) -> Result<Value> {
    let weights = Arc::new(network.weights()?);
    let divergence = first_divergence(
        reference,
        device,
        &network.graph,
        &weights,
        &network.input_tensors(),
        &SessionOptions::default(),
        TOLERANCE,
    );
    let mut row = json!({
        "against": match reference {
            Device::Reference => "the reference backend".to_owned(),
            Device::Gpu(_) | Device::Cpu(_) => reference.to_string(),
        },
        "name": network.graph.name(),
        "weights": network.weights_source(),
    });
    match divergence {
        Ok(None) => row["tolerance"] = json!(TOLERANCE),
        Ok(Some(divergence)) => row["diverges"] = as_json(&divergence),
        Err(error @ Error::Limit { .. }) => row["impossible"] = json!(error.report().to_string()),
        Err(error) => row["failed"] = json!(error.report().to_string()),
    }
    Ok(row)
}

fn as_json(divergence: &Divergence) -> Value {
    json!({
        "node": divergence.node,
        "operator": divergence.kind,
        "shaders": divergence.shaders,
        "error": divergence.error,
    })
}
