//! Many images through a task: decoded on all threads, several passes in flight, interruptible between passes.

use std::collections::VecDeque;

use image::RgbImage;
use pyo3::prelude::*;
use rayon::prelude::*;
use shadernet::Error;

use crate::errors::to_python;
use crate::images::Source;

/// Passes in flight at most, as many as a session allows.
const IN_FLIGHT: usize = 3;

/// What a task does with images once they are prepared, in the steps that overlap.
pub trait Passes {
    /// An image ready for a batch.
    type Input: Send;
    /// A batch in flight.
    type Pass;
    /// What is found in an image.
    type Output;

    fn start(&self, inputs: &[Self::Input]) -> shadernet::Result<Self::Pass>;
    /// An output for each input.
    fn finish(
        &self,
        pass: Self::Pass,
        inputs: &[Self::Input],
    ) -> shadernet::Result<Vec<Self::Output>>;
}

/// Why a run over images ended early.
pub enum Stopped {
    /// A signal's handler raised an exception, such as `KeyboardInterrupt`.
    Raised(PyErr),
    Failed(Error),
}

impl Stopped {
    pub fn into_exception(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Raised(error) => error,
            Self::Failed(error) => to_python(py, &error),
        }
    }
}

/// Sets the output for each of `images` at its number, `batch` to a pass. `prepare` is called on all threads. An image
/// that cannot be used has an error of its own; an error of the device ends the run. Is called without the interpreter's
/// lock.
pub fn run<T: Passes>(
    task: &T,
    prepare: impl Fn(RgbImage) -> shadernet::Result<T::Input> + Sync,
    images: Vec<(usize, Source)>,
    outputs: &mut [Option<shadernet::Result<T::Output>>],
    batch: usize,
) -> Result<(), Stopped> {
    // Enough for all threads to decode while passes run.
    let group = batch.max(2 * rayon::current_num_threads());
    let mut passes: VecDeque<Started<T>> = VecDeque::new();
    let mut images = images.into_iter();
    let mut waiting: Vec<(usize, T::Input)> = Vec::new();
    loop {
        let sources: Vec<(usize, Source)> = images.by_ref().take(group).collect();
        let is_last = sources.len() < group;
        let prepared: Vec<_> = sources
            .into_par_iter()
            .map(|(i, source)| (i, source.pixels().and_then(&prepare)))
            .collect();
        check_signals()?;
        for (i, input) in prepared {
            match input {
                Ok(input) => waiting.push((i, input)),
                Err(error) => outputs[i] = Some(Err(error)),
            }
            if waiting.len() == batch {
                if passes.len() == IN_FLIGHT {
                    end_oldest(task, &mut passes, outputs)?;
                }
                passes.push_back(start(task, std::mem::take(&mut waiting)));
            }
        }
        if is_last {
            break;
        }
    }
    if !waiting.is_empty() {
        passes.push_back(start(task, waiting));
    }
    while !passes.is_empty() {
        end_oldest(task, &mut passes, outputs)?;
    }
    Ok(())
}

/// Runs the handlers of signals that have arrived.
fn check_signals() -> Result<(), Stopped> {
    Python::attach(|py| py.check_signals()).map_err(Stopped::Raised)
}

/// A batch in flight, with the numbers of its images.
struct Started<T: Passes> {
    numbers: Vec<usize>,
    inputs: Vec<T::Input>,
    pass: shadernet::Result<T::Pass>,
}

fn start<T: Passes>(task: &T, images: Vec<(usize, T::Input)>) -> Started<T> {
    let (numbers, inputs): (Vec<_>, Vec<_>) = images.into_iter().unzip();
    let pass = task.start(&inputs);
    Started {
        numbers,
        inputs,
        pass,
    }
}

fn end_oldest<T: Passes>(
    task: &T,
    passes: &mut VecDeque<Started<T>>,
    outputs: &mut [Option<shadernet::Result<T::Output>>],
) -> Result<(), Stopped> {
    let Some(oldest) = passes.pop_front() else {
        return Ok(());
    };
    let Started {
        numbers,
        inputs,
        pass,
    } = oldest;
    let found = match pass.and_then(|pass| task.finish(pass, &inputs)) {
        Ok(found) => found.into_iter().map(Ok).collect(),
        Err(error) if !error.kind().is_of_input() => return Err(Stopped::Failed(error)),
        Err(error) if inputs.len() == 1 => vec![Err(error)],
        // One of them: each runs alone.
        Err(_) => (inputs.iter())
            .map(|input| {
                let input = std::slice::from_ref(input);
                let pass = task.start(input)?;
                Ok(task.finish(pass, input)?.swap_remove(0))
            })
            .collect::<Vec<_>>(),
    };
    for (i, output) in numbers.into_iter().zip(found) {
        outputs[i] = Some(output);
    }
    check_signals()
}
