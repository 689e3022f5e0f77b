//! NumPy arrays as tensors, and tensors as NumPy arrays.

use half::f16;
use numpy::ndarray::{ArrayD, IxDyn};
use numpy::{
    Element, PyArrayDescr, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray,
    PyUntypedArrayMethods, dtype,
};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use shadernet::Tensor;

use crate::errors::{exception, input_error, to_python};

/// Below this magnitude, all integers are float32 numbers, and no other integer is rounded to them.
pub const EXACT: i128 = 1 << 24;
/// The most dimensions of an array; NumPy's own limit is higher since version 2, and lower before.
const MAX_RANK: usize = 32;

/// What the elements of an input may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// Numbers: float32, float16 or uint8.
    Float,
    /// As [`Self::Float`], and float64, which is rounded: for models that declare it, and for weights.
    Double,
    /// As [`Self::Double`], and integers of any type.
    Weight,
    /// Integers in this range.
    Integer { least: i128, most: i128 },
    /// Booleans.
    Bool,
}

impl Declared {
    /// By NumPy's name of the type that a model declares.
    pub fn of(dtype: &str) -> Self {
        let signed = |bits: u32| Self::Integer {
            least: -(1 << (bits - 1)),
            most: (1 << (bits - 1)) - 1,
        };
        let unsigned = |bits: u32| Self::Integer {
            least: 0,
            most: (1 << bits) - 1,
        };
        match dtype {
            "bool" => Self::Bool,
            "float64" => Self::Double,
            "int8" => signed(8),
            "int16" => signed(16),
            "int32" => signed(32),
            "int64" => signed(64),
            "uint8" => unsigned(8),
            "uint16" => unsigned(16),
            "uint32" => unsigned(32),
            "uint64" => unsigned(64),
            _ => Self::Float,
        }
    }

    fn expected(self) -> String {
        match self {
            Self::Float => "float32, float16 or uint8".to_owned(),
            Self::Double => "float32, float64, float16 or uint8".to_owned(),
            Self::Weight => "floating-point numbers or integers".to_owned(),
            Self::Integer { least, most } => format!("integers from {least} to {most}"),
            Self::Bool => "bool".to_owned(),
        }
    }
}

/// The memory of an array in Python, as a tensor borrows it.
struct Borrowed {
    /// Keeps the memory alive. Where it is dropped without the interpreter's lock, Python frees it later.
    _array: Py<PyArrayDyn<f32>>,
    data: *const f32,
    len: usize,
}

// SAFETY: the pointer is read only. As with every library that computes on arrays without a copy, the caller must not
// write to an array while it is computed on, which the package's documentation says.
unsafe impl Send for Borrowed {}
// SAFETY: as above.
unsafe impl Sync for Borrowed {}

impl AsRef<[f32]> for Borrowed {
    fn as_ref(&self) -> &[f32] {
        // SAFETY: the array is alive, contiguous and aligned, and has `len` elements.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

/// The tensor of an array, or of an object with `__dlpack__`. Contiguous float32 arrays are borrowed, others copied.
/// `name` is what messages call it.
pub fn to_tensor(name: &str, value: &Bound<'_, PyAny>, declared: Declared) -> PyResult<Tensor> {
    let py = value.py();
    let array = untyped(name, value)?;
    let found = array.dtype();
    let is = |other: Bound<'_, PyArrayDescr>| found.is_equiv_to(&other);
    let is_number = !matches!(declared, Declared::Integer { .. } | Declared::Bool);
    let takes_double = matches!(declared, Declared::Double | Declared::Weight);
    let is_integer = matches!(found.kind(), b'i' | b'u');
    match declared {
        _ if is_number && is(dtype::<f32>(py)) => float32(name, &array),
        _ if is_number && is(dtype::<f16>(py)) => converted::<f16>(name, &array, f32::from),
        _ if is_number && is(dtype::<u8>(py)) => converted::<u8>(name, &array, f32::from),
        _ if takes_double && is(dtype::<f64>(py)) => converted::<f64>(name, &array, |x| x as f32),
        Declared::Bool if is(dtype::<bool>(py)) => converted::<bool>(name, &array, f32::from),
        Declared::Integer { least, most } if is_integer => integers(name, &array, least, most),
        Declared::Weight if is_integer => {
            let wide = array.call_method1("astype", (dtype::<f64>(py),))?;
            converted::<f64>(name, wide.cast::<PyUntypedArray>()?, |x| x as f32)
        }
        _ => {
            let message = format!(
                "{name}: an array of {} was expected, found one of {found}; convert it, for example with \
                 array.astype(numpy.float32)",
                declared.expected()
            );
            Err(input_error(py, &message))
        }
    }
}

/// The array itself, or the one that shares its memory with an object of another library.
fn untyped<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = value.py();
    if let Ok(array) = value.cast::<PyUntypedArray>() {
        return match array.ndim() > MAX_RANK {
            true => {
                let message = format!(
                    "{name}: an array of at most {MAX_RANK} dimensions was expected, found {}",
                    array.ndim()
                );
                Err(input_error(py, &message))
            }
            false => Ok(array.clone()),
        };
    }
    if value.hasattr("__dlpack__")? {
        let numpy = PyModule::import(py, "numpy")?;
        return match numpy.call_method1("from_dlpack", (value,)) {
            Ok(array) => Ok(array.cast_into::<PyUntypedArray>()?),
            Err(error) if !error.is_instance_of::<PyException>(py) => Err(error),
            Err(error) => {
                let message = format!(
                    "{name}: its memory cannot be read through DLPack ({error}); pass a tensor on the CPU, detached \
                     from gradients, of float32, float16 or uint8"
                );
                Err(input_error(py, &message))
            }
        };
    }
    let message = format!(
        "{name}: a NumPy array or an object with __dlpack__ was expected, found {}",
        value.get_type().fully_qualified_name()?
    );
    Err(input_error(py, &message))
}

/// The array, or a copy of it in the order and alignment that slices have.
fn contiguous<'py>(
    name: &str,
    array: &Bound<'py, PyUntypedArray>,
) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = array.py();
    let is_slice =
        |array: &Bound<'py, PyUntypedArray>| array.is_c_contiguous() && array.is_aligned();
    if is_slice(array) {
        return Ok(array.clone());
    }
    let options = PyDict::new(py);
    options.set_item("order", "C")?;
    // Subclasses may copy as they like.
    options.set_item("subok", false)?;
    let numpy = PyModule::import(py, "numpy")?;
    let copy = numpy.call_method("array", (array,), Some(&options))?;
    let copy = copy.cast_into::<PyUntypedArray>()?;
    match is_slice(&copy) && copy.shape() == array.shape() {
        true => Ok(copy),
        false => Err(input_error(
            py,
            &format!("{name}: NumPy's copy of it is not contiguous: pass a plain numpy.ndarray"),
        )),
    }
}

/// A float32 array, borrowed.
fn float32(name: &str, array: &Bound<'_, PyUntypedArray>) -> PyResult<Tensor> {
    let py = array.py();
    let array = contiguous(name, array)?;
    let array = array.cast::<PyArrayDyn<f32>>()?;
    let shape = array.shape().to_vec();
    let borrowed = Borrowed {
        data: match array.len() {
            // NumPy may have any pointer there.
            0 => std::ptr::NonNull::dangling().as_ptr(),
            _ => array.data(),
        },
        len: array.len(),
        _array: array.clone().unbind(),
    };
    Tensor::from_owner(shape, borrowed).map_err(|error| to_python(py, &error))
}

/// A copy with each element converted.
fn converted<T: Element + Copy>(
    name: &str,
    array: &Bound<'_, PyUntypedArray>,
    convert: impl Fn(T) -> f32,
) -> PyResult<Tensor> {
    let py = array.py();
    // A broadcast array is larger than the memory that it takes.
    let mut data = room(py, name, array.len())?;
    let array = contiguous(name, array)?;
    let array = array.cast::<PyArrayDyn<T>>()?.readonly();
    data.extend(array.as_slice()?.iter().map(|&x| convert(x)));
    Tensor::new(array.shape(), data).map_err(|error| to_python(py, &error))
}

/// An empty vector with room for `len` elements, or an exception where there is no memory for them.
pub fn room<T>(py: Python<'_>, name: &str, len: usize) -> PyResult<Vec<T>> {
    let mut data = Vec::new();
    match data.try_reserve_exact(len) {
        Ok(()) => Ok(data),
        Err(_) => {
            let message = format!("{name}: no memory for its {len} elements; pass a smaller array");
            Err(input_error(py, &message))
        }
    }
}

/// Integers of any type within a range, which have to be exact as float32.
fn integers(
    name: &str,
    array: &Bound<'_, PyUntypedArray>,
    least: i128,
    most: i128,
) -> PyResult<Tensor> {
    let py = array.py();
    if array.len() > 0 {
        let (least, most) = (least.max(-EXACT), most.min(EXACT));
        for of in ["min", "max"] {
            let value: i128 = array.call_method0(of)?.call_method0("item")?.extract()?;
            if !(least..=most).contains(&value) {
                let message = format!(
                    "{name}: integers from {least} to {most} were expected, as the model declares them and float32 \
                     has them exactly, found {value}"
                );
                return Err(input_error(py, &message));
            }
        }
    }
    let array = array.call_method1("astype", (dtype::<i64>(py),))?;
    let array = array.cast_into::<PyUntypedArray>()?;
    converted::<i64>(name, &array, |x| x as f32)
}

/// An array of a tensor's elements, which are moved, or converted to the type of NumPy's name `dtype`.
pub fn to_array<'py>(
    py: Python<'py>,
    name: &str,
    tensor: Tensor,
    dtype: &str,
    check: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let shape = tensor.shape().dims().to_vec();
    match Declared::of(dtype) {
        _ if dtype == "float16" => {
            let data: Vec<f16> = tensor.data().iter().map(|&x| f16::from_f32(x)).collect();
            if check && !data.iter().all(|x| x.is_finite()) {
                let message =
                    format!("{name}: not finite as float16, which the model declares for it");
                return Err(input_error(py, &message));
            }
            Ok(array_of(py, &shape, data)?.into_any())
        }
        Declared::Integer { .. } => {
            let is_exact = |x: &f32| (x.abs() as i128) < EXACT;
            if let Some(value) = tensor.data().iter().find(|x| !is_exact(x)) {
                let message = format!(
                    "{name}: integers below {EXACT} were expected, which float32 has exactly and networks compute in, \
                     found {value}"
                );
                return Err(exception(py, "InexactError", &message));
            }
            let array = array_of(py, &shape, tensor.into_data())?;
            array.call_method1("astype", (dtype,))
        }
        Declared::Bool | Declared::Double => {
            let array = array_of(py, &shape, tensor.into_data())?;
            array.call_method1("astype", (dtype,))
        }
        _ => Ok(array_of(py, &shape, tensor.into_data())?.into_any()),
    }
}

/// An array of `shape`.
pub fn array_of<'py, T: Element>(
    py: Python<'py>,
    shape: &[usize],
    data: Vec<T>,
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    let array = ArrayD::from_shape_vec(IxDyn(shape), data);
    let array = array.map_err(|error| input_error(py, &error.to_string()))?;
    Ok(PyArrayDyn::from_owned_array(py, array))
}
