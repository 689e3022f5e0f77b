use super::*;

fn device() -> DeviceContext {
    DeviceContext::assumed(wgpu::Limits::default())
}

#[test]
fn many_workgroups_are_split_over_two_dimensions() {
    let device = device();
    for count in [1, 64, 65_535 * 64, 65_535 * 64 + 1, 1 << 31] {
        let [x, y, _] = device.flat_grid("test", count).unwrap();
        assert!(x <= 65_535 && y <= 65_535);
        assert!(u64::from(x) * u64::from(y) * WORKGROUP >= count);
    }
    assert!(device.flat_grid("test", 1 << 60).is_err());
}
