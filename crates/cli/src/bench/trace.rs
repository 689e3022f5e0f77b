//! A pass as a trace for Perfetto and Chrome's tracing.

use serde_json::{Value, json};
use shadernet::profile::Profile;

/// A trace in Chrome's "Trace Event Format": complete events ("X") with times in microseconds.
pub fn trace(network: &str, device: &str, profile: &Profile) -> Value {
    let name = |what: &str, name: &str| json!({"ph": "M", "pid": 1, "tid": 1, "name": what, "args": {"name": name}});
    let steps = profile.steps.iter().map(|step| {
        json!({
            "ph": "X",
            "pid": 1,
            "tid": 1,
            "name": step.node,
            "cat": step.kind,
            "ts": step.start_seconds * 1e6,
            "dur": step.seconds * 1e6,
            "args": {
                "kernel": step.kernel,
                "variant": step.variant,
                "output": step.output.to_string(),
                "gflop": step.operations as f64 / 1e9,
                "mbyte": step.bytes as f64 / 1e6,
            },
        })
    });
    let names = [name("process_name", device), name("thread_name", network)];
    let events: Vec<Value> = names.into_iter().chain(steps).collect();
    json!({"traceEvents": events, "displayTimeUnit": "ms"})
}
