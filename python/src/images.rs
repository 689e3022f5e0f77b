//! Images from Python: paths, encoded bytes, NumPy arrays and PIL images.

use std::path::PathBuf;

use image::{RgbImage, RgbaImage};
use numpy::{PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyString};
use shadernet::vision::{MAX_PIXELS, MAX_SIDE, decode, decode_bytes, over_white};

use crate::arrays::room;
use crate::errors::{exception, input_error};

/// What PIL converts to RGB without losing more than transparency, which is composited.
const PIL_MODES: [&str; 10] = [
    "1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr",
];

/// An image that may still have to be decoded.
pub enum Source {
    File(PathBuf),
    /// An encoded image, and its number among those given.
    Encoded(PyBackedBytes, usize),
    Pixels(RgbImage),
}

impl Source {
    /// The image numbered `index` of those given.
    pub fn new(value: &Bound<'_, PyAny>, index: usize) -> PyResult<Self> {
        let py = value.py();
        let name = format!("image {index}");
        if let Ok(array) = value.cast::<PyUntypedArray>() {
            return pixels(&name, array).map(Self::Pixels);
        }
        if let Ok(bytes) = value.cast::<PyBytes>() {
            return Ok(Self::Encoded(PyBackedBytes::from(bytes.clone()), index));
        }
        if let Some(array) = pil_array(&name, value)? {
            return pixels(&name, array.cast::<PyUntypedArray>()?).map(Self::Pixels);
        }
        if value.is_instance_of::<PyString>() || value.hasattr("__fspath__")? {
            return match value.extract::<PathBuf>() {
                Ok(path) => Ok(Self::File(path)),
                Err(error) => Err(input_error(
                    py,
                    &format!("{name}: no path of a file: {error}"),
                )),
            };
        }
        if value.hasattr("__dlpack__")? {
            let numpy = PyModule::import(py, "numpy")?;
            let array = numpy.call_method1("from_dlpack", (value,));
            let array = array.map_err(|error| foreign(py, &name, "DLPack", error))?;
            return pixels(&name, array.cast::<PyUntypedArray>()?).map(Self::Pixels);
        }
        let message = format!(
            "{name}: a path, the bytes of an image file, a NumPy array [height, width, 3] of uint8, or a PIL image was \
             expected, found {}",
            value.get_type().fully_qualified_name()?
        );
        Err(input_error(py, &message))
    }

    /// The images of an iterable, or why one of them cannot be used.
    pub fn all(images: &Bound<'_, PyAny>) -> PyResult<Vec<PyResult<Self>>> {
        let py = images.py();
        let mut sources = Vec::new();
        for (index, image) in images.try_iter()?.enumerate() {
            // An iterable need not run any code of Python's, which would look for them.
            py.check_signals()?;
            match Self::new(&image?, index) {
                Err(error) if !error.is_instance_of::<PyException>(py) => return Err(error),
                source => sources.push(source),
            }
        }
        Ok(sources)
    }

    /// The pixels, decoded where they are not yet.
    pub fn pixels(self) -> shadernet::Result<RgbImage> {
        match self {
            Self::File(path) => decode(path),
            Self::Encoded(bytes, index) => decode_bytes(format!("image {index}"), &bytes),
            Self::Pixels(image) => Ok(image),
        }
    }
}

/// An error of another library as one about an image; what ends a program stays as it is.
fn foreign(py: Python<'_>, name: &str, library: &str, error: PyErr) -> PyErr {
    match error.is_instance_of::<PyException>(py) {
        true => exception(
            py,
            "InvalidFileError",
            &format!("{name}: {library} cannot read it: {error}"),
        ),
        false => error,
    }
}

/// The array of a PIL image, RGB or with an alpha; `None` for other objects.
fn pil_array<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = value.py();
    // An object of PIL's exists only where PIL is imported.
    let modules = PyModule::import(py, "sys")?.getattr("modules")?;
    let Ok(module) = modules.get_item("PIL.Image") else {
        return Ok(None);
    };
    if !value.is_instance(&module.getattr("Image")?)? {
        return Ok(None);
    }
    let mode: String = value.getattr("mode")?.extract()?;
    if !PIL_MODES.contains(&&*mode) {
        let message = format!(
            "{name}: a PIL image of one of the modes {} was expected, found {mode}: convert it to RGB; PIL does not scale \
             the range of some modes to 8 bits",
            PIL_MODES.join(", ")
        );
        return Err(input_error(py, &message));
    }
    let is_transparent = mode.ends_with('A')
        || value
            .getattr("info")?
            .call_method1("__contains__", ("transparency",))?
            .extract()?;
    let target = if is_transparent { "RGBA" } else { "RGB" };
    let convert = || {
        let converted = match mode == target {
            true => value.clone(),
            false => value.call_method1("convert", (target,))?,
        };
        PyModule::import(py, "numpy")?.call_method1("asarray", (converted,))
    };
    convert()
        .map(Some)
        .map_err(|error| foreign(py, name, "PIL", error))
}

/// The pixels of an array: gray, RGB or RGBA.
fn pixels(name: &str, array: &Bound<'_, PyUntypedArray>) -> PyResult<RgbImage> {
    let py = array.py();
    let shape = array.shape();
    let refused = |expected: &str| {
        let message = format!(
            "{name}: {expected} was expected, found shape {shape:?} of {}",
            array.dtype()
        );
        input_error(py, &message)
    };
    let of_images = "an array [height, width, 3] of uint8, or [height, width] for gray,";
    let (height, width, channels) = match *shape {
        [height, width] => (height, width, 1),
        [height, width, channels @ (1 | 3 | 4)] => (height, width, channels),
        _ => return Err(refused(of_images)),
    };
    let is_side = |side: usize| (1..=MAX_SIDE as usize).contains(&side);
    if !is_side(height) || !is_side(width) || height as u64 * width as u64 > MAX_PIXELS {
        let of_sides =
            format!("an image with sides from 1 to {MAX_SIDE} and at most {MAX_PIXELS} pixels");
        return Err(refused(&of_sides));
    }
    let array: PyReadonlyArrayDyn<'_, u8> = array.extract().map_err(|_| refused(of_images))?;
    let mut values = room(py, name, channels.max(3) * height * width)?;
    // In the order of indices, whatever that of memory is.
    let view = array.as_array();
    match (view.as_slice(), channels) {
        (_, 1) => values.extend(view.iter().flat_map(|gray| [*gray; 3])),
        (Some(slice), _) => values.extend_from_slice(slice),
        (None, _) => values.extend(view.iter()),
    }
    // Sides are far below 2^32.
    let (width, height) = (width as u32, height as u32);
    let image = match channels {
        4 => RgbaImage::from_raw(width, height, values).map(|image| over_white(&image)),
        _ => RgbImage::from_raw(width, height, values),
    };
    image.ok_or_else(|| refused(of_images))
}
