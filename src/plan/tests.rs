use super::*;
use crate::graph::{
    Activation, AdaptiveAvgPool2d, Conv2d, GraphBuilder, Linear, LocalResponseNorm,
    LocalResponseNormBackward, Pool2d, SliceChannels, Storage,
};
use crate::kernels::{ConvAlgorithm, SELECTIONS};
use crate::zoo::{self, ZooOptions};

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
        &PassOptions::none(),
        &DeviceContext::assumed(Default::default()),
    );
    let plan = plan.unwrap();
    assert_no_step_writes_what_it_reads(&plan, "g");
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
    let plan = Plan::new(
        &graph,
        &[Shape::from([2, 100])],
        &PassOptions::default(),
        &DeviceContext::assumed(limits),
    )
    .unwrap();
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
    let error = Plan::new(
        &graph,
        &[shape],
        &PassOptions::default(),
        &DeviceContext::assumed(Default::default()),
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("'stem'") && text.contains("smaller image"),
        "{text}"
    );
}

/// A network of the zoo at the size that it was made for.
fn plan_of(architecture: &zoo::Architecture, passes: &PassOptions) -> Plan {
    plan_with(architecture, passes, None)
}

fn plan_with(
    architecture: &zoo::Architecture,
    passes: &PassOptions,
    prefer: Option<ConvAlgorithm>,
) -> Plan {
    let graph = architecture.build(&ZooOptions::default()).unwrap();
    let shapes = architecture.input_shapes(1, &ZooOptions::default());
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: 1 << 30,
        max_buffer_size: 1 << 30,
        ..Default::default()
    };
    let device = DeviceContext {
        prefer,
        ..DeviceContext::assumed(limits)
    };
    Plan::new(&graph, &shapes, passes, &device).unwrap()
}

/// All dispatches of a network, input and output included, with one per convolution: Winograd's takes
/// three.
#[test]
fn networks_take_few_dispatches() {
    let most = [
        ("resnet50", 56),
        ("densenet121", 126),
        ("efficientnet_lite0", 52),
        ("unet", 32),
    ];
    for (name, most) in most {
        let prefer = Some(ConvAlgorithm::Direct);
        let plan = plan_with(zoo::find(name).unwrap(), &PassOptions::default(), prefer);
        let found = plan.steps.len();
        println!("{name}: {found} dispatches");
        assert!(found <= most, "{name}: {found} dispatches, {most} expected");
    }
}

/// WebGPU refuses a dispatch that writes a buffer it reads.
fn assert_no_step_writes_what_it_reads(plan: &Plan, what: &str) {
    for step in &plan.steps {
        for read in &step.dispatch.reads {
            if let Read::Input(i) = read {
                assert_ne!(step.inputs[*i], step.output, "{what}: {}", step.label);
            }
        }
    }
}

/// How much memory a family's plans may take, in hundredths of the lower bound. A buffer is as large as its largest value.
fn most_of_lower_bound(architecture: &zoo::Architecture) -> u64 {
    match architecture.family {
        _ if architecture.name == "mobilenet_v2" => 115,
        // The product of a squeeze-and-excitation and the sum after it are dispatches of their own: three of the
        // largest maps are alive at once, and neither may write a buffer that it reads.
        "SE-ResNet" => 150,
        // The largest maps follow one another in three sizes, of which two at a time are most of the memory.
        "EfficientNetV2" => 150,
        "MobileNetV2" | "MobileNetV3" | "MNASNet" | "EfficientNet" | "DeepLabV3" | "LR-ASPP" => 130,
        // Several branches read one value; without Winograd's workspaces, these are all of it.
        "Inception v3" => 140,
        "ShuffleNetV2" => 120,
        _ => 115,
    }
}

/// Bytes that parts of sums add at most.
const PARTS_OF_SUMS: u64 = 1 << 18;

#[test]
fn memory_is_close_to_the_lower_bound() {
    let mut problems = Vec::new();
    for architecture in zoo::architectures() {
        let unoptimized = plan_of(architecture, &PassOptions::none());
        let plan = plan_of(architecture, &PassOptions::default());
        for (plan, what) in [(&unoptimized, "unoptimized"), (&plan, "optimized")] {
            let what = format!("{} {what}", architecture.name);
            let ratio = plan.activation_bytes as f64 / plan.lower_bound_bytes as f64;
            println!(
                "{what}: {} steps, {} buffers, {} bytes, {ratio:.3} of the lower bound",
                plan.steps.len(),
                plan.slots.len(),
                plan.activation_bytes,
            );
            assert_no_step_writes_what_it_reads(plan, &what);
            // Unoptimized DenseNets have hundreds of values. Nobody runs them, so a longer search for less
            // memory is not worth its time.
            let most = match plan.passes.is_empty() {
                true => 150,
                false => most_of_lower_bound(architecture),
            };
            // Parts of sums that are split between workgroups take some of it in networks of small maps.
            if plan.activation_bytes * 100 > plan.lower_bound_bytes * most + 100 * PARTS_OF_SUMS {
                problems.push(format!("{what}: {ratio:.3}"));
            }
        }
        // A concatenation's memory is in use from its first part on, so passes could cost memory.
        let most = most_of_lower_bound(architecture).max(125);
        if plan.activation_bytes * 100 > unoptimized.lower_bound_bytes * most {
            problems.push(format!(
                "{}: {} bytes optimized, {} lower bound unoptimized",
                architecture.name, plan.activation_bytes, unoptimized.lower_bound_bytes
            ));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Plans that try several layouts included.
#[test]
fn kernels_are_selected_once_per_node() {
    for name in ["resnet50", "densenet121", "unet", "mobilenet_v2"] {
        let before = SELECTIONS.get();
        let plan = plan_of(zoo::find(name).unwrap(), &PassOptions::default());
        let nodes = plan.placed.shapes.len();
        assert_eq!(SELECTIONS.get() - before, nodes, "{name}");
    }
}

#[test]
fn selections_do_not_depend_on_storage() {
    let architecture = zoo::find("densenet121").unwrap();
    let graph = architecture.build(&ZooOptions::default()).unwrap();
    let shapes = architecture.input_shapes(1, &ZooOptions::default());
    let (graph, _) = passes::optimize(&graph, &shapes, &PassOptions::default()).unwrap();
    let mut nodes = graph.nodes().to_vec();
    let mut changed = 0;
    for node in &mut nodes {
        changed += usize::from(node.fused.storage != Storage::Owned);
        node.fused.storage = Storage::Owned;
    }
    assert!(changed > 50, "{changed}");
    let owned = Graph::from_nodes(graph.name(), nodes, graph.outputs().to_vec());
    let device = DeviceContext::assumed(Default::default());
    let select = |graph: &Graph| {
        let inferred = graph.infer(&shapes).unwrap();
        Selections::new(graph, inferred, &device).selections
    };
    assert_eq!(select(&graph), select(&owned));
}

#[test]
fn only_algorithms_that_read_nchw_are_candidates_for_an_unpacked_image() {
    let mut b = GraphBuilder::new("g");
    let x = b.image_input("input", 3);
    let x = b.conv2d("first", x, Conv2d::new(3, 16, 3).padding(1));
    let x = b.conv2d("second", x, Conv2d::new(16, 16, 3).padding(1));
    b.output(x);
    let graph = b.build().unwrap();
    let device = DeviceContext::assumed(Default::default());
    let inputs = [Shape::from([1, 3, 16, 16])];
    let layers = conv_layers(&graph, &inputs, &PassOptions::default(), &device).unwrap();
    let has_winograd = |layer: &ConvLayer| {
        let mut candidates = layer.choice.candidates.iter();
        candidates.any(|kernel| matches!(kernel, ConvAlgorithm::Winograd { .. }))
    };
    assert_eq!(
        layers.iter().map(has_winograd).collect::<Vec<_>>(),
        [false, true]
    );
}

/// Plans `graph` in its usual way. The bound is far above what it takes, and far below what it takes
/// where time or memory grows with the square of the number of nodes.
fn plan_soon(b: GraphBuilder, input: [usize; 4]) -> Plan {
    let start = std::time::Instant::now();
    let graph = b.build().unwrap();
    let device = DeviceContext::assumed(Default::default());
    let passes = PassOptions::default();
    let plan = Plan::new(&graph, &[Shape::from(input)], &passes, &device).unwrap();
    graph.summary(&[Shape::from(input)]).unwrap();
    graph.last_feature_map(&[Shape::from(input)]).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds < 20.0, "{seconds} s");
    plan
}

#[test]
fn long_chains_are_planned_soon() {
    let mut b = GraphBuilder::new("chain");
    let mut x = b.image_input("input", 4);
    x = b.conv2d("conv", x, Conv2d::new(4, 4, 1));
    for i in 0..20_000 {
        x = match i % 3 {
            0 => b.pool2d(format!("pool{i}"), x, Pool2d::max(3, 1).padding(1)),
            1 => b.activation(format!("relu{i}"), x, Activation::Relu),
            _ => b.dropout(format!("drop{i}"), x),
        };
    }
    b.output(x);
    let plan = plan_soon(b, [1, 4, 2, 2]);
    assert_eq!(plan.slots.len(), 2, "{}", plan.activation_bytes);
    assert_no_step_writes_what_it_reads(&plan, "chain");
}

/// A value that many nodes read, and that many nodes pad, and a concatenation of many parts.
#[test]
fn wide_graphs_are_planned_soon() {
    let mut b = GraphBuilder::new("wide");
    let x = b.image_input("input", 4);
    let x = b.conv2d("conv", x, Conv2d::new(4, 4, 1));
    let parts: Vec<_> = (0..20_000)
        .map(|i| match i % 4 {
            0 => b.activation(format!("relu{i}"), x, Activation::Relu),
            1 => b.dropout(format!("drop{i}"), x),
            2 => b.pool2d(format!("pool{i}"), x, Pool2d::max(3, 1).padding(1)),
            _ => b.node(
                format!("slice{i}"),
                SliceChannels { start: 0, end: 3 },
                &[x],
            ),
        })
        .collect();
    let y = b.concat("concat", &parts);
    b.output(y);
    let plan = plan_soon(b, [1, 4, 2, 2]);
    assert_no_step_writes_what_it_reads(&plan, "wide");
    // One buffer for each step's inputs, not one for each of its dispatches.
    let inputs = plan.steps.iter().filter(|step| step.label == "concat");
    let lists: HashSet<_> = inputs.map(|step| step.inputs.as_ptr()).collect();
    assert_eq!(lists.len(), 1);
}

/// Concatenations of concatenations, as a file of a few lines can have them.
#[test]
fn many_concatenations_are_planned_soon() {
    let mut b = GraphBuilder::new("concats");
    let mut x = b.image_input("input", 4);
    let mut all = Vec::new();
    for i in 0..1500 {
        x = b.conv2d(format!("conv{i}"), x, Conv2d::new(4, 4, 1));
        all.push(x);
        let last = b.concat(format!("concat{i}"), &all[all.len().saturating_sub(40)..]);
        b.output(last);
        let repeated = b.concat(format!("repeated{i}"), &[x; 40]);
        b.output(repeated);
    }
    let plan = plan_soon(b, [1, 4, 2, 2]);
    assert_no_step_writes_what_it_reads(&plan, "concats");
}

#[test]
fn gradients_of_many_nodes_are_planned_soon() {
    let mut b = GraphBuilder::new("gradients");
    let input = b.image_input("input", 4);
    let mut x = b.conv2d("conv", input, Conv2d::new(4, 4, 1));
    for i in 0..5000 {
        let y = b.pool2d(format!("pool{i}"), x, Pool2d::max(3, 1).padding(1));
        x = b.add(format!("add{i}"), x, y);
    }
    b.output(x);
    let start = std::time::Instant::now();
    let shapes = [Shape::from([1, 4, 2, 2])];
    let graph = b.build().unwrap();
    let rule = crate::graph::GradientRule::Gradient;
    let seed = crate::graph::Seed::ArgMax;
    let graph = graph
        .with_gradients(&shapes, x, seed, &[input], rule)
        .unwrap();
    let device = DeviceContext::assumed(Default::default());
    let plan = Plan::new(&graph, &shapes, &PassOptions::default(), &device).unwrap();
    assert_no_step_writes_what_it_reads(&plan, "gradients");
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds < 20.0, "{seconds} s");
}

/// A driver's limit of loop iterations changes nothing for ordinary networks; long sums take more dispatches.
#[test]
fn only_sums_beyond_the_limit_of_loops_are_split() {
    let limited = DeviceContext {
        max_loop_iterations: Some(65_535),
        ..DeviceContext::assumed(Default::default())
    };
    let unlimited = DeviceContext::assumed(Default::default());
    let steps = |graph: &Graph, shape: &Shape, device| {
        let inputs = std::slice::from_ref(shape);
        let plan = Plan::new(graph, inputs, &PassOptions::default(), device).unwrap();
        let most = plan.steps.iter().map(|step| step.dispatch.loop_iterations);
        // Sums that are split between workgroups, for speed, are not meant. Without them, Winograd may be faster.
        let extra = ["conv2d_sum", "winograd_input", "winograd_output"];
        let is_other = |step: &&Step| !extra.contains(&step.dispatch.key.shader.name);
        let others = plan.steps.iter().filter(is_other);
        (others.count(), most.max().unwrap())
    };
    for name in ["vgg16", "resnet50", "alexnet", "densenet121"] {
        let graph = zoo::find(name).unwrap().build(&ZooOptions::default());
        let (graph, shape) = (graph.unwrap(), Shape::from([4, 3, 224, 224]));
        let (count, most) = steps(&graph, &shape, &limited);
        assert_eq!(count, steps(&graph, &shape, &unlimited).0, "{name}");
        assert!(most > 0 && most <= 65_535, "{name}: {most}");
    }
    let mut b = GraphBuilder::new("long");
    let x = b.image_input("input", 1);
    let x = b.adaptive_avg_pool2d("pool", x, AdaptiveAvgPool2d::new(1, 1));
    b.output(x);
    let graph = b.build().unwrap();
    let shape = Shape::from([1, 1, 1024, 1024]);
    let extra = steps(&graph, &shape, &limited).0 - steps(&graph, &shape, &unlimited).0;
    assert_eq!(extra, 2);
    // Sums of squares within sums are not split.
    let mut b = GraphBuilder::new("unsplittable");
    let g = b.image_input("gradient", 400);
    let x = b.image_input("input", 400);
    let op = LocalResponseNormBackward(LocalResponseNorm::new(399));
    let y = b.node("lrn", op, &[g, x]);
    b.output(y);
    let graph = b.build().unwrap();
    let shapes = [Shape::from([1, 400, 2, 2]), Shape::from([1, 400, 2, 2])];
    let plan = |device| Plan::new(&graph, &shapes, &PassOptions::default(), device);
    assert!(plan(&unlimited).is_ok());
    let message = plan(&limited).unwrap_err().report().to_string();
    for part in ["lrn", "65535", "loop iterations"] {
        assert!(message.contains(part), "{message}");
    }
}
