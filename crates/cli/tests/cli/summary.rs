//! `shadernet summary`: numbers from the papers and from PyTorch.

use serde_json::Value;

use crate::support::{execute, shadernet};

fn summary(networks: &[&str]) -> Vec<Value> {
    let mut command = shadernet();
    command.arg("summary").args(networks).arg("--json");
    execute(&mut command).ok().json()
}

/// The value `key` of these layers of a network.
fn layers(network: &Value, names: &[&str], key: &str) -> Vec<Value> {
    let layers = network["layers"].as_array().unwrap();
    (names.iter())
        .map(|name| layers.iter().find(|layer| layer["name"] == **name).unwrap()[key].clone())
        .collect()
}

#[test]
fn small_cnn_has_the_expected_numbers() {
    let network = &summary(&["small_cnn"])[0];
    let stages = ["conv1", "conv2", "conv3"];
    let numbers = |key| layers(network, &stages, key);
    assert_eq!(numbers("parameters"), [4_864, 204_928, 819_456]);
    let multiplications = [19_660_800, 209_715_200, 209_715_200];
    assert_eq!(numbers("multiplications"), multiplications);
    assert_eq!(
        numbers("receptive_field"),
        [5.0, 13.0, 29.0].map(|x| Value::from(vec![x, x]))
    );
    assert_eq!(
        numbers("jump"),
        [2.0, 4.0, 8.0].map(|x| Value::from(vec![x, x]))
    );
    assert_eq!(network["linear_parameters"], 13_107_400);
    assert_eq!(network["parameters"], 14_136_648);
    let percent = network["linear_percent"].as_f64().unwrap();
    assert_eq!(format!("{percent:.2}"), "92.72");
}

#[test]
fn separable_stages_have_the_expected_numbers() {
    let network = &summary(&["small_cnn_separable"])[0];
    for (stage, parameters, multiplications) in [
        ("conv2", 9_984, [1_638_400, 8_388_608]),
        ("conv3", 36_352, [819_200, 8_388_608]),
    ] {
        let parts = [format!("{stage}.0"), format!("{stage}.1")];
        let parts = [parts[0].as_str(), parts[1].as_str()];
        let sum: u64 = (layers(network, &parts, "parameters").iter())
            .map(|n| n.as_u64().unwrap())
            .sum();
        assert_eq!(sum, parameters);
        assert_eq!(layers(network, &parts, "multiplications"), multiplications);
    }
}

#[test]
fn parameters_are_the_published_ones() {
    let published = [
        ("alexnet", 61_100_840),
        ("resnet50", 25_557_032),
        ("densenet121", 7_978_856),
        ("vgg16", 138_357_544),
        ("mobilenet_v2", 3_504_872),
        ("unet", 31_037_698),
    ];
    let networks = summary(&published.map(|(name, _)| name));
    for (network, (name, parameters)) in networks.iter().zip(published) {
        assert_eq!(network["parameters"], parameters, "{name}");
    }
}

#[test]
fn detection_heads_have_the_expected_channels() {
    let shape =
        |name: &str, layer: &str| layers(&summary(&[name])[0], &[layer], "output")[0].clone();
    // 7x7 cells, each with 2 boxes of 5 numbers and 80 classes.
    for wrong in ["ten", "0"] {
        let run = execute(shadernet().args(["summary", "yolov1", "--num-classes", wrong]));
        assert_eq!(run.code, 2);
        run.says(&["expected a whole number from 1 to 1000000"]);
    }
    let network = &summary(&["yolov1", "--num-classes", "80"])[0];
    let last = network["layers"].as_array().unwrap().last().unwrap();
    assert_eq!(last["output"][1], 7 * 7 * 90);
    let mut command = shadernet();
    command.args(["summary", "yolov2", "--input", "3x416x416"]);
    let text = execute(&mut command).ok().out;
    assert!(text.contains("[1, 425, 13, 13]"), "{text}");
    assert_eq!(shape("yolov3_tiny", "layers.15.conv")[1], 255);
    assert_eq!(shape("yolov3_tiny", "layers.22.conv")[1], 255);
}

#[test]
fn totals_are_side_by_side_and_the_input_size_can_be_set() {
    let mut command = shadernet();
    command.args([
        "summary",
        "alexnet",
        "resnet18",
        "models/efficientnet_lite0",
    ]);
    command.args(["--input", "3x96x128"]);
    let text = execute(&mut command).ok().out;
    let first = text.lines().next().unwrap();
    for name in ["alexnet", "resnet18", "efficientnet_lite0"] {
        assert!(first.contains(name), "{text}");
    }
    assert_eq!(text.matches("[1, 3, 96, 128]").count(), 3, "{text}");
    // A network with two inputs, and another number of channels.
    execute(shadernet().args(["summary", "densenet_multimodal", "--input", "1x64x64"])).ok();
}

#[test]
fn invalid_arguments_are_errors() {
    execute(shadernet().args(["summary", "resnet81"])).fails(&["resnet81", "resnet18"]);
    execute(shadernet().args(["summary", "resnet18", "--input", "3x2x2"])).ok();
    execute(shadernet().args(["summary", "darknet19", "--input", "3x8x8"])).fails(&["layers."]);
    for size in ["3,224", "3x0x5x6", "axbxc", "3x-1x4"] {
        let usage = execute(shadernet().args(["summary", "resnet18", "--input", size]));
        assert_eq!(usage.code, 2, "{size}: {}", usage.err);
    }
    execute(shadernet().args(["summary", "resnet18", "--input", "3x0x224"]))
        .fails(&["found [1, 3, 0, 224]"]);
    execute(shadernet().args(["summary", "tests/images"])).fails(&["config.json"]);
    execute(shadernet().args(["summary", "efficientnet_lite0", "--input", "160x224x3"]))
        .fails(&["3 channels were expected (--input), found 160x224x3; channels come first"]);
    execute(shadernet().args(["summary", "efficientnet_lite0", "--input", "160x224"])).ok();
}
