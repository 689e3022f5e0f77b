//! `shadernet convert NAME -o FILE.onnx`, and `convert FILE.onnx -o FOLDER`.

use std::io::Write;
use std::path::Path;

use serde_json::json;
use shadernet::graph::Op;
use shadernet::model_folder::{ModelOptions, ONNX_CONFIG, find_model};
use shadernet::onnx::{EXPORT_OPSET, OnnxExport, WrittenOnnx};
use shadernet::weights::{Dtype, Weights};
use shadernet::zoo::{self, Task, ZooOptions};
use shadernet::{Error, printable};

use super::mapped_weights::{open_found, open_weights};
use super::output_files::check_outputs;
use super::resolve_model::{model_called, weights_source};
use super::{Failure, output};

/// Where the weights of an architecture are from.
pub enum WeightsArg<'a> {
    File(&'a Path),
    Generated,
}

/// What was written, and of what.
struct Written {
    onnx: WrittenOnnx,
    architecture: String,
    weights: String,
}

/// Writes the model called `name`, or the architecture with `weights`, into the ONNX file `path`.
pub fn to_onnx(
    name: &Path,
    weights: Option<WeightsArg>,
    path: &Path,
    matrices: Dtype,
    json: bool,
) -> Result<(), Failure> {
    let written = match weights {
        Some(weights) => architecture(&name.to_string_lossy(), &weights, path, matrices)?,
        None => model(name, path, matrices)?,
    };
    let onnx = written.onnx;
    if json {
        output::json_line(&json!({
            "output": path.display().to_string(),
            "architecture": written.architecture,
            "weights": written.weights,
            "dtype": matrices.safetensors(),
            "opset": EXPORT_OPSET,
            "nodes": onnx.nodes,
            "tensors": onnx.parameters,
            "matrices": onnx.matrices,
            "any_size": onnx.any_size,
            "bytes": onnx.bytes,
        }))?;
    } else {
        writeln!(
            output::stdout(),
            "{} as ONNX (opset {EXPORT_OPSET}): {} nodes, {} tensors ({} matrices as {matrices}), {}, for images of \
             {}, written to {}",
            written.architecture,
            onnx.nodes,
            onnx.parameters,
            onnx.matrices,
            output::bytes(onnx.bytes),
            match onnx.any_size {
                true => "any size",
                false => "one size",
            },
            printable::path(path)
        )?;
    }
    Ok(())
}

fn model(name: &Path, path: &Path, matrices: Dtype) -> Result<Written, Failure> {
    if name.is_file() {
        return Err(Failure::Usage(format!(
            "{} does not say which network its weights are for: give the network's name, and the file with --weights",
            printable::path(name)
        )));
    }
    let text = name.to_string_lossy();
    let Some(found) = model_called(&text)? else {
        let architecture = zoo::find(&text)?.name;
        return Err(Failure::Usage(format!(
            "{architecture} is an architecture, and there is no model of that name: --weights was expected, or \
             --generate-weights for tests"
        )));
    };
    let folder = open_found(&found, &ModelOptions::default())?;
    check_outputs([("--output", Some(path))], [folder.path.as_path()])?;
    Ok(Written {
        onnx: folder.save_onnx(path, matrices)?,
        weights: weights_source(&folder),
        architecture: folder.architecture,
    })
}

fn architecture(
    name: &str,
    weights: &WeightsArg,
    path: &Path,
    matrices: Dtype,
) -> Result<Written, Failure> {
    let options = ZooOptions::default();
    let file = match weights {
        WeightsArg::Generated => None,
        WeightsArg::File(file) => Some(*file),
    };
    let (architecture, graph, weights, source) = match weights {
        WeightsArg::Generated => {
            let architecture = zoo::find(name)?;
            let graph = architecture.build(&options)?;
            // As `bench` generates them.
            let weights = Weights::generated(&graph, 1.0);
            (architecture, graph, weights, "generated weights".to_owned())
        }
        WeightsArg::File(file) => {
            // An unknown name is the first error, whether or not there is a file that a proposal must fit.
            let weights = match open_weights(file) {
                Ok(weights) => weights,
                Err(error) => {
                    zoo::find(name)?;
                    return Err(error.into());
                }
            };
            let architecture = zoo::find_for(name, &weights, &options)?;
            let graph = architecture.build_for(&weights, &options)?;
            let weights = architecture.adapt(weights, &graph)?;
            (architecture, graph, weights, file.display().to_string())
        }
    };
    check_outputs([("--output", Some(path))], file)?;
    let image = graph.inputs().first().map(|&input| graph.node(input).op());
    let channels = match image {
        Some(Op::Input(input)) => input.dims().get(1).copied().flatten(),
        _ => None,
    };
    let shapes = architecture.input_shapes(1, &options.with_channels(channels));
    let size = shapes.first().map(|shape| shape.dims()[1..].to_vec());
    let kind = match architecture.task {
        Task::Classification => Some("classes"),
        Task::Segmentation => Some("map"),
        // Which anchors it has is not known.
        _ => None,
    };
    let config = json!({
        "architecture": architecture.name,
        "outputs": kind,
        "pretrained_cfg": {"input_size": size},
    });
    let onnx = OnnxExport::new(&graph, &weights, &shapes)
        .matrices(matrices)
        .metadata(ONNX_CONFIG, config.to_string())
        .write(path)?;
    Ok(Written {
        onnx,
        architecture: architecture.name.to_owned(),
        weights: source,
    })
}

/// Makes a model folder of the ONNX file `file`.
pub fn to_folder(file: &Path, folder: &Path, json: bool) -> Result<(), Failure> {
    let found = find_model(file)?;
    let model = open_found(&found, &ModelOptions::default())?;
    if let Some(assumptions) = model.assumptions() {
        let path = printable::path(file);
        output::note(format_args!(
            "{path}: images become {assumptions}; change config.json if that is wrong"
        ));
    }
    let saved = model.save(folder, Dtype::F32)?;
    let (_, task) = model.graph()?;
    if json {
        output::json_line(&json!({
            "output": folder.display().to_string(),
            "architecture": model.architecture,
            "task": task.name(),
            "num_classes": model.num_classes,
            "tensors": saved.tensors,
            "bytes": saved.bytes,
        }))?;
    } else {
        writeln!(
            output::stdout(),
            "a network for {task}, classes: {}, {}, {}, written to {}",
            model.num_classes,
            output::counted(saved.tensors, "tensor"),
            output::bytes(saved.bytes),
            printable::path(folder)
        )?;
    }
    Ok(())
}

/// Refuses what only other conversions take.
pub fn refuse_options(file: &Path, output_is_onnx: bool, half: bool) -> Result<(), Failure> {
    if output_is_onnx {
        let reason =
            "this is an ONNX file already: copy it, or name a folder to make a model folder of it";
        return Err(Error::file(file, reason).into());
    }
    match half {
        true => Err(Failure::Usage(
            "--half: an ONNX file is copied into the folder as it is; leave the option out"
                .to_owned(),
        )),
        false => Ok(()),
    }
}
