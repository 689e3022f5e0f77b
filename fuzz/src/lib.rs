//! The fuzz targets: each takes bytes as a file that a user could have, and must return without a panic.
//!
//! `fuzz_targets/` runs them under libFuzzer, and `crates/bench/tests/fuzz_corpus.rs` replays the corpus in CI,
//! which includes this file as a module.

use std::cell::OnceCell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use shadernet::darknet::Network;
use shadernet::graph::Graph;
use shadernet::internals;
use shadernet::onnx::{OnnxDim, OnnxModel};
use shadernet::tensor::Shape;
use shadernet::tuning::Tuning;
use shadernet::vision::decode_bytes;
use shadernet::zoo::{self, ZooOptions};
use shadernet::{ModelFolder, Weights};
use shadernet_bench::kernels::cases_from_file;

/// A target: takes the bytes of a file.
pub type Target = fn(&[u8]);

/// The command's reader of results files, which is in no library.
#[allow(dead_code, missing_docs, reason = "the fields are for the command")]
#[path = "../../crates/cli/src/bench/results.rs"]
mod results;

/// All targets, by the names of their files and corpus folders.
pub const TARGETS: [(&str, Target); 13] = [
    ("cfg", cfg),
    ("config_json", config_json),
    ("darknet_weights", darknet_weights),
    ("onnx", onnx),
    ("picture", picture),
    ("pipeline_cache", pipeline_cache),
    ("pytorch", pytorch),
    ("pytorch_pickle", pytorch_pickle),
    ("results_json", results_json),
    ("safetensors", safetensors),
    ("safetensors_header", safetensors_header),
    ("shapes", shapes),
    ("tuning", tuning),
];

/// A PyTorch checkpoint: a zip archive.
pub fn pytorch(bytes: &[u8]) {
    if let Ok(weights) = Weights::from_bytes("fuzz", bytes.to_vec()) {
        for name in weights.names() {
            let _ = weights.read(name);
            let _ = weights.read_range(name, 1..3);
        }
    }
}

/// The pickle of a PyTorch checkpoint, with two storages beside it.
pub fn pytorch_pickle(bytes: &[u8]) {
    let files: [(&str, &[u8]); 3] = [
        ("net/data.pkl", bytes),
        ("net/data/0", &[1; 64]),
        ("net/data/1", &[2; 10]),
    ];
    let mut archive = Vec::new();
    let mut writer = rawzip::ZipArchiveWriter::new(&mut archive);
    for (name, content) in files {
        let (mut entry, config) = writer.new_file(name).start().expect("memory is written to");
        let mut file = config.wrap(&mut entry);
        file.write_all(content).expect("memory is written to");
        let (_, descriptor) = file.finish().expect("memory is written to");
        entry.finish(descriptor).expect("memory is written to");
    }
    writer.finish().expect("memory is written to");
    pytorch(&archive);
}

/// A whole safetensors file: its header and data, and whether it fits a network.
pub fn safetensors(bytes: &[u8]) {
    let Ok(weights) = Weights::from_bytes("fuzz", bytes.to_vec()) else {
        return;
    };
    for name in weights.names() {
        let _ = weights.read(name);
        let _ = weights.read_range(name, 1..3);
    }
    thread_local! {
        static GRAPH: Graph = zoo::build("small_cnn", &ZooOptions::default()).expect("it is in the zoo");
    }
    GRAPH.with(|graph| {
        let network = zoo::find("small_cnn").expect("it is in the zoo");
        if let Ok(weights) = network.adapt(weights, graph) {
            let _ = weights.check(graph);
        }
    });
}

/// An ONNX model, imported for inputs of the sizes that it has, and 8 where they are free.
pub fn onnx(bytes: &[u8]) {
    let Ok(model) = OnnxModel::from_bytes("fuzz", bytes.to_vec()) else {
        return;
    };
    let _ = (model.operators(), model.parameter_count());
    let shapes: Vec<Shape> = (model.inputs().iter())
        .map(|input| {
            let dims = input.dims.iter().flatten().map(|dim| match dim {
                OnnxDim::Fixed(extent) => *extent,
                OnnxDim::Free(_) => 8,
            });
            Shape::from(dims.collect::<Vec<usize>>())
        })
        .collect();
    if let Ok(imported) = model.import(&shapes) {
        let _ = imported.weights.check(&imported.graph);
        let _ = imported.graph.infer(&shapes);
    }
}

/// The JSON header of a safetensors file, before up to 64 KiB of zeros, so that the fuzzer need not find out
/// the header's length.
pub fn safetensors_header(bytes: &[u8]) {
    let mut file = (bytes.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(bytes);
    // The end of the last tensor, where the header says it plainly.
    let end = bytes
        .split(|byte| !byte.is_ascii_digit())
        .filter_map(|digits| str::from_utf8(digits).ok()?.parse::<usize>().ok())
        .filter(|&number| number <= 1 << 16)
        .max();
    file.resize(file.len() + end.unwrap_or(0), 0);
    safetensors(&file);
}

/// A model folder's `config.json`, beside weights that fit no network.
pub fn config_json(bytes: &[u8]) {
    in_folder(|folder| {
        write(&folder.join("config.json"), bytes);
        let Ok(model) = ModelFolder::open(folder) else {
            return;
        };
        // Networks with millions of parameters take long to build.
        if model.num_classes < 100_000
            && let Ok((graph, _)) = model.graph()
        {
            let _ = model.weights(&graph);
        }
    });
}

/// A Darknet `.cfg`, and the network that it describes.
pub fn cfg(bytes: &[u8]) {
    in_folder(|folder| {
        let path = folder.join("network.cfg");
        write(&path, bytes);
        let Ok(network) = Network::open(&path) else {
            return;
        };
        let _ = network.num_classes();
        let [c, h, w] = network.input_size();
        let _ = network.graph().infer(&[[1, c, h, w].into()]);
        let _ = network.read_weights(folder.join("model.safetensors"));
    });
}

/// The `.weights` of a small Darknet network.
pub fn darknet_weights(bytes: &[u8]) {
    thread_local! {
        static NETWORK: Network = Network::parse("fuzz.cfg", SMALL_CFG).expect("it is valid");
    }
    in_folder(|folder| {
        let path = folder.join("network.weights");
        write(&path, bytes);
        NETWORK.with(|network| {
            let _ = network.read_weights(&path);
        });
    });
}

const SMALL_CFG: &str = "[net]\nwidth=8\nheight=8\nchannels=1\n\
    [convolutional]\nbatch_normalize=1\nfilters=2\nsize=3\npad=1\nactivation=leaky\n\
    [maxpool]\nsize=2\nstride=2\n\
    [connected]\noutput=2\nactivation=linear\n[softmax]\n";

/// An image file of any format.
pub fn picture(bytes: &[u8]) {
    let _ = decode_bytes("fuzz", bytes);
}

/// A tuning file: as it is, and with the checksum that belongs to it.
pub fn tuning(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Tuning::parse(&text);
    let sealed = format!("{text}{}\n", internals::checksum_line(&text));
    if let Ok(tuning) = Tuning::parse(&sealed) {
        let again = Tuning::parse(&tuning.to_text()).expect("what was written is read");
        assert_eq!(again.to_text(), tuning.to_text());
    }
}

/// A pipeline cache file, read for some adapter.
pub fn pipeline_cache(bytes: &[u8]) {
    let _ = internals::decode_pipeline_file("fuzz", bytes);
}

/// A shapes file of `bench kernels`.
pub fn shapes(bytes: &[u8]) {
    in_folder(|folder| {
        let path = folder.join("shapes.txt");
        write(&path, bytes);
        let _ = cases_from_file(&path);
    });
}

/// The output of `bench --json`, which `bench compare` and `bench report` read.
pub fn results_json(bytes: &[u8]) {
    in_folder(|folder| {
        let path = folder.join("results.json");
        write(&path, bytes);
        let _ = results::read(&path);
    });
}

/// Calls `run` with a folder that has `model.safetensors`, a file of one tensor.
fn in_folder(run: impl FnOnce(&Path)) {
    thread_local! {
        static FOLDER: OnceCell<(tempfile::TempDir, PathBuf)> = const { OnceCell::new() };
    }
    FOLDER.with(|folder| {
        let (_, path) = folder.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let path = folder.path().to_owned();
            let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  "#;
            let mut file = (header.len() as u64).to_le_bytes().to_vec();
            file.extend_from_slice(header);
            file.extend_from_slice(&[0; 4]);
            write(&path.join("model.safetensors"), &file);
            (folder, path)
        });
        run(path);
    });
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a temporary file can be written");
}
