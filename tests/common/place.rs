//! Paths of the files that the tests use. They are those of the build, unless cargo's environment variables of
//! the same names override them: `scripts/gpu-report` runs the tests on machines that did not build them.
// Each test file is a crate of its own and uses some of this.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

fn place(name: &str, built: Option<&str>) -> PathBuf {
    let overridden = std::env::var_os(name).map(PathBuf::from);
    overridden.unwrap_or_else(|| built.unwrap_or_else(|| panic!("{name} is not set")).into())
}

/// The root of the repository: the folder of the tests' package, or of its workspace.
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

/// A folder for files that tests keep.
pub fn scratch() -> PathBuf {
    place("CARGO_TARGET_TMPDIR", option_env!("CARGO_TARGET_TMPDIR"))
}
