//! What complete tasks on images have in common.

use std::path::PathBuf;
use std::sync::Mutex;

use image::RgbImage;
use pyo3::prelude::*;
use pyo3::types::PyList;
use shadernet::session::{Run, SessionOptions};
use shadernet::vision::{Labels, Preprocessing};
use shadernet::{ModelFolder, Result, Tensor, explain, tasks};

use crate::batches::{self, Passes};
use crate::device::Device;
use crate::errors::{to_python, warn};
use crate::images::Source;
use crate::model::{to_precision, with_folder};
use crate::process::{self, Owned};

/// The methods that all tasks of the library have.
pub trait ImageTask: Send {
    fn preprocessing(&self) -> &Preprocessing;
    fn warning(&self) -> Option<&str>;
}

macro_rules! image_tasks {
    ($($task:ty),*) => {
        $(impl ImageTask for $task {
            fn preprocessing(&self) -> &Preprocessing {
                self.preprocessing()
            }

            fn warning(&self) -> Option<&str> {
                self.warning()
            }
        })*
    };
}

image_tasks!(
    tasks::Classifier,
    tasks::Detector,
    tasks::Segmenter,
    tasks::Embedder,
    explain::Explainer
);

/// An opened task, with what does not change and is read without a lock.
pub struct Opened<T> {
    pub task: Owned<Mutex<T>>,
    pub preprocessing: Preprocessing,
    /// The names of the model's classes.
    pub labels: Vec<String>,
}

impl<T: ImageTask> Opened<T> {
    /// The task that `new` makes of the model at `path`.
    pub fn new(
        py: Python<'_>,
        device: &Device,
        path: PathBuf,
        precision: &str,
        new: impl FnOnce(&shadernet::Device, &ModelFolder, &SessionOptions) -> Result<T> + Send,
    ) -> PyResult<Self> {
        let options = SessionOptions::new().precision(to_precision(py, precision)?);
        let device = device.get(py)?.clone();
        let (task, labels, assumptions) = with_folder(py, &path, |folder| {
            let assumptions = folder.assumptions();
            let assumptions = assumptions.map(|text| format!("{}: {text}", folder.name));
            let task = new(&device, folder, &options)?;
            Ok((task, names(&folder.labels), assumptions))
        })?;
        for text in [assumptions.as_deref(), task.warning()]
            .into_iter()
            .flatten()
        {
            warn(py, text)?;
        }
        Ok(Self {
            preprocessing: task.preprocessing().clone(),
            task: Owned::new(Mutex::new(task)),
            labels,
        })
    }

    /// Channels, height and width of the network's input.
    pub fn input_size(&self) -> (usize, usize, usize) {
        self.preprocessing.input_size.into()
    }

    /// An image as the network's input.
    pub fn input(&self, image: &RgbImage) -> Result<Tensor> {
        self.preprocessing.apply(image)
    }

    /// The task for passes with `options`.
    pub fn with<O>(&self, options: O) -> Shared<'_, T, O> {
        Shared {
            task: &self.task,
            options,
        }
    }
}

/// The names of a model's classes.
fn names(labels: &Labels) -> Vec<String> {
    (0..labels.len())
        .map(|class| labels.text(class).into_owned())
        .collect()
}

/// Passes of a task over images, which lock it only to start one and to read its outputs.
pub struct Shared<'a, T, O> {
    pub task: &'a Mutex<T>,
    pub options: O,
}

/// A batch in flight.
pub struct Pass {
    pub batch: Tensor,
    pub run: Run,
}

/// The outputs of a task for images, or exceptions in the place of those that could not be used.
pub fn run_batches<'py, T: Passes<Output: Send> + Sync>(
    py: Python<'py>,
    task: &T,
    prepare: impl Fn(RgbImage) -> Result<T::Input> + Send + Sync,
    images: &Bound<'py, PyAny>,
    batch: usize,
    to_object: impl Fn(T::Output) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    process::check(py)?;
    let sources = Source::all(images)?;
    let mut outputs: Vec<Option<Result<T::Output>>> = sources.iter().map(|_| None).collect();
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
