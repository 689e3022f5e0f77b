//! What changed between two sets of rows, and what of it is worse.

use std::collections::BTreeMap;
use std::fmt;

use crate::row::Row;

/// A number of a pipeline that changed.
#[derive(Debug, PartialEq)]
struct Change {
    pipeline: String,
    what: &'static str,
    before: f64,
    after: f64,
    is_worse: bool,
}

/// All that changed.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    changes: Vec<Change>,
    added: usize,
    removed: usize,
}

/// A number of a pipeline, by its name.
type Number = (&'static str, fn(&Row) -> f64);

/// Numbers of which less is better, and then those of which more is.
const LESS: [Number; 6] = [
    ("spilled registers", |row| {
        (row.spilled_vgprs + row.spilled_sgprs) as f64
    }),
    ("scratch bytes", |row| row.scratch_bytes as f64),
    ("loads below 32 bits in the loop", |row| {
        row.hottest_loop
            .loads
            .range(..32)
            .map(|(_, count)| *count as f64)
            .sum()
    }),
    ("divisions in the loop", |row| {
        row.hottest_loop.divisions as f64
    }),
    ("branches in the loop", |row| {
        row.hottest_loop.branches as f64
    }),
    ("instructions", |row| row.whole.instructions as f64),
];
const MORE: [Number; 3] = [
    ("waves a SIMD", |row| row.waves_per_simd as f64),
    ("share of multiply-adds in the loop, %", |row| {
        (100.0 * row.fma_share()).round()
    }),
    ("share of matrix instructions in the loop, %", |row| {
        (100.0 * row.loop_matrix as f64 / row.loop_instructions.max(1) as f64).round()
    }),
];
/// A change of the number of instructions below this share is no news.
const NOISE: f64 = 0.05;

/// Compares the pipelines that both have.
pub fn compare(before: &[Row], after: &[Row]) -> Changes {
    let key = |row: &Row| {
        format!(
            "{} {} {} ({})",
            row.family, row.shader, row.form, row.subgroup_size
        )
    };
    let old: BTreeMap<_, _> = before.iter().map(|row| (key(row), row)).collect();
    let new: BTreeMap<_, _> = after.iter().map(|row| (key(row), row)).collect();
    let mut changes = Changes {
        added: new.keys().filter(|key| !old.contains_key(*key)).count(),
        removed: old.keys().filter(|key| !new.contains_key(*key)).count(),
        ..Changes::default()
    };
    for (pipeline, after) in new {
        let Some(before) = old.get(&pipeline) else {
            continue;
        };
        let numbers = LESS
            .iter()
            .map(|it| (it, -1.0))
            .chain(MORE.iter().map(|it| (it, 1.0)));
        for (&(what, number), better) in numbers {
            let [before, after] = [number(before), number(after)];
            let noise = if what == "instructions" {
                NOISE * before
            } else {
                0.0
            };
            if (after - before).abs() > noise {
                let is_worse = (after - before) * better < 0.0;
                let pipeline = pipeline.clone();
                changes.changes.push(Change {
                    pipeline,
                    what,
                    before,
                    after,
                    is_worse,
                });
            }
        }
    }
    changes
}

impl Changes {
    /// Whether something got worse.
    pub fn has_worse(&self) -> bool {
        self.changes.iter().any(|change| change.is_worse)
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, is_worse) in [("worse", true), ("better", false)] {
            let of_kind = self
                .changes
                .iter()
                .filter(|change| change.is_worse == is_worse);
            let of_kind: Vec<_> = of_kind.collect();
            writeln!(f, "{title}: {}", of_kind.len())?;
            for Change {
                pipeline,
                what,
                before,
                after,
                ..
            } in of_kind
            {
                writeln!(f, "  {pipeline}: {what} {before} → {after}")?;
            }
        }
        writeln!(
            f,
            "pipelines added: {}, removed: {}",
            self.added, self.removed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Cost;
    use crate::loops::Counts;

    fn row(waves_per_simd: u64, spilled_vgprs: u64) -> Row {
        Row {
            family: "navi31".to_owned(),
            shader: "pool".to_owned(),
            form: "f32".to_owned(),
            workgroup_size: 64,
            spilled_sgprs: 0,
            spilled_vgprs,
            scratch_bytes: 0,
            vgprs: 24,
            workgroup_bytes: 0,
            waves_per_simd,
            subgroup_size: 64,
            loop_instructions: 10,
            loop_fma: 5,
            loop_matrix: 0,
            hottest_loop: Counts::default(),
            whole: Counts {
                instructions: 100,
                ..Counts::default()
            },
            around_instructions: 0,
            around_cost: Cost::default(),
            loop_cost: Cost::default(),
            rest_cost: Cost::default(),
        }
    }

    #[test]
    fn worse_and_better_are_told_apart() {
        assert_eq!(compare(&[row(16, 0)], &[row(16, 0)]), Changes::default());
        let changes = compare(&[row(16, 3)], &[row(8, 0)]);
        assert!(changes.has_worse());
        let text = changes.to_string();
        assert!(
            text.contains("worse: 1\n  navi31 pool f32 (64): waves a SIMD 16 → 8\n"),
            "{text}"
        );
        assert!(
            text.contains("better: 1\n  navi31 pool f32 (64): spilled registers 3 → 0\n"),
            "{text}"
        );
        assert!(!compare(&[row(8, 3)], &[row(16, 0)]).has_worse());
    }
}
