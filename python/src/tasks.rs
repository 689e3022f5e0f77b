//! Complete tasks on images.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use image::RgbImage;
use numpy::PyArrayDyn;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyList;
use shadernet::error::UnknownName;
use shadernet::session::{Run, SessionOptions};
use shadernet::tasks::{DetectionOptions, SegmentSize};
use shadernet::vision::{Labels, Mask, Preprocessing};
use shadernet::{Tensor, tasks};

use crate::arrays::{Declared, array_of, to_tensor};
use crate::batches::{self, Passes};
use crate::device::Device;
use crate::errors::{detached, input_error, to_python, warn};
use crate::images::Source;
use crate::model::{to_precision, with_folder};
use crate::process::{self, Owned};

/// `(index, label, probability)`.
type Prediction = (usize, String, f32);
/// `(index, label, score, (left, top, right, bottom))`.
type Detection = (usize, String, f32, (f32, f32, f32, f32));
/// Classes, their probabilities, and that of not being the background, each `[height, width]`.
type Masks<'py> = (
    Bound<'py, PyArrayDyn<u8>>,
    Bound<'py, PyArrayDyn<f32>>,
    Bound<'py, PyArrayDyn<f32>>,
);

/// Opens a task of the model at `path`.
pub fn open<T: Send>(
    py: Python<'_>,
    device: &Device,
    path: PathBuf,
    precision: &str,
    new: impl FnOnce(
        &shadernet::Device,
        &shadernet::ModelFolder,
        &SessionOptions,
    ) -> shadernet::Result<T>
    + Send,
    warning: impl Fn(&T) -> Option<&str>,
) -> PyResult<T> {
    let options = SessionOptions::new().precision(to_precision(py, precision)?);
    let device = device.get(py)?.clone();
    let (task, assumptions) = with_folder(py, &path, |folder| {
        let assumptions = folder.assumptions();
        let assumptions = assumptions.map(|text| format!("{}: {text}", folder.name));
        Ok((new(&device, folder, &options)?, assumptions))
    })?;
    if let Some(assumptions) = assumptions {
        warn(py, &assumptions)?;
    }
    if let Some(warning) = warning(&task) {
        warn(py, warning)?;
    }
    Ok(task)
}

/// The outputs of a task for images, or exceptions in the place of those that could not be used.
fn run_batches<'py, T: Passes<Output: Send> + Sync>(
    py: Python<'py>,
    task: &T,
    prepare: impl Fn(RgbImage) -> shadernet::Result<T::Input> + Send + Sync,
    images: &Bound<'py, PyAny>,
    batch: usize,
    to_object: impl Fn(T::Output) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    process::check(py)?;
    if batch == 0 {
        return Err(input_error(
            py,
            "batch_size: at least 1 was expected, found 0",
        ));
    }
    let sources = Source::all(images)?;
    let mut outputs: Vec<Option<shadernet::Result<T::Output>>> =
        sources.iter().map(|_| None).collect();
    let mut refused = Vec::new();
    let mut usable = Vec::new();
    for (i, source) in sources.into_iter().enumerate() {
        match source {
            Ok(source) => usable.push((i, source)),
            Err(error) => refused.push((i, error)),
        }
    }
    let ran = py.detach(|| batches::run(task, prepare, usable, &mut outputs, batch));
    ran.map_err(|stopped| stopped.into_exception(py))?;
    let mut refused = refused.into_iter().peekable();
    let list = PyList::empty(py);
    for (i, output) in outputs.into_iter().enumerate() {
        match output {
            Some(Ok(output)) => list.append(to_object(output)?)?,
            Some(Err(error)) => list.append(to_python(py, &error).into_value(py))?,
            None => {
                // Every image was refused, or was in a batch.
                if let Some((_, error)) = refused.next_if(|(number, _)| *number == i) {
                    list.append(error.into_value(py))?;
                }
            }
        }
    }
    Ok(list)
}

/// Inputs `[1, C, H, W]` of one size as a batch.
fn stack<'a>(
    inputs: impl ExactSizeIterator<Item = &'a Tensor> + Clone,
) -> shadernet::Result<Tensor> {
    let count = inputs.len();
    let mut all = inputs.clone();
    match all.next() {
        Some(first) if count == 1 => Ok(first.clone()),
        Some(first) => {
            let [_, channels, height, width] = first.shape().nchw();
            let values: Vec<&[f32]> = inputs.map(Tensor::data).collect();
            Tensor::new([count, channels, height, width], values.concat())
        }
        None => Tensor::new([0], Vec::new()),
    }
}

/// The names of a model's classes.
fn names(labels: &Labels) -> Vec<String> {
    (0..labels.len())
        .map(|class| labels.text(class).into_owned())
        .collect()
}

/// Locks a task. A panic leaves it as usable as an error.
fn locked<T>(task: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    task.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes of a task over images, which lock it only to start one and to read its outputs.
struct Shared<'a, T, O> {
    task: &'a Mutex<T>,
    options: O,
}

/// A batch in flight.
struct Pass {
    batch: Tensor,
    run: Run,
}

/// A classifier.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Classifier {
    task: Owned<Mutex<tasks::Classifier>>,
    preprocessing: Preprocessing,
    labels: Vec<String>,
}

/// With how many classes are returned of each image.
impl Passes for Shared<'_, tasks::Classifier, usize> {
    type Input = Tensor;
    type Pass = Pass;
    type Output = Vec<tasks::Prediction>;

    fn start(&self, inputs: &[Tensor]) -> shadernet::Result<Pass> {
        let batch = stack(inputs.iter())?;
        let run = locked(self.task).predict_async(&batch)?;
        Ok(Pass { batch, run })
    }

    fn finish(&self, pass: Pass, _: &[Tensor]) -> shadernet::Result<Vec<Self::Output>> {
        let outputs = pass.run.wait()?;
        locked(self.task).predictions(&pass.batch, &outputs, self.options)
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
        let (task, labels) = open(
            py,
            device,
            path,
            precision,
            |device, folder, options| {
                let task = tasks::Classifier::new(device, folder, options)?;
                Ok((task, names(&folder.labels)))
            },
            |(task, _)| task.warning(),
        )?;
        Ok(Self {
            preprocessing: task.preprocessing().clone(),
            task: Owned::new(Mutex::new(task)),
            labels,
        })
    }

    #[getter]
    fn labels(&self) -> Vec<String> {
        self.labels.clone()
    }

    #[getter]
    fn input_size(&self) -> (usize, usize, usize) {
        self.preprocessing.input_size.into()
    }

    fn classify<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        k: usize,
        batch: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let shared = Shared {
            task: &*self.task,
            options: k,
        };
        let prepare = |image: RgbImage| self.preprocessing.apply(&image);
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
        let task = &*self.task;
        let found = detached(py, || locked(task).predict(batch, k))?;
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

/// A detector.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Detector {
    task: Owned<Mutex<tasks::Detector>>,
    preprocessing: Preprocessing,
    labels: Vec<String>,
}

impl Passes for Shared<'_, tasks::Detector, DetectionOptions> {
    /// With the image's width and height.
    type Input = (Tensor, (u32, u32));
    type Pass = Pass;
    type Output = Vec<tasks::Detection>;

    fn start(&self, inputs: &[Self::Input]) -> shadernet::Result<Pass> {
        let batch = stack(inputs.iter().map(|(input, _)| input))?;
        let run = locked(self.task).predict_async(&batch)?;
        Ok(Pass { batch, run })
    }

    fn finish(&self, pass: Pass, inputs: &[Self::Input]) -> shadernet::Result<Vec<Self::Output>> {
        let outputs = pass.run.wait()?;
        let sizes: Vec<(u32, u32)> = inputs.iter().map(|(_, size)| *size).collect();
        locked(self.task).detections(&pass.batch, &outputs, &sizes, &self.options)
    }
}

#[pymethods]
impl Detector {
    #[new]
    fn new(py: Python<'_>, device: &Device, path: PathBuf, precision: &str) -> PyResult<Self> {
        let (task, labels) = open(
            py,
            device,
            path,
            precision,
            |device, folder, options| {
                let task = tasks::Detector::new(device, folder, options)?;
                Ok((task, names(&folder.labels)))
            },
            |(task, _)| task.warning(),
        )?;
        Ok(Self {
            preprocessing: task.preprocessing().clone(),
            task: Owned::new(Mutex::new(task)),
            labels,
        })
    }

    #[getter]
    fn labels(&self) -> Vec<String> {
        self.labels.clone()
    }

    #[getter]
    fn input_size(&self) -> (usize, usize, usize) {
        self.preprocessing.input_size.into()
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
        let shared = Shared {
            task: &*self.task,
            options,
        };
        let prepare = |image: RgbImage| Ok((self.preprocessing.apply(&image)?, image.dimensions()));
        run_batches(py, &shared, prepare, images, batch, |found| {
            let found: Vec<Detection> = (found.into_iter())
                .map(|d| (d.class, d.label, d.score, d.corners.into()))
                .collect();
            found.into_bound_py_any(py)
        })
    }
}

/// A segmentation network.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Segmenter {
    task: Owned<Mutex<tasks::Segmenter>>,
    labels: Vec<String>,
    input_size: [usize; 3],
}

impl Passes for Shared<'_, tasks::Segmenter, SegmentSize> {
    type Input = RgbImage;
    type Pass = Pass;
    type Output = Mask;

    fn start(&self, inputs: &[RgbImage]) -> shadernet::Result<Pass> {
        let images: Vec<&RgbImage> = inputs.iter().collect();
        let (batch, run) = locked(self.task).segment_async(&images, self.options)?;
        Ok(Pass { batch, run })
    }

    fn finish(&self, pass: Pass, inputs: &[RgbImage]) -> shadernet::Result<Vec<Mask>> {
        let outputs = pass.run.wait()?;
        let images: Vec<&RgbImage> = inputs.iter().collect();
        locked(self.task).masks(&images, self.options, &pass.batch, &outputs)
    }
}

#[pymethods]
impl Segmenter {
    #[new]
    fn new(py: Python<'_>, device: &Device, path: PathBuf, precision: &str) -> PyResult<Self> {
        let (task, classes) = open(
            py,
            device,
            path,
            precision,
            |device, folder, options| {
                let task = tasks::Segmenter::new(device, folder, options)?;
                Ok((task, folder.num_classes))
            },
            |(task, _)| task.warning(),
        )?;
        // With one logit, there is the background beside the class.
        let classes = if classes == 1 { 2 } else { classes };
        let labels = (0..classes).map(|class| {
            u8::try_from(class).map_or_else(|_| class.to_string(), |class| task.label(class))
        });
        Ok(Self {
            labels: labels.collect(),
            input_size: task.preprocessing().input_size,
            task: Owned::new(Mutex::new(task)),
        })
    }

    #[getter]
    fn labels(&self) -> Vec<String> {
        self.labels.clone()
    }

    #[getter]
    fn input_size(&self) -> (usize, usize, usize) {
        self.input_size.into()
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
        let shared = Shared {
            task: &*self.task,
            options,
        };
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

/// Vectors of images.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Embedder {
    task: Owned<Mutex<tasks::Embedder>>,
    preprocessing: Preprocessing,
    layer: String,
    dimensions: usize,
}

impl Passes for Shared<'_, tasks::Embedder, ()> {
    type Input = Tensor;
    type Pass = Tensor;
    type Output = Vec<f32>;

    fn start(&self, inputs: &[Tensor]) -> shadernet::Result<Tensor> {
        stack(inputs.iter())
    }

    fn finish(&self, batch: Tensor, inputs: &[Tensor]) -> shadernet::Result<Vec<Vec<f32>>> {
        let vectors = locked(self.task).embed_batch(batch)?;
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
        let task = open(
            py,
            device,
            path,
            precision,
            |device, folder, options| {
                let task = match layer {
                    Some(layer) => tasks::Embedder::from_layer(device, folder, &layer, options),
                    None => tasks::Embedder::new(device, folder, options),
                }?;
                Ok(if normalize { task.normalized() } else { task })
            },
            tasks::Embedder::warning,
        )?;
        Ok(Self {
            preprocessing: task.preprocessing().clone(),
            layer: task.layer().to_owned(),
            dimensions: task.dimensions(),
            task: Owned::new(Mutex::new(task)),
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
        self.preprocessing.input_size.into()
    }

    fn embed<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        batch: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let shared = Shared {
            task: &*self.task,
            options: (),
        };
        let prepare = |image: RgbImage| self.preprocessing.apply(&image);
        run_batches(py, &shared, prepare, images, batch, |vector| {
            let shape = [vector.len()];
            Ok(array_of(py, &shape, vector)?.into_any())
        })
    }
}
