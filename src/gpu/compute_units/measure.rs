//! The measurement of [`super`].

use std::time::{Duration, Instant};

use wgpu::BufferUsages;

use super::super::uniform::uniforms;
use super::super::{Downloads, Gpu, PEAK_FMA, Pipeline, PipelineKey, Precision, is_software};
use super::MOST;
use crate::error::Result;

uniforms! {
    /// Uniform block of `peak_fma`.
    pub struct PeakFmaParams for PEAK_FMA {
        /// Iterations of the loop.
        pub turns: u32,
        /// Elements of each buffer.
        pub elements: u32,
        /// The factor of each multiply-add.
        pub factor: f32,
        /// The term of each multiply-add.
        pub term: f32,
    }
}

/// Invocations of a workgroup: four or eight subgroups with eight independent chains each keep all lanes of a compute
/// unit busy.
const INVOCATIONS: u32 = 256;
/// A dispatch takes about this long, in seconds: long enough for the host's clock, and short enough not to be noticed.
const TARGET: f64 = 2e-3;
/// Less cannot be told from the cost of a dispatch.
const LEAST: f64 = TARGET / 8.0;
/// The loop's iterations of a single workgroup, at first and at most; 8192 take a GPU 2 ms.
const TURNS: [u32; 2] = [64, 1 << 14];
/// With very many workgroups, each has so much less to do.
const SHARE: u32 = 32;
/// These workgroups, at first and at most: many more than compute units, so that all are busy until the end.
const WORKGROUPS: [u32; 2] = [512, 1 << 15];
/// The ratio is measured this often. Slow devices end early, but not before [`FEWEST`].
const REPETITIONS: usize = 5;
const FEWEST: usize = 3;
const END: Duration = Duration::from_millis(35);
/// Repetitions that differ by more are noise.
const MAX_SPREAD: f64 = 0.25;

/// The number of compute units, or why it cannot be told.
pub(super) fn measure(gpu: &Gpu) -> Result<u32, String> {
    let mut ratios = ratios(gpu).map_err(|error| error.report().to_string())??;
    count(&mut ratios)
}

/// The rates of very many workgroups, each divided by that of a single one measured just before.
fn ratios(gpu: &Gpu) -> Result<Result<Vec<f64>, String>> {
    let start = Instant::now();
    let kernel = Kernel::new(gpu)?;
    let mut turns = TURNS[0];
    // These dispatches also let the device raise its clock.
    let mut seconds = kernel.seconds(1, turns)?;
    while seconds < TARGET / 2.0 && turns < TURNS[1] {
        turns = longer(turns, seconds).min(TURNS[1]);
        seconds = kernel.seconds(1, turns)?;
    }
    let share = (turns / SHARE).max(1);
    let mut workgroups = WORKGROUPS[0];
    let mut together = kernel.seconds(workgroups, share)?;
    while together < TARGET / 2.0 && workgroups < WORKGROUPS[1] {
        workgroups = longer(workgroups, together).min(WORKGROUPS[1]);
        together = kernel.seconds(workgroups, share)?;
    }
    if seconds.min(together) < LEAST {
        return Ok(Err("the dispatches are too short to be timed".to_owned()));
    }
    let work = f64::from(workgroups) * f64::from(share) / f64::from(turns);
    let mut ratios = Vec::with_capacity(REPETITIONS);
    while ratios.len() < FEWEST || (ratios.len() < REPETITIONS && start.elapsed() < END) {
        let alone = kernel.seconds(1, turns)?;
        ratios.push(work * alone / kernel.seconds(workgroups, share)?);
    }
    Ok(Ok(ratios))
}

/// `count` increased so that `seconds` become about [`TARGET`], but at most eightfold, as the clock may rise.
fn longer(count: u32, seconds: f64) -> u32 {
    (f64::from(count) * (TARGET / seconds.max(1e-9)).clamp(2.0, 8.0)) as u32
}

/// The median of `ratios` as a number of compute units. Of five and more, the outermost are left out.
fn count(ratios: &mut [f64]) -> Result<u32, String> {
    ratios.sort_by(f64::total_cmp);
    let outer = usize::from(ratios.len() >= REPETITIONS);
    let inner = &ratios[outer..ratios.len() - outer];
    let (Some(&least), Some(&most)) = (inner.first(), inner.last()) else {
        return Err("nothing was measured".to_owned());
    };
    let median = inner[inner.len() / 2];
    // Not a number where a clock stands still.
    if !(least > 0.5 && most < 2.0 * f64::from(MOST)) {
        return Err(format!("a ratio of {median:.2} is implausible"));
    }
    match (most - least) / median <= MAX_SPREAD {
        true => Ok((median.round() as u32).clamp(1, MOST)),
        false => Err(format!(
            "measurements from {least:.1} to {most:.1} differ too much"
        )),
    }
}

/// `peak_fma` on one small buffer.
struct Kernel<'a> {
    gpu: &'a Gpu,
    pipeline: Pipeline,
    uniform: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
    invocations: u32,
    /// Seconds of a submission without work, by the host's clock.
    empty: f64,
    /// Where the device's clock is read instead: a query set, a buffer for it and its downloads.
    timestamps: Option<(wgpu::QuerySet, wgpu::Buffer, Downloads)>,
}

impl<'a> Kernel<'a> {
    fn new(gpu: &'a Gpu) -> Result<Self> {
        let invocations = INVOCATIONS.min(gpu.limits().max_compute_invocations_per_workgroup);
        let key = PipelineKey {
            shader: &PEAK_FMA,
            precision: Precision::F32,
            constants: vec![("INVOCATIONS", invocations)],
        };
        let gl_lock = gpu.gl_lock();
        // One pipeline for one key.
        let pipeline = gpu.pipelines(&[key])?.swap_remove(0);
        drop(gl_lock);
        let mut kernel = gpu.with_error_scopes("measuring compute units", || {
            let bytes = u64::from(invocations) * Precision::F32.element_bytes();
            let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
            let uniform = gpu.buffer("compute units", 16, usage, false);
            let buffers = ["input", "output"]
                .map(|label| gpu.buffer(label, bytes, BufferUsages::STORAGE, false));
            let bindings = [&uniform].into_iter().chain(&buffers);
            let bindings = bindings.map(wgpu::Buffer::as_entire_binding);
            // Those of software drivers do not always add up.
            let has_timestamps = gpu.has_timestamps() && !is_software(gpu.info());
            Self {
                gpu,
                bind_group: pipeline.bind_group(gpu, PEAK_FMA.name, bindings),
                pipeline,
                uniform,
                invocations,
                empty: 0.0,
                timestamps: has_timestamps.then(|| timestamps(gpu)),
            }
        })?;
        // The first also compiles, where the driver does that late.
        kernel.seconds(1, 1)?;
        if kernel.timestamps.is_none() {
            let mut empty = f64::INFINITY;
            for _ in 0..REPETITIONS {
                empty = empty.min(kernel.seconds(0, 1)?);
            }
            kernel.empty = empty;
        }
        Ok(kernel)
    }

    /// Seconds of so many workgroups with so many iterations.
    fn seconds(&self, workgroups: u32, turns: u32) -> Result<f64> {
        const TIMING: &str = "measuring compute units";
        let gpu = self.gpu;
        let params = PeakFmaParams {
            turns,
            elements: self.invocations,
            factor: 0.5,
            term: 0.5,
        };
        let gl_lock = gpu.gl_lock();
        let encoded = gpu.with_error_scopes(TIMING, || {
            (gpu.queue()).write_buffer(&self.uniform, 0, bytemuck::bytes_of(&params));
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: self.timestamps.as_ref().map(|(set, ..)| {
                    wgpu::ComputePassTimestampWrites {
                        query_set: set,
                        beginning_of_pass_write_index: Some(0),
                        end_of_pass_write_index: Some(1),
                    }
                }),
            });
            pass.set_pipeline(&self.pipeline.pipeline);
            pass.set_bind_group(0, &self.bind_group, &[]);
            pass.dispatch_workgroups(workgroups, 1, 1);
            drop(pass);
            let download = self.timestamps.as_ref().map(|(set, buffer, downloads)| {
                encoder.resolve_query_set(set, 0..2, buffer, 0);
                downloads.record(&mut encoder, buffer, 0)
            });
            let begin = Instant::now();
            let submission_index = Some(gpu.queue().submit([encoder.finish()]));
            let waited = gpu.device().poll(wgpu::PollType::Wait {
                submission_index,
                timeout: None,
            });
            waited.map(|_| (begin.elapsed(), download))
        })?;
        let (elapsed, download) = encoded.map_err(|error| gpu.error(TIMING, error))?;
        drop(gl_lock);
        let Some(download) = download else {
            return Ok((elapsed.as_secs_f64() - self.empty).max(0.0));
        };
        let bytes = download?.receive()?.wait()?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
        let passed = match ticks[..] {
            [begin, end] => end.saturating_sub(begin),
            _ => 0,
        };
        Ok(passed as f64 * f64::from(gpu.queue().get_timestamp_period()) * 1e-9)
    }
}

/// Resources for two timestamps.
fn timestamps(gpu: &Gpu) -> (wgpu::QuerySet, wgpu::Buffer, Downloads) {
    let set = gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("timestamps"),
        ty: wgpu::QueryType::Timestamp,
        count: 2,
    });
    let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
    let buffer = gpu.buffer("timestamps", 16, usage, false);
    (set, buffer, Downloads::new(gpu, 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_counts_unless_it_is_noise() {
        let count = |ratios: &[f64]| count(&mut ratios.to_vec());
        assert_eq!(count(&[59.0, 60.4, 62.0]), Ok(60));
        assert_eq!(count(&[0.9, 1.0, 1.1]), Ok(1));
        assert_eq!(count(&[1100.0, 1200.0, 1150.0]), Ok(1024));
        // One that the host disturbed, or two, are left out of five.
        assert_eq!(count(&[5.0, 60.0, 59.0, 61.0, 300.0]), Ok(60));
        for ratios in [&[40.0, 60.0, 62.0][..], &[5.0, 6.0, 59.0, 61.0, 300.0]] {
            let reason = count(ratios).unwrap_err();
            assert!(reason.contains("differ too much"), "{reason}");
        }
        for ratios in [[0.1; 3], [1e9; 3], [f64::NAN; 3], [f64::INFINITY; 3]] {
            let reason = count(&ratios).unwrap_err();
            assert!(reason.contains("implausible"), "{reason}");
        }
        assert!(count(&[]).is_err());
    }

    /// What is found in software is the number of threads, or nothing where other programs run on them.
    #[test]
    fn every_adapter_is_measured_or_says_why_not() {
        for adapter in crate::gpu::adapters(None) {
            let gpu = Gpu::open(&adapter, &Default::default()).unwrap();
            let start = Instant::now();
            let ratios = ratios(&gpu).unwrap();
            let (name, elapsed) = (&gpu.info().name, start.elapsed());
            println!("{name}: {ratios:.2?} in {elapsed:.0?}");
            let counted = ratios.and_then(|mut ratios| count(&mut ratios));
            match counted {
                Ok(count) => assert!((1..=MOST).contains(&count)),
                Err(reason) => assert!(!reason.is_empty()),
            }
        }
    }

    #[test]
    fn dispatches_become_long_enough() {
        assert_eq!(longer(64, 0.0), 512);
        assert_eq!(longer(64, TARGET / 4.0), 256);
        assert_eq!(longer(64, TARGET), 128);
    }
}
