//! Timed passes and what is said of them.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use shadernet_bench::samples::Samples;

/// Passes are timed for as long as this, and [`LEAST_ROUNDS`] times at least.
const LONG_ENOUGH: Duration = Duration::from_secs(3);
const LEAST_ROUNDS: usize = 10;
/// Where their spread is more than [`NARROW`], the machine does other things too: as long as this, for the
/// median to be that of all it does.
const NOISY: Duration = Duration::from_secs(15);
const NARROW: f64 = 0.2;
/// Passes before the timed ones go on for as long as this, one at least, as a GPU takes a while to raise
/// its clock; and then until they grow no faster, but no longer than [`MOST_WARM_UP`].
const WARM_UP: Duration = Duration::from_millis(500);
const MOST_WARM_UP: Duration = Duration::from_secs(5);
/// So many passes in a row without one that is faster by [`FASTER`] than all before are stable.
const STABLE: usize = 3;
const FASTER: f64 = 0.98;

/// How many passes there will be.
#[derive(Clone, Copy)]
pub enum Rounds {
    Fixed(NonZeroUsize),
    /// As many as [`LONG_ENOUGH`], [`LEAST_ROUNDS`] and [`NOISY`] ask for.
    Enough,
}

impl Rounds {
    fn goes_on(self, done: usize, elapsed: Duration, enough: Duration) -> bool {
        match self {
            Self::Fixed(rounds) => done < rounds.get(),
            Self::Enough => done < LEAST_ROUNDS || elapsed < enough,
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

/// Passes that are not counted, until they are stable: how many it took.
pub fn warm_up<E>(mut pass: impl FnMut() -> Result<(), E>) -> Result<usize, E> {
    let begin = Instant::now();
    let (mut done, mut best, mut since) = (0, f64::INFINITY, 0);
    loop {
        let start = Instant::now();
        pass()?;
        done += 1;
        let seconds = start.elapsed().as_secs_f64();
        since = if seconds < best * FASTER {
            0
        } else {
            since + 1
        };
        best = best.min(seconds);
        let elapsed = begin.elapsed();
        let is_stable = elapsed >= WARM_UP && since >= STABLE;
        if is_stable || elapsed >= MOST_WARM_UP {
            return Ok(done);
        }
    }
}

/// The seconds that each pass takes, one after the other or, of several, in turns: one list for each.
/// `done` is told of every round.
pub fn take<E, const N: usize>(
    rounds: Rounds,
    mut pass: impl FnMut(usize) -> Result<(), E>,
    mut done: impl FnMut(),
) -> Result<[Vec<f64>; N], E> {
    let mut seconds = [const { Vec::new() }; N];
    let begin = Instant::now();
    let (mut round, mut enough) = (0, LONG_ENOUGH);
    while rounds.goes_on(round, begin.elapsed(), enough) {
        for turn in 0..N {
            // Each goes first as often: what comes after the other may find caches and clocks as
            // that left them.
            let which = if round % 2 == 0 { turn } else { N - 1 - turn };
            let start = Instant::now();
            pass(which)?;
            seconds[which].push(start.elapsed().as_secs_f64());
        }
        round += 1;
        done();
        // Not after every pass: it takes a while of many.
        let is_over = matches!(rounds, Rounds::Enough) && begin.elapsed() >= enough;
        if is_over && enough < NOISY && seconds.iter().any(|of| is_noisy(of)) {
            enough += LONG_ENOUGH;
        }
    }
    Ok(seconds)
}

fn is_noisy(seconds: &[f64]) -> bool {
    Samples::new(seconds.to_vec()).is_some_and(|samples| samples.spread() > NARROW)
}

/// Of one pass or more.
pub fn samples(seconds: Vec<f64>) -> Samples {
    // `Rounds::goes_on` asks for one at least.
    Samples::new(seconds).expect("a pass was timed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_passes_as_asked_for_in_turns() {
        let mut order = Vec::new();
        let rounds = Rounds::Fixed(NonZeroUsize::new(3).unwrap());
        let pass = |which| {
            order.push(which);
            Ok::<(), ()>(())
        };
        let [first, second] = take(rounds, pass, || ()).unwrap();
        assert_eq!((first.len(), second.len()), (3, 3));
        assert_eq!(order, [0, 1, 1, 0, 0, 1]);
    }

    #[test]
    fn a_noisy_machine_is_watched_for_longer() {
        assert!(!is_noisy(&[1.0; LEAST_ROUNDS]));
        assert!(is_noisy(&[1.0, 1.5, 1.0, 1.5]));
        let goes_on = |done, elapsed| Rounds::Enough.goes_on(done, elapsed, LONG_ENOUGH);
        assert!(goes_on(LEAST_ROUNDS, LONG_ENOUGH / 2));
        assert!(!goes_on(LEAST_ROUNDS, LONG_ENOUGH));
        assert!(goes_on(LEAST_ROUNDS - 1, NOISY));
    }

    #[test]
    fn warming_up_ends_when_nothing_gets_faster() {
        let mut passes = 0;
        let pass = || {
            passes += 1;
            // Ever faster at first.
            let more = 6_u32.saturating_sub(passes);
            std::thread::sleep(WARM_UP / 10 * (more + 1));
            Ok::<(), ()>(())
        };
        let done = warm_up(pass).unwrap();
        assert!((6 + STABLE..30).contains(&done), "{done}");
    }
}
