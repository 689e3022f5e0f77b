//! Wrong command lines, and `--help`.

use crate::support::{chelsea, execute, shadernet};

#[test]
fn wrong_command_lines_have_exit_code_2() {
    let image = chelsea();
    let classify = |args: &[&str]| [&["classify", &image], args].concat().join("\n");
    let detect = |args: &[&str]| [&["detect", &image], args].concat().join("\n");
    let explain = |args: &[&str]| [&["explain", &image], args].concat().join("\n");
    let cases = [
        (classify(&["--top", "0"]), "'--top <K>'"),
        (classify(&["--top", "-1"]), "'-1'"),
        (classify(&["--batch", "0"]), "'--batch <N>'"),
        (classify(&["--precision", "f64"]), "known: f32, f16"),
        (
            classify(&["--backend", "cuda"]),
            "known: vulkan, gl, metal, dx12, cpu",
        ),
        (classify(&["--nonsense"]), "'--nonsense'"),
        (
            classify(&["--without-pass", "norm"]),
            "did you mean 'norms'?",
        ),
        ("classify".to_owned(), "<IMAGE>"),
        ("run\n--arch\nresnet18".to_owned(), "--input <FILE>"),
        (detect(&["--threshold", "1.5"]), "'--threshold <SCORE>'"),
        (
            detect(&["--threshold", "-0.1"]),
            "'-0.1' for '--threshold <SCORE>'",
        ),
        (
            detect(&["--threshold", "NaN"]),
            "expected a number from 0 to 1",
        ),
        (detect(&["--iou", "2"]), "'--iou <SHARE>'"),
        (detect(&["--iou", "half"]), "expected a number from 0 to 1"),
        ("detect".to_owned(), "<IMAGE>"),
        ("explain".to_owned(), "<IMAGE>"),
        (explain(&["--method", "cam"]), "grad-cam++"),
        (
            explain(&["--noise", "-1"]),
            "expected a number that is 0 or greater",
        ),
        (explain(&["--top", "2", "--class", "1"]), "'--top <K>'"),
        ("features\na.png".to_owned(), "--layer <NAME|?>"),
        ("features\na.png\n--all\n--project".to_owned(), "--output"),
        ("convert\na.cfg\nb.weights".to_owned(), "--output <PATH>"),
        ("convert\n-o\nx".to_owned(), "<FILE>"),
        ("convert\na\nb\nc\n-o\nx".to_owned(), "'c'"),
        ("devices\nextra".to_owned(), "'extra'"),
        ("clasify".to_owned(), "'classify'"),
    ];
    for (args, part) in cases {
        let run = execute(shadernet().args(args.split('\n')));
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{args}");
        run.says(&["error: ", part, "--help"]);
    }
    assert_eq!(execute(&mut shadernet()).code, 2);
}

#[test]
fn help_has_an_example_and_fits_eighty_columns() {
    for command in [
        "",
        "classify",
        "detect",
        "segment",
        "explain",
        "features",
        "convert",
        "run",
        "devices",
        "doctor",
        "models",
        "summary",
        "plan",
        "tune",
        "bench",
        "bench model",
        "bench profile",
        "bench frames",
        "bench kernels",
        "bench compare",
        "bench peak",
    ] {
        let args = command.split_whitespace().chain(["--help"]);
        let help = execute(shadernet().args(args)).ok();
        assert_eq!(help.err, "");
        assert!(help.out.contains("Example"), "{}", help.out);
        assert!(
            help.out.contains(&format!("  shadernet {command}")),
            "{}",
            help.out
        );
        for line in help.out.lines().filter(|line| !line.starts_with("Usage:")) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        // Paragraphs broken at a fixed width would leave short lines when they are wrapped again.
        let examples = help.out.split_once("Example").unwrap().1;
        assert!(
            !examples.contains("\n.") && !examples.contains(" \\\n\n"),
            "{examples}"
        );
    }
    let version = execute(shadernet().arg("--version")).ok().out;
    assert_eq!(
        version.trim_end(),
        concat!("shadernet ", env!("CARGO_PKG_VERSION"))
    );
}
