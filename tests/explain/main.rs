//! Explanations of the bundled model and of networks with generated weights.

mod class_activation;
#[path = "../common/devices.rs"]
mod devices;
mod errors;
mod features;
mod photographs;
#[path = "../common/tolerance.rs"]
mod tolerance;

use shadernet::device::Device;
use shadernet::explain::{ExplainMethod, ExplainOptions, Explainer};
use shadernet::model_folder::default_model;

/// The first GPU.
fn gpu() -> Device {
    devices::devices()[0].1.clone()
}

/// An explainer of the bundled classifier.
fn bundled(device: &Device) -> Explainer {
    let folder = default_model().unwrap().open().unwrap();
    Explainer::new(device, &folder, &Default::default()).unwrap()
}

fn options(method: ExplainMethod, classes: &[usize]) -> ExplainOptions {
    ExplainOptions::new(method).classes(classes.iter().copied())
}
