//! The kernels of a device against the reference backend, on small shapes.

use std::collections::HashSet;

use serde_json::{Value, json};
use shadernet::Result;
use shadernet::cpu::CpuDevice;
use shadernet::gpu::{Gpu, Precision};
use shadernet_bench::kernels::{
    BenchOptions, Case, Variant, VariantOutcome, cpu_variants, small_cases, variants,
};
use shadernet_bench::loops::{known_limit, longest_loop};

use crate::progress;

/// Checks every variant of every small case in both precisions; with `quick`, only the first case of every
/// [`kind`], in float32.
pub fn check_kernels(gpu: &Gpu, quick: bool) -> Result<Value> {
    let cases = cases(quick)?;
    let precisions = match quick {
        true => &[Precision::F32][..],
        false => &[Precision::F32, Precision::F16],
    };
    let mut rows = Vec::new();
    for &precision in precisions {
        let bar = progress::bar(0);
        let options = BenchOptions::default().precision(precision).rounds(1);
        let variants = variants(gpu, &cases, &options, |progress| {
            progress::show_bench(&bar, progress)
        })?;
        for (case, variants) in cases.iter().zip(variants) {
            let variants = variants.into_iter();
            rows.extend(variants.map(|variant| row(case, variant, precision)));
        }
        bar.finish_and_clear();
    }
    Ok(json!(rows))
}

/// Checks the CPU backend's kernel of every small case, in float32, which it computes in; with `quick`, only the first
/// case of every [`kind`].
pub fn check_cpu_kernels(cpu: &CpuDevice, quick: bool) -> Result<Value> {
    let cases = cases(quick)?;
    let bar = progress::bar(0);
    let variants = cpu_variants(cpu, &cases, 1, |progress| {
        progress::show_bench(&bar, progress)
    })?;
    bar.finish_and_clear();
    let rows = cases.iter().zip(variants);
    let rows = rows.map(|(case, variant)| row(case, variant, Precision::F32));
    Ok(rows.collect())
}

fn cases(quick: bool) -> Result<Vec<Case>> {
    let mut cases = small_cases()?;
    if quick {
        let mut kinds = HashSet::new();
        cases.retain(|case| kinds.insert(kind(&case.name)));
    }
    Ok(cases)
}

fn row(case: &Case, variant: Variant, precision: Precision) -> Value {
    let (key, value) = match variant.outcome {
        VariantOutcome::Timed(measured) => ("error", json!(measured.error)),
        VariantOutcome::Wrong(reason) => ("wrong", json!(reason)),
        VariantOutcome::Failed(reason) => ("failed", json!(reason)),
        VariantOutcome::Impossible(reason) => ("impossible", json!(reason)),
    };
    json!({
        "case": case.name,
        "kernel": variant.name,
        "precision": precision.name(),
        key: value,
    })
}

/// The operator, the size of its kernel and whether it has groups, which most kernels differ in.
fn kind(case: &str) -> String {
    let is_kind = |word: &&str| word.starts_with("kernel=") || word.starts_with("groups=");
    let mut words = case.split(' ');
    let operator = words.next().unwrap_or_default();
    let options = words
        .filter(is_kind)
        .map(|word| match word.split_once('=') {
            Some(("groups", _)) => "groups",
            _ => word,
        });
    std::iter::once(operator)
        .chain(options)
        .collect::<Vec<_>>()
        .join(" ")
}

/// More iterations than kernels need before they are split.
const LOOP_ITERATIONS: u32 = 200_000;

/// How long loops run, next to what is known of the driver.
pub fn check_loops(gpu: &Gpu) -> Result<Value> {
    Ok(json!({
        "iterations": longest_loop(gpu, LOOP_ITERATIONS)?,
        "known_limit": known_limit(gpu),
    }))
}

/// The limit of loops in a device's results: the iterations that ran, if they are not all, and whether sums are
/// split for it.
pub fn loop_limit(results: &Value) -> Option<(u64, bool)> {
    let found = results["loops"]["iterations"].as_u64()?;
    let known = results["loops"]["known_limit"].as_u64();
    let is_split = known.is_some_and(|known| known <= found);
    (found < u64::from(LOOP_ITERATIONS)).then_some((found, is_split))
}
