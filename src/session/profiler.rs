//! Timing the steps of a bound plan.

use std::sync::Arc;
use std::time::Instant;

use wgpu::BufferUsages;

use super::bound_plan::{BoundPlan, BoundStep};
use super::prepared_plan::PreparedPlan;
use crate::error::Result;
use crate::gpu::{Gpu, Submission, is_software};
use crate::plan::StepCost;
use crate::profile::{Profile, StepProfile, TimingMethod};
use crate::tensor::Tensor;

/// Timestamps per step: begin and end.
const STAMPS: usize = 2;
/// Steps per query set, whose size wgpu limits.
const STEPS_PER_SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / STAMPS;
/// By the host's clock, a step is repeated for at least this long, in seconds.
const MIN_SECONDS: f64 = 5e-3;
const MAX_REPEATS: f64 = 1000.0;
/// The number of passes in which steps are timed for chunks of a pass.
const MEASURED_PASSES: usize = 3;

/// The rounds of the middle half, ordered by `share`, the sum of the steps' times divided by the time of a whole
/// pass. The means of the steps over these rounds add up to the mean of a pass, which medians do not, and
/// rounds in which either of the two was disturbed are left out.
pub(super) fn middle_half(share: &[f64]) -> Vec<usize> {
    let mut rounds: Vec<usize> = (0..share.len()).collect();
    rounds.sort_by(|&a, &b| share[a].total_cmp(&share[b]));
    let outer = rounds.len() / 4;
    rounds[outer..rounds.len() - outer].to_vec()
}

/// The minimum sum of the steps' timestamps, as a share of a pass by the host's clock, for a software device's
/// timestamps to be used: Mesa writes them at the wrong times once something is drawn with the device (lavapipe
/// of Mesa 22.3: a tenth of the time, while a window is drawn).
const MIN_TIMESTAMP_SHARE: f64 = 0.7;
/// The number of operations that take a software device as long as reading a byte.
const OPERATIONS_PER_BYTE: u64 = 12;

/// When a step began and how long it took, in seconds.
#[derive(Clone, Copy, Default)]
struct Span {
    start: f64,
    seconds: f64,
}

impl PreparedPlan {
    /// Times every step in `rounds` passes, and whole passes before and after each.
    pub fn profile(&self, gpu: &Gpu, inputs: &[Tensor], rounds: usize) -> Result<Profile> {
        let rounds = rounds.max(1);
        let pass = || -> Result<f64> {
            let start = Instant::now();
            self.run(gpu, inputs)?;
            Ok(start.elapsed().as_secs_f64())
        };
        // The first of each kind is not counted: caches are cold, and clocks low.
        pass()?;
        self.plan.timed(gpu)?;
        // Whole passes are timed before and after each timed pass, so that both see a device that becomes
        // faster or slower.
        let mut before = pass()?;
        let mut passes = Vec::new();
        let mut spans: Vec<Vec<Span>> = Vec::new();
        for _ in 0..rounds {
            spans.push(self.plan.timed(gpu)?);
            let after = pass()?;
            passes.push(before.midpoint(after));
            before = after;
        }
        let share = |(spans, pass): (&Vec<Span>, &f64)| {
            spans.iter().map(|span| span.seconds).sum::<f64>() / pass
        };
        let shares: Vec<f64> = spans.iter().zip(&passes).map(share).collect();
        let counted = middle_half(&shares);
        let mean = |of: &dyn Fn(usize) -> f64| {
            counted.iter().map(|&r| of(r)).sum::<f64>() / counted.len() as f64
        };
        let steps = self
            .plan
            .steps
            .iter()
            .enumerate()
            .map(|(i, step)| StepProfile {
                seconds: mean(&|round| spans[round][i].seconds),
                start_seconds: mean(&|round| spans[round][i].start),
                ..step.profile()
            });
        Ok(Profile {
            method: TimingMethod::of(gpu),
            steps: steps.collect(),
            pass_seconds: mean(&|round| passes[round]),
        })
    }
}

impl BoundPlan {
    /// Times each step once, with whatever values are in memory.
    pub fn timed_pass(&self, gpu: &Gpu) -> Result<Vec<StepProfile>> {
        let spans = self.timed(gpu)?;
        let steps = self
            .steps
            .iter()
            .zip(spans)
            .map(|(step, span)| StepProfile {
                seconds: span.seconds,
                start_seconds: span.start,
                ..step.profile()
            });
        Ok(steps.collect())
    }

    /// Times each step, unless that was done before. The longest of some passes counts, so that chunks stay
    /// within their budget.
    pub fn measure_steps(&self, gpu: &Gpu) -> Result<()> {
        if self.step_seconds.get().is_some() {
            return Ok(());
        }
        self.begin();
        // The first is not counted: caches are cold, and clocks low.
        self.timed(gpu)?;
        let mut longest = vec![0.0_f64; self.steps.len()];
        for _ in 0..MEASURED_PASSES {
            for (longest, span) in longest.iter_mut().zip(self.timed(gpu)?) {
                *longest = longest.max(span.seconds);
            }
        }
        if is_software(gpu.info()) {
            let pass = self.shortest_pass(gpu)?;
            if longest.iter().sum::<f64>() < MIN_TIMESTAMP_SHARE * pass {
                longest = self.estimate_by_cost(pass);
            }
        }
        // Times that another thread has set are as good.
        let _ = self.step_seconds.set(longest);
        Ok(())
    }

    /// The shortest of some passes by the host's clock, in seconds. Each begins when the queue is empty,
    /// because a host may draw meanwhile.
    fn shortest_pass(&self, gpu: &Gpu) -> Result<f64> {
        let steps: Vec<&BoundStep> = self.steps.iter().collect();
        let mut shortest = f64::INFINITY;
        for _ in 0..MEASURED_PASSES {
            self.time_steps(gpu, &[], 1)?;
            shortest = shortest.min(self.time_steps(gpu, &steps, 1)?.as_secs_f64());
        }
        Ok(shortest)
    }

    /// The `pass` seconds distributed over the steps by their estimated cost.
    fn estimate_by_cost(&self, pass: f64) -> Vec<f64> {
        let cost = |step: &BoundStep| {
            let StepCost { operations, bytes } = step.info.cost;
            (operations / OPERATIONS_PER_BYTE).max(bytes) as f64
        };
        let all: f64 = self.steps.iter().map(cost).sum();
        let share = |step| pass * cost(step) / all.max(1.0);
        self.steps.iter().map(share).collect()
    }

    fn timed(&self, gpu: &Gpu) -> Result<Vec<Span>> {
        match TimingMethod::of(gpu) {
            TimingMethod::Timestamps => self.timestamps(gpu),
            TimingMethod::WallClock | TimingMethod::StepClock => self.wall_clock(gpu),
        }
    }

    /// A pass in which the device writes timestamps before and after each step.
    fn timestamps(&self, gpu: &Gpu) -> Result<Vec<Span>> {
        let bytes = (self.steps.len() * STAMPS * 8) as u64;
        let resolved = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        let read = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let (host, submission) = gpu.with_error_scopes("timing steps", || {
            let device = gpu.device();
            let buffer = gpu.buffer("timestamps", bytes, resolved, false);
            let host = gpu.buffer("timestamps", bytes, read, false);
            let mut encoder = device.create_command_encoder(&Default::default());
            for (steps, first) in self
                .steps
                .chunks(STEPS_PER_SET)
                .zip((0..).step_by(STEPS_PER_SET))
            {
                let count = (steps.len() * STAMPS) as u32;
                let set = device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("timestamps"),
                    ty: wgpu::QueryType::Timestamp,
                    count,
                });
                for (step, begin) in steps.iter().zip((0..).step_by(STAMPS)) {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                        label: None,
                        timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                            query_set: &set,
                            beginning_of_pass_write_index: Some(begin),
                            end_of_pass_write_index: Some(begin + 1),
                        }),
                    });
                    step.encode(&mut pass);
                }
                let at = (first * STAMPS * 8) as u64;
                encoder.resolve_query_set(&set, 0..count, &buffer, at);
            }
            encoder.copy_buffer_to_buffer(&buffer, 0, &host, 0, bytes);
            let submission = gpu.queue().submit([encoder.finish()]);
            let submission = Arc::new(Submission::<()>::new(Some(submission), 1));
            let mapped = submission.clone();
            host.map_async(wgpu::MapMode::Read, ..bytes, move |result| {
                mapped.mapped(result.is_ok());
            });
            (host, submission)
        })?;
        submission.wait(gpu)?;
        if submission.has_failed() {
            return Err(gpu.error("reading timestamps", "their buffer was not mapped"));
        }
        let view = (host.get_mapped_range(..bytes))
            .map_err(|error| gpu.error("reading timestamps", error))?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view[..]);
        let second = f64::from(gpu.queue().get_timestamp_period()) * 1e-9;
        let origin = ticks.first().copied().unwrap_or(0);
        let spans = ticks.chunks(STAMPS).map(|stamps| Span {
            start: stamps[0].saturating_sub(origin) as f64 * second,
            seconds: stamps[1].saturating_sub(stamps[0]) as f64 * second,
        });
        Ok(spans.collect())
    }

    /// Each step by itself, repeated, by the host's clock.
    fn wall_clock(&self, gpu: &Gpu) -> Result<Vec<Span>> {
        let mut start = 0.0;
        let mut spans = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let once = self.time_steps(gpu, &[step], 1)?.as_secs_f64();
            let times = (MIN_SECONDS / once.max(1e-9))
                .ceil()
                .clamp(1.0, MAX_REPEATS) as usize;
            let seconds = self.time_steps(gpu, &[step], times)?.as_secs_f64() / times as f64;
            spans.push(Span { start, seconds });
            start += seconds;
        }
        Ok(spans)
    }
}

impl BoundStep {
    /// The profile of the step without times.
    fn profile(&self) -> StepProfile {
        StepProfile {
            node: self.label.clone(),
            kind: self.info.kind,
            kernel: self.info.kernel,
            variant: self.info.variant.clone(),
            output: self.info.output.clone(),
            seconds: 0.0,
            start_seconds: 0.0,
            operations: self.info.cost.operations,
            bytes: self.info.cost.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::middle_half;

    #[test]
    fn outer_quarters_are_left_out() {
        assert_eq!(middle_half(&[3.0]), [0]);
        assert_eq!(middle_half(&[9.0, 1.0, 5.0]), [1, 2, 0]);
        assert_eq!(
            middle_half(&[9.0, 1.0, 5.0, 4.0, 2.0, 8.0, 7.0, 3.0]),
            [7, 3, 2, 6]
        );
    }
}
