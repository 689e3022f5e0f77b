//! What tuning reports.

use std::time::Duration;

use shadernet::session::ConvAlgorithm;
use shadernet::tuning::{Quarantined, Tuning};

/// The progress of [`tune`](super::tune), reported before each candidate.
#[derive(Clone, Copy, Debug)]
pub struct TuneProgress<'a> {
    /// The index of the layer.
    pub layer: usize,
    /// The number of layers; equal ones count once.
    pub layers: usize,
    /// The layer's signature.
    pub signature: &'a str,
    /// The candidate.
    pub kernel: ConvAlgorithm,
}

/// The result of [`tune`](super::tune).
#[derive(Clone, Debug)]
pub struct TuneReport {
    /// The layers, in the network's order; equal ones appear once.
    pub layers: Vec<TunedLayer>,
    /// The tuning for sessions.
    pub tuning: Tuning,
}

/// A convolution whose candidates have been timed.
#[derive(Clone, Debug)]
pub struct TunedLayer {
    /// Precision, shapes and settings in one line: convolutions with the same signature have the same
    /// algorithm.
    pub signature: String,
    /// The nodes that have it.
    pub nodes: Vec<String>,
    /// The heuristic's selection.
    pub heuristic: ConvAlgorithm,
    /// The result: the heuristic's selection unless another is faster by more than the margin.
    pub winner: ConvAlgorithm,
    /// All algorithms that were tried; none where the time was over.
    pub candidates: Vec<Candidate>,
}

/// A convolution and the algorithms that can compute it, none of them tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerCandidates {
    /// As [`TunedLayer::signature`].
    pub signature: String,
    /// The nodes that have it.
    pub nodes: Vec<String>,
    /// What [`tune`](super::tune) would try, the heuristic's selection first.
    pub kernels: Vec<ConvAlgorithm>,
}

/// An algorithm that was tried.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The algorithm.
    pub kernel: ConvAlgorithm,
    /// What came of it.
    pub outcome: CandidateOutcome,
}

/// What came of trying an algorithm.
#[derive(Clone, Debug)]
pub enum CandidateOutcome {
    /// Its result is right; its best time for one pass.
    Timed(Duration),
    /// Its result is wrong, or the device refused it, with the reason.
    Quarantined(String),
    /// It would exceed a limit of the device, with the limit.
    Impossible(String),
}

impl TuneReport {
    /// The algorithms that computed wrong results, each once.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        self.tuning.quarantined()
    }

    /// The layers that were not reached before the time was over or tuning was cancelled. They are not in the tuning, so
    /// that the heuristic selects their kernels.
    pub fn untimed(&self) -> impl Iterator<Item = &TunedLayer> {
        self.layers
            .iter()
            .filter(|layer| layer.candidates.is_empty())
    }
}

impl TunedLayer {
    /// The time of a candidate, where it has one.
    pub fn time(&self, kernel: ConvAlgorithm) -> Option<Duration> {
        let candidate = self.candidates.iter().find(|c| c.kernel == kernel)?;
        match candidate.outcome {
            CandidateOutcome::Timed(time) => Some(time),
            _ => None,
        }
    }

    /// The fastest that was timed, without `others`.
    pub(super) fn fastest_except(&self, others: &[ConvAlgorithm]) -> Option<ConvAlgorithm> {
        let candidates = self.candidates.iter().map(|candidate| candidate.kernel);
        candidates
            .filter(|kernel| !others.contains(kernel))
            .filter_map(|kernel| Some((self.time(kernel)?, kernel)))
            .min()
            .map(|(_, kernel)| kernel)
    }
}
