use super::*;

/// One error of each variant. A new variant makes the match in [`Error::kind`] fail to compile, and is
/// to be added here.
fn all_variants() -> Vec<Error> {
    let cause = || BoxError::from("the cause's own text");
    vec![
        Error::io("photo.jpg")(std::io::Error::other("the cause's own text")),
        Error::write("mask.png")(std::io::Error::other("the cause's own text")),
        Error::file("model.cfg", "a number was expected"),
        Error::file_caused_by("photo.jpg", "a whole PNG was expected", cause()),
        Error::Weights {
            source_name: "model.safetensors".to_owned(),
            problems: vec!["'conv1.weight': missing".to_owned()],
        },
        Error::Node {
            node: "conv1".to_owned(),
            kind: "Conv2d",
            reason: "3 channels were expected, found 4".to_owned(),
        },
        Error::Inputs("a texture was expected".to_owned()),
        Error::TensorLength {
            shape: vec![2, 3],
            expected: Some(6),
            found: 5,
        },
        UnknownName::new("pass", "norm", ["norms"]).into(),
        Error::NoAdapter("no adapter matches".to_owned()),
        Error::Limit {
            what: "conv1".to_owned(),
            needed: 2,
            unit: "bytes",
            device: "a GPU".to_owned(),
            limit: 1,
            name: "max_buffer_size",
            advice: "use a smaller image",
        },
        Error::Device {
            device: "a GPU".to_owned(),
            context: "running".to_owned(),
            source: cause(),
        },
        Error::DeviceLost {
            device: "a GPU".to_owned(),
            context: "running".to_owned(),
            reason: "unplugged".to_owned(),
        },
        Error::OutOfMemory {
            device: "a GPU".to_owned(),
            context: "running".to_owned(),
            needed: Some(1),
        },
        Error::Stopped,
    ]
}

#[test]
fn display_does_not_repeat_the_source() {
    let mut with_source = 0;
    for error in all_variants() {
        let text = error.to_string();
        assert!(!text.is_empty());
        match error.source().map(|source| source.to_string()) {
            Some(source) => {
                assert!(!text.contains(&source), "{text}: {source}");
                assert_eq!(error.report().to_string(), format!("{text}: {source}"));
                with_source += 1;
            }
            None => assert_eq!(error.report().to_string(), text),
        }
    }
    assert_eq!(with_source, 4);
}

#[test]
fn reports_skip_causes_that_are_already_in_the_text() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer, caused by: {0}")]
    struct Outer(#[source] std::io::Error);
    let source = Outer(std::io::Error::other("inner"));
    let error = Error::file_caused_by("file", "unreadable", source);
    assert_eq!(
        error.report().to_string(),
        "file: unreadable: outer, caused by: inner"
    );
}

#[test]
fn kinds_differ_except_for_those_of_invalid_files_and_inputs() {
    let mut kinds: Vec<ErrorKind> = all_variants().iter().map(Error::kind).collect();
    let count = kinds.len();
    kinds.dedup();
    // Of two errors about reading and writing, of two about files, and of two about inputs.
    assert_eq!(kinds.len(), count - 3);
}

#[test]
fn foreign_text_cannot_leave_its_message() {
    let evil = format!("\u{1b}[2Jerror: a\nb\u{202e}{}", "x".repeat(1 << 20));
    let cause = || BoxError::from(evil.clone());
    let text = || evil.clone();
    let errors = [
        Error::io(&evil)(std::io::Error::other(cause())),
        Error::write(&evil)(std::io::Error::other(cause())),
        Error::file_caused_by(&evil, &evil, cause()),
        Error::Weights {
            source_name: text(),
            problems: vec![text(); 1000],
        },
        Error::Node {
            node: text(),
            kind: "Conv2d",
            reason: text(),
        },
        Error::Inputs(text()),
        UnknownName::new("layer", &evil, ["a"; 3]).into(),
        UnknownName::new("layer", "a", vec![text(); 3]).into(),
        Error::NoAdapter(text()),
        Error::Limit {
            what: text(),
            needed: 2,
            unit: "bytes",
            device: text(),
            limit: 1,
            name: "max_buffer_size",
            advice: "use a smaller image",
        },
        Error::DeviceLost {
            device: text(),
            context: text(),
            reason: text(),
        },
        Error::OutOfMemory {
            device: text(),
            context: text(),
            needed: None,
        },
    ];
    for error in errors {
        let report = error.report().to_string();
        let lines = match error {
            Error::Weights { .. } => 22,
            _ => 1,
        };
        assert_eq!(report.lines().count(), lines, "{report:.200}");
        assert!(!report.contains(['\u{1b}', '\u{202e}']), "{report:.200}");
        assert!(report.len() < lines * 20_000, "{}", report.len());
    }
}
