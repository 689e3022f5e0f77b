//! The class of every pixel of images.

use std::path::PathBuf;

use image::RgbImage;
use numpy::PyArrayDyn;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;
use shadernet::error::UnknownName;
use shadernet::tasks::SegmentSize;
use shadernet::vision::Mask;
use shadernet::{Result, tasks};

use crate::arrays::array_of;
use crate::batches::Passes;
use crate::device::Device;
use crate::errors::{input_error, to_python};
use crate::sync::lock;
use crate::tasks::{Opened, Pass, Shared, run_batches};

/// Classes, their probabilities, and that of not being the background, each `[height, width]`.
type Masks<'py> = (
    Bound<'py, PyArrayDyn<u8>>,
    Bound<'py, PyArrayDyn<f32>>,
    Bound<'py, PyArrayDyn<f32>>,
);

/// A segmentation network.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Segmenter {
    opened: Opened<tasks::Segmenter>,
}

impl Passes for Shared<'_, tasks::Segmenter, SegmentSize> {
    type Input = RgbImage;
    type Pass = Pass;
    type Output = Mask;

    fn start(&self, inputs: &[RgbImage]) -> Result<Pass> {
        let images: Vec<&RgbImage> = inputs.iter().collect();
        let (batch, run) = lock(self.task).segment_async(&images, self.options)?;
        Ok(Pass { batch, run })
    }

    fn finish(&self, pass: Pass, inputs: &[RgbImage]) -> Result<Vec<Mask>> {
        let outputs = pass.run.wait()?;
        let images: Vec<&RgbImage> = inputs.iter().collect();
        lock(self.task).masks(&images, self.options, &pass.batch, &outputs)
    }
}

#[pymethods]
impl Segmenter {
    #[new]
    fn new(py: Python<'_>, device: &Device, path: PathBuf, precision: &str) -> PyResult<Self> {
        let mut opened = Opened::new(py, device, path, precision, tasks::Segmenter::new)?;
        // With one logit, there is the background beside the class.
        let classes = opened.labels.len();
        let classes = if classes == 1 { 2 } else { classes };
        let task = lock(&opened.task);
        let label = |class: usize| {
            u8::try_from(class).map_or_else(|_| class.to_string(), |class| task.label(class))
        };
        let labels = (0..classes).map(label).collect();
        drop(task);
        opened.labels = labels;
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

    fn segment<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        size: &str,
        batch: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let options = match (size, batch) {
            ("model", _) => SegmentSize::Model,
            ("image", 1) => SegmentSize::Image,
            ("image", _) => {
                let message =
                    "batch_size: 1 was expected with size=\"image\", since images differ in size";
                return Err(input_error(py, message));
            }
            _ => {
                let error = UnknownName::new("size", size, ["model", "image"]);
                return Err(to_python(py, &error.into()));
            }
        };
        let shared = self.opened.with(options);
        run_batches(py, &shared, Ok, images, batch, |mask| {
            let shape = [mask.height() as usize, mask.width() as usize];
            let masks: Masks<'_> = (
                array_of(py, &shape, mask.classes().to_vec())?,
                array_of(py, &shape, mask.probabilities().to_vec())?,
                array_of(py, &shape, mask.foreground().to_vec())?,
            );
            masks.into_bound_py_any(py)
        })
    }
}
