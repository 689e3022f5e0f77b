//! Any network on arrays.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use shadernet::device;
use shadernet::error::UnknownName;
use shadernet::onnx::OnnxModel;
use shadernet::session::SessionOptions;
use shadernet::zoo::{self, ZooOptions};
use shadernet::{Graph, Shape, Tensor, Weights};

use crate::arrays::{Declared, to_array, to_tensor};
use crate::device::Device;
use crate::errors::{detached, exception, input_error, to_python, warn};
use crate::model::{to_precision, with_folder};
use crate::process::{self, Owned};
use crate::sync::lock;
use crate::values::{Extent, Value};

/// A network on a device.
#[pyclass(frozen, module = "shadernet._shadernet")]
pub struct Session {
    state: Owned<Mutex<State>>,
    /// Whether the user was told of the session's warning.
    has_warned: AtomicBool,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
}

struct State {
    device: device::Device,
    network: Network,
    options: SessionOptions,
    /// Made for the first shapes.
    session: Option<shadernet::Session>,
}

#[derive(Clone)]
enum Network {
    Graph(Graph, Arc<Weights>),
    Onnx(Arc<OnnxModel>),
}

#[pymethods]
impl Session {
    /// Of an ONNX model, a path or the bytes of one.
    #[staticmethod]
    fn from_onnx(
        py: Python<'_>,
        device: &Device,
        model: &Bound<'_, PyAny>,
        precision: &str,
    ) -> PyResult<Self> {
        let device = device.get(py)?.clone();
        let model = match model.cast::<PyBytes>() {
            Ok(bytes) => {
                let bytes = bytes.as_bytes().to_vec();
                detached(py, || OnnxModel::from_bytes("model.onnx", bytes))?
            }
            Err(_) => {
                let path: PathBuf = model.extract()?;
                detached(py, || OnnxModel::open(path))?
            }
        };
        model
            .check_operators()
            .map_err(|error| to_python(py, &error))?;
        Self::new(py, device, Network::Onnx(Arc::new(model)), precision)
    }

    /// Of a model folder, an ONNX file with a description, or whatever `shadernet` takes as a model.
    #[staticmethod]
    fn from_folder(
        py: Python<'_>,
        device: &Device,
        path: PathBuf,
        precision: &str,
    ) -> PyResult<Self> {
        let device = device.get(py)?.clone();
        let network = with_folder(py, &path, |folder| {
            if let Some(model) = folder.onnx() {
                return Ok(Network::Onnx(model.clone()));
            }
            let (graph, _) = folder.graph()?;
            let weights = folder.weights(&graph)?;
            Ok(Network::Graph(graph, Arc::new(weights)))
        })?;
        Self::new(py, device, network, precision)
    }

    /// Of a network of the zoo with the weights of a file or of arrays, or generated ones.
    #[staticmethod]
    fn from_arch(
        py: Python<'_>,
        device: &Device,
        name: &str,
        weights: Option<&Bound<'_, PyAny>>,
        num_classes: Option<usize>,
        precision: &str,
    ) -> PyResult<Self> {
        enum Given {
            Nothing,
            File(PathBuf),
            Tensors(Vec<(String, Tensor)>),
        }
        let device = device.get(py)?.clone();
        let given = match weights {
            None => Given::Nothing,
            Some(weights) => match weights.cast::<PyDict>() {
                Ok(arrays) => Given::Tensors(
                    arrays
                        .iter()
                        .map(|(key, array)| {
                            let key: String = key.extract()?;
                            let tensor = to_tensor(&key, &array, Declared::Weight)?;
                            Ok((key, tensor))
                        })
                        .collect::<PyResult<_>>()?,
                ),
                Err(_) => Given::File(weights.extract()?),
            },
        };
        let network = detached(py, || {
            let architecture = zoo::find(name)?;
            let options = ZooOptions::default().with_classes(num_classes);
            let given = match given {
                Given::Nothing => {
                    let graph = architecture.build(&options)?;
                    let weights = Weights::generated(&graph, 1.0);
                    return Ok(Network::Graph(graph, Arc::new(weights)));
                }
                Given::File(path) => Weights::open(path)?,
                Given::Tensors(tensors) => Weights::from_tensors(name, tensors),
            };
            let graph = architecture.build_for(&given, &options)?;
            let weights = architecture.adapt(given, &graph)?;
            Ok(Network::Graph(graph, Arc::new(weights)))
        })?;
        Self::new(py, device, network, precision)
    }

    /// `(name, shape, dtype)` of each input.
    #[getter]
    fn inputs(&self) -> Vec<(String, Option<Vec<Extent>>, &'static str)> {
        self.inputs.iter().map(Value::row).collect()
    }

    /// `(name, shape, dtype)` of each output.
    #[getter]
    fn outputs(&self) -> Vec<(String, Option<Vec<Extent>>, &'static str)> {
        self.outputs.iter().map(Value::row).collect()
    }

    #[getter]
    fn warning(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.with(py, |state| Ok(state.warning()))
    }

    #[getter]
    fn device_bytes(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.with(py, |state| {
            Ok(state
                .session
                .as_ref()
                .and_then(|session| session.device_bytes()))
        })
    }

    /// Makes what runs for inputs of these shapes need.
    fn prepare(&self, py: Python<'_>, shapes: Vec<Vec<usize>>) -> PyResult<()> {
        let shapes: Vec<Shape> = shapes.into_iter().map(Shape::from).collect();
        self.with(py, |state| state.session(&shapes)?.prepare(&shapes))?;
        self.warn(py)
    }

    /// The outputs for the inputs, by name.
    fn run<'py>(
        &self,
        py: Python<'py>,
        inputs: &Bound<'py, PyDict>,
        check: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let inputs = self.tensors(py, inputs)?;
        let outputs = self.with(py, |state| {
            let session = state.session(&shapes_of(&inputs))?;
            let outputs = session.run(&inputs)?;
            if check {
                session.check_finite(&inputs, &outputs)?;
            }
            Ok(outputs)
        })?;
        self.warn(py)?;
        self.named(py, outputs, check)
    }

    /// As `run`, while other threads run the session too.
    fn run_overlapped<'py>(
        &self,
        py: Python<'py>,
        inputs: &Bound<'py, PyDict>,
        check: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let inputs = self.tensors(py, inputs)?;
        let run = self.with(py, |state| {
            state.session(&shapes_of(&inputs))?.run_async(&inputs)
        })?;
        let outputs = detached(py, || run.wait())?;
        self.warn(py)?;
        if check {
            self.with(py, |state| {
                state
                    .session(&shapes_of(&inputs))?
                    .check_finite(&inputs, &outputs)
            })?;
        }
        self.named(py, outputs, check)
    }
}

impl Session {
    fn new(
        py: Python<'_>,
        device: device::Device,
        network: Network,
        precision: &str,
    ) -> PyResult<Self> {
        let precision = to_precision(py, precision)?;
        let values = network.values();
        let (inputs, outputs) = values.map_err(|error| to_python(py, &error))?;
        let state = State {
            device,
            network,
            options: SessionOptions::new().precision(precision),
            session: None,
        };
        let this = Self {
            state: Owned::new(Mutex::new(state)),
            has_warned: AtomicBool::new(false),
            inputs,
            outputs,
        };
        // Where one set of shapes is all that the network takes, it is made now, and its errors are found now.
        let shapes: Option<Vec<Vec<usize>>> = this.inputs.iter().map(Value::fixed_shape).collect();
        if let Some(shapes) = shapes {
            this.prepare(py, shapes)?;
        }
        Ok(this)
    }

    /// `work` with the state, without the interpreter's lock.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut State) -> shadernet::Result<T> + Send,
    ) -> PyResult<T> {
        process::check(py)?;
        let state = &*self.state;
        detached(py, move || work(&mut lock(state)))
    }

    /// Passes the warning on, once.
    fn warn(&self, py: Python<'_>) -> PyResult<()> {
        if self.has_warned.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        match self.warning(py)? {
            Some(warning) => warn(py, &warning),
            None => Ok(()),
        }
    }

    /// The tensors of arrays by name, in the network's order.
    fn tensors(&self, py: Python<'_>, given: &Bound<'_, PyDict>) -> PyResult<Vec<Tensor>> {
        let mut tensors = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let Some(value) = given.get_item(&input.name)? else {
                let expected: Vec<&str> = self.inputs.iter().map(|input| &*input.name).collect();
                let message = format!(
                    "input '{}' is missing; the network's inputs are {}, found {}",
                    input.name,
                    expected.join(", "),
                    given.keys().repr()?
                );
                return Err(input_error(py, &message));
            };
            let name = format!("input '{}'", input.name);
            let tensor = to_tensor(&name, &value, Declared::of(input.dtype))?;
            input.check(py, &name, &tensor)?;
            tensors.push(tensor);
        }
        for key in given.keys() {
            let key: String = key.extract()?;
            if !self.inputs.iter().any(|input| input.name == key) {
                let known = self.inputs.iter().map(|input| &*input.name);
                let error = UnknownName::new("input", &key, known);
                return Err(exception(py, "UnknownNameError", &error.to_string()));
            }
        }
        Ok(tensors)
    }

    /// The outputs as arrays by name.
    fn named<'py>(
        &self,
        py: Python<'py>,
        outputs: Vec<Tensor>,
        check: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        for (output, tensor) in self.outputs.iter().zip(outputs) {
            let name = format!("output '{}'", output.name);
            let array = to_array(py, &name, tensor, output.dtype, check)?;
            named.set_item(&output.name, array)?;
        }
        Ok(named)
    }
}

impl State {
    /// The session, made for inputs of `shapes` where there is none yet. It prepares itself for others.
    fn session(&mut self, shapes: &[Shape]) -> shadernet::Result<&mut shadernet::Session> {
        let session = match self.session.take() {
            Some(session) => session,
            None => match &self.network {
                Network::Graph(graph, weights) => shadernet::Session::new(
                    &self.device,
                    graph,
                    weights.clone(),
                    &self.options,
                    shapes,
                ),
                Network::Onnx(model) => shadernet::Session::from_onnx(
                    &self.device,
                    model.clone(),
                    &self.options,
                    shapes,
                ),
            }?,
        };
        Ok(self.session.insert(session))
    }

    fn warning(&self) -> Option<String> {
        let session = self.session.as_ref()?;
        session.warning().map(str::to_owned)
    }
}

fn shapes_of(tensors: &[Tensor]) -> Vec<Shape> {
    tensors
        .iter()
        .map(|tensor| tensor.shape().clone())
        .collect()
}

impl Network {
    /// The inputs and the outputs.
    fn values(&self) -> shadernet::Result<(Vec<Value>, Vec<Value>)> {
        match self {
            Self::Onnx(model) => {
                let value = |value| Value::of_onnx(model, value);
                let inputs = model.inputs().iter().map(value).collect::<Result<_, _>>()?;
                let outputs = model
                    .outputs()
                    .iter()
                    .map(value)
                    .collect::<Result<_, _>>()?;
                Ok((inputs, outputs))
            }
            Self::Graph(graph, _) => {
                let input = |&id| Value::of_input(graph.node(id));
                let output = |&id| Value::of_output(graph.node(id));
                let inputs = graph.inputs().iter().map(input).collect();
                Ok((inputs, graph.outputs().iter().map(output).collect()))
            }
        }
    }
}
