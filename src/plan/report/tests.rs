use std::sync::Arc;

use super::*;
use crate::graph::{Activation, Conv2d, GraphBuilder};
use crate::kernels::{DeviceClass, Tuned};
use crate::session::SessionOptions;
use crate::zoo::{self, ZooOptions};

fn network(name: &str) -> (Graph, Vec<Shape>) {
    let architecture = zoo::find(name).unwrap();
    let options = ZooOptions::default();
    let graph = architecture.build(&options).unwrap();
    (graph, architecture.input_shapes(1, &options))
}

/// With one dispatch per convolution.
fn directly(name: &str) -> PlanReport {
    let (graph, shapes) = network(name);
    let options = SessionOptions {
        prefer: Some(ConvAlgorithm::Direct),
        ..Default::default()
    };
    PlanReport::assumed(wgpu::Limits::default(), &graph, &shapes, &options).unwrap()
}

#[test]
fn operations_are_those_of_the_network() {
    for name in [
        "resnet50",
        "mobilenet_v2",
        "densenet121",
        "unet",
        "squeezenet1_1",
    ] {
        let report = directly(name);
        let (graph, shapes) = network(name);
        let paper = graph.summary(&shapes).unwrap().multiplications;
        let planned: u64 = report.steps.iter().map(|step| step.operations).sum();
        assert_eq!(planned, 2 * paper, "{name}");
    }
}

#[test]
fn resnet50_with_one_dispatch_per_convolution() {
    let report = directly("resnet50");
    assert_eq!(report.steps.len(), 56);
    assert!(report.broken.is_empty());
    let memory = report.memory;
    assert!(memory.lower_bound > 0 && memory.lower_bound <= memory.activations);
    assert_eq!(memory.workspace, 0);
    // 25.6 million parameters, the norms' folded into a bias each.
    assert!((100_000_000..104_000_000).contains(&memory.weights));
    // The image on the device and mapped; the outputs are mapped, and on the device among the activations.
    assert_eq!(
        memory.inputs_and_outputs,
        4 * (2 * 3 * 224 * 224 + 1000),
        "{memory:?}"
    );
    assert_eq!(
        memory.peak(),
        memory.weights + memory.activations + memory.inputs_and_outputs
    );
    assert!((2..20).contains(&report.pipelines));

    let named = |name: &str| report.nodes.iter().find(|node| node.name == name).unwrap();
    let parts = |name: &str| -> Vec<(&str, String)> {
        let fused = named(name).fused.iter();
        fused.map(|part| (part.kind, part.text.clone())).collect()
    };
    assert_eq!(
        parts("layer1.0.conv3"),
        [
            ("norm", "layer1.0.bn3".to_owned()),
            ("residual", "layer1.0.downsample.0".to_owned()),
            ("activation", "ReLU".to_owned()),
        ]
    );
    assert_eq!(named("input").storage, "as the user gives it");
    let last = report.nodes.last().unwrap();
    assert!(last.is_output && last.output == report.outputs[0]);
    for step in &report.steps {
        assert_eq!(step.name, report.nodes[step.node].name);
    }
}

/// The algorithm of a convolution over an image of this size, and the selection reason.
fn choice(device: &DeviceContext, conv: Conv2d, size: usize) -> (Option<ConvAlgorithm>, String) {
    let channels = conv.in_channels;
    let mut b = GraphBuilder::new("one");
    let x = b.image_input("input", channels);
    let x = b.conv2d("conv", x, conv);
    b.output(x);
    let graph = b.build().unwrap();
    let shapes = [Shape::from([1, channels, size, size])];
    let report = PlanReport::new(device, &graph, &shapes, &PassOptions::default()).unwrap();
    let mut of_node = report.steps.iter().filter(|step| step.name == "conv");
    let step = of_node.next().unwrap();
    (step.kernel, step.why.clone())
}

#[test]
fn every_selection_has_its_reason() {
    let plain = DeviceContext::assumed(wgpu::Limits::default());
    let subgroups = DeviceContext {
        largest_subgroup: Some(8),
        subgroup_size: Some(8),
        ..plain.clone()
    };
    let software = DeviceContext {
        class: DeviceClass::Software,
        ..plain.clone()
    };
    let prefers = DeviceContext {
        prefer: Some(ConvAlgorithm::Winograd { tile: 2 }),
        ..plain.clone()
    };
    let wrong = DeviceContext {
        tuned: Some(Arc::new(Tuned {
            quarantined: [2, 4].map(|tile| ConvAlgorithm::Winograd { tile }).into(),
            ..Default::default()
        })),
        ..plain.clone()
    };
    let conv = |kernel| Conv2d::new(64, 64, kernel).padding(kernel / 2);
    for (device, conv, size, reason) in [
        (&plain, conv(3), 224, "Winograd costs "),
        (&plain, conv(3), 28, "no Winograd: it costs "),
        (&plain, conv(3).stride(2), 56, "no Winograd: stride 2x2"),
        (&plain, conv(1), 56, "no Winograd: kernel 1x1"),
        (&plain, conv(3).dilation(2), 56, "no Winograd: dilation 2x2"),
        (&plain, conv(3).groups(2), 56, "no Winograd: 2 groups"),
        (&plain, conv(3), 7, "no Winograd: 16 tiles, fewer than 32"),
        (&plain, conv(3).groups(64), 56, "depthwise: "),
        (&plain, conv(7).groups(64), 56, "depthwise, one pixel per"),
        (&plain, conv(3).groups(32), 56, "no multiple of 4"),
        (&plain, Conv2d::new(3, 64, 3), 56, "reads the input as NCHW"),
        (&plain, conv(1), 224, "fastest tile by estimate ("),
        (&plain, conv(1), 7, "fastest tile by estimate ("),
        (&subgroups, conv(1), 56, "subgroups share each load"),
        (&software, conv(1), 56, "in software"),
        (&prefers, conv(3), 7, "preferred by"),
        (&wrong, conv(3), 224, "winograd-2 is quarantined"),
    ] {
        let (kernel, why) = choice(device, conv.clone(), size);
        assert!(why.contains(reason), "{conv:?}, {size}: {kernel:?}, {why}");
        let is_winograd = matches!(kernel, Some(ConvAlgorithm::Winograd { .. }));
        let says_so = why.starts_with("Winograd") || why.starts_with("preferred");
        assert_eq!(is_winograd, says_so, "{kernel:?}, {why}");
    }
}

#[test]
fn tuned_algorithms_have_that_reason() {
    let graph_signature = "f32 1x64x7x7 to 64x7x7 kernel 3x3 stride 1x1 dilation 1x1 groups 1 \
                           padding 1,1";
    let kernel = ConvAlgorithm::Winograd { tile: 4 };
    let device = DeviceContext {
        tuned: Some(Arc::new(Tuned {
            algorithms: [(graph_signature.to_owned(), kernel)].into(),
            ..Default::default()
        })),
        ..DeviceContext::assumed(wgpu::Limits::default())
    };
    let (found, why) = choice(&device, Conv2d::new(64, 64, 3).padding(1), 7);
    assert_eq!(found, Some(kernel));
    assert!(why.starts_with("tuned: "), "{why}");
}

#[test]
fn winograd_is_not_selected_for_a_prologue() {
    let (graph, shapes) = network("densenet121");
    let mut b = GraphBuilder::new("prologue");
    let x = b.image_input("input", 64);
    let y = b.activation("relu", x, Activation::Relu);
    let y = b.conv2d("conv", y, Conv2d::new(64, 64, 3).padding(1));
    b.output(y);
    let own = (b.build().unwrap(), vec![Shape::from([1, 64, 56, 56])]);
    for (graph, shapes) in [own, (graph, shapes)] {
        let limits = wgpu::Limits::default();
        let report = PlanReport::assumed(limits, &graph, &shapes, &Default::default()).unwrap();
        let has_prologue = |i: usize| {
            report.nodes[i]
                .fused
                .iter()
                .any(|part| part.kind == "prologue")
        };
        let with = report.steps.iter().filter(|step| has_prologue(step.node));
        let winograd =
            |step: &&PlannedStep| matches!(step.kernel, Some(ConvAlgorithm::Winograd { .. }));
        assert_eq!(with.clone().filter(winograd).count(), 0);
        assert!(with.count() > 0);
    }
}

/// Planning succeeds exactly where no limit is broken, and otherwise reports the first broken limit.
#[test]
fn limits_are_broken_where_a_plan_stops() {
    let defaults = wgpu::Limits::default;
    let bindings = [1 << 12, 1 << 16, 1 << 20, 1 << 22, 1 << 27].map(|bytes| wgpu::Limits {
        max_storage_buffer_binding_size: bytes,
        ..defaults()
    });
    let buffers = [1 << 20, 1 << 22].map(|bytes| wgpu::Limits {
        max_buffer_size: bytes,
        ..defaults()
    });
    let workgroups = [4, 16, 100].map(|count| wgpu::Limits {
        max_compute_workgroups_per_dimension: count,
        ..defaults()
    });
    let mut stopped = 0;
    for name in ["resnet18", "mobilenet_v2", "squeezenet1_1"] {
        let (graph, shapes) = network(name);
        for limits in [&bindings[..], &buffers, &workgroups].concat() {
            let what = format!("{name}: {limits:?}");
            let device = DeviceContext::assumed(limits);
            let plan = Plan::new(&graph, &shapes, &PassOptions::default(), &device);
            let report = PlanReport::new(&device, &graph, &shapes, &Default::default()).unwrap();
            match plan {
                Ok(_) => assert_eq!(report.broken, [], "{what}"),
                Err(Error::Limit {
                    what: first,
                    needed,
                    name,
                    limit,
                    ..
                }) => {
                    stopped += 1;
                    let found = &report.broken[0];
                    assert_eq!((&found.what, found.needed), (&first, needed), "{what}");
                    assert_eq!((found.limit, found.allowed), (name, limit), "{what}");
                }
                Err(error) => panic!("{what}: {error}"),
            }
            assert!(!report.steps.is_empty());
        }
    }
    assert!(stopped > 10, "{stopped}");
}

#[test]
fn all_nodes_beyond_a_limit_are_named() {
    let mut b = GraphBuilder::new("wide");
    let x = b.image_input("input", 3);
    let x = b.conv2d("first", x, Conv2d::new(3, 64, 3).padding(1));
    let x = b.conv2d("narrow", x, Conv2d::new(64, 4, 1));
    let x = b.conv2d("second", x, Conv2d::new(4, 64, 1));
    b.output(x);
    let graph = b.build().unwrap();
    let shapes = [Shape::from([1, 3, 1024, 1024])];
    let report =
        |limits| PlanReport::assumed(limits, &graph, &shapes, &SessionOptions::default()).unwrap();
    let broken = report(wgpu::Limits::default()).broken;
    let nodes: Vec<&str> = broken.iter().map(|broken| broken.node.as_str()).collect();
    assert_eq!(nodes, ["first", "second"]);
    for broken in &broken {
        assert_eq!(broken.needed, (64 * 4) << 20);
        assert_eq!(broken.limit, "max_storage_buffer_binding_size");
        assert!(
            broken.what.contains("[1, 64, 1024, 1024]"),
            "{}",
            broken.what
        );
    }
    let few = wgpu::Limits {
        max_storage_buffers_per_shader_stage: 4,
        max_compute_invocations_per_workgroup: 32,
        max_storage_buffer_binding_size: 1 << 30,
        max_buffer_size: 1 << 30,
        ..Default::default()
    };
    let broken = report(few).broken;
    for limit in [
        "max_storage_buffers_per_shader_stage",
        "max_compute_invocations_per_workgroup",
    ] {
        let of = broken.iter().filter(|broken| broken.limit == limit);
        assert!(of.count() >= 3, "{limit}");
    }
}
