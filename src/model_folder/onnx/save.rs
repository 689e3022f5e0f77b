//! Models written as ONNX files, and ONNX files as folders.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path};

use super::super::storage::Storage;
use super::super::unfinished_folder::UnfinishedFolder;
use super::super::{CONFIG, ModelFolder, ONNX_CONFIG};
use super::description::description;
use super::{NETWORK, OnnxNetwork};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::onnx::{OnnxExport, WrittenOnnx};
use crate::output_file::{self, OutputFile, folder_of};
use crate::printable;
use crate::tensor::Shape;
use crate::weights::{Dtype, SavedWeights};
use crate::zoo::Task;

impl ModelFolder {
    /// Writes this model into an ONNX file, as [`OnnxExport`] does, with matrices and filters stored as `matrices`,
    /// [`Dtype::F32`] or [`Dtype::F16`]. The file's metadata has, under the key [`ONNX_CONFIG`], what `config.json`
    /// has: preprocessing, labels, what the outputs are. [`Self::open`] of the file gives a model that classifies,
    /// segments and detects as this one does.
    ///
    /// ```
    /// use shadernet::model_folder::{ModelFolder, default_model};
    /// use shadernet::weights::Dtype;
    ///
    /// let place = tempfile::tempdir()?;
    /// let path = place.path().join("model.onnx");
    /// let folder = default_model()?.open()?;
    /// let written = folder.save_onnx(&path, Dtype::F32)?;
    /// assert!(!written.any_size || written.nodes > 0);
    /// let model = ModelFolder::open(&path)?;
    /// assert_eq!(model.labels.text(281), folder.labels.text(281));
    /// assert_eq!(model.preprocessing, folder.preprocessing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Self::graph`], [`Self::weights`] and [`OnnxExport::write`]; [`Error::File`] where this model is an
    /// ONNX file already.
    pub fn save_onnx(&self, path: impl AsRef<Path>, matrices: Dtype) -> Result<WrittenOnnx> {
        if let Storage::Onnx(_) = self.weights {
            let reason = "it is an ONNX file already: copy it";
            return Err(Error::file(&self.path, reason));
        }
        let (graph, task) = self.graph()?;
        let weights = self.weights(&graph)?;
        let shapes = self.input_shapes(&graph)?;
        let kind = match task {
            Task::Classification => Some("classes"),
            Task::Segmentation => Some("map"),
            Task::Detection => None,
        };
        OnnxExport::new(&graph, &weights, &shapes)
            .matrices(matrices)
            .metadata(ONNX_CONFIG, description(self, kind)?)
            .write(path)
    }

    /// For one image.
    fn input_shapes(&self, graph: &Graph) -> Result<Vec<Shape>> {
        let [channels, height, width] = self.preprocessing.input_size;
        let image = Shape::from([1, channels, height, width]);
        if graph.inputs().len() == 1 {
            return Ok(vec![image]);
        }
        let others = self.find()?.input_shapes(1, &self.options());
        Ok([image]
            .into_iter()
            .chain(others.into_iter().skip(1))
            .collect())
    }
}

/// Copies the model `network` of `folder`, with the files of its weights, into a new model folder.
pub(in crate::model_folder) fn save_folder(
    folder: &ModelFolder,
    network: &OnnxNetwork,
    target: &Path,
) -> Result<SavedWeights> {
    let unfinished = UnfinishedFolder::new(target)?;
    let text = description(folder, network.kind)?;
    let source = network.model.path();
    let mut bytes = unfinished.write(NETWORK, |path| copy(source, path))?;
    for location in network.model.external_files() {
        let parts = |path: &'static str| Path::new(path).components();
        let own = Path::new(location).components();
        let own = own.filter(|part| *part != Component::CurDir);
        if [NETWORK, CONFIG]
            .iter()
            .any(|name| parts(name).eq(own.clone()))
        {
            return Err(Error::file(
                source,
                format!(
                    "its weights are in a file called '{}', which is another file of a model folder; rename it",
                    printable::name(location)
                ),
            ));
        }
        let more = unfinished.write(location, |path| {
            fs::create_dir_all(folder_of(path)).map_err(Error::write(path))?;
            copy(&folder_of(source).join(location), path)
        })?;
        bytes = bytes.saturating_add(more);
    }
    unfinished.write(CONFIG, |path| output_file::write(path, text.as_bytes()))?;
    unfinished.finish()?;
    Ok(SavedWeights {
        tensors: network.model.weight_count(),
        matrices: 0,
        bytes,
    })
}

/// Copies a file, and returns its size.
fn copy(from: &Path, to: &Path) -> Result<u64> {
    let mut source = File::open(from).map_err(Error::io(from))?;
    let mut file = OutputFile::create(to)?;
    let bytes = io::copy(&mut source, &mut file).map_err(Error::write(to))?;
    file.finish()?;
    Ok(bytes)
}
