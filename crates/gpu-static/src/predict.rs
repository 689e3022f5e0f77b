//! Predicted times of networks on GPUs that are not here, from what their compiler makes of the kernels.
//!
//! The model of a dispatch: its workgroups are dealt to the compute units, and the unit with the most decides. Of
//! those that a unit holds at once, each SIMD has some subgroups. Together they take as long as the busiest part of
//! the unit (vector units, scalar unit, workgroup memory, loads), and no less than one of them alone, which waits
//! for its data. The hottest loop runs as often as the kernel has multiply-adds for it, the loop around it as often
//! as is known (of other engines' kernels), all else once. No dispatch is faster than its bytes through the cache, nor than those of them that are not in the cache through memory, and each
//! takes [`LAUNCH`] on top. The pass is one of many: what the one before left in the cache is there.
//!
//! Left out: the smaller caches, and how clocks change.

use std::collections::HashMap;

use shadernet::gpu::MatrixShape;
use shadernet::graph::Graph;
use shadernet::plan::{PlanReport, PlannedStep, Transfer};
use shadernet::session::{AssumedGpu, SessionOptions};
use shadernet::tensor::Shape;
use shadernet::zoo::{self, ZooOptions};

use crate::cache::Cache;
use crate::cards::Card;
use crate::cost::Cost;
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::row::Row;

/// Seconds between dispatches that depend on each other: the first drains, caches are written back. Guessed.
const LAUNCH: f64 = 3e-6;
/// Bytes of workgroup memory, and of buffers from the nearest cache, that a compute unit moves a cycle.
const WORKGROUP_BYTES: f64 = 128.0;
const DEVICE_BYTES: f64 = 64.0;
const SIMDS: f64 = 2.0;

/// Plans a network of the zoo for a GPU of which only WebGPU's largest common limits are known, and with `matrices` that
/// it has those of AMD's GPUs.
///
/// # Errors
/// Where there is no such network.
pub fn plan(
    network: &str,
    batch: usize,
    options: &SessionOptions,
    card: &Card,
    matrices: bool,
) -> Result<PlanReport, Error> {
    let fault = |error| plan_fault(network, &error);
    let architecture = zoo::find(network).map_err(fault)?;
    let graph = architecture.build(&ZooOptions::default()).map_err(fault)?;
    let shapes = architecture.input_shapes(batch, &ZooOptions::default());
    plan_graph(&graph, &shapes, options, card, matrices)
}

/// As [`plan`], of any network.
///
/// # Errors
/// Where it cannot be planned.
pub fn plan_graph(
    graph: &Graph,
    shapes: &[Shape],
    options: &SessionOptions,
    card: &Card,
    matrices: bool,
) -> Result<PlanReport, Error> {
    let limits = shadernet::wgpu::Limits {
        max_buffer_size: 1 << 32,
        max_storage_buffer_binding_size: (1 << 32) - 4,
        max_compute_workgroup_storage_size: 32768,
        ..shadernet::wgpu::Limits::default()
    };
    let [of_amd, ..] = MatrixShape::ALL;
    let gpu = AssumedGpu {
        limits,
        matrices: matrices.then_some(of_amd),
        // Sessions measure it.
        compute_units: Some(card.compute_units),
    };
    PlanReport::assumed_gpu(gpu, graph, shapes, options)
        .map_err(|error| plan_fault(graph.name(), &error))
}

/// What is wrong with a network's plan.
pub fn plan_fault(network: &str, error: &shadernet::Error) -> Error {
    Error::Plan {
        network: network.to_owned(),
        message: error.to_string(),
    }
}

/// Rows by [`Pipeline::key`].
pub type RowsByForm = HashMap<(String, String), Row>;

/// The rows by what they are of. Those of pipelines that a family cannot have are missing.
pub fn by_form(rows: Vec<Row>) -> RowsByForm {
    let key = |row: &Row| (row.shader.clone(), row.form.clone());
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

/// Seconds of each step of a pass on `card`.
///
/// # Errors
/// Where a row is missing.
pub fn seconds(plan: &PlanReport, card: &Card, rows: &RowsByForm) -> Result<Vec<f64>, Error> {
    let step = |(step, moved): (&PlannedStep, f64)| {
        let pipeline = Pipeline::of_step(plan, step);
        let row = rows.get(&pipeline.key()).ok_or_else(|| Error::Family {
            family: card.family.to_owned(),
            message: format!("no row of {} {}", pipeline.shader, pipeline.form()),
        })?;
        Ok(dispatch_seconds(&dispatch_of(step, moved, row), card, row))
    };
    let transfers = plan.steps.iter().map(|step| &step.transfers[..]);
    let moved = moved(card, transfers);
    plan.steps.iter().zip(moved).map(step).collect()
}

/// Bytes that memory moves for each dispatch of a pass, after another one.
pub fn moved<'a>(card: &Card, pass: impl Iterator<Item = &'a [Transfer]> + Clone) -> Vec<f64> {
    let mut cache = Cache::new(card.cache_bytes);
    for transfers in pass.clone() {
        cache.moved(transfers);
    }
    pass.map(|transfers| cache.moved(transfers)).collect()
}

/// What the time of a dispatch depends on, besides its row.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch {
    /// Its workgroups.
    pub workgroups: u64,
    /// Multiply-adds of an invocation, those of unused parts of a tile included.
    pub products: f64,
    /// How often the loop around the hottest runs; 0 where it is not known.
    pub around: f64,
    /// Bytes that it reads and writes.
    pub bytes: f64,
    /// Of these and of others, what moves between the cache and memory.
    pub moved: f64,
}

/// What the time of a step depends on.
pub fn dispatch_of(step: &PlannedStep, moved: f64, row: &Row) -> Dispatch {
    let workgroups: u64 = step.workgroups.iter().map(|&n| u64::from(n)).product();
    let invocations = workgroups as f64 * f64::from(row.workgroup_size);
    let products = match step.products {
        0 => step.operations as f64 / 2.0 / invocations,
        products => products as f64,
    };
    Dispatch {
        workgroups,
        products,
        around: step.taps as f64,
        bytes: step.bytes as f64,
        moved,
    }
}

/// Seconds of a dispatch.
pub fn dispatch_seconds(dispatch: &Dispatch, card: &Card, row: &Row) -> f64 {
    let Dispatch {
        workgroups,
        products,
        around,
        bytes,
        moved,
    } = *dispatch;
    let lanes = f64::from(row.workgroup_size);
    let subgroup = f64::from(row.subgroup_size);
    let waves = (lanes / subgroup).ceil();
    let iterations = match (row.loop_matrix, row.loop_fma) {
        // A product of matrices is 4,096 multiply-adds of the subgroup.
        (1.., _) => products * subgroup / 4096.0 / row.loop_matrix as f64,
        (0, 1..) => products / row.loop_fma as f64,
        (0, 0) => 1.0,
    };
    // Of the busiest compute unit: its workgroups, those that it holds at once, and a SIMD's subgroups of these.
    let mine = workgroups.div_ceil(card.compute_units) as f64;
    let resident = (row.waves_per_simd as f64 * SIMDS / waves)
        .floor()
        .max(1.0)
        .min(mine);
    let concurrent = (resident * waves / SIMDS).max(1.0);
    let cycles = |cost: &Cost| {
        let moving = |bits: f64, bytes: f64| bits / 8.0 * subgroup / bytes * SIMDS;
        let busiest = [
            cost.vector + cost.matrix,
            cost.scalar,
            moving(cost.workgroup_bits, WORKGROUP_BYTES),
            moving(cost.device_bits, DEVICE_BYTES),
        ];
        let busiest = busiest.into_iter().fold(0.0, f64::max);
        let alone = cost.vector + cost.matrix + cost.scalar + cost.waits;
        (busiest * concurrent).max(alone)
    };
    let rounds = mine / resident;
    // The rest has the loop around the hottest once.
    let again = (around - 1.0).max(0.0) * cycles(&row.around_cost);
    let computing = rounds * (iterations * cycles(&row.loop_cost) + again + cycles(&row.rest_cost));
    let computing = computing / (card.gigahertz * 1e9);
    let cached = bytes / (card.cache_bandwidth * 1e9);
    let uncached = moved / (card.bandwidth * 1e9);
    computing.max(cached).max(uncached) + LAUNCH
}
