//! Times passes: warm-up, number of rounds, alternation.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use shadernet_bench::samples::Samples;

/// Passes are timed for at least this long, and at least [`MIN_ROUNDS`] times.
const MIN_DURATION: Duration = Duration::from_secs(3);
const MIN_ROUNDS: usize = 10;
/// If the spread is above [`MAX_SPREAD`], the machine is busy, and passes are timed for up to this long. The
/// median is then that of a longer period.
const MAX_DURATION: Duration = Duration::from_secs(15);
const MAX_SPREAD: f64 = 0.2;
/// The warm-up takes at least this long and one pass, because a GPU takes a while to raise its clock. Then it
/// goes on until passes get no faster, but no longer than [`MAX_WARM_UP`].
const MIN_WARM_UP: Duration = Duration::from_millis(500);
const MAX_WARM_UP: Duration = Duration::from_secs(5);
/// The time is stable if this many passes in a row are not faster than [`FASTER`] times the best before.
const STABLE_PASSES: usize = 3;
const FASTER: f64 = 0.98;

/// How many rounds are timed.
#[derive(Clone, Copy)]
pub enum Rounds {
    Fixed(NonZeroUsize),
    /// As many as [`MIN_DURATION`], [`MIN_ROUNDS`] and [`MAX_DURATION`] require.
    Adaptive,
}

impl Rounds {
    fn needs_more(self, completed: usize, elapsed: Duration, duration: Duration) -> bool {
        match self {
            Self::Fixed(rounds) => completed < rounds.get(),
            Self::Adaptive => completed < MIN_ROUNDS || elapsed < duration,
        }
    }

    /// The minimum number of rounds.
    pub fn at_least(self) -> usize {
        match self {
            Self::Fixed(rounds) => rounds.get(),
            Self::Adaptive => MIN_ROUNDS,
        }
    }
}

/// Makes passes until their time is stable. Returns the number of passes.
pub fn warm_up<E>(mut pass: impl FnMut() -> Result<(), E>) -> Result<usize, E> {
    let begin = Instant::now();
    let (mut passes, mut best, mut passes_since_best) = (0, f64::INFINITY, 0);
    loop {
        let start = Instant::now();
        pass()?;
        passes += 1;
        let seconds = start.elapsed().as_secs_f64();
        passes_since_best = if seconds < best * FASTER {
            0
        } else {
            passes_since_best + 1
        };
        best = best.min(seconds);
        let elapsed = begin.elapsed();
        let is_stable = elapsed >= MIN_WARM_UP && passes_since_best >= STABLE_PASSES;
        if is_stable || elapsed >= MAX_WARM_UP {
            return Ok(passes);
        }
    }
}

/// Times the passes of `N` sessions, alternating between them. Returns the seconds of each session's passes.
/// `on_round` is called after every round.
pub fn time_passes<E, const N: usize>(
    rounds: Rounds,
    mut pass: impl FnMut(usize) -> Result<(), E>,
    mut on_round: impl FnMut(),
) -> Result<[Vec<f64>; N], E> {
    let mut seconds = [const { Vec::new() }; N];
    let begin = Instant::now();
    let (mut round, mut duration) = (0, MIN_DURATION);
    while rounds.needs_more(round, begin.elapsed(), duration) {
        for position in 0..N {
            // The order is reversed every other round: a pass may be affected by the caches and clocks that
            // the previous one left behind.
            let session = match round % 2 {
                0 => position,
                _ => N - 1 - position,
            };
            let start = Instant::now();
            pass(session)?;
            seconds[session].push(start.elapsed().as_secs_f64());
        }
        round += 1;
        on_round();
        // The spread is checked only at the end, because it takes a while for many passes.
        let is_over = matches!(rounds, Rounds::Adaptive) && begin.elapsed() >= duration;
        if is_over && duration < MAX_DURATION && seconds.iter().any(|times| is_noisy(times)) {
            duration += MIN_DURATION;
        }
    }
    Ok(seconds)
}

fn is_noisy(seconds: &[f64]) -> bool {
    Samples::new(seconds.to_vec()).is_some_and(|samples| samples.spread() > MAX_SPREAD)
}

/// The statistics of at least one pass.
pub fn samples(seconds: Vec<f64>) -> Samples {
    // `Rounds::needs_more` asks for at least one.
    Samples::new(seconds).expect("a pass was timed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_alternate_for_the_number_of_rounds() {
        let mut order = Vec::new();
        let rounds = Rounds::Fixed(NonZeroUsize::new(3).unwrap());
        let pass = |session| {
            order.push(session);
            Ok::<(), ()>(())
        };
        let [first, second] = time_passes(rounds, pass, || ()).unwrap();
        assert_eq!((first.len(), second.len()), (3, 3));
        assert_eq!(order, [0, 1, 1, 0, 0, 1]);
    }

    #[test]
    fn adaptive_rounds_need_a_minimum_of_time_and_rounds() {
        assert!(!is_noisy(&[1.0; MIN_ROUNDS]));
        assert!(is_noisy(&[1.0, 1.5, 1.0, 1.5]));
        let needs_more =
            |completed, elapsed| Rounds::Adaptive.needs_more(completed, elapsed, MIN_DURATION);
        assert!(needs_more(MIN_ROUNDS, MIN_DURATION / 2));
        assert!(!needs_more(MIN_ROUNDS, MIN_DURATION));
        assert!(needs_more(MIN_ROUNDS - 1, MAX_DURATION));
    }

    #[test]
    fn warm_up_ends_when_passes_get_no_faster() {
        let mut passes = 0;
        let pass = || {
            passes += 1;
            // The first six passes get faster.
            let more = 6_u32.saturating_sub(passes);
            std::thread::sleep(MIN_WARM_UP / 10 * (more + 1));
            Ok::<(), ()>(())
        };
        let count = warm_up(pass).unwrap();
        assert!((6 + STABLE_PASSES..30).contains(&count), "{count}");
    }
}
