use super::*;

fn reason(line: &str) -> String {
    line.parse::<Case>().unwrap_err().to_string()
}

#[test]
fn the_built_in_cases_parse_and_cover_every_operator() {
    for cases in [cases().unwrap(), small_cases().unwrap()] {
        let operators: std::collections::HashSet<&str> =
            cases.iter().map(|case| case.operator.as_str()).collect();
        assert_eq!(operators.len(), 13, "{operators:?}");
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
