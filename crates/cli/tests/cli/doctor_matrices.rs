//! What `shadernet doctor` says of cooperative matrices.

use crate::devices::backends;
use crate::support::{CommandOutput, execute, shadernet};

/// Checks the first backend, whose adapter offers emulated matrices. `bench kernels` has the other checks of `doctor`.
fn doctor(offered: bool, args: &[&str]) -> CommandOutput {
    let mut command = shadernet();
    if offered {
        command.env("SHADERNET_TEST_MATRICES", "emulated");
    }
    let backend = backends()[0].name();
    command.args(["doctor", "--quick", "--backend", backend]);
    execute(command.args(args))
}

#[test]
fn offered_matrices_are_verified() {
    let run = doctor(true, &[]).ok();
    let line = "  cooperative matrices: offered and verified";
    assert!(run.out.contains(line), "{}", run.out);
    let line = &doctor(true, &["--json"]).ok().json()[0];
    assert_eq!(line["cooperative_matrices"]["status"], "verified", "{line}");
}

#[test]
fn wrong_matrices_are_a_fault() {
    let fault = "--inject-fault=conv2d_cooperative_emulated";
    let run = doctor(true, &[fault]);
    assert_eq!(run.code, 1, "{}", run.err);
    for expected in [
        "  cooperative matrices: offered and WRONG; they are not used\n",
        "  WRONG  the driver offers cooperative matrices, but ",
        "results of a small product are wrong: expected ",
    ] {
        assert!(run.out.contains(expected), "{}", run.out);
    }
    // Nothing else is wrong.
    assert_eq!(run.out.matches("  WRONG  ").count(), 1, "{}", run.out);
    // The same where they are used.
    let run = doctor(true, &[fault, "--cooperative-matrices", "--json"]);
    assert_eq!(run.code, 1, "{}", run.err);
    let line = &run.json()[0];
    assert_eq!(line["cooperative_matrices"]["status"], "wrong", "{line}");
    assert!(line["cooperative_matrices"]["reason"].is_string());
}

/// Software adapters have none; adapters of tests may.
#[test]
fn adapters_without_matrices_say_so() {
    let run = doctor(false, &[]).ok();
    let says = |line: &str| run.out.contains(&format!("  cooperative matrices: {line}"));
    assert!(
        says("not offered") || says("offered and verified"),
        "{}",
        run.out
    );
}
