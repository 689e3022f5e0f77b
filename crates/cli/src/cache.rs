//! The folder in which the command caches compiled shaders and tuned kernels.

use std::path::PathBuf;

use directories::ProjectDirs;

/// `SHADERNET_CACHE`, or the platform's cache folder. `None` if the variable is empty, which turns the cache
/// off, or if the platform has no cache folder.
pub fn folder() -> Option<PathBuf> {
    match std::env::var_os("SHADERNET_CACHE") {
        Some(folder) if folder.is_empty() => None,
        Some(folder) => Some(folder.into()),
        None => ProjectDirs::from("", "", "shadernet").map(|dirs| dirs.cache_dir().to_owned()),
    }
}
