//! Why a classifier predicts what it does.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use shadernet::explain::{self, ExplainMethod, ExplainOptions};

use crate::arrays::array_of;
use crate::device::Device;
use crate::errors::{input_error, to_python, warn};
use crate::images::Source;
use crate::process;
use crate::sync::lock;
use crate::tasks::Opened;

/// `(index, label, score, probability, heat [height, width], layer)`.
type Explanation<'py> = (
    usize,
    String,
    f32,
    f32,
    Bound<'py, PyArrayDyn<f32>>,
    Option<String>,
);

/// Finds the evidence for a classifier's predictions.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Explainer {
    opened: Opened<explain::Explainer>,
    /// The thread that explains: the handler of a signal runs on it while the task is locked.
    busy: Mutex<Option<ThreadId>>,
    has_warned: AtomicBool,
    /// What the handler of a signal raised.
    raised: Arc<Mutex<Option<PyErr>>>,
}

#[pymethods]
impl Explainer {
    #[new]
    fn new(py: Python<'_>, device: &Device, path: PathBuf, precision: &str) -> PyResult<Self> {
        let opened = Opened::new(py, device, path, precision, explain::Explainer::new)?;
        let raised = Arc::new(Mutex::new(None));
        let report = raised.clone();
        // Between passes, so that an interrupt ends a method of many.
        lock(&opened.task).on_progress(move |_, _| match Python::attach(|py| py.check_signals()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                *lock(&report) = Some(error);
                ControlFlow::Break(())
            }
        });
        Ok(Self {
            opened,
            busy: Mutex::new(None),
            has_warned: AtomicBool::new(false),
            raised,
        })
    }

    #[getter]
    fn labels(&self) -> Vec<String> {
        self.opened.labels.clone()
    }

    #[getter]
    fn input_size(&self) -> (usize, usize, usize) {
        self.opened.input_size()
    }

    #[getter]
    fn layers(&self, py: Python<'_>) -> PyResult<Vec<(String, &'static str, Vec<usize>)>> {
        process::check(py)?;
        self.check_not_interrupted(py)?;
        let task = &*self.opened.task;
        let layers = py.detach(|| lock(task).layers());
        let layers = layers.map_err(|error| to_python(py, &error))?.into_iter();
        Ok(layers
            .map(|(name, kind, shape)| (name, kind, shape.dims().to_vec()))
            .collect())
    }

    fn explain<'py>(
        &self,
        py: Python<'py>,
        image: &Bound<'py, PyAny>,
        classes: Vec<usize>,
        top: usize,
        method: &str,
        layer: Option<String>,
    ) -> PyResult<Vec<Explanation<'py>>> {
        process::check(py)?;
        let method: ExplainMethod = method
            .parse()
            .map_err(|error: shadernet::error::UnknownName| to_python(py, &error.into()))?;
        let mut options = ExplainOptions::new(method).classes(classes).top(top);
        options.layer = layer;
        self.check_not_interrupted(py)?;
        let source = Source::new(image, 0)?;
        let (task, busy) = (&*self.opened.task, &self.busy);
        let found = py.detach(|| {
            let image = source.pixels()?;
            let mut task = lock(task);
            *lock(busy) = Some(thread::current().id());
            let found = task.explain(&image, &options);
            *lock(busy) = None;
            let found = found?;
            let mut explanations = Vec::new();
            for explanation in found {
                let (width, height) = image.dimensions();
                let heat = (explanation.heat).on_image(task.preprocessing(), width, height)?;
                explanations.push((explanation, heat));
            }
            Ok((explanations, task.warning().map(str::to_owned)))
        });
        let raised = lock(&self.raised).take();
        if let Some(raised) = raised {
            return Err(raised);
        }
        let found = found.map_err(|error: shadernet::Error| to_python(py, &error));
        let (found, warning): (Vec<_>, _) = found?;
        if let Some(warning) = warning
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            warn(py, &warning)?;
        }
        (found.into_iter())
            .map(|(explanation, heat)| {
                let shape = [heat.height(), heat.width()];
                Ok((
                    explanation.class,
                    explanation.label,
                    explanation.score,
                    explanation.probability,
                    array_of(py, &shape, heat.values().to_vec())?,
                    explanation.layer,
                ))
            })
            .collect()
    }
}

impl Explainer {
    /// Refuses a call by the handler of a signal that has interrupted another: it would wait for itself.
    fn check_not_interrupted(&self, py: Python<'_>) -> PyResult<()> {
        match *lock(&self.busy) == Some(thread::current().id()) {
            true => Err(input_error(
                py,
                "the handler of a signal called an explainer whose explanation it has interrupted; use another one there",
            )),
            false => Ok(()),
        }
    }
}
