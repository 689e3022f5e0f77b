use super::*;
use crate::gpu::Precision;
use crate::graph::{Activation, Conv2d, GraphBuilder, Linear};

fn device(limits: wgpu::Limits) -> DeviceContext {
    DeviceContext {
        name: "assumed".to_owned(),
        limits,
        precision: Precision::F32,
    }
}

#[test]
fn no_step_writes_what_it_reads() {
    let mut b = GraphBuilder::new("g");
    let x = b.image_input("input", 3);
    let a = b.conv2d("conv", x, Conv2d::new(3, 8, 3).padding(1));
    let d = b.dropout("drop", a);
    let c = b.activation("relu", d, Activation::Relu);
    let s = b.add("add", a, c);
    b.output(s);
    b.output(c);
    let graph = b.build().unwrap();
    let plan = Plan::new(
        &graph,
        &[Shape::from([1, 3, 5, 7])],
        &device(Default::default()),
    );
    let plan = plan.unwrap();
    for step in &plan.steps {
        assert!(!step.inputs.contains(&step.output), "{}", step.label);
    }
    // conv, relu and add are alive at once; the input's slot is free again by then.
    assert_eq!(plan.slots.len(), 3);
    assert_eq!(plan.steps.iter().filter(|s| s.label == "drop").count(), 0);
}

#[test]
fn weights_larger_than_a_binding_are_split() {
    let mut b = GraphBuilder::new("g");
    let x = b.input("input", &[None, Some(100)]);
    let y = b.linear("fc", x, Linear::new(100, 1000));
    b.output(y);
    let graph = b.build().unwrap();
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: 50_000,
        ..Default::default()
    };
    let plan = Plan::new(&graph, &[Shape::from([2, 100])], &device(limits)).unwrap();
    let parts = plan.steps.iter().filter(|s| s.label == "fc").count();
    // 1000 * 100 * 4 bytes in runs of 31 groups of 1600 bytes.
    assert_eq!(parts, 9);
    assert!(plan.weights().all(|w| w.bytes() <= 50_000));
}

#[test]
fn values_larger_than_a_binding_are_refused_by_name() {
    let mut b = GraphBuilder::new("g");
    let x = b.image_input("input", 3);
    let y = b.conv2d("stem", x, Conv2d::new(3, 64, 3).padding(1));
    b.output(y);
    let graph = b.build().unwrap();
    let shape = Shape::from([8, 3, 1024, 1024]);
    let error = Plan::new(&graph, &[shape], &device(Default::default())).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("'stem'") && text.contains("smaller image"),
        "{text}"
    );
}
