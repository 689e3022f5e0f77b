//! Compiles the commit and wgpu's version into the command. Results of benchmarks name them.

use std::fs;
use std::process::Command;

fn main() {
    // Outside a repository, as in a package from a registry, the commit stays empty.
    println!("cargo::rerun-if-changed=../../.git/logs/HEAD");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    let git = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output();
    let commit = git.ok().filter(|output| output.status.success());
    let commit = commit.map_or_else(String::new, |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    });
    println!("cargo::rustc-env=SHADERNET_COMMIT={commit}");
    let lock = fs::read_to_string("../../Cargo.lock").unwrap_or_default();
    let wgpu = version(&lock, "wgpu").unwrap_or_else(|| "30".to_owned());
    println!("cargo::rustc-env=SHADERNET_WGPU={wgpu}");
}

/// The version of `package` in a Cargo.lock, where it is in the line after the name.
fn version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next()?.strip_prefix("version = \"")?;
    Some(version.strip_suffix('"')?.to_owned())
}
