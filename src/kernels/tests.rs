use super::*;
use crate::gpu::{Precision, SHADERS};

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

#[test]
fn tensor_views_have_the_layout_of_the_shaders() {
    // Shaders that measure a device's peak compute no values of a graph. Nor do those without elements:
    // they run before or after a graph.
    for shader in SHADERS.iter().filter(|s| !s.name.starts_with("peak_")) {
        let source = shader.assemble(Precision::F32);
        if !source.contains("alias Element") {
            continue;
        }
        let module = naga::front::wgsl::parse_str(&source).unwrap();
        let view = module
            .types
            .iter()
            .find(|(_, ty)| ty.name.as_deref() == Some("TensorView"));
        let (_, view) = view.expect("every shader has tensor views");
        let naga::TypeInner::Struct { members, span } = &view.inner else {
            panic!("TensorView is a struct");
        };
        assert_eq!(*span as usize, size_of::<TensorView>());
        let names: Vec<_> = members.iter().filter_map(|m| m.name.as_deref()).collect();
        let expected = [
            "batch",
            "height",
            "width",
            "channels",
            "pixel_stride",
            "offset",
            "c4",
            "pixels",
        ];
        assert_eq!(names, expected);
    }
}
