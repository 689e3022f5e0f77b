//! The same command on every adapter and backend of the machine, each in a process of its own: a
//! driver that crashes or hangs costs its own row and no other.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use shadernet::device::Device;
use shadernet::gpu::{adapters, is_software};
use wait_timeout::ChildExt;

use crate::{Failure, progress};

/// Where a command runs, if not on one device.
#[derive(Args)]
pub struct AllArgs {
    /// Every adapter and backend of the machine in turn, each in a process of its own
    #[arg(long, conflicts_with_all = ["backend", "adapter"])]
    pub all: bool,

    #[command(flatten)]
    pub child: ChildArgs,
}

/// How processes for each adapter are dealt with.
#[derive(Args)]
pub struct ChildArgs {
    /// How long each adapter may take where all are run; then it is stopped, and said to hang
    #[arg(long, value_name = "SECONDS", default_value = "1800")]
    time_limit: u64,

    /// Does as a bad driver would, to see that it is borne. For tests
    #[arg(long, hide = true, value_name = "crash|hang")]
    misbehave: Option<Misbehaviour>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Misbehaviour {
    Crash,
    Hang,
}

impl ChildArgs {
    /// What the process for one adapter does first.
    pub fn begin(&self) {
        match self.misbehave {
            Some(Misbehaviour::Crash) => std::process::abort(),
            Some(Misbehaviour::Hang) => loop {
                thread::park();
            },
            None => {}
        }
    }

    /// Runs `shadernet` with `args` and `--json` on every adapter, and answers the JSON objects that
    /// they print, or one of `kind` with the reason under `failed` for each adapter that prints none.
    pub fn each(&self, kind: &str, args: &[OsString]) -> Result<Vec<Value>, Failure> {
        let adapters = adapters(None);
        if adapters.is_empty() {
            return Err(Failure::Error(shadernet::Error::NoAdapter(
                "there is no adapter on this machine".to_owned(),
            )));
        }
        let bar = progress::spinner();
        let mut lines = Vec::new();
        let mut seen = Vec::new();
        for adapter in adapters {
            let info = adapter.get_info();
            // As wgpu names it, which is how it is asked for.
            let backend = Device::backend_of(&info).name();
            if seen.contains(&(backend, info.name.clone())) {
                continue;
            }
            seen.push((backend, info.name.clone()));
            bar.set_message(format!("{} ({backend})", info.name));
            match self.one(args, backend, &info.name) {
                Ok(own) => lines.extend(own),
                Err(reason) => lines.push(json!({
                    "kind": kind,
                    "device": info.name,
                    "backend": backend,
                    "driver": format!("{} {}", info.driver, info.driver_info).trim(),
                    "software": is_software(&info),
                    "failed": reason,
                })),
            }
        }
        bar.finish_and_clear();
        Ok(lines)
    }

    /// The same on one adapter: what it prints, or why that is nothing.
    pub fn one(
        &self,
        args: &[OsString],
        backend: &str,
        adapter: &str,
    ) -> Result<Vec<Value>, String> {
        let own = std::env::current_exe();
        let mut command = Command::new(own.map_err(|error| format!("it did not start: {error}"))?);
        command
            .args(args)
            .args(["--json", "--backend", backend, "--adapter", adapter]);
        if let Some(misbehaviour) = self.misbehave.and_then(|m| m.to_possible_value()) {
            command.args(["--misbehave", misbehaviour.get_name()]);
        }
        lines_of(&mut command, Duration::from_secs(self.time_limit))
    }
}

/// The JSON objects that `command` prints within `limit`, or why there are none.
fn lines_of(command: &mut Command, limit: Duration) -> Result<Vec<Value>, String> {
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
    // Exit code 1 with an answer: something in it is wrong, and told of there.
    if !lines.is_empty() && status.code().is_some() {
        return Ok(lines);
    }
    let last = err.lines().rfind(|line| !line.trim().is_empty());
    Err(match (status.code(), last) {
        (Some(_), Some(line)) => line.trim_start_matches("error: ").to_owned(),
        (_, Some(line)) => format!("its process died ({status}): {line}"),
        (_, None) => format!("its process died ({status})"),
    })
}

/// Already dead, or not to be killed: nothing more can be done.
fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads a pipe to its end beside the other, so that neither fills up.
fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is as good.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
