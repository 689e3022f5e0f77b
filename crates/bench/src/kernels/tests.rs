use super::*;
use shadernet::cpu::{CpuDevice, CpuOptions};

fn reason(line: &str) -> String {
    line.parse::<Case>().unwrap_err().to_string()
}

#[test]
fn the_built_in_cases_parse_and_cover_every_operator() {
    for cases in [cases().unwrap(), small_cases().unwrap()] {
        let operators: std::collections::HashSet<&str> =
            cases.iter().map(|case| case.operator.as_str()).collect();
        assert_eq!(operators.len(), 18, "{operators:?}");
    }
}

#[test]
fn a_line_becomes_a_graph() {
    let case: Case = "conv2d 2x6x9x8  out=4 kernel=3 stride=2 padding=1 prologue residual relu6"
        .parse()
        .unwrap();
    let shapes: Vec<&[usize]> = case.inputs.iter().map(Shape::dims).collect();
    assert_eq!(shapes, [&[2, 6, 9, 8][..], &[2, 4, 5, 4]]);
    let kinds: Vec<&str> = (case.graph.nodes().iter())
        .map(|node| node.op().as_operator().kind())
        .collect();
    assert_eq!(
        kinds,
        [
            "Input",
            "BatchNorm2d",
            "ReLU",
            "Conv2d",
            "Input",
            "Add",
            "ReLU6"
        ]
    );
}

#[test]
fn errors_say_what_was_expected_and_found() {
    let unknown = reason("conv 1x4x4x4");
    assert!(
        unknown.starts_with("unknown operator 'conv'; did you mean 'conv2d'? (known: conv2d, "),
        "{unknown}"
    );
    assert!(reason("").contains("expected an operator"));
    assert!(reason("conv2d").contains("expected the input's shape"));
    assert!(reason("conv2d 1x4x4 out=4 kernel=1").contains("found '1x4x4'"));
    assert!(reason("conv2d 1x4x4x4 kernel=1").contains("'out=NUMBER' is missing"));
    let typo = reason("conv2d 1x4x4x4 out=4 kernl=1");
    assert!(
        typo.contains("'kernel=NUMBER' is missing; 'kernl' is not a setting"),
        "{typo}"
    );
    assert!(reason("conv2d 1x4x4x4 out=four kernel=1").contains("found 'four'"));
    assert!(reason("conv2d 1x4x4x4 out=4 out=4 kernel=1").contains("twice"));
    let typo = reason("conv2d 1x4x4x4 out=4 kernel=1 strides=2");
    assert!(
        typo.contains("conv2d: unknown setting 'strides'; did you mean 'stride'? (known: "),
        "{typo}"
    );
    assert!(reason("conv2d 1x4x4x4 out=4 kernel=0").contains("kernel"));
    assert!(reason("conv2d 1x4x2x2 out=4 kernel=5").contains("case"));
    assert!(reason("linear 1x4x2x2 out=4").contains("1x2048"));
    assert!(reason("relu 1x4").contains("1x64x56x56"));
    assert!(reason("matmul 4x4 out=4").contains("12x196x64"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shapes.txt");
    std::fs::write(&path, "# mine\n\nrelu 1x4x2x2\nrelu 1x4x2x2 slope=1\n").unwrap();
    let error = cases_from_file(&path).unwrap_err().to_string();
    assert!(
        error.contains("shapes.txt: line 4: relu: unknown setting 'slope'"),
        "{error}"
    );
    std::fs::write(&path, "# nothing\n").unwrap();
    assert!(
        cases_from_file(&path)
            .unwrap_err()
            .to_string()
            .contains("found none")
    );
}

#[test]
fn numbers_that_are_too_large_are_named() {
    let parse = |line: &str| super::shapes::parse(Path::new("s.txt"), line).unwrap_err();
    for (line, part) in [
        (
            "conv2d 1x3x8x8 out=4 kernel=3 padding=9223372036854775808",
            "s.txt: line 1: padding: expected a number up to 2147483647, found '9223372036854775808'",
        ),
        (
            "max_pool2d 1x3x8x8 kernel=99999999999999999999999",
            "line 1: kernel: expected a number up to 2147483647",
        ),
        (
            "conv2d 1x3x8x8 out=4 kernel=3 padding=2147483647",
            "its padding 2147483647 and 2147483647 of 8 pixels gives more than 2147483647",
        ),
        (
            "conv2d 1x3x8x8 out=2147483647 kernel=1",
            "its weight [2147483647, 3, 1, 1] would have more than 2^32 elements",
        ),
        (
            "upsample 1x3x8x8 factor=2147483647",
            "at most 2147483647 are possible",
        ),
        (
            "relu 18446744073709551615x18446744073709551615x2x2",
            "line 1: node 'input'",
        ),
    ] {
        let text = parse(line).to_string();
        assert!(text.contains(part), "{text}\n  lacks: {part}");
    }
}

#[test]
fn every_kernel_of_the_cpu_agrees_with_the_reference_backend() {
    let cpu = CpuDevice::new(&CpuOptions::new().threads(2)).unwrap();
    let cases = small_cases().unwrap();
    let variants = cpu_variants(&cpu, &cases, 1, |_| {}).unwrap();
    assert_eq!(variants.len(), cases.len());
    for (case, variant) in cases.iter().zip(&variants) {
        let VariantOutcome::Timed(measurement) = &variant.outcome else {
            panic!("{}: {variant:?}", case.name);
        };
        assert!(
            measurement.seconds.min() > 0.0 && measurement.bytes > 0,
            "{variant:?}"
        );
        assert_eq!(measurement.shaders.join(" + "), variant.name);
    }
}
