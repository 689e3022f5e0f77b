//! Timed passes and what is said of them.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

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
    /// In ascending order; never empty.
    sorted: Vec<f64>,
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
        let mut sorted = Vec::new();
        let begin = Instant::now();
        while rounds.goes_on(sorted.len(), begin.elapsed()) {
            let start = Instant::now();
            pass()?;
            sorted.push(start.elapsed().as_secs_f64());
            done();
        }
        sorted.sort_by(f64::total_cmp);
        Ok(Self { warm_up, sorted })
    }

    pub fn rounds(&self) -> usize {
        self.sorted.len()
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub fn min(&self) -> f64 {
        self.sorted[0]
    }

    pub fn max(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }

    /// Between the first and the third quartile, as a share of the median: half of the passes lie
    /// so close together.
    pub fn spread(&self) -> f64 {
        (self.quantile(0.75) - self.quantile(0.25)) / self.median()
    }

    /// Interpolated between the two nearest.
    fn quantile(&self, share: f64) -> f64 {
        let place = share * (self.sorted.len() - 1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        let part = place - place.floor();
        self.sorted[low] * (1.0 - part) + self.sorted[high] * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        let timings = |sorted: &[f64]| Timings {
            warm_up: 1,
            sorted: sorted.to_vec(),
        };
        let odd = timings(&[1.0, 2.0, 4.0, 8.0, 9.0]);
        assert_eq!((odd.median(), odd.min(), odd.max()), (4.0, 1.0, 9.0));
        assert_eq!(odd.spread(), (8.0 - 2.0) / 4.0);
        assert_eq!(timings(&[1.0, 2.0]).median(), 1.5);
        assert_eq!(timings(&[3.0]).spread(), 0.0);
    }

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
        assert_eq!((timings.warm_up, timings.rounds(), passes), (2, 3, 5));
    }
}
