//! Pictures on their way to a network: decoded and prepared ahead of it, several at a time.

use std::iter;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rayon::prelude::*;
use shadernet::Result;

use super::Failure;

/// A picture's file, and the picture ready for the network or why there is none.
pub type Prepared<T> = (PathBuf, Result<T>);

/// Lets `make` prepare the pictures of `paths` on other threads, at most `ahead` of `run`, which
/// takes them in the order given. Memory stays flat however many there are.
pub fn ahead_of<T: Send + 'static>(
    paths: Box<dyn Iterator<Item = Result<PathBuf>> + Send>,
    ahead: usize,
    make: impl Fn(&Path) -> Result<T> + Send + Sync + 'static,
    run: impl FnOnce(Receiver<Prepared<T>>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (sender, listed) = sync_channel(ahead);
    // Never waited for: it may sit at a standard input that does not end.
    thread::spawn(move || {
        for path in paths {
            if sender.send(path).is_err() {
                return;
            }
        }
    });
    let (sender, prepared) = sync_channel(ahead);
    let preparing = thread::spawn(move || {
        while let Ok(first) = listed.recv() {
            // With it those that are there by now: no picture waits for a line still to be written.
            let chunk: Vec<Result<PathBuf>> = iter::once(first)
                .chain(listed.try_iter().take(ahead - 1))
                .collect();
            let pictures: Vec<Prepared<T>> = (chunk.into_par_iter())
                .map(|path| match path {
                    Ok(path) => {
                        let picture = make(&path);
                        (path, picture)
                    }
                    Err(error) => ("-".into(), Err(error)),
                })
                .collect();
            for picture in pictures {
                if sender.send(picture).is_err() {
                    return;
                }
            }
        }
    });
    let result = run(prepared);
    if result.is_ok()
        && let Err(panic) = preparing.join()
    {
        std::panic::resume_unwind(panic);
    }
    result
}
