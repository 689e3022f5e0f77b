//! Runs the same command on every adapter and backend of the machine, each in a child process. A driver that
//! crashes or hangs loses only its own results.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use shadernet::cpu::CpuDevice;
use shadernet::gpu::Backend;
use shadernet::printable;
use wait_timeout::ChildExt;

use super::cpu_name;
use crate::adapter_list::{BackendAdapters, Listing, Row, SOFTWARE, list_adapters};
use crate::value_parsers::seconds;
use crate::{Failure, progress};

/// Runs a command on all adapters instead of one.
#[derive(Args)]
pub struct AllAdaptersArgs {
    /// Run on every adapter and backend of the machine, each in a process of its own
    #[arg(long, conflicts_with_all = ["backend", "adapter", "threads"])]
    pub all: bool,

    #[command(flatten)]
    pub child: ChildProcessArgs,
}

/// Options of the child processes.
#[derive(Args)]
pub struct ChildProcessArgs {
    /// Seconds that each adapter may take if all are run; then it is stopped and reported
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = seconds)]
    time_limit: Duration,

    /// Makes the child process crash or hang like a broken driver. For tests
    #[arg(long, hide = true, value_name = "crash|hang")]
    misbehave: Option<Misbehavior>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Misbehavior {
    Crash,
    Hang,
}

impl ChildProcessArgs {
    /// Crashes or hangs if a test asks for it. Called first in a child process.
    pub fn misbehave_for_tests(&self) {
        match self.misbehave {
            Some(Misbehavior::Crash) => std::process::abort(),
            Some(Misbehavior::Hang) => loop {
                thread::park();
            },
            None => {}
        }
    }

    /// Runs `shadernet` with `args` and `--json` on each of `targets`. Returns the JSON objects that the
    /// processes print; for a target that prints none, an object of `kind` with the reason as `failed`. `each` is
    /// called for every object as soon as it is there, with the bar that is shown meanwhile.
    ///
    /// # Errors
    /// [`shadernet::Error::NoAdapter`] where there are none, and those of `each`.
    pub fn run_on_all(
        &self,
        targets: &[Target],
        kind: &str,
        args: &[OsString],
        mut each: impl FnMut(&ProgressBar, &mut Value) -> Result<(), Failure>,
    ) -> Result<Vec<Value>, Failure> {
        if targets.is_empty() {
            return Err(Failure::Error(shadernet::Error::NoAdapter(
                "no adapter was found on this machine; see `shadernet devices`".to_owned(),
            )));
        }
        let bar = progress::bar(targets.len());
        bar.enable_steady_tick(Duration::from_millis(100));
        let mut lines = Vec::new();
        for target in targets {
            let Target { name, backend, .. } = target;
            bar.set_message(format!("{} ({backend})", printable::name(name)));
            let run = match &target.failed {
                Some(reason) => Err(reason.clone()),
                None => self.run_on(args, backend, name),
            };
            let mut results = match run {
                Ok(printed) => printed,
                Err(reason) => vec![json!({
                    "kind": kind,
                    "device": name,
                    "backend": backend,
                    "driver": target.driver,
                    "software": target.software,
                    "failed": reason,
                })],
            };
            results.iter_mut().try_for_each(|line| each(&bar, line))?;
            lines.append(&mut results);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(lines)
    }

    /// Runs `shadernet` on a device of `backend`, which is called `name`. Returns the JSON objects that it prints,
    /// or why there are none.
    pub fn run_on(
        &self,
        args: &[OsString],
        backend: &str,
        name: &str,
    ) -> Result<Vec<Value>, String> {
        let executable = std::env::current_exe();
        let executable = executable.map_err(|error| format!("it did not start: {error}"))?;
        let mut command = Command::new(executable);
        command.args(args).args(["--json", "--backend", backend]);
        if backend != Backend::Cpu.name() {
            command.args(["--adapter", name]);
        }
        if let Some(misbehavior) = self.misbehave.and_then(|m| m.to_possible_value()) {
            command.args(["--misbehave", misbehavior.get_name()]);
        }
        json_lines(&mut command, self.time_limit)
    }
}

/// A device that a child process runs on.
pub struct Target {
    /// The adapter's name, or the processor's.
    name: String,
    /// The name that `--backend` takes.
    backend: &'static str,
    driver: String,
    software: bool,
    /// Why nothing can run there: the backend's adapters could not be listed.
    failed: Option<String>,
}

impl Target {
    /// Every adapter and backend of the machine, without the CPU. A backend whose drivers crash has one target,
    /// which says so.
    pub fn adapters() -> Vec<Self> {
        let mut targets: Vec<Self> = Vec::new();
        for BackendAdapters {
            backend,
            adapters,
            failed,
        } in list_adapters(Listing::Adapters)
        {
            let backend = backend.name();
            targets.extend(failed.map(|reason| Self {
                name: "its adapters".to_owned(),
                backend,
                driver: "unknown driver".to_owned(),
                software: false,
                failed: Some(reason),
            }));
            for Row {
                name, driver, kind, ..
            } in adapters.into_iter().map(|listed| listed.row)
            {
                let is_known = |known: &Self| (known.backend, &known.name) == (backend, &name);
                if targets.iter().any(is_known) {
                    continue;
                }
                targets.push(Self {
                    backend,
                    driver,
                    software: kind == SOFTWARE,
                    name,
                    failed: None,
                });
            }
        }
        targets
    }

    /// Every adapter and backend of the machine, and the CPU as the last.
    pub fn all() -> Vec<Self> {
        let cpu = Self {
            name: cpu_name(&CpuDevice::default()).to_owned(),
            backend: Backend::Cpu.name(),
            driver: format!("shadernet {}", env!("CARGO_PKG_VERSION")),
            software: true,
            failed: None,
        };
        let mut targets = Self::adapters();
        targets.push(cpu);
        targets
    }
}

/// The JSON objects that `command` prints within `limit`, or why there are none.
fn json_lines(command: &mut Command, limit: Duration) -> Result<Vec<Value>, String> {
    let ended = Ended::after(command, limit)?;
    match ended.lines {
        Some(lines) => Ok(lines),
        None => Err(ended.reason),
    }
}

/// How a child process ended.
pub struct Ended {
    /// The JSON objects that it printed; `None` where it printed none, or died.
    pub lines: Option<Vec<Value>>,
    /// Why there are none: its error, or how it died.
    pub reason: String,
    /// Whether it died, instead of ending with an exit code of this command.
    pub died: bool,
    /// What it printed on standard error.
    pub err: String,
}

impl Ended {
    /// Runs `command` to its end.
    ///
    /// # Errors
    /// Where it does not start, or does not end within `limit`.
    pub fn after(command: &mut Command, limit: Duration) -> Result<Self, String> {
        let mut child = (command.stdin(Stdio::null()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("it did not start: {error}"))?;
        let out = reader(child.stdout.take());
        let err = reader(child.stderr.take());
        let status = match child.wait_timeout(limit) {
            Ok(Some(status)) => status,
            Ok(None) => {
                stop(&mut child);
                return Err(format!("it did not end within {} s", limit.as_secs()));
            }
            Err(error) => {
                stop(&mut child);
                return Err(format!("waiting for it failed: {error}"));
            }
        };
        // A thread that panicked has read nothing.
        let (out, err) = (
            out.join().unwrap_or_default(),
            err.join().unwrap_or_default(),
        );
        let lines: Vec<Value> = (out.lines())
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        // A crash has a signal on Unix, and on Windows an exit code that is none of this command's.
        let died = !matches!(status.code(), Some(0..=3));
        // A tip may follow the error.
        let said = (err.lines())
            .rfind(|line| line.starts_with("error: "))
            .or_else(|| err.lines().rfind(|line| !line.trim().is_empty()));
        let reason = match said {
            Some(line) if !died => line.trim_start_matches("error: ").to_owned(),
            Some(line) => format!("its process died ({status}): {line}"),
            None => format!("its process died ({status})"),
        };
        Ok(Self {
            // Exit code 1 with output: the output says what is wrong.
            lines: (!lines.is_empty() && !died).then_some(lines),
            reason,
            died,
            err,
        })
    }
}

/// Kills the process. Errors are ignored: it has ended already or cannot be killed.
fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads a pipe to its end on a thread, so that neither pipe fills up.
fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // Output before an error is used.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
