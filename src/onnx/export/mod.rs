//! From a graph of the engine and its weights to an ONNX file.

mod activation;
mod attribute;
mod elementwise;
mod file;
mod layout;
mod norm;
mod operators;
mod resize;
mod value_info;
mod window;
mod writer;

use std::path::Path;

use super::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto};
use crate::error::{Error, Result};
use crate::graph::{Graph, Op};
use crate::tensor::Shape;
use crate::weights::{Dtype, Weights};
use value_info::Free;
use writer::{GraphWriter, Parameter};

/// The version of ONNX's operators that files are written with.
pub const EXPORT_OPSET: i64 = 17;
/// The version of the format that came with this opset.
const IR_VERSION: i64 = 8;

/// What is written into an ONNX file.
///
/// Nodes have the graph's names, and weights are initializers under the names that they have in checkpoints. Values
/// are float32; token ids are int64. The number of images is free, and so are height and width where the graph takes
/// any and ONNX has its operators for any: otherwise they are those of the shapes that are given. Batch normalizations
/// stay nodes of their own.
///
/// ```
/// use shadernet::onnx::{OnnxExport, OnnxModel};
/// use shadernet::weights::Weights;
/// use shadernet::zoo::{self, ZooOptions};
///
/// let architecture = zoo::find("small_cnn")?;
/// let graph = architecture.build(&ZooOptions::default())?;
/// let shapes = architecture.input_shapes(1, &ZooOptions::default());
/// let weights = Weights::generated(&graph, 1.0);
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("small_cnn.onnx");
/// let written = OnnxExport::new(&graph, &weights, &shapes).write(&path)?;
/// assert_eq!(written.parameters, graph.parameters().len());
/// let model = OnnxModel::open(&path)?;
/// assert_eq!((model.opset(), model.inputs()[0].name.as_str()), (17, "input"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OnnxExport<'a> {
    graph: &'a Graph,
    weights: &'a Weights,
    shapes: &'a [Shape],
    matrices: Dtype,
    metadata: Vec<(String, String)>,
}

/// What [`OnnxExport::write`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenOnnx {
    /// The number of ONNX's nodes, of which an operator of the graph may take several.
    pub nodes: usize,
    /// The number of the graph's parameters.
    pub parameters: usize,
    /// How many of them have two or more dimensions, and are stored as asked.
    pub matrices: usize,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// Whether images of any height and width can be given.
    pub any_size: bool,
}

impl<'a> OnnxExport<'a> {
    /// A graph as it was built, not an optimized one, its weights, and shapes of its inputs, such as for one image:
    /// what ONNX cannot leave free is fixed to them.
    pub fn new(graph: &'a Graph, weights: &'a Weights, shapes: &'a [Shape]) -> Self {
        Self {
            graph,
            weights,
            shapes,
            matrices: Dtype::F32,
            metadata: Vec::new(),
        }
    }

    /// Stores parameters of two or more dimensions as [`Dtype::F16`] rather than [`Dtype::F32`], the default. They are
    /// cast to float32 in the network, which computes in float32 all the same.
    pub fn matrices(mut self, matrices: Dtype) -> Self {
        self.matrices = matrices;
        self
    }

    /// Adds an entry of `metadata_props`, where programs look for what a model is for.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Writes the file at `path` as [`crate::output_file`] says: it never holds a part of a file. Weights are read
    /// and written one after the other, in parts.
    ///
    /// # Errors
    /// [`Error::Node`] where ONNX has nothing for an operator, such as one that computes gradients; those of
    /// [`Graph::infer`] and [`Weights::check`]; [`Error::Weights`] where a weight is beyond the range of float16;
    /// [`Error::Inputs`] where matrices are to be of another type; [`Error::File`] where the file would be larger than
    /// Protocol Buffers allow, 2 GiB; and as [`OutputFile::check`](crate::output_file::OutputFile::check).
    pub fn write(self, path: impl AsRef<Path>) -> Result<WrittenOnnx> {
        let path = path.as_ref();
        self.weights.check(self.graph)?;
        let written = self.graph()?;
        let file = file::OnnxLayout::new(&self.model(), &written.graph, &written.parameters)
            .map_err(|reason| Error::file(path, reason))?;
        file.write(path, &written.parameters, self.weights)?;
        let is_matrix = |parameter: &&Parameter| parameter.is_matrix();
        Ok(WrittenOnnx {
            nodes: written.graph.node.len(),
            parameters: written.parameters.len(),
            matrices: written.parameters.iter().filter(is_matrix).count(),
            bytes: file.bytes(),
            any_size: written.free.space,
        })
    }

    /// The file without its graph.
    fn model(&self) -> ModelProto {
        let entries = self.metadata.iter();
        ModelProto {
            ir_version: IR_VERSION,
            producer_name: env!("CARGO_PKG_NAME").to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: EXPORT_OPSET,
            }],
            metadata_props: entries
                .map(|(key, value)| StringStringEntryProto {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect(),
            ..ModelProto::default()
        }
    }

    /// The graph without the weights.
    fn graph(&self) -> Result<writer::WrittenGraph> {
        if ![Dtype::F32, Dtype::F16].contains(&self.matrices) {
            return Err(Error::Inputs(format!(
                "weights in ONNX files are {} or {}; {} was given",
                Dtype::F32,
                Dtype::F16,
                self.matrices
            )));
        }
        // What passes have moved into a node is not written.
        let is_fused = |node: &&crate::graph::Node| !node.fused.is_empty();
        if let Some(node) = self.graph.nodes().iter().find(is_fused) {
            return Err(node.error("it is of an optimized graph; write the graph that was built"));
        }
        let mut free = Free::of(self.graph, self.shapes)?;
        loop {
            let mut writer = GraphWriter::new(self.graph, self.shapes, free, self.matrices)?;
            for (value, node) in self.graph.values() {
                if !matches!(node.op(), Op::Input(_)) {
                    let written = operators::write(&mut writer, value, node);
                    let output = written.map_err(|reason| node.error(reason))?;
                    writer.set_value(value, output);
                }
            }
            // A node of which ONNX has only one for certain shapes.
            let fixed = writer.free();
            if fixed == free {
                return writer.finish();
            }
            free = fixed;
        }
    }
}

#[cfg(test)]
mod tests;
