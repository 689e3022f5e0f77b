//! A pass split into chunks, for hosts that draw in between.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::prepared_plan::PreparedPlan;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};

/// A pass that is recorded in chunks, each of which takes the device about the requested time at most: see
/// [`Session::encode_chunks`](super::Session::encode_chunks).
///
/// Dropping it cancels the pass: the host may or may not submit the recorded chunks, and the others are never
/// recorded. It borrows nothing, so that an app can keep it from frame to frame.
pub struct PassChunks {
    gpu: Gpu,
    prepared: Arc<PreparedPlan>,
    /// The number of the pass, see `BoundPlan::begin`.
    pass: u64,
    /// Ranges of steps.
    chunks: Vec<Range<usize>>,
    /// The duration of the longest chunk, in seconds.
    longest: f64,
    next: usize,
}

impl PassChunks {
    pub(super) fn new(
        gpu: &Gpu,
        prepared: &Arc<PreparedPlan>,
        pass: u64,
        seconds: &[f64],
        max: Duration,
    ) -> Self {
        let chunks = split(seconds, max.as_secs_f64());
        let duration = |chunk: &Range<usize>| seconds[chunk.clone()].iter().sum::<f64>();
        Self {
            gpu: gpu.clone(),
            prepared: prepared.clone(),
            pass,
            longest: chunks.iter().map(duration).fold(0.0, f64::max),
            chunks,
            next: 0,
        }
    }

    /// Records the next chunk. Returns the outputs with the last chunk, as
    /// [`Session::encode`](super::Session::encode) does; `None` before that, and when all chunks are recorded.
    ///
    /// # Errors
    /// [`Error::Inputs`] where another pass of the session on inputs of these shapes was begun after this one:
    /// both use the same memory. [`Error::DeviceLost`] where the device is lost.
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<Option<Vec<GpuTensor>>> {
        self.gpu.check_lost("recording a chunk of a pass")?;
        if !self.prepared.plan.is_latest(self.pass) {
            return Err(Error::Inputs(
                "a pass in chunks cannot continue: another pass was begun on the same session, and has \
                 overwritten its values; begin it again"
                    .to_owned(),
            ));
        }
        let Some(chunk) = self.chunks.get(self.next) else {
            return Ok(None);
        };
        self.prepared.plan.encode_steps(encoder, chunk.clone());
        self.next += 1;
        let is_last = self.next == self.chunks.len();
        Ok(is_last.then(|| self.prepared.plan.outputs.clone()))
    }

    /// The number of recorded chunks, and the total.
    pub fn progress(&self) -> (usize, usize) {
        (self.next, self.chunks.len())
    }

    /// The measured duration of the longest chunk. It exceeds the requested maximum where a single step does.
    pub fn longest(&self) -> Duration {
        Duration::from_secs_f64(self.longest)
    }
}

impl fmt::Debug for PassChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassChunks")
            .field("chunks", &self.chunks)
            .field("longest", &self.longest)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Splits steps of these durations into as few chunks of at most `max` as their order allows. A step that takes
/// longer is a chunk of its own.
fn split(seconds: &[f64], max: f64) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let (mut start, mut duration) = (0, 0.0);
    for (step, seconds) in seconds.iter().enumerate() {
        if step > start && duration + seconds > max {
            chunks.push(start..step);
            (start, duration) = (step, 0.0);
        }
        duration += seconds;
    }
    // Also where there are no steps, because the outputs are the inputs: the last chunk returns them.
    chunks.push(start..seconds.len());
    chunks
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    #[allow(
        clippy::single_range_in_vec_init,
        reason = "lists that happen to have one chunk"
    )]
    fn chunks_are_within_the_budget() {
        assert_eq!(split(&[1.0, 1.0, 1.0, 1.0], 2.0), [0..2, 2..4]);
        assert_eq!(split(&[1.0, 5.0, 1.0, 1.0], 2.0), [0..1, 1..2, 2..4]);
        assert_eq!(split(&[5.0], 2.0), [0..1]);
        assert_eq!(split(&[1.0, 1.0], 0.0), [0..1, 1..2]);
        assert_eq!(split(&[], 1.0), [0..0]);
    }
}
