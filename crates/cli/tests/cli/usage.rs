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
        ("convert\n-o\nx".to_owned(), "<FILE|MODEL>"),
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
        "inspect",
        "plan",
        "tune",
        "bench",
        "bench model",
        "bench profile",
        "bench frames",
        "bench kernels",
        "bench compare",
        "bench peak",
        "completions",
        #[cfg(feature = "pull")]
        "pull",
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

/// The layers that examples name exist in the default model.
#[test]
fn examples_name_layers_that_exist() {
    for command in ["explain", "features"] {
        let layers = execute(shadernet().args([command, "--layer", "?", "--json"]))
            .ok()
            .json();
        let help = execute(shadernet().args([command, "--help"])).ok().out;
        let words: Vec<&str> = help.split_whitespace().collect();
        let named = words
            .windows(2)
            .filter(|pair| pair[0] == "--layer" && pair[1].contains('.'));
        let mut count = 0;
        for pair in named {
            count += 1;
            assert!(
                layers.iter().any(|layer| layer["layer"] == pair[1]),
                "{}",
                pair[1]
            );
        }
        assert!(count > 0, "{help}");
    }
}

#[test]
fn completions_and_manual_pages() {
    let run = |args: &[&str]| execute(shadernet().arg("completions").args(args));
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&[shell]).ok().out;
        assert!(
            script.contains("classify") && script.contains("--top"),
            "{shell}"
        );
    }
    let man = run(&["man"]).ok().out;
    assert!(
        man.starts_with(".ie") && man.contains("shadernet\\-classify(1)"),
        "{man}"
    );
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().to_str().unwrap();
    run(&["man", "-o", pages]).ok();
    for page in [
        "shadernet.1",
        "shadernet-classify.1",
        "shadernet-bench-model.1",
    ] {
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains("Example"), "{page}");
        assert!(!text.contains("help(1)"), "{page}");
    }
    assert!(!folder.path().join("shadernet-help.1").exists());
    // Examples keep their lines.
    let text = std::fs::read_to_string(folder.path().join("shadernet-classify.1")).unwrap();
    let example = ".nf\n  shadernet classify photo.jpg\n.fi\n";
    assert!(text.contains(example), "{text}");
    run(&["man", "-o", &format!("{pages}/no/folder")])
        .fails(&["no/folder: there is no such folder; create it first"]);
    assert_eq!(run(&["bash", "-o", pages]).code, 2);
    run(&["tcsh"]).says(&["bash, elvish, fish, man, powershell, zsh"]);
}
