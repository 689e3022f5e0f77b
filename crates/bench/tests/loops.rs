//! The limit of loops that is known of a driver is the one that it has.

#[path = "../../../tests/common/devices.rs"]
mod devices;

use devices::devices;
use shadernet::device::Device;
use shadernet_bench::loops::{known_limit, longest_loop};

#[test]
fn loops_run_at_least_as_long_as_is_known() {
    let mut probed = 0;
    for (name, device) in devices() {
        let Device::Gpu(gpu) = device else { continue };
        for iterations in [0, 1, 65_000] {
            assert_eq!(longest_loop(gpu, iterations).unwrap(), iterations, "{name}");
        }
        let most = 300_000;
        let found = longest_loop(gpu, most).unwrap();
        let known = known_limit(gpu);
        let is_known = known.is_some_and(|known| known <= found.into());
        assert!(found == most || is_known, "{name}: {found}, {known:?}");
        probed += 1;
    }
    assert!(probed > 0);
}
