//! Fetches the files of a model into the cache.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use indicatif::ProgressBar;
use shadernet::model_folder::{HubName, WEIGHTS_FILES};
use shadernet::printable;

use super::checksum::{Checksum, is_hex};
use super::failed;
use crate::{Failure, progress};

/// The hub, where `HF_ENDPOINT` names no other.
const ENDPOINT: &str = "https://huggingface.co";
const CONFIG: &str = "config.json";
/// The ending of the names of indexes of several files.
const INDEX: &str = ".index.json";
/// More than any repository's index of weights needs.
const MAX_INDEX_BYTES: u64 = 64 << 20;
/// How often a broken connection is tried again.
const RETRIES: usize = 3;
/// The most files that a message lists.
const MAX_LISTED: usize = 8;

/// A repository of the hub, and its folder in the cache.
pub struct Hub<'a> {
    name: HubName<'a>,
    endpoint: String,
    has_token: bool,
    api: Api,
    repository: ApiRepo,
    cache: Cache,
}

/// What [`Hub::fetch_model`] left in the cache.
pub struct Fetched {
    pub snapshot: PathBuf,
    pub files: Vec<String>,
    pub bytes: u64,
    /// How many of them were not there.
    pub downloaded: u64,
}

impl<'a> Hub<'a> {
    pub fn open(name: HubName<'a>, cache: PathBuf) -> Result<Self, Failure> {
        let endpoint = env::var("HF_ENDPOINT")
            .ok()
            .filter(|value| !value.is_empty());
        let endpoint = endpoint.unwrap_or_else(|| ENDPOINT.to_owned());
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let token = token(&cache);
        let cache = Cache::new(cache);
        let has_token = token.is_some();
        let api = ApiBuilder::from_cache(cache.clone())
            .with_endpoint(endpoint.clone())
            .with_token(token)
            .with_retries(RETRIES)
            .with_user_agent("shadernet", env!("CARGO_PKG_VERSION"))
            .build()
            .map_err(|error| failed(name, error))?;
        let repository = api.repo(repo(name));
        Ok(Self {
            name,
            endpoint,
            has_token,
            api,
            repository,
            cache,
        })
    }

    /// Fetches what a model folder holds.
    pub fn fetch_model(&self) -> Result<Fetched, Failure> {
        let info = (self.repository.info()).map_err(|error| self.failure(&error, None))?;
        let names: BTreeSet<String> = info
            .siblings
            .into_iter()
            .map(|file| file.rfilename)
            .collect();
        if !names.contains(CONFIG) {
            let listed: Vec<String> = names
                .iter()
                .take(MAX_LISTED)
                .map(|name| printable::name(name))
                .collect();
            return Err(self.failed(format!(
                "no {CONFIG} is in this repository, found {}; a model of timm's format was expected",
                match listed.is_empty() {
                    true => "no files".to_owned(),
                    false => listed.join(", "),
                }
            )));
        }
        let mut fetched = Fetched {
            snapshot: PathBuf::new(),
            files: Vec::new(),
            bytes: 0,
            downloaded: 0,
        };
        let config = self.fetch(CONFIG, &mut fetched)?;
        fetched.snapshot = config.parent().unwrap_or(&config).to_owned();
        let weights = WEIGHTS_FILES.into_iter().find(|&name| names.contains(name));
        let Some(weights) = weights else {
            return Err(self.failed(format!(
                "none of {} is in this repository; a model of timm's format was expected",
                WEIGHTS_FILES.join(", ")
            )));
        };
        let files = if weights.ends_with(INDEX) {
            let index = self.fetch(weights, &mut fetched)?;
            shards(&index).map_err(|reason| self.failed(format!("{weights}: {reason}")))?
        } else {
            BTreeSet::from([weights.to_owned()])
        };
        for file in &files {
            self.fetch(file, &mut fetched)?;
        }
        Ok(fetched)
    }

    /// Fetches a file, unless the cache has it, and returns its path.
    fn fetch(&self, file: &str, fetched: &mut Fetched) -> Result<PathBuf, Failure> {
        let fail = |error: ApiError| self.failure(&error, Some(file));
        let url = self.repository.url(file);
        let metadata = self.api.metadata(&url).map_err(fail)?;
        let (etag, commit) = (metadata.etag(), metadata.commit_hash());
        // They become names of files.
        let Some(checksum) = Checksum::parse(etag).filter(|_| is_hex(commit)) else {
            return Err(self.failed(format!(
                "{file}: the hub's headers etag and x-repo-commit were expected to be checksums, found '{}' and \
                 '{}'; is {} a Hugging Face hub?",
                printable::name(etag),
                printable::name(commit),
                self.endpoint
            )));
        };
        let cached = self.cache.repo(repo(self.name));
        let blob = cached.blob_path(etag);
        let path = cached.pointer_path(commit).join(file);
        let is_cached = path.is_file() && blob.is_file();
        if !is_cached {
            // A download that was ended after its last byte cannot be continued: there is nothing to ask for.
            let part = blob.with_extension("part");
            if fs::metadata(&part).is_ok_and(|part| part.len() >= metadata.size() as u64) {
                let _ = fs::remove_file(&part);
            }
            let bar = DownloadBar::new();
            (self.repository.download_with_progress(file, bar)).map_err(fail)?;
            fetched.downloaded += metadata.size() as u64;
        }
        let is_right = checksum
            .is_of(&path)
            .map_err(|error| self.failed(format!("{}: {error}", printable::path(&path))))?;
        if !is_right {
            // Both, so that nothing uses the file, and the next run fetches it again.
            for wrong in [&path, &blob] {
                let _ = fs::remove_file(wrong);
            }
            return Err(self.failed(format!(
                "{file}: the checksum {etag} was expected, found another; the file was removed: run the command \
                 again"
            )));
        }
        fetched.files.push(file.to_owned());
        fetched.bytes += metadata.size() as u64;
        Ok(path)
    }

    fn failed(&self, reason: impl Display) -> Failure {
        failed(self.name, reason)
    }

    fn failure(&self, error: &ApiError, file: Option<&str>) -> Failure {
        let what = match file {
            Some(file) => format!("{file}: "),
            None => String::new(),
        };
        let endpoint = &self.endpoint;
        let reason = match status(error) {
            Some(401 | 403 | 404) if !self.has_token => format!(
                "{endpoint} has no such model, revision or file, or it is private, or its terms have to be \
                 accepted: check the name, or set HF_TOKEN"
            ),
            Some(401 | 403) => format!(
                "{endpoint} refused the token: check that it may read this model, and that its terms were accepted"
            ),
            Some(404) => format!(
                "{endpoint} has no such model, revision or file, or hides it from this token"
            ),
            Some(status) => format!("{endpoint} returned HTTP status {status}; try again later"),
            None => format!(
                "{endpoint} cannot be reached, the connection broke off, or it is no Hugging Face hub: {error}; check \
                 the network and HF_ENDPOINT, and run the command again{}",
                file.map_or("", |_| ", which continues the download")
            ),
        };
        self.failed(format!("{what}{reason}"))
    }
}

fn repo(name: HubName<'_>) -> Repo {
    let revision = name.revision.to_owned();
    Repo::with_revision(name.repository.to_owned(), RepoType::Model, revision)
}

/// `HF_TOKEN`, or the token in the file `HF_TOKEN_PATH`, or in `token` in `HF_HOME` or beside the cache.
fn token(cache: &Path) -> Option<String> {
    let given = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let file = given("HF_TOKEN_PATH").map(PathBuf::from);
    let home = || given("HF_HOME").map(|home| PathBuf::from(home).join("token"));
    let file = file
        .or_else(home)
        .or_else(|| Some(cache.parent()?.join("token")));
    let stored = || fs::read_to_string(file?).ok();
    let token = given("HF_TOKEN").or_else(stored)?;
    let token = token.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

/// The files that an index names.
fn shards(index: &Path) -> Result<BTreeSet<String>, String> {
    let mut text = Vec::new();
    let read = File::open(index).and_then(|file| file.take(MAX_INDEX_BYTES).read_to_end(&mut text));
    read.map_err(|error| error.to_string())?;
    let index: serde_json::Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    let Some(map) = index["weight_map"].as_object() else {
        return Err("an object 'weight_map' was expected".to_owned());
    };
    let files: Option<BTreeSet<String>> = (map.values())
        .map(|file| {
            file.as_str()
                .filter(|file| is_file_name(file))
                .map(str::to_owned)
        })
        .collect();
    files.ok_or_else(|| "names of files beside it were expected in 'weight_map'".to_owned())
}

/// Whether `file` is in the folder itself.
fn is_file_name(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    )
}

/// The HTTP status of an error.
fn status(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::RequestError(error) => match **error {
            ureq::Error::StatusCode(status) => Some(status),
            _ => None,
        },
        ApiError::TooManyRetries(error) => status(error),
        _ => None,
    }
}

/// Shows the progress of a download.
struct DownloadBar(ProgressBar);

impl DownloadBar {
    fn new() -> Self {
        Self(progress::download())
    }
}

impl Progress for DownloadBar {
    fn init(&mut self, size: usize, file: &str) {
        self.0.set_length(size as u64);
        self.0.set_position(0);
        self.0.set_message(printable::name(file));
    }

    fn update(&mut self, size: usize) {
        self.0.inc(size as u64);
    }

    fn finish(&mut self) {
        self.0.finish_and_clear();
    }
}
