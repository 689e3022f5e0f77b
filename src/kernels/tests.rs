use super::*;
use crate::gpu::{Precision, SHADERS};

fn device() -> DeviceContext {
    DeviceContext::assumed(wgpu::Limits::default())
}

#[test]
fn long_rows_of_workgroups_are_folded() {
    let device = device();
    for count in [1, 64, 65_535 * 64, 65_535 * 64 + 1, 1 << 31] {
        let [x, y, _] = device.flat_grid("test", count).unwrap();
        assert!(x <= 65_535 && y <= 65_535);
        assert!(u64::from(x) * u64::from(y) * WORKGROUP >= count);
    }
    assert!(device.flat_grid("test", 1 << 60).is_err());
}

#[test]
fn maps_have_the_layout_of_the_shaders() {
    // The uniform block that every shader declares must be as large as what a kernel uploads,
    // filled up to 16 bytes; the largest member order is checked by the kernels' answers.
    // Those that measure a device's peak compute no values of a graph, nor do those that have no elements:
    // they are for what is before a graph and after it.
    for shader in SHADERS.iter().filter(|s| !s.name.starts_with("peak_")) {
        let source = shader.assemble(Precision::F32);
        if !source.contains("alias Element") {
            continue;
        }
        let module = naga::front::wgsl::parse_str(&source).unwrap();
        let map = module
            .types
            .iter()
            .find(|(_, ty)| ty.name.as_deref() == Some("TensorView"));
        let (_, map) = map.expect("every shader has maps");
        let naga::TypeInner::Struct { members, span } = &map.inner else {
            panic!("TensorView is a struct");
        };
        assert_eq!(*span as usize, size_of::<TensorView>());
        let names: Vec<_> = members.iter().filter_map(|m| m.name.as_deref()).collect();
        let expected = [
            "batch", "height", "width", "channels", "stride", "offset", "groups", "pixels",
        ];
        assert_eq!(names, expected);
    }
}
