//! How tuning times.

use std::time::Duration;

use shadernet::gpu::Precision;
use shadernet::passes::PassOptions;
use shadernet::session::ConvAlgorithm;

/// How [`tune`](super::tune) times.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TuneOptions {
    /// The precision of the sessions to tune for: algorithms are selected for each separately.
    pub precision: Precision,
    /// The passes of the sessions to tune for: a convolution is timed with all that is fused into it.
    pub passes: PassOptions,
    /// How often each candidate is timed, at least once. The best time counts.
    pub rounds: usize,
    /// The least duration of a round. A candidate runs several times in it if it is faster.
    pub round: Duration,
    /// The part of its time by which a candidate must be faster than the heuristic's selection to
    /// replace it.
    pub margin: f64,
    /// The algorithms that are tried besides the heuristic's selection; all if empty. Software drivers
    /// take seconds to compile some.
    pub only: Vec<ConvAlgorithm>,
    /// Also tries the tiles that are estimated to be much slower than the best one.
    pub exhaustive: bool,
    /// How long tuning may take, about; `None` for as long as it needs. The layers that are not reached keep the
    /// heuristic's selection: see [`TuneReport::untimed`](super::TuneReport::untimed).
    pub budget: Option<Duration>,
    /// A pause before each candidate, in which an app can use the device.
    pub pause: Duration,
}

impl Default for TuneOptions {
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            passes: PassOptions::default(),
            rounds: 5,
            round: Duration::from_millis(5),
            margin: 0.03,
            only: Vec::new(),
            exhaustive: false,
            budget: None,
            pause: Duration::ZERO,
        }
    }
}

impl TuneOptions {
    /// The defaults: float32, all passes, five rounds of 5 ms, a margin of 3 %, all algorithms that are not estimated to
    /// be slow, as much time as it takes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Self::precision`].
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets [`Self::passes`].
    pub fn passes(mut self, passes: PassOptions) -> Self {
        self.passes = passes;
        self
    }

    /// Sets [`Self::rounds`].
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Sets [`Self::round`].
    pub fn round(mut self, round: Duration) -> Self {
        self.round = round;
        self
    }

    /// Sets [`Self::margin`].
    pub fn margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// Sets [`Self::only`].
    pub fn only(mut self, only: impl Into<Vec<ConvAlgorithm>>) -> Self {
        self.only = only.into();
        self
    }

    /// Sets [`Self::exhaustive`].
    pub fn exhaustive(mut self, exhaustive: bool) -> Self {
        self.exhaustive = exhaustive;
        self
    }

    /// Sets [`Self::budget`].
    pub fn budget(mut self, budget: impl Into<Option<Duration>>) -> Self {
        self.budget = budget.into();
        self
    }

    /// Sets [`Self::pause`].
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }
}
