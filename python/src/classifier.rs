//! Classes of images.

use std::path::PathBuf;

use image::RgbImage;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;
use shadernet::{Result, Tensor, tasks};

use crate::arrays::{Declared, to_tensor};
use crate::batches::Passes;
use crate::device::Device;
use crate::errors::{detached, input_error};
use crate::process;
use crate::sync::lock;
use crate::tasks::{Opened, Pass, Shared, run_batches};

/// `(index, label, probability)`.
type Prediction = (usize, String, f32);

/// A classifier.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Classifier {
    opened: Opened<tasks::Classifier>,
}

/// With how many classes are returned of each image.
impl Passes for Shared<'_, tasks::Classifier, usize> {
    type Input = Tensor;
    type Pass = Pass;
    type Output = Vec<tasks::Prediction>;

    fn start(&self, inputs: &[Tensor]) -> Result<Pass> {
        let batch = Tensor::stack(inputs)?;
        let run = lock(self.task).predict_async(&batch)?;
        Ok(Pass { batch, run })
    }

    fn finish(&self, pass: Pass, _: &[Tensor]) -> Result<Vec<Self::Output>> {
        let outputs = pass.run.wait()?;
        lock(self.task).predictions(&pass.batch, &outputs, self.options)
    }
}

fn predictions(found: Vec<tasks::Prediction>) -> Vec<Prediction> {
    let found = found.into_iter();
    found.map(|p| (p.class, p.label, p.probability)).collect()
}

#[pymethods]
impl Classifier {
    #[new]
    fn new(py: Python<'_>, device: &Device, path: PathBuf, precision: &str) -> PyResult<Self> {
        let opened = Opened::new(py, device, path, precision, tasks::Classifier::new)?;
        Ok(Self { opened })
    }

    #[getter]
    fn labels(&self) -> Vec<String> {
        self.opened.labels.clone()
    }

    #[getter]
    fn input_size(&self) -> (usize, usize, usize) {
        self.opened.input_size()
    }

    fn classify<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        k: usize,
        batch: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let shared = self.opened.with(k);
        let prepare = |image: RgbImage| self.opened.input(&image);
        run_batches(py, &shared, prepare, images, batch, |found| {
            predictions(found).into_bound_py_any(py)
        })
    }

    /// Of a batch that the caller has preprocessed.
    fn predict(
        &self,
        py: Python<'_>,
        batch: &Bound<'_, PyAny>,
        k: usize,
    ) -> PyResult<Vec<Vec<Prediction>>> {
        process::check(py)?;
        let batch = image_batch(batch)?;
        let task = &*self.opened.task;
        let found = detached(py, || lock(task).predict(batch, k))?;
        Ok(found.into_iter().map(predictions).collect())
    }
}

/// An array `[N, C, H, W]`.
fn image_batch(array: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let tensor = to_tensor("batch", array, Declared::Float)?;
    match tensor.shape().rank() {
        4 => Ok(tensor),
        rank => {
            let message = format!(
                "batch: an array [N, C, H, W] (4 dimensions) was expected, found {:?} ({rank})",
                tensor.shape().dims()
            );
            Err(input_error(array.py(), &message))
        }
    }
}
