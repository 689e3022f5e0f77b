//! Resizing by tables of weights.

use proptest::prelude::*;
use shadernet::graph::{Resample, TapWindow, Taps};

use crate::compare::check;
use crate::generate::{cases, extents};
use crate::ran::Shaders::Only;

/// `count` windows of up to `most` taps somewhere within `input` pixels, a few of them empty.
fn taps(input: usize, count: usize, most: usize, mut random: u64) -> Taps {
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % below
    };
    let windows = (0..count).map(|_| {
        let first = next(input);
        let len = next(most + 1).min(input - first);
        let weights = (0..len).map(|_| next(1000) as f32 / 500.0 - 1.0);
        TapWindow {
            first,
            weights: weights.collect(),
        }
    });
    Taps {
        input,
        windows: windows.collect(),
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn resampling(
        [n, h, w] in extents(),
        c in 1..7_usize,
        (rows, columns) in (1..9_usize, 1..9_usize),
        most in 1..12_usize,
        seed in any::<u64>(),
    ) {
        let op = Resample {
            rows: taps(h, rows, most, seed),
            columns: taps(w, columns, most, seed ^ 7),
            outside: 1.5,
        };
        check(op, [n, c, h, w], seed, Only("resample"));
    }

    #[test]
    fn resampling_of_identities(
        [n, h, w] in extents(),
        c in 1..7_usize,
        count in 1..9_usize,
        seed in any::<u64>(),
    ) {
        let along = taps(w, count, 4, seed);
        let op = Resample { rows: Taps::identity(h), columns: along, outside: 0.0 };
        check(op, [n, c, h, w], seed, Only("resample"));
    }
}
