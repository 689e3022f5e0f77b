//! The pipeline cache: what is written, and what happens to files that cannot be used.

use std::fs;
use std::path::{Path, PathBuf};

use shadernet::gpu::Backend;

use crate::devices::backends;
use crate::support::{CommandOutput, chelsea, execute, shadernet, small_model};

/// Classifies with this cache folder and logging of warnings.
fn classify(backend: &str, cache: &Path) -> CommandOutput {
    let mut command = shadernet();
    command.args(["classify", "--json", "--backend", backend, "--model"]);
    command.arg(small_model()).arg(chelsea());
    command.env("SHADERNET_CACHE", cache);
    execute(command.env("SHADERNET_LOG", "warn")).ok()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The FNV-1a hash that the files contain.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[test]
fn pipelines_are_cached_and_bad_files_are_replaced() {
    if !backends().contains(&Backend::Vulkan) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("made").join("on the way");
    let first = classify("vulkan", &cache);
    assert!(!first.err.contains("pipeline cache"), "{}", first.err);
    let [file] = &files(&cache)[..] else {
        panic!("one file is expected: {:?}", files(&cache));
    };
    let good = fs::read(file).unwrap();

    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    // A valid file of another driver: a byte of the driver's name, after the header, is changed.
    let mut foreign = good.clone();
    foreign[28] ^= 1;
    let sum = checksum(&foreign[28..]);
    foreign[20..28].copy_from_slice(&sum.to_le_bytes());
    for (bad, reason) in [
        (&flipped[..], "it is damaged"),
        (&foreign, "it is of"),
        (&good[..good.len() / 2], "which announces"),
        (&good[..11], "truncated"),
        (b"", "truncated"),
        (b"something else altogether", "not a pipeline cache"),
    ] {
        fs::write(file, bad).unwrap();
        let found = classify("vulkan", &cache).says(&["not used, and replaced", reason]);
        assert_eq!(found.out, first.out);
        // The new file is used without a warning, and is the only one.
        let again = classify("vulkan", &cache);
        assert!(!again.err.contains("pipeline cache"), "{}", again.err);
        assert_eq!(files(&cache), std::slice::from_ref(file));
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_not_used() {
    if !backends().contains(&Backend::Vulkan) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    classify("vulkan", &file.join("cache")).says(&["the pipeline cache: ", "could not be written"]);
    assert_eq!(fs::read(&file).unwrap(), b"in the way");
}

#[test]
fn the_reference_backend_writes_no_cache() {
    let folder = tempfile::tempdir().unwrap();
    classify("cpu", folder.path());
    assert_eq!(files(folder.path()), <[PathBuf; 0]>::default());
}
