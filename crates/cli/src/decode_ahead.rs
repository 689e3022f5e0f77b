//! Decodes images on other threads, ahead of the network.

use std::iter;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rayon::prelude::*;
use shadernet::Result;

use super::Failure;
use super::report::{ImageResult, Report};

/// The file of an image, and the decoded image or why it could not be decoded.
pub type Decoded<T> = (PathBuf, Result<T>);

/// Calls `decode` for the images of `paths` on other threads, and `run` with the results in the order of
/// `paths`. At most `ahead` images are decoded ahead of `run`, which bounds memory.
pub fn decode_ahead<T: Send + 'static>(
    paths: Box<dyn Iterator<Item = Result<PathBuf>> + Send>,
    ahead: usize,
    decode: impl Fn(&Path) -> Result<T> + Send + Sync + 'static,
    run: impl FnOnce(Receiver<Decoded<T>>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (sender, listed) = sync_channel(ahead);
    // This thread is not joined: it may wait for a standard input that does not end.
    thread::spawn(move || {
        for path in paths {
            if sender.send(path).is_err() {
                return;
            }
        }
    });
    let (sender, decoded) = sync_channel(ahead);
    let decoder = thread::spawn(move || {
        while let Ok(first) = listed.recv() {
            // Only paths that are available already, so that no image waits for a path still to be written.
            let chunk: Vec<Result<PathBuf>> = iter::once(first)
                .chain(listed.try_iter().take(ahead - 1))
                .collect();
            let images: Vec<Decoded<T>> = (chunk.into_par_iter())
                .map(|path| match path {
                    Ok(path) => {
                        let image = decode(&path);
                        (path, image)
                    }
                    Err(error) => ("-".into(), Err(error)),
                })
                .collect();
            for image in images {
                if sender.send(image).is_err() {
                    return;
                }
            }
        }
    });
    let result = run(decoded);
    if result.is_ok()
        && let Err(panic) = decoder.join()
    {
        std::panic::resume_unwind(panic);
    }
    result
}

/// Reports the result of `process` for each image, or its error.
pub fn report_each<T, R: ImageResult>(
    images: Receiver<Decoded<T>>,
    report: &mut Report,
    mut process: impl FnMut(&Path, T) -> Result<R>,
) -> Result<(), Failure> {
    for (path, image) in images {
        match image.and_then(|image| process(&path, image)) {
            Ok(result) => report.success(&path, &result)?,
            Err(error) => report.failure(&path, &error)?,
        }
    }
    Ok(())
}
