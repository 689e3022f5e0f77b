//! Temporary files and folders: their names, the list of those that this process has not finished, and the
//! removal of what other processes left.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, File, Metadata};
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tempfile::{TempDir, TempPath};

use crate::util::sync::lock_ignoring_poison as lock;

const PREFIX: &str = ".shadernet-";
const SUFFIX: &str = ".tmp";
/// The number of random characters between the two.
const RANDOM: usize = 6;
/// What is younger may belong to a process that has created it and not locked it yet.
const MIN_AGE: Duration = Duration::from_hours(1);

/// The temporary files of this process. Locked while one is created, renamed or copied, so that none is
/// missed by [`remove_unfinished`].
static STATE: Mutex<State> = Mutex::new(State {
    unfinished: BTreeSet::new(),
    cleared: BTreeSet::new(),
});

#[derive(Debug)]
struct State {
    unfinished: BTreeSet<PathBuf>,
    /// The folders from which other processes' files have been removed.
    cleared: BTreeSet<PathBuf>,
}

/// Until this is dropped, other threads wait where they would create or finish a file.
#[derive(Debug)]
#[must_use = "dropped, it lets other threads create and finish files"]
pub struct Unfinished(
    #[expect(dead_code, reason = "held for its lock")] MutexGuard<'static, State>,
);

/// Removes the temporary files of this process, which is about to end: of a handler of Ctrl-C or of the
/// signals that end a process, on a thread of its own. This crate installs no handlers.
///
/// Files that threads are writing fail from now on; end the process before dropping the returned guard.
///
/// ```no_run
/// let unfinished = shadernet::output_file::remove_unfinished();
/// std::process::exit(130);
/// # #[expect(unreachable_code)]
/// drop(unfinished);
/// ```
pub fn remove_unfinished() -> Unfinished {
    let mut state = lock(&STATE);
    for path in std::mem::take(&mut state.unfinished) {
        // There is nobody to tell of a failure. One of the two applies.
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir_all(&path);
    }
    Unfinished(state)
}

/// A path in the list of unfinished files, until it is dropped.
#[derive(Debug)]
struct Listed(PathBuf);

impl Listed {
    fn new(state: &mut State, path: &Path) -> Self {
        state.unfinished.insert(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&STATE).unfinished.remove(&self.0);
    }
}

/// A file with a temporary name. It is removed when dropped.
#[derive(Debug)]
pub(super) struct TemporaryFile {
    /// Locked, which tells other processes that this one lives.
    file: File,
    path: TempPath,
    /// Dropped after the file is removed.
    _listed: Listed,
}

impl TemporaryFile {
    /// A file in `folder`. Only its owner can access it if it `is_private`; otherwise it has the permissions
    /// of a new file.
    pub fn new(folder: &Path, is_private: bool) -> io::Result<Self> {
        let folder = std::path::absolute(folder)?;
        let mut state = lock(&STATE);
        state.clear(&folder);
        let mut failure = None;
        let made = builder().make_in(&folder, |path| {
            let file = create(path, is_private);
            file.inspect_err(|error| failure = error.raw_os_error())
        });
        // The error without the temporary name, which tells the user nothing.
        let made = made.map_err(|error| match failure {
            Some(code) => io::Error::from_raw_os_error(code),
            None => error.kind().into(),
        })?;
        let (file, path) = made.into_parts();
        let listed = Listed::new(&mut state, &path);
        // Not all file systems have locks.
        let _ = file.try_lock();
        Ok(Self {
            file,
            path,
            _listed: listed,
        })
    }

    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Takes over the permissions and the owner of the file that this one replaces. Returns false where that
    /// is impossible, or where the file has other names, which would keep the old content.
    #[cfg(unix)]
    pub fn take_attributes(&self, of: &Metadata) -> bool {
        use std::os::unix::fs::{MetadataExt, fchown};

        let owner = |metadata: &Metadata| (metadata.uid(), metadata.gid());
        let has_owner = (self.file.metadata()).is_ok_and(|own| owner(&own) == owner(of))
            || fchown(&self.file, Some(of.uid()), Some(of.gid())).is_ok();
        // After the owner, since a change of owner resets some permissions.
        of.nlink() == 1 && has_owner && self.file.set_permissions(of.permissions()).is_ok()
    }

    #[cfg(not(unix))]
    pub fn take_attributes(&self, _: &Metadata) -> bool {
        true
    }

    /// Renames the file to `target`.
    pub fn persist(self, target: &Path) -> io::Result<()> {
        let Self {
            file,
            path,
            _listed,
        } = self;
        let state = lock(&STATE);
        let persisted = path.persist(target).map_err(|failed| failed.error);
        drop(state);
        drop(file);
        persisted
    }

    /// Replaces the content of `target`.
    pub fn copy_into(mut self, mut target: File) -> io::Result<()> {
        let state = lock(&STATE);
        self.file.rewind()?;
        target.set_len(0)?;
        io::copy(&mut self.file, &mut target)?;
        drop(state);
        Ok(())
    }
}

/// A folder with a temporary name. It is removed when dropped.
#[derive(Debug)]
pub(crate) struct TemporaryFolder {
    folder: TempDir,
    /// Locked, as temporary files are; `None` on Windows, where folders cannot be opened.
    _lock: Option<File>,
    _listed: Listed,
}

impl TemporaryFolder {
    /// A folder in `parent`, with the permissions of a new folder.
    pub fn new(parent: &Path) -> io::Result<Self> {
        let parent = std::path::absolute(parent)?;
        let mut state = lock(&STATE);
        state.clear(&parent);
        let mut builder = builder();
        // By default, temporary folders are accessible only to their owner.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let folder = builder.tempdir_in(parent);
        // The error without the temporary name.
        let folder = folder.map_err(|error| io::Error::from(error.kind()))?;
        let listed = Listed::new(&mut state, folder.path());
        let opened = File::open(folder.path()).ok();
        Ok(Self {
            _lock: opened.filter(|opened| opened.try_lock().is_ok()),
            folder,
            _listed: listed,
        })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Renames the folder to `target`, where nothing is.
    pub fn persist(self, target: &Path) -> io::Result<()> {
        let state = lock(&STATE);
        let renamed = fs::rename(self.folder.path(), target);
        drop(state);
        if renamed.is_ok() {
            // There is nothing to remove.
            let _ = self.folder.keep();
        }
        renamed
    }
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    builder
}

#[cfg_attr(
    not(unix),
    expect(unused_variables, reason = "files inherit their permissions")
)]
fn create(path: &Path, is_private: bool) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if is_private { 0o600 } else { 0o666 });
    options.open(path)
}

impl State {
    /// Removes what processes that are no more left in `folder`. Once per folder, as it lists all files.
    fn clear(&mut self, folder: &Path) {
        if !self.cleared.insert(folder.to_owned()) {
            return;
        }
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if is_temporary(&entry) && !self.unfinished.contains(&entry.path()) {
                // Whatever cannot be removed stays.
                let _ = remove_if_left(&entry);
            }
        }
    }
}

/// Whether a file has a name that this module gives.
fn is_temporary(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    let random = name.and_then(|name| name.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Removes a temporary file or folder that is old and not locked.
fn remove_if_left(entry: &DirEntry) -> io::Result<()> {
    let metadata = entry.metadata()?;
    let age = metadata.modified()?.elapsed().unwrap_or_default();
    if age < MIN_AGE {
        return Ok(());
    }
    let path = entry.path();
    // The lock is held until the file is removed. Locks of files need write access on some systems.
    if metadata.is_file() {
        let file = File::options().write(true).open(&path)?;
        file.try_lock()?;
        fs::remove_file(path)
    } else if metadata.is_dir() {
        let folder = File::open(&path)?;
        folder.try_lock()?;
        fs::remove_dir_all(path)
    } else {
        Ok(())
    }
}
