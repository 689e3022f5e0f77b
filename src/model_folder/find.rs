//! Searches for models.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

use super::hub::{self, HubName, hub_cache};
use super::options::ModelOptions;
use super::{CONFIG, ModelFolder, name_of};
use crate::error::{Error, Result};
use crate::util::did_you_mean::nearest;
use crate::zoo;

/// The classifier in the repository, used where no model is named.
const DEFAULT: &str = "efficientnet_lite0";
/// The detector in the repository, used where no model is named.
const DEFAULT_DETECTOR: &str = "yolov3_tiny";

/// The folders whose folders are searched for models by name.
const LISTED: &str = "SHADERNET_MODELS";
/// The most names that a message lists.
const MAX_NAMES: usize = 8;

/// A model that has been found, but not opened: a folder, an ONNX file, or one that is built in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundModel {
    /// The folder's name, or the file's without its ending; `org/name` for a model of the Hugging Face hub.
    pub name: String,
    /// The folder or file; `None` for a [built-in](built_in_models) model.
    pub path: Option<PathBuf>,
}

impl FoundModel {
    /// Opens the model.
    ///
    /// # Errors
    /// As [`ModelFolder::open`].
    pub fn open(&self) -> Result<ModelFolder> {
        self.open_with(&ModelOptions::default())
    }

    /// As [`Self::open`], with what `options` say.
    ///
    /// # Errors
    /// As [`ModelFolder::open_with`].
    pub fn open_with(&self, options: &ModelOptions) -> Result<ModelFolder> {
        match &self.path {
            Some(path) => Ok(self.named(ModelFolder::open_with(path, options)?)),
            None => open_built_in(&self.name)?.with(options),
        }
    }

    /// As [`Self::open_with`], with the files of weights mapped into memory.
    ///
    /// # Safety
    /// As [`ModelFolder::open_mmap`].
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub unsafe fn open_mmap(&self, options: &ModelOptions) -> Result<ModelFolder> {
        match &self.path {
            // SAFETY: the caller promises that the files do not change.
            Some(path) => Ok(self.named(unsafe { ModelFolder::open_mmap(path, options) }?)),
            None => self.open_with(options),
        }
    }

    /// `folder` under the name that it was found by: a snapshot's folder has the name of a commit.
    fn named(&self, folder: ModelFolder) -> ModelFolder {
        ModelFolder {
            name: self.name.clone(),
            ..folder
        }
    }
}

/// All models that can be found by name, each once, in this order, and sorted by name within each place:
///
/// 1. every folder with a `config.json` in [`model_places`], which are searched in that order; each of them may
///    also be a model folder itself;
/// 2. the models of the Hugging Face hub in [`hub_cache`], without those that cannot be opened: most of them are
///    for other libraries;
/// 3. [`built_in_models`].
///
/// Places that are missing or cannot be read are skipped. A model whose name was found before is listed too.
///
/// ```
/// let found = shadernet::model_folder::find_models();
/// assert!(found.iter().any(|model| model.name == "efficientnet_lite0"));
/// ```
pub fn find_models() -> Vec<FoundModel> {
    let mut models = find_in(&model_places());
    let cached = hub_cache().map(|cache| hub::find_all(&cache));
    let cached = cached.into_iter().flatten();
    models.extend(cached.filter_map(|(name, path)| {
        ModelFolder::open(&path).ok()?;
        Some(FoundModel {
            name,
            path: Some(path),
        })
    }));
    models.extend(built_in_models());
    models
}

/// The folders in which models are searched by name: those in the environment variable `SHADERNET_MODELS`,
/// separated as in `PATH`; `models` in the current folder; `models` in the user's data folder of shadernet
/// (`~/.local/share/shadernet` on Linux, `~/Library/Application Support/shadernet` on macOS,
/// `%APPDATA%\shadernet\data` on Windows).
pub fn model_places() -> Vec<PathBuf> {
    let listed = env::var_os(LISTED).unwrap_or_default();
    let listed = env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty());
    let data = ProjectDirs::from("", "", "shadernet").map(|dirs| dirs.data_dir().join("models"));
    listed
        .chain([PathBuf::from("models")])
        .chain(data)
        .collect()
}

/// The models that are compiled in: those of the repository with the feature `built-in-models`, none without.
pub fn built_in_models() -> Vec<FoundModel> {
    #[cfg(feature = "built-in-models")]
    let names = shadernet_models::ALL.map(|model| model.name);
    #[cfg(not(feature = "built-in-models"))]
    let names: [&str; 0] = [];
    let found = |name: &str| FoundModel {
        name: name.to_owned(),
        path: None,
    };
    names.map(found).to_vec()
}

fn open_built_in(name: &str) -> Result<ModelFolder> {
    #[cfg(feature = "built-in-models")]
    if let Some(model) = shadernet_models::ALL
        .iter()
        .find(|model| model.name == name)
    {
        return ModelFolder::from_memory(name, model.config, model.weights);
    }
    Err(Error::file(name, "no such model is built in"))
}

/// The model called `efficientnet_lite0`, as [`find_model`] finds it.
///
/// # Errors
/// As [`find_model`].
pub fn default_model() -> Result<FoundModel> {
    find_model(DEFAULT)
}

/// The model called `yolov3_tiny`, as [`find_model`] finds it.
///
/// # Errors
/// As [`find_model`].
pub fn default_detector() -> Result<FoundModel> {
    find_model(DEFAULT_DETECTOR)
}

/// The model called `name`, the first of:
///
/// 1. the folder or ONNX file at the path `name`;
/// 2. for a plain name, the folder of that name in [`model_places`];
/// 3. for `org/name` or `hf-hub:org/name`, the model of the Hugging Face hub in [`hub_cache`];
/// 4. the [built-in](built_in_models) model of that name.
///
/// A folder at a path `org/name` is not looked at where the name begins with `hf-hub:`.
///
/// # Errors
/// [`Error::File`] with all places that were searched and the models that were found.
pub fn find_model(name: impl AsRef<Path>) -> Result<FoundModel> {
    let path = name.as_ref();
    let name = path.to_string_lossy();
    if is_model(path) && !hub::has_prefix(&name) {
        return Ok(found(path));
    }
    match HubName::parse(&name) {
        Some(parsed) => in_hub_cache(&name, parsed),
        // A missing folder: the error says what was expected.
        None if path.components().count() > 1 => ModelFolder::open(path).map(|_| found(path)),
        None => named(&name, &model_places(), &built_in_models()),
    }
}

fn in_hub_cache(name: &str, parsed: HubName<'_>) -> Result<FoundModel> {
    let cache = hub_cache();
    if let Some(path) = cache.as_ref().and_then(|cache| parsed.find(cache)) {
        return Ok(FoundModel {
            name: parsed.repository.to_owned(),
            path: Some(path),
        });
    }
    let cache = match cache {
        Some(cache) => format!("in the Hugging Face cache {}", cache.display()),
        None => {
            "in a Hugging Face cache: there is no home folder, and HF_HOME is not set".to_owned()
        }
    };
    Err(Error::file(
        name,
        format!(
            "there is no such folder, nor is this model {cache}: name a folder that holds {CONFIG} and \
             model.safetensors, or download it with `shadernet pull {name}`"
        ),
    ))
}

fn named(name: &str, places: &[PathBuf], built_in: &[FoundModel]) -> Result<FoundModel> {
    let mut models = find_in(places);
    models.extend_from_slice(built_in);
    if let Some(model) = models.iter().find(|model| model.name == name) {
        return Ok(model.clone());
    }
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let found = match names.split_at_checked(MAX_NAMES) {
        _ if names.is_empty() => "no models are known".to_owned(),
        Some((first, rest @ [_, ..])) => {
            format!("known are {} and {} others", first.join(", "), rest.len())
        }
        _ => format!("known are {}", names.join(", ")),
    };
    let nearest = nearest(name, names.iter().copied());
    let proposal = match nearest {
        Some(nearest) => format!("; did you mean '{nearest}'?"),
        None if zoo::find(name).is_ok() => {
            format!("; {name} is an architecture, whose weights have to be somewhere")
        }
        None => String::new(),
    };
    let places: Vec<String> = (places.iter())
        .map(|place| place.display().to_string())
        .collect();
    Err(Error::file(
        name,
        format!(
            "no model folder of that name in {}; {found}: name a folder that holds {CONFIG} and model.safetensors, \
             or set {LISTED} to where such folders are{proposal}",
            places.join(", ")
        ),
    ))
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
            let holds_model = folder.join(CONFIG).is_file() || is_onnx_file(&folder);
            if holds_model && seen.insert(resolved) {
                models.push(found(&folder));
            }
        }
    }
    models
}

/// Whether `path` may be that of a model.
fn is_model(path: &Path) -> bool {
    path.is_dir() || is_onnx_file(path)
}

#[cfg(feature = "onnx")]
fn is_onnx_file(path: &Path) -> bool {
    super::onnx::is_onnx(path) && path.exists()
}

/// None, without the feature.
#[cfg(not(feature = "onnx"))]
fn is_onnx_file(_: &Path) -> bool {
    false
}

fn found(path: &Path) -> FoundModel {
    let name = name_of(path);
    let name = match is_onnx_file(path) {
        true => (Path::new(&name).file_stem()).map(|stem| stem.to_string_lossy().into_owned()),
        false => None,
    }
    .unwrap_or(name);
    FoundModel {
        name,
        path: Some(path.to_owned()),
    }
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
            .filter_map(|found| found.path)
            .collect();
        assert_eq!(paths, [place("b/one"), place("b/two"), place("a/two")]);

        let named = |name: &str, places: &[PathBuf]| named(name, places, &[]);
        assert_eq!(named("two", &places).unwrap().path, Some(place("b/two")));
        let message = named("three", &places).unwrap_err().to_string();
        assert!(message.contains("known are one, two, two"), "{message}");
        let message = named("tow", &places).unwrap_err().to_string();
        assert!(message.ends_with("did you mean 'two'?"), "{message}");
        assert!(message.contains("missing"), "{message}");
        let message = named("three", &[]).unwrap_err().to_string();
        assert!(message.contains("no models are known"), "{message}");
    }

    #[test]
    fn a_place_may_be_a_model_folder() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(CONFIG), "{}").unwrap();
        assert_eq!(find_in(&[root.path().to_owned()]).len(), 1);
        assert_eq!(
            find_model(root.path()).unwrap().path.as_deref(),
            Some(root.path())
        );
    }

    #[test]
    fn models_of_the_hub_are_found_by_revision() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--org--a--b.c");
        let snapshot = repository.join("snapshots/0a1b");
        fs::create_dir_all(repository.join("refs/pr")).unwrap();
        fs::create_dir_all(&snapshot).unwrap();
        fs::write(snapshot.join(CONFIG), "{}").unwrap();
        fs::write(repository.join("refs/main"), "0a1b\n").unwrap();
        fs::write(repository.join("refs/pr/1"), "../..").unwrap();
        let find = |name: &str| HubName::parse(name)?.find(cache.path());
        let names = [
            "org/a--b.c",
            "hf-hub:org/a--b.c",
            "org/a--b.c@0a1b",
            "org/a--b.c@main",
        ];
        assert_eq!(
            names.map(find),
            std::array::from_fn(|_| Some(snapshot.clone()))
        );
        // A reference to outside is none.
        let names = [
            "org/a",
            "org/a--b.c@0a",
            "org/a--b.c@refs/pr/1",
            "org/a--b.c@pr/1",
        ];
        assert_eq!(names.map(find), [const { None }; 4]);
        for name in [
            "a", "/a", "a/", "../a", "a/b/c", "hf-hub:a", "a/b@", "a/b@../c", "a b/c",
        ] {
            assert_eq!(HubName::parse(name), None, "{name}");
        }
        assert_eq!(
            hub::find_all(cache.path()),
            [("org/a--b.c".to_owned(), snapshot)]
        );
    }
}
