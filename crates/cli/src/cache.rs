//! Where the command keeps pipelines between runs.

use std::path::PathBuf;

use directories::ProjectDirs;

/// `SHADERNET_CACHE`, else the platform's folder for caches. None where the variable is set to
/// nothing, which switches the cache off, or where there is no such folder.
pub fn folder() -> Option<PathBuf> {
    match std::env::var_os("SHADERNET_CACHE") {
        Some(folder) if folder.is_empty() => None,
        Some(folder) => Some(folder.into()),
        None => ProjectDirs::from("", "", "shadernet").map(|dirs| dirs.cache_dir().to_owned()),
    }
}
