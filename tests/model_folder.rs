//! Model folders in the hub's format, and the errors for invalid ones.

#[path = "common/place.rs"]
mod place;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use shadernet::graph::{Activation, BatchNorm2d, Graph, Op, Padding, Reduce, ReduceKind, ValueId};
use shadernet::model_folder::{ModelFolder, default_model, find_model};
use shadernet::tensor::Shape;
use shadernet::vision::{CropMode, Interpolation, decode};
use shadernet::{Error, Result};

/// Opens a folder with this `config.json` and an empty weights file.
fn open(config: &str) -> Result<ModelFolder> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config).unwrap();
    fs::write(folder.path().join("model.safetensors"), "").unwrap();
    ModelFolder::open(folder.path())
}

/// The message of a refused `config.json`, which must name the file.
#[track_caller]
fn refusal(config: &str) -> String {
    let error = open(config).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    let message = error.report().to_string();
    assert!(message.contains("config.json: "), "{message}");
    message
}

/// The `config.json` of `resnet18.a1_in1k` on the hub.
fn hub_config() -> Value {
    json!({
        "architecture": "resnet18",
        "num_classes": 1000,
        "num_features": 512,
        "pretrained_cfg": {
            "tag": "a1_in1k",
            "custom_load": false,
            "input_size": [3, 224, 224],
            "test_input_size": [3, 288, 288],
            "fixed_input_size": false,
            "interpolation": "bicubic",
            "crop_pct": 0.95,
            "test_crop_pct": 1.0,
            "crop_mode": "center",
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "num_classes": 1000,
            "pool_size": [7, 7],
            "first_conv": "conv1",
            "classifier": "fc",
            "origin_url": "somewhere",
            "paper_ids": "arXiv:2110.00476"
        }
    })
}

#[test]
fn hub_folders_open_unchanged() {
    let folder = open(&hub_config().to_string()).unwrap();
    assert_eq!(folder.architecture, "resnet18");
    assert_eq!(folder.num_classes, 1000);
    assert_eq!(folder.preprocessing.input_size, [3, 224, 224]);
    assert_eq!(folder.preprocessing.crop_pct, 0.95);
    assert_eq!(folder.preprocessing.std, [0.229, 0.224, 0.225]);
    // Without names, 1000 classes are ImageNet's.
    assert_eq!(folder.labels.text(281), "tabby cat");
    assert!(
        folder
            .weights_path()
            .unwrap()
            .ends_with("model.safetensors")
    );
}

#[test]
fn missing_and_null_keys_have_timms_defaults() {
    let empty = open(r#"{"architecture": "resnet18"}"#).unwrap();
    assert_eq!(empty.num_classes, 1000);
    assert_eq!(empty.preprocessing, Default::default());

    let keys = [
        "input_size",
        "mean",
        "std",
        "interpolation",
        "crop_pct",
        "crop_mode",
    ];
    let mut config = hub_config();
    for key in keys {
        config["pretrained_cfg"][key] = Value::Null;
    }
    for key in [
        "num_classes",
        "label_names",
        "label_descriptions",
        "model_args",
    ] {
        config[key] = Value::Null;
    }
    let nulls = open(&config.to_string()).unwrap();
    assert_eq!(nulls.preprocessing, Default::default());
    assert_eq!(nulls.num_classes, 1000);
}

#[test]
fn keys_override_each_other_as_in_timm() {
    let mut config = hub_config();
    config["num_classes"] = json!(7);
    config["model_args"] = json!({"in_chans": 1});
    config["pretrained_cfg"]["mean"] = json!([0.5]);
    config["pretrained_cfg"]["std"] = json!(0.25);
    config["pretrained_cfg"]["interpolation"] = json!("bilinear");
    config["pretrained_cfg"]["crop_mode"] = json!("squash");
    let folder = open(&config.to_string()).unwrap();
    assert_eq!(folder.num_classes, 7);
    assert_eq!(folder.preprocessing.input_size, [1, 224, 224]);
    assert_eq!(folder.preprocessing.mean, [0.5]);
    assert_eq!(folder.preprocessing.std, [0.25]);
    assert_eq!(folder.preprocessing.interpolation, Interpolation::Bilinear);
    assert_eq!(folder.preprocessing.crop_mode, CropMode::Squash);
    // Seven classes are not ImageNet's.
    assert_eq!(folder.labels.text(1), "class 1");

    // Before timm 0.9: one object, and `labels`.
    let folder = open(
        r#"{"architecture": "resnet18", "num_classes": 2, "input_size": [3, 64, 96],
            "labels": ["cat", "dog"], "crop_pct": 1}"#,
    )
    .unwrap();
    assert_eq!(folder.preprocessing.input_size, [3, 64, 96]);
    assert_eq!(folder.preprocessing.crop_pct, 1.0);
    assert_eq!(folder.labels.text(1), "dog");
}

#[test]
fn labels_are_a_list_or_an_object() {
    let mut config = hub_config();
    config["num_classes"] = json!(3);
    config["label_names"] = json!(["n1", "n2", "n1"]);
    config["label_descriptions"] = json!({"n1": "tench, Tinca tinca", "n2": "", "n9": "none"});
    let labels = open(&config.to_string()).unwrap().labels;
    assert_eq!(labels.get(0).unwrap().name, "n1");
    assert_eq!(labels.text(0), "tench, Tinca tinca");
    assert_eq!(labels.text(1), "n2");
    assert_eq!(labels.text(2), "tench, Tinca tinca");

    config["label_names"] = json!({"2": "last", "0": "n1"});
    let labels = open(&config.to_string()).unwrap().labels;
    assert_eq!(labels.text(0), "tench, Tinca tinca");
    assert_eq!(labels.text(1), "class 1");
    assert_eq!(labels.text(2), "last");

    // Names in pretrained_cfg are read too, and 1000 classes need not be ImageNet's.
    let mut config = hub_config();
    let names: Vec<String> = (0..1000).map(|i| format!("plant {i}")).collect();
    config["pretrained_cfg"]["label_names"] = json!(names);
    assert_eq!(
        open(&config.to_string()).unwrap().labels.text(281),
        "plant 281"
    );

    // A network without a classifier.
    let folder = open(r#"{"architecture": "resnet18", "num_classes": 0}"#).unwrap();
    assert!(folder.labels.is_empty());
}

#[test]
fn invalid_json_is_refused_with_line_and_column() {
    let message = refusal("{\n  \"architecture\": resnet18\n}");
    assert!(message.contains("JSON was expected"), "{message}");
    assert!(message.contains("line 2 column 19"), "{message}");
    refusal("");
    refusal("{\"architecture\": \"resnet18\", \"num_classes\": NaN}");
    refusal(&"[".repeat(100_000));
    let message = refusal("[1, 2]");
    assert!(message.contains("found [1,2]"), "{message}");
    let message = refusal("{}");
    assert!(
        message.contains("key 'architecture' is missing"),
        "{message}"
    );
    // Not UTF-8, as when another file was renamed.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), [0xff, 0xfe, 0x00]).unwrap();
    fs::write(folder.path().join("model.safetensors"), "").unwrap();
    assert!(ModelFolder::open(folder.path()).is_err());
}

#[test]
fn invalid_keys_are_named_with_the_value_found() {
    let with = |section: &str, key: &str, value: Value| {
        let mut config = hub_config();
        match section {
            "" => config[key] = value,
            section => config[section][key] = value,
        }
        refusal(&config.to_string())
    };
    let names = |count: usize| json!(vec!["x"; count]);
    let cases = [
        (
            "",
            "architecture",
            json!(18),
            "'architecture': a string expected, found 18",
        ),
        (
            "",
            "architecture",
            json!(""),
            "'architecture': a string expected, found \"\"",
        ),
        (
            "",
            "num_classes",
            json!("1000"),
            "'num_classes': a whole number",
        ),
        ("", "num_classes", json!(-1), "found -1"),
        (
            "",
            "num_classes",
            json!(1e18 as u64),
            "'num_classes': a number up to 1000000",
        ),
        (
            "",
            "pretrained_cfg",
            json!([]),
            "'pretrained_cfg': an object expected, found []",
        ),
        (
            "",
            "model_args",
            json!({"in_chans": "3"}),
            "'model_args.in_chans': a whole number",
        ),
        (
            "",
            "label_names",
            names(999),
            "'label_names': 1000 names, one for each class (num_classes) expected, found 999",
        ),
        (
            "",
            "label_names",
            json!({"1000": "x"}),
            "classes from 0 to below 1000 (num_classes) expected, found \"1000\"",
        ),
        ("", "label_names", json!({"-1": "x"}), "found \"-1\""),
        (
            "",
            "label_names",
            json!({"0": 5}),
            "a string as the name of class 0 expected, found 5",
        ),
        (
            "",
            "label_names",
            json!("x"),
            "a list of names, or an object",
        ),
        (
            "",
            "label_descriptions",
            json!(["x"]),
            "'label_descriptions': an object expected",
        ),
        (
            "pretrained_cfg",
            "input_size",
            json!([3, 224]),
            "'pretrained_cfg.input_size': [channels, height, width] expected, found [3,224]",
        ),
        (
            "pretrained_cfg",
            "input_size",
            json!([3, 224.5, 224]),
            "pretrained_cfg.input_size",
        ),
        (
            "pretrained_cfg",
            "input_size",
            json!([3, 0, 224]),
            "pretrained_cfg.input_size",
        ),
        (
            "pretrained_cfg",
            "input_size",
            json!([3, 1e9 as u64, 224]),
            "height and width up to 16384",
        ),
        (
            "pretrained_cfg",
            "mean",
            json!([0.5, 0.5]),
            "pretrained_cfg.mean: 3 numbers, one per channel, expected, found 2",
        ),
        (
            "pretrained_cfg",
            "mean",
            json!("imagenet"),
            "'pretrained_cfg.mean': a list of numbers",
        ),
        (
            "pretrained_cfg",
            "std",
            json!([0.2, 0.0, 0.2]),
            "pretrained_cfg.std: numbers above zero expected, found 0",
        ),
        (
            "pretrained_cfg",
            "std",
            json!([0.2, 1e300, 0.2]),
            "pretrained_cfg.std: finite numbers",
        ),
        // 1 / 1e-45 is infinite, and 1 / 1e-5 is beyond float16's range.
        (
            "pretrained_cfg",
            "std",
            json!([0.2, 1e-45, 0.2]),
            "pretrained_cfg.std: values that normalize pixels to at most 65504, float16's range, expected, found 0.0",
        ),
        (
            "pretrained_cfg",
            "std",
            json!(1e-6),
            "with a mean of 0.485, which give [-485000",
        ),
        (
            "pretrained_cfg",
            "mean",
            json!([3e38, 0.4, 0.4]),
            "which give [-inf, -inf]",
        ),
        (
            "pretrained_cfg",
            "label_offset",
            json!(1),
            "'pretrained_cfg.label_offset': only 0 can be built and was expected, found 1",
        ),
        (
            "",
            "global_pool",
            json!("token"),
            "'global_pool': \"avg\", \"max\", \"avgmax\", \"catavgmax\" or \"\" expected, found \"token\"",
        ),
        (
            "pretrained_cfg",
            "interpolation",
            json!("cubic"),
            "'pretrained_cfg.interpolation': unknown interpolation 'cubic'; did you mean 'bicubic'?",
        ),
        (
            "pretrained_cfg",
            "crop_mode",
            json!("top"),
            "'pretrained_cfg.crop_mode': unknown crop mode 'top'",
        ),
        (
            "pretrained_cfg",
            "crop_pct",
            json!(0),
            "pretrained_cfg.crop_pct: a number between",
        ),
        (
            "pretrained_cfg",
            "crop_pct",
            json!([1]),
            "'pretrained_cfg.crop_pct': a number expected, found [1]",
        ),
    ];
    for (section, key, value, expected) in cases {
        let message = with(section, key, value);
        assert!(message.contains(expected), "{message}\n  lacks: {expected}");
    }
}

/// A folder of this network with these arguments.
fn with_args(architecture: &str, args: Value) -> Value {
    json!({"architecture": architecture, "num_classes": 10, "model_args": args})
}

/// What timm 1.0.31 writes for a network that is not the architecture's own.
#[test]
fn arguments_of_timms_constructors_are_honored() {
    let graph = |config: Value| open(&config.to_string()).unwrap().graph().unwrap().0;
    let shape = |graph: &Graph, value: ValueId| {
        let shapes = graph.infer(&[Shape::from([1, 3, 224, 224])]).unwrap();
        shapes[value.index()].clone()
    };
    let node = |graph: &Graph, name: &str| graph.node(graph.find(name).unwrap()).op().clone();

    let plain = graph(with_args(
        "resnet18",
        json!({"drop_rate": 0.3, "zero_init_last": false}),
    ));
    assert!(matches!(node(&plain, "avgpool"), Op::AdaptiveAvgPool2d(_)));
    // At the root, in `model_args`, or at both, as timm writes it.
    for (root, args) in [
        (json!("max"), json!({})),
        (Value::Null, json!({"global_pool": "max"})),
    ] {
        let mut config = with_args("resnet18", args);
        config["global_pool"] = root;
        let op = node(&graph(config), "avgpool");
        assert!(
            matches!(
                op,
                Op::Reduce(Reduce {
                    kind: ReduceKind::Max,
                    ..
                })
            ),
            "{op:?}"
        );
    }
    let mut config = with_args("resnet18", json!({"global_pool": "catavgmax"}));
    config["global_pool"] = json!("catavgmax");
    let double = graph(config);
    let Op::Linear(linear) = node(&double, "fc") else {
        panic!("no fc");
    };
    assert_eq!((linear.in_features, linear.out_features), (1024, 10));

    let args = json!({"act_layer": "relu", "pad_type": "same", "bn_eps": 0.1, "output_stride": 16, "drop_path_rate": 0.2});
    let mobile = graph(with_args("mobilenetv2_100", args));
    assert_eq!(
        node(&mobile, "features.0.2"),
        Op::Activation(Activation::Relu)
    );
    let mish = graph(with_args("mobilenetv2_100", json!({"act_layer": "mish"})));
    assert_eq!(
        node(&mish, "features.0.2"),
        Op::Activation(Activation::Mish)
    );
    let Op::Conv2d(stem) = node(&mobile, "features.0.0") else {
        panic!("no stem");
    };
    assert_eq!(stem.padding, Padding::Same);
    assert_eq!(
        node(&mobile, "features.0.1"),
        Op::BatchNorm2d(BatchNorm2d::new(32).eps(0.1))
    );
    let last = mobile.find("features.18.0").unwrap();
    assert_eq!(shape(&mobile, last).dims(), [1, 1280, 14, 14]);

    // `model_args` override what is at the root.
    let folder =
        open(&with_args("resnet18", json!({"num_classes": 3, "in_chans": 1})).to_string()).unwrap();
    assert_eq!(
        (folder.num_classes, folder.preprocessing.input_size[0]),
        (3, 1)
    );
    // The mean of ImageNet's, as in timm.
    assert_eq!(folder.preprocessing.mean.len(), 1);
    assert!((folder.preprocessing.mean[0] - 0.449).abs() < 1e-6);

    // Without a classifier, and without a pooling.
    let mut config = with_args("resnet18", json!({"global_pool": "", "num_classes": 0}));
    config["num_classes"] = json!(0);
    let map = graph(config);
    assert_eq!(shape(&map, map.outputs()[0]).dims(), [1, 512, 7, 7]);
}

#[test]
fn arguments_that_cannot_be_honored_are_refused_by_key_and_value() {
    let refused = |key: &str, value: Value, expected: &str| {
        let config = with_args("resnet18", json!({key: value})).to_string();
        let message = match open(&config) {
            Ok(folder) => folder.graph().unwrap_err().report().to_string(),
            Err(error) => error.report().to_string(),
        };
        assert!(message.contains("config.json: "), "{message}");
        assert!(message.contains(expected), "{message}\n  lacks: {expected}");
    };
    for (key, value, expected) in [
        (
            "act_layer",
            json!("gelu"),
            "'model_args.act_layer': \"relu\"",
        ),
        ("act_layer", json!("gelu"), "expected, found \"gelu\""),
        ("act_layer", json!(""), "found \"\""),
        (
            "bn_eps",
            json!(0),
            "'model_args.bn_eps': a number above zero expected, found 0",
        ),
        // 0 in float32.
        ("bn_eps", json!(1e-60), "'model_args.bn_eps'"),
        (
            "pad_type",
            json!("valid"),
            "'model_args.pad_type': \"\" or \"same\" expected, found \"valid\"",
        ),
        (
            "pad_type",
            json!("same"),
            "resnet18: Same padding: 'maxpool'",
        ),
        (
            "output_stride",
            json!(12),
            "'model_args.output_stride': 2, 4, 8, 16 or 32 expected, found 12",
        ),
        (
            "output_stride",
            json!(2),
            "resnet18: output stride 2: 'maxpool'",
        ),
        ("global_pool", json!(""), "resnet18: global pooling ''"),
        (
            "stem_type",
            json!("deep"),
            "'model_args.stem_type': only \"\" can be built and was expected, found \"deep\"",
        ),
        ("cardinality", json!(32), "'model_args.cardinality'"),
        ("cardinality", json!(32), "expected, found 32"),
        (
            "features_only",
            json!(true),
            "only false can be built and was expected, found true",
        ),
        // In no version of timm so far.
        (
            "attention",
            json!("se"),
            "'model_args.attention': no such key",
        ),
        (
            "attention",
            json!("se"),
            "expected, found \"se\"; remove it",
        ),
    ] {
        refused(key, value, expected);
    }
    // The poolings of one file contradict each other.
    let mut config = with_args("resnet18", json!({"global_pool": "avg"}));
    config["global_pool"] = json!("max");
    let message = refusal(&config.to_string());
    assert!(
        message
            .contains("'global_pool': \"avg\", as elsewhere in this file, expected, found \"max\""),
        "{message}"
    );

    // Null is timm's default; keys of other programs are no arguments.
    let mut config = with_args(
        "resnet18",
        json!({"cardinality": null, "stem_type": "", "stem_width": 64.0}),
    );
    config["library_name"] = json!("timm");
    config["output_stride"] = json!(8);
    open(&config.to_string()).unwrap().graph().unwrap();
}

#[test]
fn incomplete_folders_report_what_is_missing() {
    let root = tempfile::tempdir().unwrap();
    let refusal = |path: &Path| ModelFolder::open(path).unwrap_err().to_string();

    let message = refusal(&root.path().join("none"));
    assert!(message.contains("there is no such folder"), "{message}");
    let message = refusal(root.path());
    assert!(
        message.contains("config.json is missing; a model folder holds"),
        "{message}"
    );
    // What timm 1.0.31 calls it.
    assert!(message.ends_with("timm's save_for_hf writes"), "{message}");
    let message = refusal(Path::new("no_such_folder"));
    let place = std::env::current_dir().unwrap();
    assert!(
        message.contains(&format!("no such folder in {}", place.display())),
        "{message}"
    );
    fs::write(root.path().join("config.json"), "{}").unwrap();
    let message = refusal(&root.path().join("config.json"));
    assert!(message.contains("this is a file"), "{message}");
    let message = refusal(root.path());
    assert!(
        message.contains("model.safetensors is missing"),
        "{message}"
    );
}

#[test]
fn the_default_model_is_the_repositorys() {
    let folder = default_model().unwrap().open().unwrap();
    assert_eq!(folder.name, "efficientnet_lite0");
    assert_eq!(folder.architecture, "tf_efficientnet_lite0");
    let found = find_model("efficientnet_lite0").unwrap();
    assert_eq!(found.open().unwrap().path, folder.path);
    let message = find_model("resnet81").unwrap_err().to_string();
    assert!(message.contains("SHADERNET_MODELS"), "{message}");

    // Its mean and standard deviation stand for (byte - 127) / 128.
    let image = place::repository().join("tests/images/chelsea.png");
    let input = folder.preprocessing.apply(&decode(image).unwrap()).unwrap();
    for value in input.data() {
        let byte = value * 128.0 + 127.0;
        assert!((byte - byte.round()).abs() < 1e-4, "{byte}");
        assert!((0.0..=255.0).contains(&byte.round()));
    }
}

#[test]
fn configurations_of_other_libraries_are_named() {
    for (config, expected) in [
        (
            json!({"model_type": "resnet", "transformers_version": "5.0", "architectures": ["ResNetForImageClassification"]}),
            "the configuration of a resnet of the library Transformers",
        ),
        (
            json!({"encoder_name": "resnet34", "decoder_channels": [256, 128], "classes": 2}),
            "segmentation_models_pytorch (with the encoder resnet34)",
        ),
        (
            json!({"model_type": "resnet"}),
            "key 'architecture' is missing",
        ),
    ] {
        let error = ModelFolder::from_memory("other", config.to_string().as_bytes(), Vec::new());
        let message = error.unwrap_err().to_string();
        assert!(message.starts_with("other/config.json: "), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn files_in_memory_are_a_model_folder() {
    let folder = default_model().unwrap().open().unwrap();
    let read = |name: &str| fs::read(folder.path.join(name)).unwrap();
    let (config, weights) = (read("config.json"), read("model.safetensors"));
    let memory = ModelFolder::from_memory("flowers", &config, weights).unwrap();
    assert_eq!(
        (memory.name.as_str(), memory.weights_path()),
        ("flowers", None)
    );
    let (graph, _) = memory.graph().unwrap();
    let loaded = memory.weights(&graph).unwrap();
    loaded.check(&graph).unwrap();
    assert_eq!(loaded.source(), "flowers/model.safetensors");
    assert!(!format!("{memory:?}").contains("[123"), "{memory:?}");

    let broken = ModelFolder::from_memory("flowers", &config, vec![1, 2]).unwrap();
    let error = broken.weights(&graph).unwrap_err().to_string();
    assert!(error.starts_with("flowers/model.safetensors: "), "{error}");
    let darknet = json!({"architecture": "darknet"}).to_string();
    let error = ModelFolder::from_memory("a", darknet.as_bytes(), Vec::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("needs network.cfg: open a folder"),
        "{error}"
    );
}
