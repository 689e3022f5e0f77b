//! Timed passes and what is said of them.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use shadernet::samples::Samples;

/// Passes are timed for as long as this, and [`LEAST_ROUNDS`] times at least.
const LONG_ENOUGH: Duration = Duration::from_secs(3);
const LEAST_ROUNDS: usize = 10;
/// Passes before the timed ones go on for as long as this, and there is one at least: a GPU takes a
/// while to raise its clock.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long each pass took, in seconds.
pub struct Timings {
    /// Passes that were done first and not counted.
    pub warm_up: usize,
    pub samples: Samples,
}

/// How many passes there will be.
#[derive(Clone, Copy)]
pub enum Rounds {
    Fixed(NonZeroUsize),
    /// As many as [`LONG_ENOUGH`] and [`LEAST_ROUNDS`] ask for.
    Enough,
}

impl Rounds {
    fn goes_on(self, done: usize, elapsed: Duration) -> bool {
        match self {
            Self::Fixed(rounds) => done < rounds.get(),
            Self::Enough => done < LEAST_ROUNDS || elapsed < LONG_ENOUGH,
        }
    }

    /// How many there will be at least.
    pub fn at_least(self) -> usize {
        match self {
            Self::Fixed(rounds) => rounds.get(),
            Self::Enough => LEAST_ROUNDS,
        }
    }
}

impl Timings {
    /// Warms up, then times `pass`; `done` is told of every timed one.
    pub fn take<E>(
        rounds: Rounds,
        mut pass: impl FnMut() -> Result<(), E>,
        mut done: impl FnMut(),
    ) -> Result<Self, E> {
        let begin = Instant::now();
        let mut warm_up = 0;
        while warm_up == 0 || begin.elapsed() < WARM_UP {
            pass()?;
            warm_up += 1;
        }
        let mut seconds = Vec::new();
        let begin = Instant::now();
        while rounds.goes_on(seconds.len(), begin.elapsed()) {
            let start = Instant::now();
            pass()?;
            seconds.push(start.elapsed().as_secs_f64());
            done();
        }
        // `goes_on` asks for one at least.
        let samples = Samples::new(seconds).expect("a pass was timed");
        Ok(Self { warm_up, samples })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_passes_as_asked_for() {
        let mut passes = 0;
        let rounds = Rounds::Fixed(NonZeroUsize::new(3).unwrap());
        let pass = || {
            passes += 1;
            std::thread::sleep(WARM_UP / 2);
            Ok::<(), ()>(())
        };
        let timings = Timings::take(rounds, pass, || ()).unwrap();
        assert_eq!(
            (timings.warm_up, timings.samples.count(), passes),
            (2, 3, 5)
        );
    }
}
