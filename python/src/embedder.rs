//! Vectors of images.

use std::path::PathBuf;

use image::RgbImage;
use pyo3::prelude::*;
use pyo3::types::PyList;
use shadernet::{Result, Tensor, tasks};

use crate::arrays::array_of;
use crate::batches::Passes;
use crate::device::Device;
use crate::sync::lock;
use crate::tasks::{Opened, Shared, run_batches};

/// Vectors of images.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Embedder {
    opened: Opened<tasks::Embedder>,
    layer: String,
    dimensions: usize,
}

impl Passes for Shared<'_, tasks::Embedder, ()> {
    type Input = Tensor;
    type Pass = Tensor;
    type Output = Vec<f32>;

    fn start(&self, inputs: &[Tensor]) -> Result<Tensor> {
        Tensor::stack(inputs)
    }

    fn finish(&self, batch: Tensor, inputs: &[Tensor]) -> Result<Vec<Vec<f32>>> {
        let vectors = lock(self.task).embed_batch(batch)?;
        let dimensions = vectors.data().len() / inputs.len().max(1);
        Ok(vectors
            .data()
            .chunks(dimensions.max(1))
            .map(<[f32]>::to_vec)
            .collect())
    }
}

#[pymethods]
impl Embedder {
    #[new]
    fn new(
        py: Python<'_>,
        device: &Device,
        path: PathBuf,
        layer: Option<String>,
        normalize: bool,
        precision: &str,
    ) -> PyResult<Self> {
        let opened = Opened::new(py, device, path, precision, |device, folder, options| {
            let task = match layer {
                Some(layer) => tasks::Embedder::from_layer(device, folder, &layer, options),
                None => tasks::Embedder::new(device, folder, options),
            }?;
            Ok(if normalize { task.normalized() } else { task })
        })?;
        let task = lock(&opened.task);
        let (layer, dimensions) = (task.layer().to_owned(), task.dimensions());
        drop(task);
        Ok(Self {
            opened,
            layer,
            dimensions,
        })
    }

    #[getter]
    fn layer(&self) -> &str {
        &self.layer
    }

    #[getter]
    fn dimensions(&self) -> usize {
        self.dimensions
    }

    #[getter]
    fn input_size(&self) -> (usize, usize, usize) {
        self.opened.input_size()
    }

    fn embed<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        batch: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let shared = self.opened.with(());
        let prepare = |image: RgbImage| self.opened.input(&image);
        run_batches(py, &shared, prepare, images, batch, |vector| {
            let shape = [vector.len()];
            Ok(array_of(py, &shape, vector)?.into_any())
        })
    }
}
