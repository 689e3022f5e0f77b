//! Errors of the library as exceptions of `shadernet.errors`.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use shadernet::{Error, ErrorKind};

/// The exceptions' module, which is Python's.
fn module(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || {
        PyModule::import(py, "shadernet.errors").map(Bound::unbind)
    })?;
    Ok(module.bind(py))
}

/// The exception of `class` with a message.
pub fn exception(py: Python<'_>, class: &str, message: &str) -> PyErr {
    let made = module(py).and_then(|module| module.getattr(class)?.call1((message,)));
    match made {
        Ok(value) => PyErr::from_value(value),
        Err(_) => PyRuntimeError::new_err(message.to_owned()),
    }
}

/// What the caller gave cannot be used.
pub fn input_error(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "InputError", message)
}

/// The exception for an error of the library, with its causes.
pub fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    let message = error.report().to_string();
    let class = match error.kind() {
        ErrorKind::Io => return io_error(py, error, &message),
        ErrorKind::InvalidFile => "InvalidFileError",
        ErrorKind::InvalidWeights => "WeightsError",
        ErrorKind::InvalidGraph => "GraphError",
        ErrorKind::InvalidInput => "InputError",
        ErrorKind::UnknownName => "UnknownNameError",
        ErrorKind::NoAdapter => "NoAdapterError",
        ErrorKind::Limit => "LimitError",
        ErrorKind::DeviceLost => "DeviceLostError",
        ErrorKind::OutOfMemory => "DeviceMemoryError",
        _ => "DeviceError",
    };
    exception(py, class, &message)
}

/// An exception that is also Python's own for the same: `FileNotFoundError` for a file that is missing.
fn io_error(py: Python<'_>, error: &Error, message: &str) -> PyErr {
    let (Error::Io { path, source } | Error::Write { path, source }) = error else {
        return exception(py, "FileError", message);
    };
    let class = match source.kind() {
        std::io::ErrorKind::NotFound => "MissingFileError",
        _ => "FileError",
    };
    let arguments = (message, source.raw_os_error(), path.as_os_str());
    let made = module(py).and_then(|module| module.getattr(class)?.call1(arguments));
    match made {
        Ok(value) => PyErr::from_value(value),
        Err(_) => exception(py, class, message),
    }
}

/// `work` without the interpreter's lock, and its error as an exception.
pub fn detached<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> shadernet::Result<T> + Send,
) -> PyResult<T> {
    py.detach(work).map_err(|error| to_python(py, &error))
}

/// A warning of Python's, at the caller's line.
pub fn warn(py: Python<'_>, message: &str) -> PyResult<()> {
    module(py)?.getattr("_warn")?.call1((message,))?;
    Ok(())
}
