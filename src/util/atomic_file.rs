//! Atomic file writes: other processes see the old content or the new, never a part.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// A temporary file in `folder`, to be written and then persisted under its final name.
pub(crate) fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".shadernet-").suffix(".tmp");
    // By default, only the owner can access temporary files; this one becomes an ordinary file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(|error| {
        use ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match error.kind() {
            // Without the name of the temporary file, which the user does not know.
            kind @ (PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull) => {
                kind.into()
            }
            _ => error,
        }
    })
}

/// Writes `bytes` to `path`. Makes its folder if needed.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut file = temporary_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
