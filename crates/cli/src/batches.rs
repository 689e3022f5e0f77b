//! Runs decoded images through a network, several per pass.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use shadernet::device::Device;
use shadernet::{Error, Result};

use super::Failure;
use super::decode_ahead::{Decoded, NotReady};
use super::image_id::ImageId;
use super::report::{ImageResult, Report};

/// At most this many images are decoded ahead. Larger batches are not decoded completely while the device is
/// busy.
const MAX_AHEAD: usize = 256;
/// Passes in flight at most, as many as a session allows: one is uploaded and one read back while a third runs.
const MAX_IN_FLIGHT: usize = 3;

/// How many images are decoded ahead for batches of `batch` images.
pub fn ahead(batch: usize) -> usize {
    // Two for each thread: images are taken in order, and the one that the others wait for may be a large one.
    (batch.min(MAX_AHEAD)).max(2 * rayon::current_num_threads())
}

/// How many passes of a session on `device` are in flight.
pub fn in_flight(device: &Device) -> usize {
    match device {
        // A thread for each pass is faster than all threads for one, since none waits for another. One more than
        // threads waits for the first that is free.
        Device::Cpu(cpu) => MAX_IN_FLIGHT.min(cpu.threads() + 1),
        Device::Gpu(_) => MAX_IN_FLIGHT,
        // Its time does not matter, its memory does.
        _ => 1,
    }
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

/// Runs every `batch` of `images`, calls `finish` for each image with its output, and reports the results in the order
/// of the images.
///
/// A pass is started while others run, if the images for it are there. If they are not, the results of those that run
/// come first: images may come from a camera, and each result is awaited.
///
/// An image that cannot be used is reported, and the others of its batch run without it.
pub fn run_batches_in_flight<T, P: Predict<T>, R: ImageResult>(
    mut images: Decoded<T>,
    batch: usize,
    report: &mut Report,
    mut predict: P,
    mut finish: impl FnMut(&Path, T, P::Output) -> Result<R>,
) -> Result<(), Failure> {
    let mut passes = VecDeque::new();
    let mut pending = Batch::default();
    let mut times = Times::start();
    loop {
        let next = match images.next_if_ready() {
            Ok(next) => next,
            Err(NotReady) => match passes.pop_front() {
                Some(oldest) => {
                    times.report(oldest, report, &mut predict, &mut finish)?;
                    continue;
                }
                None => {
                    let start = Instant::now();
                    let next = images.next();
                    times.waiting += start.elapsed();
                    next
                }
            },
        };
        let Some((id, image)) = next else { break };
        let image = image.map(|image| pending.images.push(image));
        pending.files.push((id, image));
        // Nothing waits for an image that could not be read.
        if pending.images.len() == batch || pending.images.is_empty() {
            passes.push_back(times.start_pass(std::mem::take(&mut pending), &mut predict));
        }
        while passes.len() >= predict.in_flight()
            && let Some(oldest) = passes.pop_front()
        {
            times.report(oldest, report, &mut predict, &mut finish)?;
        }
    }
    times.end_images();
    passes.push_back(times.start_pass(pending, &mut predict));
    for pass in passes {
        times.report(pass, report, &mut predict, &mut finish)?;
    }
    report.took(TimesTaken {
        without_pass: times.without_pass,
        waiting: times.waiting,
        decoding: images.decoding(),
    });
    Ok(())
}

/// Where the time of a run went.
pub struct TimesTaken {
    /// Without a pass in flight.
    pub without_pass: Duration,
    /// Of that, waiting for images.
    pub waiting: Duration,
    /// Decoding images, all threads together.
    pub decoding: Duration,
}

/// Measures where the time goes.
struct Times {
    /// Passes in flight.
    running: usize,
    /// Since when there has been none, if there is none.
    idle_since: Instant,
    without_pass: Duration,
    waiting: Duration,
}

impl Times {
    fn start() -> Self {
        Self {
            running: 0,
            idle_since: Instant::now(),
            without_pass: Duration::ZERO,
            waiting: Duration::ZERO,
        }
    }

    fn start_pass<T, P: Predict<T>>(
        &mut self,
        batch: Batch<T>,
        predict: &mut P,
    ) -> Started<T, P::Pass> {
        let pass = (!batch.images.is_empty()).then(|| predict.start(&batch.images));
        if pass.is_some() {
            if self.running == 0 {
                self.without_pass += self.idle_since.elapsed();
            }
            self.running += 1;
        }
        Started { batch, pass }
    }

    /// The time after the last pass was waiting, too.
    fn end_images(&mut self) {
        if self.running == 0 {
            self.without_pass += self.idle_since.elapsed();
            self.idle_since = Instant::now();
        }
    }

    /// Waits for a pass and reports all files of its batch.
    fn report<T, P: Predict<T>, R: ImageResult>(
        &mut self,
        pass: Started<T, P::Pass>,
        report: &mut Report,
        predict: &mut P,
        finish: &mut impl FnMut(&Path, T, P::Output) -> Result<R>,
    ) -> Result<(), Failure> {
        let Started { batch, pass } = pass;
        let outputs = match pass {
            Some(pass) => {
                let outputs = outputs(pass, &batch.images, predict)?;
                self.running -= 1;
                self.idle_since = Instant::now();
                outputs
            }
            None => Vec::new(),
        };
        batch.report(outputs, report, finish)
    }
}

struct Batch<T> {
    /// Files in the order given: those whose images are in `images`, and those that could not be read.
    files: Vec<(ImageId, Result<()>)>,
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
    /// Reports all files, with the outputs for those that could be read.
    fn report<O, R: ImageResult>(
        self,
        outputs: Vec<Result<O>>,
        report: &mut Report,
        finish: &mut impl FnMut(&Path, T, O) -> Result<R>,
    ) -> Result<(), Failure> {
        let mut outputs = self.images.into_iter().zip(outputs);
        for (id, read) in self.files {
            let result = read.and_then(|()| match outputs.next() {
                Some((image, output)) => finish(&id.path(), image, output?),
                // There is one output per image.
                None => Err(Error::Inputs(
                    "the network returned no output for it".to_owned(),
                )),
            });
            match result {
                Ok(result) => report.success(&id, &result)?,
                Err(error) => report.failure(&id, &error)?,
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
    match pass.and_then(|pass| predict.wait(pass, images)) {
        Ok(outputs) => Ok(outputs.into_iter().map(Ok).collect()),
        Err(error) if !error.kind().is_of_input() => Err(error),
        Err(error) if images.len() == 1 => Ok(vec![Err(error)]),
        Err(_) => Ok((images.chunks(1))
            .map(|image| {
                let pass = predict.start(image)?;
                Ok(predict.wait(pass, image)?.swap_remove(0))
            })
            .collect()),
    }
}

#[cfg(test)]
mod tests;
