//! Errors for invalid `.cfg` files, with their lines.

use proptest::prelude::*;
use shadernet::Error;
use shadernet::darknet::Network;

use crate::heads::with_head;
use crate::{CFG, line_of};

#[track_caller]
pub fn refusal(text: &str) -> String {
    match Network::parse("bad.cfg", text) {
        Err(error @ Error::File { .. }) => error.to_string(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it was accepted: {text}"),
    }
}

/// [`CFG`] with its first `from` replaced by `to`.
#[track_caller]
fn changed(from: &str, to: &str) -> String {
    assert!(CFG.contains(from), "{from}");
    CFG.replacen(from, to, 1)
}

#[test]
fn unknown_sections_are_named_with_their_line() {
    let text = changed("[upsample]", "[upsampel]");
    let message = refusal(&text);
    let line = line_of(&text, "[upsampel]");
    assert!(
        message.contains(&format!("bad.cfg: line {line}: unknown section [upsampel]")),
        "{message}"
    );
    assert!(message.contains("did you mean [upsample]?"), "{message}");
    let message = refusal("[net]\nwidth=8\nheight=8\n\n[lstm]\noutput=8");
    assert!(
        message.contains("line 5: unknown section [lstm]"),
        "{message}"
    );
    assert!(
        message.contains("supported sections: convolutional, "),
        "{message}"
    );
}

#[test]
fn invalid_values_are_named_with_their_line() {
    // The text to replace, its replacement, the line of the error, and a part of the message.
    let cases = [
        (
            "width = 32",
            "width = 0",
            "width = 0",
            "[net] width: a whole number from 1 to 16384 expected, found '0'",
        ),
        (
            "width = 32",
            "",
            "[net]",
            "[net]: width is missing; a whole number from 1 to 16384 expected",
        ),
        (
            "height=24",
            "height=99999999999999999999",
            "height=",
            "height: a whole number",
        ),
        (
            "channels=2",
            "channels=-3",
            "channels",
            "channels: a whole number from 1 to 1024 expected, found '-3'",
        ),
        (
            "filters=4",
            "filters=0",
            "filters=0",
            "[convolutional] filters: a whole number",
        ),
        (
            "filters=4",
            "filters=4294967296",
            "filters=4294967296",
            "filters: a whole number",
        ),
        ("filters=4", "filters=many", "filters=many", "found 'many'"),
        ("size=3", "size=1e3", "size=1e3", "[convolutional] size"),
        (
            "stride=1",
            "stride=0",
            "stride=0",
            "[convolutional] stride: a whole number from 1",
        ),
        (
            "pad=1",
            "pad=2",
            "pad=2",
            "[convolutional] pad: a whole number from 0 to 1",
        ),
        (
            "activation=leaky",
            "activation=gelu",
            "gelu",
            "activation: linear, leaky, relu, relu6, logistic, tanh, swish or mish expected, found 'gelu'",
        ),
        (
            "activation=leaky",
            "dilation=2",
            "dilation",
            "dilation: 1 (nothing else is supported) expected, found '2'",
        ),
        (
            "size=3",
            "size=3\ngroups=3",
            "[convolutional]",
            "cannot be split into 3 groups",
        ),
        (
            "from=-2",
            "from=-4",
            "[shortcut]",
            "it refers to layer -1, but only those before it",
        ),
        ("from=-2", "from=-2,-3", "from=", "from: one layer expected"),
        ("from=-2", "", "[shortcut]", "from is missing"),
        (
            "layers = -1, 3",
            "layers = -1, 6",
            "[route]",
            "it refers to layer 6",
        ),
        (
            "layers = -1, 3",
            "layers = -1, 0",
            "[route]",
            "they must have one size",
        ),
        (
            "layers = -1, 3",
            "layers = ",
            "layers =",
            "layers: whole numbers, separated by commas, expected, found ''",
        ),
        (
            "layers = -1, 3",
            "layers = 9223372036854775807",
            "[route]",
            "refers to layer 9223372036854775807",
        ),
        (
            "layers = -1, 3",
            "layers = -9223372036854775808",
            "[route]",
            "only those before it",
        ),
        (
            "layers = -1, 3",
            "layers = 3\ngroups=3\ngroup_id=1",
            "[route]",
            "it takes group 1 of 3 from 4 channels",
        ),
        (
            "layers = -1, 3",
            "layers = 3\ngroups=2\ngroup_id=2",
            "group_id",
            "[route] group_id: a whole number from 0 to 1 expected, found '2'",
        ),
        (
            "[reorg]           # 4\nstride=2",
            "[reorg]\nstride=3",
            "[reorg]",
            "must divide its 4 input channels",
        ),
        (
            "[reorg]           # 4\nstride=2",
            "[reorg]\nreverse=1",
            "reverse",
            "[reorg] reverse: 0",
        ),
        (
            "[upsample]        # 5\nstride=2",
            "[upsample]\nstride=2000",
            "stride=2000",
            "[upsample] stride",
        ),
        (
            "[upsample]        # 5\nstride=2",
            "[upsample]\nstride=1000",
            "[route]",
            "one size",
        ),
        (
            "output=6",
            "output=0",
            "output=0",
            "[connected] output: a whole number",
        ),
        (
            "[softmax]",
            "[softmax]\ntree=9k.tree",
            "tree",
            "[softmax] tree",
        ),
        (
            "[dropout]",
            "[softmax]",
            "[softmax]",
            "[softmax]: it is allowed only at the end of a network",
        ),
        (
            "size=2\nstride=2",
            "size=64\nstride=2\npadding=0",
            "[maxpool]",
            "its 64x64 window, stride 2, does not fit an input of 32x24",
        ),
        (
            "size=2\nstride=1",
            "size=2\nstride=1\npadding=2",
            "padding",
            "[maxpool] padding: less than the size, 2, expected, found '2'",
        ),
    ];
    for (from, to, line, part) in cases {
        let text = changed(from, to);
        let message = refusal(&text);
        // The line of the replacement, not of an earlier section of the same name.
        let at = CFG.find(from).unwrap();
        let start = text[..at].rfind("\n[").unwrap();
        let before = text[..start + 1].lines().count();
        let line = before + line_of(&text[start + 1..], line);
        assert!(
            message.contains(&format!("line {line}: ")),
            "{message}\n  at line {line}"
        );
        assert!(message.contains(part), "{message}\n  lacks: {part}");
    }
}

#[test]
fn files_that_are_not_cfg_are_refused() {
    for (text, part) in [
        ("", "which begins with [net]"),
        ("# nothing\n\n;", "which begins with [net]"),
        ("width=3", "line 1: expected [net] before the first setting"),
        (
            "[net]\nwidth 3",
            "line 2: expected a [section] or key=value, found 'width3'",
        ),
        (
            "[net\nwidth=3",
            "line 1: expected a section such as [convolutional]",
        ),
        ("[]", "line 1: expected a section"),
        (
            "[convolutional]\nfilters=3",
            "the first section must be [net]",
        ),
        (
            "[net]\nwidth=8\nheight=8",
            "[net]: layers are expected after it",
        ),
        ("[net]\nwidth=8\nheight=8\n[softmax]", "layers are expected"),
        ("{\"width\": 8}", "line 1: expected a [section]"),
    ] {
        let message = refusal(text);
        assert!(message.contains(part), "{message}\n  lacks: {part}");
    }
    let folder = tempfile::tempdir().unwrap();
    let open = |bytes: &[u8]| {
        let path = folder.path().join("x.cfg");
        std::fs::write(&path, bytes).unwrap();
        Network::open(path).unwrap_err().to_string()
    };
    assert!(open(b"\xff\xfe\0").contains("line 1: expected a [section] or key=value"));
    assert!(open(&vec![b'\n'; 2 << 20]).contains("at most 1048576 bytes"));
    assert!(Network::open(folder.path()).is_err());
}

#[test]
fn sizes_whose_products_overflow_are_refused() {
    // Each route doubles the channels.
    let doubling = "[route]\nlayers=-1,-1\n".repeat(80);
    let message = refusal(&with_head(1 << 20, &doubling));
    assert!(
        message.contains("has more than 16777216 along one dimension"),
        "{message}"
    );
    let growing = "[upsample]\nstride=1024\n".repeat(20);
    assert!(refusal(&with_head(1, &growing)).contains("[upsample]"));
    let deep = "[convolutional]\nfilters=1048576\nsize=1024\nstride=1\npad=1\nactivation=linear\n"
        .repeat(3);
    let network = Network::parse("deep.cfg", &with_head(1, &deep));
    // More parameters than any file holds or than are addressable: refused here or by the count.
    if let Ok(network) = network {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.weights");
        std::fs::write(&path, [0; 64]).unwrap();
        let message = network.read_weights(path).unwrap_err().to_string();
        assert!(message.contains("found 12 numbers"), "{message}");
    }
    let many = "[conv]\n".repeat(100_000);
    let message = Network::parse("many.cfg", &with_head(1, &many));
    assert!(message.is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    /// Any change of values and lines gives a network or an error, never a panic.
    #[test]
    fn any_change_is_parsed_or_refused(
        line in 0..70_usize,
        other in 0..70_usize,
        value in prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            (-3_i64..70).prop_map(|n| n.to_string()),
            "[-+0-9.,e]{0,6}",
            "\\PC{0,8}",
        ],
    ) {
        let mut lines: Vec<String> = CFG.lines().map(str::to_owned).collect();
        let (line, other) = (line % lines.len(), other % lines.len());
        match lines[line].split_once('=') {
            Some((key, _)) => lines[line] = format!("{key}={value}"),
            None => lines.swap(line, other),
        }
        if value.len() == 3 {
            lines.remove(other);
        }
        if let Ok(network) = Network::parse("any.cfg", &lines.join("\n")) {
            prop_assert!(network.graph().parameter_count() > 0);
        }
    }
}
