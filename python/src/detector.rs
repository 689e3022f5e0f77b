//! Objects in images.

use std::path::PathBuf;

use image::RgbImage;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;
use shadernet::tasks::DetectionOptions;
use shadernet::{Result, Tensor, tasks};

use crate::batches::Passes;
use crate::device::Device;
use crate::errors::to_python;
use crate::sync::lock;
use crate::tasks::{Opened, Pass, Shared, run_batches};

/// `(index, label, score, (left, top, right, bottom))`.
type Detection = (usize, String, f32, (f32, f32, f32, f32));

/// A detector.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Detector {
    opened: Opened<tasks::Detector>,
}

impl Passes for Shared<'_, tasks::Detector, DetectionOptions> {
    /// With the image's width and height.
    type Input = (Tensor, (u32, u32));
    type Pass = Pass;
    type Output = Vec<tasks::Detection>;

    fn start(&self, inputs: &[Self::Input]) -> Result<Pass> {
        let batch = Tensor::stack(inputs.iter().map(|(input, _)| input))?;
        let run = lock(self.task).predict_async(&batch)?;
        Ok(Pass { batch, run })
    }

    fn finish(&self, pass: Pass, inputs: &[Self::Input]) -> Result<Vec<Self::Output>> {
        let outputs = pass.run.wait()?;
        let sizes: Vec<(u32, u32)> = inputs.iter().map(|(_, size)| *size).collect();
        lock(self.task).detections(&pass.batch, &outputs, &sizes, &self.options)
    }
}

#[pymethods]
impl Detector {
    #[new]
    fn new(py: Python<'_>, device: &Device, path: PathBuf, precision: &str) -> PyResult<Self> {
        let opened = Opened::new(py, device, path, precision, tasks::Detector::new)?;
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

    fn detect<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        threshold: f32,
        iou: f32,
        batch: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let options = DetectionOptions::new().threshold(threshold).iou(iou);
        options.check().map_err(|error| to_python(py, &error))?;
        let shared = self.opened.with(options);
        let prepare = |image: RgbImage| Ok((self.opened.input(&image)?, image.dimensions()));
        run_batches(py, &shared, prepare, images, batch, |found| {
            let found: Vec<Detection> = (found.into_iter())
                .map(|d| (d.class, d.label, d.score, d.corners.into()))
                .collect();
            found.into_bound_py_any(py)
        })
    }
}
