//! Models in the cache of the Hugging Face hub, which Python's `huggingface_hub` and `shadernet pull` fill.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::CONFIG;

/// What may stand before a name on the hub, as in timm.
const PREFIX: &str = "hf-hub:";
/// The revision of a name that has none.
const MAIN: &str = "main";

/// A model on the Hugging Face hub: `org/name`, `hf-hub:org/name`, or either with `@REVISION`.
///
/// ```
/// use shadernet::model_folder::HubName;
///
/// let name = HubName::parse("hf-hub:timm/resnet18.a1_in1k@v2").unwrap();
/// assert_eq!((name.repository, name.revision), ("timm/resnet18.a1_in1k", "v2"));
/// assert!(HubName::parse("models/a/b").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubName<'a> {
    /// `org/name`.
    pub repository: &'a str,
    /// A branch, tag or commit; `main` where the name has none.
    pub revision: &'a str,
}

impl<'a> HubName<'a> {
    /// The parts of `name`; `None` where it is not a name on the hub.
    pub fn parse(name: &'a str) -> Option<Self> {
        let name = name.strip_prefix(PREFIX).unwrap_or(name);
        let (repository, revision) = name.split_once('@').unwrap_or((name, MAIN));
        let (organization, model) = repository.split_once('/')?;
        let is_valid = |part: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && part.chars().all(is_plain) && !part.starts_with('.')
        };
        // A revision may be a path, such as `refs/pr/1`.
        let parts = [organization, model].into_iter().chain(revision.split('/'));
        parts.into_iter().all(is_valid).then_some(Self {
            repository,
            revision,
        })
    }

    /// The folder of the repository in the cache.
    fn folder(&self) -> String {
        format!("models--{}", self.repository.replace('/', "--"))
    }

    /// The files of the revision in the cache: `snapshots/COMMIT`, where `refs/REVISION` has the commit, or the
    /// revision is one.
    pub(super) fn find(&self, cache: &Path) -> Option<PathBuf> {
        let repository = cache.join(self.folder());
        let commit = fs::read_to_string(repository.join("refs").join(self.revision));
        let commit = commit.as_deref().map_or(self.revision, str::trim);
        let snapshot = repository.join("snapshots").join(commit);
        (is_plain_name(commit) && snapshot.is_dir()).then_some(snapshot)
    }
}

fn is_plain_name(commit: &str) -> bool {
    !commit.is_empty() && commit.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Whether `name` can only be one on the hub.
pub(super) fn has_prefix(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The folder of the cache: `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or `huggingface/hub` in `XDG_CACHE_HOME` or
/// `.cache` in the home folder, as in Python's `huggingface_hub`. `None` where there is no home folder either.
pub fn hub_cache() -> Option<PathBuf> {
    let folder = |name: &str| {
        let value = env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let home = || {
        let caches = folder("XDG_CACHE_HOME").or_else(|| Some(env::home_dir()?.join(".cache")));
        Some(caches?.join("huggingface"))
    };
    folder("HF_HUB_CACHE").or_else(|| Some(folder("HF_HOME").or_else(home)?.join("hub")))
}

/// The model folders in `cache` with the names of their repositories, sorted: those of the revision `main` with a
/// `config.json`.
pub(super) fn find_all(cache: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(cache) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let folder = entry.file_name().into_string().ok()?;
            let repository = folder.strip_prefix("models--")?.replacen("--", "/", 1);
            let path = HubName::parse(&repository)?.find(cache)?;
            path.join(CONFIG).is_file().then_some((repository, path))
        })
        .collect();
    found.sort();
    found
}
