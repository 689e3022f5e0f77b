//! Runs decoded images through a network, several per pass.

use std::path::{Path, PathBuf};

use shadernet::{Error, ErrorKind, Result};

use super::Failure;
use super::decode_ahead::Decoded;
use super::report::{ImageResult, Report};

/// At most this many images are decoded ahead. Larger batches are not decoded completely while the device is
/// busy.
const MAX_AHEAD: usize = 256;

/// How many images are decoded ahead for batches of `batch` images.
pub fn ahead(batch: usize) -> usize {
    batch.min(MAX_AHEAD).max(rayon::current_num_threads())
}

/// The size of batches of `count` images, if that is known: a batch larger than that would never be full.
pub fn batch_size(batch: usize, count: Option<usize>) -> usize {
    count.map_or(batch, |count| batch.min(count.max(1)))
}

/// Calls `predict` for every `batch` of `images`, and `finish` for each image with its output, and reports the results
/// in the order of the images.
///
/// An image that cannot be used is reported, and the others of its batch run without it.
pub fn run_batches<T, O, R: ImageResult>(
    images: Decoded<T>,
    batch: usize,
    report: &mut Report,
    mut predict: impl FnMut(&[T]) -> Result<Vec<O>>,
    mut finish: impl FnMut(&Path, T, O) -> Result<R>,
) -> Result<(), Failure> {
    let mut pending = Pending {
        files: Vec::new(),
        images: Vec::new(),
    };
    for (path, image) in images {
        let image = image.map(|image| pending.images.push(image));
        pending.files.push((path, image));
        // Nothing waits for an image that could not be read.
        if pending.images.len() == batch || pending.images.is_empty() {
            pending.run(report, &mut predict, &mut finish)?;
        }
    }
    pending.run(report, &mut predict, &mut finish)
}

struct Pending<T> {
    /// Files in the order given: those whose images are in `images`, and those that could not be read.
    files: Vec<(PathBuf, Result<()>)>,
    images: Vec<T>,
}

impl<T> Pending<T> {
    /// Runs the batch that waits, and reports all files that do.
    fn run<O, R: ImageResult>(
        &mut self,
        report: &mut Report,
        predict: &mut impl FnMut(&[T]) -> Result<Vec<O>>,
        finish: &mut impl FnMut(&Path, T, O) -> Result<R>,
    ) -> Result<(), Failure> {
        let images = std::mem::take(&mut self.images);
        let outputs = outputs(&images, predict)?;
        let mut outputs = images.into_iter().zip(outputs);
        for (path, read) in self.files.drain(..) {
            let result = read.and_then(|()| match outputs.next() {
                Some((image, output)) => finish(&path, image, output?),
                // There is one output per image.
                None => Err(Error::Inputs(
                    "the network returned no output for it".to_owned(),
                )),
            });
            match result {
                Ok(result) => report.success(&path, &result)?,
                Err(error) => report.failure(&path, &error)?,
            }
        }
        Ok(())
    }
}

/// The output for every image. If that of some cannot be used, each image runs alone.
fn outputs<T, O>(
    images: &[T],
    predict: &mut impl FnMut(&[T]) -> Result<Vec<O>>,
) -> Result<Vec<Result<O>>> {
    let is_of_an_image = |error: &Error| {
        let kinds = [
            ErrorKind::InvalidInput,
            ErrorKind::Limit,
            ErrorKind::OutOfMemory,
        ];
        kinds.contains(&error.kind())
    };
    if images.is_empty() {
        return Ok(Vec::new());
    }
    match predict(images) {
        Ok(outputs) => Ok(outputs.into_iter().map(Ok).collect()),
        Err(error) if !is_of_an_image(&error) => Err(error),
        Err(error) if images.len() == 1 => Ok(vec![Err(error)]),
        Err(_) => Ok((images.chunks(1))
            .map(|image| Ok(predict(image)?.swap_remove(0)))
            .collect()),
    }
}
