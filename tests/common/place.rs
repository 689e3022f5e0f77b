//! Where the tests' files are: where they were when the tests were built, unless the environment
//! says otherwise, under the names that cargo has for them. `scripts/gpu-report` runs the tests on
//! machines that they were not built on.
// Each test file is a crate of its own and uses some of this.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

fn place(name: &str, built: Option<&str>) -> PathBuf {
    let said = std::env::var_os(name).map(PathBuf::from);
    said.unwrap_or_else(|| built.unwrap_or_else(|| panic!("{name} is not set")).into())
}

/// The repository: the tests' package, or the workspace that it is a part of.
pub fn repository() -> PathBuf {
    let package = place("CARGO_MANIFEST_DIR", option_env!("CARGO_MANIFEST_DIR"));
    let is_root = |folder: &&Path| folder.join("tests/golden").is_dir();
    let root = package.ancestors().find(is_root);
    root.expect("tests/golden is above the package").to_owned()
}

/// The `shadernet` command.
pub fn command() -> PathBuf {
    let built = option_env!("CARGO_BIN_EXE_shadernet");
    place("CARGO_BIN_EXE_shadernet", built)
}

/// A folder for what tests leave behind.
pub fn scratch() -> PathBuf {
    place("CARGO_TARGET_TMPDIR", option_env!("CARGO_TARGET_TMPDIR"))
}
