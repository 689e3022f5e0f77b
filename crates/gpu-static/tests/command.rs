//! The command, as far as it needs no driver.

use std::process::{Command, Output};

fn gpu_static(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gpu-static"));
    command.args(arguments).output().unwrap()
}

#[test]
fn the_same_rows_are_not_worse() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.json");
    std::fs::write(&rows, "[]").unwrap();
    let rows = rows.to_str().unwrap();
    for arguments in [&["compare", rows, rows][..], &["bounds", "--rows", rows]] {
        let output = gpu_static(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[test]
fn files_and_shaders_that_do_not_exist_are_named() {
    for (arguments, name) in [
        (&["bounds", "--rows", "no/such.json"][..], "no/such.json"),
        (
            &["assembly", "navi31", "no_such_shader", "f32"],
            "no_such_shader",
        ),
    ] {
        let output = gpu_static(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(name), "{message}");
    }
}
