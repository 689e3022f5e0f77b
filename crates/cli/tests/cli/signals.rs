//! A command that is ended by a signal leaves no temporary files. A FIFO as an input keeps it waiting.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::*;

const HANGUP: i32 = 1;
const INTERRUPT: i32 = 2;
const KILL: i32 = 9;
const TERMINATE: i32 = 15;

fn kill(child: &Child, signal: i32) {
    let id = child.id().to_string();
    let signal = format!("-{signal}");
    assert!(
        Command::new("kill")
            .args([&signal, &id])
            .status()
            .unwrap()
            .success()
    );
}

fn temporary_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".shadernet-")).count()
}

/// Waits until `is_so`.
#[track_caller]
fn wait_for(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it did not happen"
        );
        sleep(Duration::from_millis(10));
    }
}

/// A conversion into `folder` that waits for its configuration, with its temporary folder made.
fn waiting_conversion(folder: &Path) -> Child {
    let cfg = folder.join("a.cfg");
    let made = Command::new("mkfifo").arg(&cfg).status().unwrap();
    assert!(made.success());
    let mut command = shadernet();
    command
        .arg("convert")
        .args([&cfg, &folder.join("a.weights")])
        .arg("-o")
        .arg(folder.join("out"));
    command.stderr(Stdio::null()).stdout(Stdio::null());
    // Whoever runs the tests may ignore signals, as a shell does for what it starts in the background.
    let reset_signals = || {
        for signal in [HANGUP, INTERRUPT, TERMINATE] {
            // SAFETY: the default action is valid for each of them, and `signal` may be called after a fork.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: the closure only calls `signal`.
    let child = unsafe { command.pre_exec(reset_signals) }.spawn().unwrap();
    wait_for(|| temporary_files(folder) > 0);
    child
}

#[test]
fn signals_remove_temporary_files() {
    for signal in [HANGUP, INTERRUPT, TERMINATE] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = waiting_conversion(folder.path());
        kill(&child, signal);
        wait_for(|| child.try_wait().unwrap().is_some());
        let status = child.wait().unwrap();
        // A shell shows this as 128 + signal.
        assert_eq!(status.signal(), Some(signal), "{status}");
        assert_eq!(temporary_files(folder.path()), 0, "{signal}");
        assert!(!folder.path().join("out").exists());
    }
}

#[test]
fn ignored_signals_stay_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    let shadernet = shadernet();
    command
        .arg(shadernet.get_program())
        .args(["classify", "--backend=cpu", "--model"]);
    command
        .arg(small_model())
        .arg("-")
        .current_dir(folder.path());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // Until the command has installed its handlers.
    sleep(Duration::from_millis(500));
    kill(&child, HANGUP);
    sleep(Duration::from_millis(200));
    assert_eq!(child.try_wait().unwrap(), None);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().signal(), None);
}

#[test]
fn what_a_killed_command_left_is_removed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = waiting_conversion(folder.path());
    kill(&child, KILL);
    child.wait().unwrap();
    assert_eq!(temporary_files(folder.path()), 1);
    let write = || {
        let mut plan = shadernet();
        plan.args(["plan", "small_cnn", "--limits=default", "--dot"]);
        execute(plan.arg(folder.path().join("plan.dot"))).ok();
        temporary_files(folder.path())
    };
    // It is too young to be sure.
    assert_eq!(write(), 1);
    let entries = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
    let mut left = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    let left = fs::File::open(left.next().unwrap().path()).unwrap();
    left.set_modified(std::time::SystemTime::now() - Duration::from_hours(2))
        .unwrap();
    drop(left);
    assert_eq!(write(), 0);
}
