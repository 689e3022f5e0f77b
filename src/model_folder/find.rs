//! Searches for model folders.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::{CONFIG, ModelFolder, name_of};
use crate::error::{Error, Result};

/// The classifier in the repository, used where no model is named.
const DEFAULT: &str = "efficientnet_lite0";
/// The detector in the repository, used where no model is named.
const DEFAULT_DETECTOR: &str = "yolov3_tiny";
/// The number of folders above the executable's own that are searched: from `target/debug/deps/` up to
/// the repository.
const LEVELS_ABOVE_EXECUTABLE: usize = 3;

/// A model folder that has been found, but not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundModel {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
}

impl FoundModel {
    /// Opens the folder.
    ///
    /// # Errors
    /// As [`ModelFolder::open`].
    pub fn open(&self) -> Result<ModelFolder> {
        ModelFolder::open(&self.path)
    }
}

/// All model folders that can be found, each once: every folder with a `config.json` in one of these
/// places, in this order, and sorted by name within each:
///
/// 1. the folders in the environment variable `SHADERNET_MODELS`, separated as in `PATH`; each may also
///    be a model folder itself;
/// 2. `models/` in the current folder;
/// 3. `models/` in the package that `cargo run` or `cargo test` was started for;
/// 4. `models/` next to the running executable, and in up to three folders above it, so that a binary
///    in `target/release/` finds its repository's models.
///
/// Places that are missing or cannot be read are skipped.
///
/// ```
/// let found = shadernet::model_folder::find_models();
/// assert!(found.iter().any(|model| model.name == "efficientnet_lite0"));
/// ```
pub fn find_models() -> Vec<FoundModel> {
    find_in(&places())
}

/// The model called `efficientnet_lite0` among [`find_models`].
///
/// # Errors
/// [`Error::File`] with all places that were searched.
pub fn default_model() -> Result<FoundModel> {
    named(DEFAULT, &places())
}

/// The model called `yolov3_tiny` among [`find_models`].
///
/// # Errors
/// As [`default_model`].
pub fn default_detector() -> Result<FoundModel> {
    named(DEFAULT_DETECTOR, &places())
}

/// The model folder at the path `name` or, where there is none, the first of [`find_models`] with that
/// name.
///
/// # Errors
/// [`Error::File`] with all places that were searched and the models that were found.
pub fn find_model(name: impl AsRef<Path>) -> Result<FoundModel> {
    let name = name.as_ref();
    if name.is_dir() {
        return Ok(found(name.to_owned()));
    }
    named(&name.to_string_lossy(), &places())
}

fn places() -> Vec<PathBuf> {
    let listed = env::var_os("SHADERNET_MODELS").unwrap_or_default();
    let listed = env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty());
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let executable = env::current_exe().ok();
    let above = executable
        .iter()
        .flat_map(|path| path.ancestors().skip(1).take(1 + LEVELS_ABOVE_EXECUTABLE))
        .map(Path::to_owned);
    listed
        .chain(
            [PathBuf::new()]
                .into_iter()
                .chain(package)
                .chain(above)
                .map(|folder| folder.join("models")),
        )
        .collect()
}

fn find_in(places: &[PathBuf]) -> Vec<FoundModel> {
    let mut seen = HashSet::new();
    let mut models = Vec::new();
    for place in places {
        let mut folders: Vec<PathBuf> = match fs::read_dir(place) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => continue,
        };
        folders.sort();
        folders.insert(0, place.clone());
        for folder in folders {
            // A folder may be reached from several places.
            let resolved = folder.canonicalize().unwrap_or_else(|_| folder.clone());
            if folder.join(CONFIG).is_file() && seen.insert(resolved) {
                models.push(found(folder));
            }
        }
    }
    models
}

fn found(path: PathBuf) -> FoundModel {
    FoundModel {
        name: name_of(&path),
        path,
    }
}

fn named(name: &str, places: &[PathBuf]) -> Result<FoundModel> {
    let models = find_in(places);
    if let Some(model) = models.iter().find(|model| model.name == name) {
        return Ok(model.clone());
    }
    let join = |names: Vec<String>| names.join(", ");
    let found = match models.as_slice() {
        [] => "no models were found".to_owned(),
        models => {
            let names = models.iter().map(|model| model.name.clone());
            format!("found {}", join(names.collect()))
        }
    };
    let places = places.iter().map(|place| place.display().to_string());
    Err(Error::file(
        name,
        format!(
            "no model folder of that name in {}; {found}: name a folder that holds config.json \
             and model.safetensors, or set SHADERNET_MODELS to where such folders are",
            join(places.collect())
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_found_once_and_in_order() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b/one", "b/two", "a/two", "a/no_config"] {
            fs::create_dir_all(root.path().join(name)).unwrap();
        }
        for name in ["b/one", "b/two", "a/two"] {
            fs::write(root.path().join(name).join(CONFIG), "{}").unwrap();
        }
        let place = |name: &str| root.path().join(name);
        let places = [
            place("missing"),
            place("b"),
            place("a"),
            place("b/two"),
            place("b"),
        ];
        let paths: Vec<_> = find_in(&places)
            .into_iter()
            .map(|found| found.path)
            .collect();
        assert_eq!(paths, [place("b/one"), place("b/two"), place("a/two")]);

        assert_eq!(named("two", &places).unwrap().path, place("b/two"));
        let message = named("three", &places).unwrap_err().to_string();
        assert!(message.contains("found one, two, two"), "{message}");
        assert!(message.contains("missing"), "{message}");
        let message = named("three", &[]).unwrap_err().to_string();
        assert!(message.contains("no models were found"), "{message}");
    }

    #[test]
    fn a_place_may_be_a_model_folder() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(CONFIG), "{}").unwrap();
        assert_eq!(find_in(&[root.path().to_owned()]).len(), 1);
        assert_eq!(find_model(root.path()).unwrap().path, root.path());
    }
}
