//! Weights in files of their own, beside the model's.

use std::path::{Component, Path};

use bytes::Bytes;

use super::model::OpenFile;
use super::proto::TensorProto;
use crate::error::{Error, Result};
use crate::printable;

/// `TensorProto.data_location` of such weights.
pub(super) const EXTERNAL: i32 = 1;
/// The entry of `TensorProto.external_data` that names their file.
pub(super) const LOCATION: &str = "location";

/// The bytes of `tensor`, of the model at `path`; `open` opens a file.
pub(super) fn read(path: &Path, tensor: &TensorProto, open: OpenFile) -> Result<Bytes> {
    let error = |reason: String| {
        let name = printable::name(&tensor.name);
        Error::file(path, format!("initializer '{name}': {reason}"))
    };
    let entry = |key: &str| {
        let entry = tensor.external_data.iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.value.as_str())
    };
    let number = |key: &str| match entry(key).map(str::parse::<usize>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(error(format!(
            "{key}: a whole number was expected, found '{}'",
            printable::name(entry(key).unwrap_or_default())
        ))),
    };
    let Some(location) = entry(LOCATION) else {
        return Err(error(
            "its data is in another file, which is not named".to_owned(),
        ));
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = folder.join(location);
    // A model from anywhere must not make the program read other files.
    let is_inside = (Path::new(location).components())
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_inside || !is_beside(path, &file) {
        return Err(error(format!(
            "its data is in '{}', outside the model's folder; move it there",
            printable::name(location)
        )));
    }
    if !file.exists() {
        return Err(error(format!(
            "its data is in '{}', which is missing; copy it into the model's folder",
            printable::name(location)
        )));
    }
    let whole = open(&file)?;
    let start = number("offset")?.unwrap_or(0);
    let end = match number("length")? {
        Some(length) => start.checked_add(length),
        None => Some(whole.len()),
    };
    match end.filter(|&end| start <= end && end <= whole.len()) {
        Some(end) => Ok(whole.slice(start..end)),
        None => Err(error(format!(
            "its data is at {start} to {} of '{}', which has {} bytes: download it again",
            end.map_or("beyond 2^64".to_owned(), |end| end.to_string()),
            printable::name(location),
            whole.len()
        ))),
    }
}

/// Whether `file` is in the folder of the model at `path` or below it, with all symbolic links followed: of the
/// model, too, because the Hugging Face hub's cache consists of links into a folder with all files.
fn is_beside(path: &Path, file: &Path) -> bool {
    let Ok(file) = file.canonicalize() else {
        // Missing, which is said elsewhere.
        return true;
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let model = path.canonicalize().ok();
    let folders = [
        folder.canonicalize().ok(),
        model.and_then(|m| Some(m.parent()?.to_owned())),
    ];
    folders
        .into_iter()
        .flatten()
        .any(|folder| file.starts_with(folder))
}
