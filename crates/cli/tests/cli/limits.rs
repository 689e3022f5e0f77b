//! Numbers and files without a limit: refused before the work, with the limit.

use std::fs;

use crate::support::{execute, model_with, shadernet, small_config};

#[test]
fn counts_are_bounded_by_the_command_line() {
    let largest = u64::MAX.to_string();
    let range = "expected a whole number from 1 to 1000000";
    let seconds = "expected a number of seconds above 0, and up to 1000000";
    for (args, value, part) in [
        ("bench model resnet18 --rounds", &*largest, range),
        ("bench model resnet18 --rounds", "0", range),
        ("bench model resnet18 --batch", &largest, range),
        ("bench kernels --rounds", &largest, range),
        ("bench profile resnet18 --rounds", &largest, range),
        ("bench frames resnet18 --frames", &largest, range),
        ("bench kernels --all --time-limit", "0", seconds),
        ("bench kernels --all --time-limit", &largest, seconds),
        ("tune resnet18 --rounds", &largest, range),
        ("classify a.png --batch", &largest, range),
        ("classify a.png --top", &largest, range),
        (
            "explain a.png --method smooth-grad --samples",
            &largest,
            range,
        ),
        (
            "explain a.png --method integrated-gradients --steps",
            &largest,
            range,
        ),
        ("explain a.png --method occlusion --window", &largest, range),
    ] {
        let run = execute(shadernet().args(args.split(' ')).arg(value));
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{args} {value}");
        run.says(&[part, value]);
    }
}

/// Their metadata says that they have no bytes.
#[cfg(unix)]
#[test]
fn files_without_an_end_are_read_up_to_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let zero = "/dev/zero";
    let path = |name: &str| folder.path().join(name);
    let endless = |name: &str| {
        std::os::unix::fs::symlink(zero, path(name)).unwrap();
        path(name)
    };
    let cfg = path("a.cfg");
    let text = "[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=2\n\
                activation=linear\n[avgpool]\n[softmax]";
    fs::write(&cfg, text).unwrap();
    let weights = path("a.weights");
    fs::write(&weights, vec![0; 16 + 4 * (2 + 6)]).unwrap();

    let mut command = shadernet();
    let to = path("out");
    command.args(["convert", "--names", zero, "-o"]);
    execute(command.arg(&to).args([&cfg, &weights])).fails(&[zero, "names", "at most 16777216"]);
    let mut command = shadernet();
    let endless_cfg = endless("b.cfg");
    command.args(["convert", "-o"]).arg(&to);
    execute(command.args([&endless_cfg, &weights])).fails(&["b.cfg", "at most 1048576 bytes"]);
    let mut command = shadernet();
    execute(command.args(["bench", "compare", zero, zero]))
        .fails(&[zero, "a results file of at most 67108864 bytes"]);
    let model = model_with(&small_config().to_string(), |_| {});
    let config = model.path().join("config.json");
    fs::remove_file(&config).unwrap();
    std::os::unix::fs::symlink(zero, &config).unwrap();
    let mut command = shadernet();
    // Not a regular file, or one that is too long.
    execute(command.arg("summary").arg(model.path())).fails(&["config.json"]);
}

#[test]
fn a_network_that_does_not_take_its_input_names_the_file() {
    let mut config = small_config();
    config["architecture"] = "alexnet".into();
    config["pretrained_cfg"]["input_size"] = [3, 8, 8].into();
    let model = model_with(&config.to_string(), |_| {});
    let mut command = shadernet();
    command.args(["summary"]).arg(model.path());
    execute(&mut command).fails(&[
        "config.json: its network does not take an input_size of 3x8x8",
        "node '",
    ]);
}
