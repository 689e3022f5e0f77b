//! Runs decoded images through a network, several per pass.

use std::collections::VecDeque;
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

/// What makes outputs of images, in two parts, so that several batches can be in flight.
pub trait Predict<T> {
    /// A batch in flight.
    type Pass;
    type Output;

    fn start(&mut self, images: &[T]) -> Result<Self::Pass>;
    /// The outputs of a pass for these images.
    fn wait(&mut self, pass: Self::Pass, images: &[T]) -> Result<Vec<Self::Output>>;
    /// How many batches may be in flight.
    fn in_flight(&self) -> usize;
}

/// One batch at a time.
struct AtOnce<F>(F);

impl<T, O, F: FnMut(&[T]) -> Result<Vec<O>>> Predict<T> for AtOnce<F> {
    type Pass = ();
    type Output = O;

    fn start(&mut self, _: &[T]) -> Result<()> {
        Ok(())
    }

    fn wait(&mut self, (): (), images: &[T]) -> Result<Vec<O>> {
        (self.0)(images)
    }

    fn in_flight(&self) -> usize {
        1
    }
}

/// As [`run_batches_in_flight`], with one batch at a time.
pub fn run_batches<T, O, R: ImageResult>(
    images: Decoded<T>,
    batch: usize,
    report: &mut Report,
    predict: impl FnMut(&[T]) -> Result<Vec<O>>,
    finish: impl FnMut(&Path, T, O) -> Result<R>,
) -> Result<(), Failure> {
    run_batches_in_flight(images, batch, report, AtOnce(predict), finish)
}

/// Runs every `batch` of `images`, calls `finish` for each image with its output, and reports the results in the order
/// of the images.
///
/// An image that cannot be used is reported, and the others of its batch run without it.
pub fn run_batches_in_flight<T, P: Predict<T>, R: ImageResult>(
    images: Decoded<T>,
    batch: usize,
    report: &mut Report,
    mut predict: P,
    mut finish: impl FnMut(&Path, T, P::Output) -> Result<R>,
) -> Result<(), Failure> {
    let mut passes = VecDeque::new();
    let mut pending = Batch::default();
    for (path, image) in images {
        let image = image.map(|image| pending.images.push(image));
        pending.files.push((path, image));
        // Nothing waits for an image that could not be read.
        if pending.images.len() == batch || pending.images.is_empty() {
            let full = std::mem::take(&mut pending);
            passes.push_back(full.start(&mut predict)?);
        }
        while passes.len() >= predict.in_flight()
            && let Some(oldest) = passes.pop_front()
        {
            oldest.report(report, &mut predict, &mut finish)?;
        }
    }
    passes.push_back(pending.start(&mut predict)?);
    for pass in passes {
        pass.report(report, &mut predict, &mut finish)?;
    }
    Ok(())
}

struct Batch<T> {
    /// Files in the order given: those whose images are in `images`, and those that could not be read.
    files: Vec<(PathBuf, Result<()>)>,
    images: Vec<T>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            images: Vec::new(),
        }
    }
}

/// A batch in flight; `None` where none of its images could be read.
struct Started<T, P> {
    batch: Batch<T>,
    pass: Option<Result<P>>,
}

impl<T> Batch<T> {
    fn start<P: Predict<T>>(self, predict: &mut P) -> Result<Started<T, P::Pass>> {
        let pass = (!self.images.is_empty()).then(|| predict.start(&self.images));
        Ok(Started { batch: self, pass })
    }
}

impl<T, Pass> Started<T, Pass> {
    /// Waits for the pass and reports all files of the batch.
    fn report<P: Predict<T, Pass = Pass>, R: ImageResult>(
        self,
        report: &mut Report,
        predict: &mut P,
        finish: &mut impl FnMut(&Path, T, P::Output) -> Result<R>,
    ) -> Result<(), Failure> {
        let Batch { files, images } = self.batch;
        let outputs = match self.pass {
            Some(pass) => outputs(pass, &images, predict)?,
            None => Vec::new(),
        };
        let mut outputs = images.into_iter().zip(outputs);
        for (path, read) in files {
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
fn outputs<T, P: Predict<T>>(
    pass: Result<P::Pass>,
    images: &[T],
    predict: &mut P,
) -> Result<Vec<Result<P::Output>>> {
    let is_of_an_image = |error: &Error| {
        let kinds = [
            ErrorKind::InvalidInput,
            ErrorKind::Limit,
            ErrorKind::OutOfMemory,
        ];
        kinds.contains(&error.kind())
    };
    match pass.and_then(|pass| predict.wait(pass, images)) {
        Ok(outputs) => Ok(outputs.into_iter().map(Ok).collect()),
        Err(error) if !is_of_an_image(&error) => Err(error),
        Err(error) if images.len() == 1 => Ok(vec![Err(error)]),
        Err(_) => Ok((images.chunks(1))
            .map(|image| {
                let pass = predict.start(image)?;
                Ok(predict.wait(pass, image)?.swap_remove(0))
            })
            .collect()),
    }
}
