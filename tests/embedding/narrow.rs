//! A host's device with nothing but WebGPU's defaults.

use super::devices::backends;
use shadernet::gpu::{Gpu, adapters};

#[test]
fn wanted_limits_can_be_had() {
    for backend in backends() {
        for adapter in adapters(Some(backend)) {
            let wanted = Gpu::wanted_limits(&adapter);
            assert!(wanted.check_limits(&adapter.limits()), "{backend:?}");
            assert!(adapter.features().contains(Gpu::wanted_features(&adapter)));
        }
    }
}
