//! A pass cut into pieces, for hosts that draw in between.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::prepared_plan::PreparedPlan;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};

/// A pass that is recorded piece by piece, each taking the device about as long as was asked for at the
/// most: see [`Session::encode_chunks`](super::Session::encode_chunks).
///
/// Dropping it cancels the pass: what was recorded is the host's to submit or not, and what was not is
/// never done. It borrows nothing, so that an app can keep it from frame to frame.
pub struct PassChunks {
    gpu: Gpu,
    prepared: Arc<PreparedPlan>,
    /// The pass's, see `BoundPlan::begin`.
    number: u64,
    pieces: Vec<Range<usize>>,
    /// The longest piece, in seconds.
    longest: f64,
    next: usize,
}

impl PassChunks {
    pub(super) fn new(
        gpu: &Gpu,
        prepared: &Arc<PreparedPlan>,
        number: u64,
        seconds: &[f64],
        max: Duration,
    ) -> Self {
        let pieces = pieces(seconds, max.as_secs_f64());
        let taken = |piece: &Range<usize>| seconds[piece.clone()].iter().sum::<f64>();
        Self {
            gpu: gpu.clone(),
            prepared: prepared.clone(),
            number,
            longest: pieces.iter().map(taken).fold(0.0, f64::max),
            pieces,
            next: 0,
        }
    }

    /// Records the next piece. With the last one come the outputs, as from
    /// [`Session::encode`](super::Session::encode); before, and when all are recorded, none.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the session was run on inputs of these shapes since this pass was begun:
    /// both use the same memory. [`Error::DeviceLost`] where the device is lost.
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<Option<Vec<GpuTensor>>> {
        if self.gpu.is_lost() {
            return Err(self.gpu.error("recording a piece of a pass", "lost"));
        }
        if !self.prepared.plan.is_latest(self.number) {
            return Err(Error::Inputs(
                "a pass in pieces cannot go on: another was begun on the same session, and has \
                 overwritten its values; begin it anew"
                    .to_owned(),
            ));
        }
        let Some(piece) = self.pieces.get(self.next) else {
            return Ok(None);
        };
        self.prepared.plan.encode_steps(encoder, piece.clone());
        self.next += 1;
        let is_last = self.next == self.pieces.len();
        Ok(is_last.then(|| self.prepared.plan.outputs.clone()))
    }

    /// How many pieces have been recorded, and how many there are.
    pub fn progress(&self) -> (usize, usize) {
        (self.next, self.pieces.len())
    }

    /// What the longest piece took when steps were measured. It is longer than what was asked for where
    /// one step alone is.
    pub fn longest(&self) -> Duration {
        Duration::from_secs_f64(self.longest)
    }
}

/// Steps of these times in as few pieces of at most `max` as their order allows; a step that takes
/// longer is a piece of its own.
fn pieces(seconds: &[f64], max: f64) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut taken) = (0, 0.0);
    for (step, seconds) in seconds.iter().enumerate() {
        if step > start && taken + seconds > max {
            pieces.push(start..step);
            (start, taken) = (step, 0.0);
        }
        taken += seconds;
    }
    // A graph whose outputs are its inputs has no steps, but its pass an end.
    pieces.push(start..seconds.len());
    pieces
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    #[allow(
        clippy::single_range_in_vec_init,
        reason = "lists of pieces, of which there is one"
    )]
    fn pieces_are_within_the_budget() {
        assert_eq!(pieces(&[1.0, 1.0, 1.0, 1.0], 2.0), [0..2, 2..4]);
        assert_eq!(pieces(&[1.0, 5.0, 1.0, 1.0], 2.0), [0..1, 1..2, 2..4]);
        assert_eq!(pieces(&[5.0], 2.0), [0..1]);
        assert_eq!(pieces(&[1.0, 1.0], 0.0), [0..1, 1..2]);
        assert_eq!(pieces(&[], 1.0), [0..0]);
    }
}
