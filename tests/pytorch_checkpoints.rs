//! Checkpoints of `torch.save`. `pytorch/make_checkpoints.py` wrote them with PyTorch 2.13.

#[path = "common/place.rs"]
mod place;

use std::io::Write;
use std::path::PathBuf;

use shadernet::Weights;
use shadernet::graph::{Conv2d, Graph, GraphBuilder};
use shadernet::tensor::Shape;
use shadernet::weights::{Dtype, write_safetensors};

fn file(name: &str) -> PathBuf {
    place::repository().join("tests/pytorch").join(name)
}

/// The script's values.
fn values(count: usize) -> Vec<f32> {
    (0..count)
        .map(|i| ((i * 7 % 64) as f32 - 32.0) / 8.0)
        .collect()
}

fn network() -> Graph {
    let mut b = GraphBuilder::new("net");
    let x = b.image_input("input", 3);
    let x = b.conv2d("conv", x, Conv2d::new(3, 4, 3));
    b.output(x);
    b.build().unwrap()
}

fn reason(bytes: Vec<u8>) -> String {
    Weights::from_bytes("file.pth", bytes)
        .unwrap_err()
        .to_string()
}

fn refused(name: &str) -> String {
    Weights::open(file(name)).unwrap_err().to_string()
}

#[test]
fn tensors_have_their_values() {
    for (name, prefix, dtype) in [
        ("plain.pth", "", Dtype::F32),
        ("parameters.pth", "", Dtype::F32),
        ("average.pth", "", Dtype::F32),
        ("nested.pth", "module.", Dtype::F32),
        ("compiled.pth", "_orig_mod.", Dtype::F32),
        ("float16.pth", "", Dtype::F16),
        ("bfloat16.pth", "", Dtype::Bf16),
        ("float64.pth", "", Dtype::F64),
    ] {
        // SAFETY: nothing changes the files of the repository during a test.
        let mapped = unsafe { Weights::open_mmap(file(name)).unwrap() };
        for weights in [Weights::open(file(name)).unwrap(), mapped] {
            let weight = format!("{prefix}conv.weight");
            assert_eq!(
                weights.shape(&weight),
                Some(&Shape::from([4, 3, 3, 3])),
                "{name}"
            );
            assert_eq!(weights.dtype(&weight), Some(dtype), "{name}");
            assert_eq!(weights.read(&weight).unwrap()[..], values(108), "{name}");
            let bias = weights.read(&format!("{prefix}conv.bias")).unwrap();
            assert_eq!(bias[..], values(4), "{name}");
        }
    }
    let counter = Weights::open(file("plain.pth")).unwrap();
    assert_eq!(counter.dtype_name("norm.num_batches_tracked"), Some("I64"));
}

/// Prefixes of wrappers are left out, and what training code keeps beside the network.
#[test]
fn networks_are_found_in_checkpoints() {
    let graph = network();
    for name in ["plain.pth", "nested.pth", "compiled.pth"] {
        let weights = Weights::open(file(name)).unwrap();
        assert!(
            weights.names().all(|name| !name.contains("optimizer")),
            "{name}"
        );
        let session = shadernet::session::Session::new(
            &shadernet::device::Device::cpu(),
            &graph,
            weights,
            &Default::default(),
            &[Shape::from([1, 3, 4, 4])],
        );
        match name {
            // The prefix is the network's own to know: an architecture of the zoo leaves it out.
            "plain.pth" => drop(session.unwrap()),
            _ => assert!(session.unwrap_err().to_string().contains("conv")),
        }
    }
}

/// Views share the bytes of one storage, in other orders.
#[test]
fn views_are_read_in_their_order() {
    let weights = Weights::open(file("views.pth")).unwrap();
    let base = values(24);
    let whole = |name: &str| weights.read(name).unwrap().into_owned();
    assert_eq!(whole("whole"), base);
    let transposed: Vec<f32> = (0..24).map(|i| base[i % 4 * 6 + i / 4]).collect();
    assert_eq!(whole("transposed"), transposed);
    assert_eq!(weights.shape("transposed"), Some(&Shape::from([6, 4])));
    assert_eq!(
        weights.read_range("transposed", 5..9).unwrap()[..],
        transposed[5..9]
    );
    assert_eq!(whole("column"), [base[1], base[7], base[13], base[19]]);
    assert_eq!(whole("row"), base[12..18]);
    assert_eq!(whole("steps"), [base[0], base[3], base[12], base[15]]);
}

#[test]
fn float8_is_read() {
    let weights = Weights::open(file("float8.pth")).unwrap();
    let numbers: Vec<f32> = (0..16).map(|i| i as f32).collect();
    assert_eq!(weights.read("a").unwrap()[..], numbers);
    assert_eq!(weights.dtype("b"), Some(Dtype::F8E5M2));
}

/// A checkpoint becomes a safetensors file of the same tensors, views included.
#[test]
fn checkpoints_are_saved_as_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["views.pth", "bfloat16.pth", "plain.pth"] {
        let weights = Weights::open(file(name)).unwrap();
        let path = folder.path().join("out.safetensors");
        weights.save(&path, Dtype::F32).unwrap();
        let saved = Weights::open(&path).unwrap();
        assert!(weights.names().eq(saved.names()), "{name}");
        for tensor in weights.names().filter(|name| weights.dtype(name).is_some()) {
            assert_eq!(
                weights.read(tensor).unwrap(),
                saved.read(tensor).unwrap(),
                "{name}"
            );
        }
    }
}

#[test]
fn other_files_are_named() {
    for (name, expected) in [
        ("module.pth", "module.Net"),
        ("script.pt", "TorchScript"),
        ("old.pth", "before version 1.6"),
        ("compressed.pth", "is compressed"),
        ("repeated.pth", "1 elements of its storage"),
    ] {
        let error = refused(name);
        let expected = expected.replace("module.Net", "__main__.Net");
        assert!(error.contains(&expected), "{name}: {error}");
        assert!(error.contains(name), "{error}");
    }
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    assert!(reason(tar).contains("tar archive"));
}

/// A zip archive of these files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, content) in files {
        let (mut entry, config) = archive.new_file(format!("net/{name}")).start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

/// The pickle of a dictionary with one tensor `a` in storage `0`.
fn pickle(kind: &str, offset: u8, size: &[u8], stride: &[u8]) -> Vec<u8> {
    let text = |text: &str| {
        let len = (text.len() as u32).to_le_bytes();
        [b"X", &len[..], text.as_bytes()].concat()
    };
    let tuple = |numbers: &[u8]| {
        let items: Vec<u8> = numbers.iter().flat_map(|n| [b'K', *n]).collect();
        [b"(", &items[..], b"t"].concat()
    };
    [
        b"\x80\x02}",
        &text("a")[..],
        b"ctorch._utils\n_rebuild_tensor_v2\n((",
        &text("storage"),
        format!("ctorch\n{kind}\n").as_bytes(),
        &text("0"),
        &text("cpu"),
        b"K\x04tQ",
        &[b'K', offset],
        &tuple(size),
        &tuple(stride),
        b"\x89}tRs.",
    ]
    .concat()
}

fn with_pickle(pickle: &[u8]) -> Vec<u8> {
    archive(&[("data.pkl", pickle), ("data/0", &[0; 16])])
}

#[test]
fn hostile_files_are_refused() {
    let good = with_pickle(&pickle("FloatStorage", 0, &[2, 2], &[2, 1]));
    let weights = Weights::from_bytes("good", good.clone()).unwrap();
    assert_eq!(weights.read("a").unwrap()[..], [0.0; 4]);
    let tensor = |offset, size: &[u8], stride: &[u8]| {
        reason(with_pickle(&pickle("FloatStorage", offset, size, stride)))
    };
    for error in [
        tensor(1, &[2, 2], &[2, 1]),
        tensor(0, &[5], &[1]),
        tensor(0, &[2], &[4]),
        tensor(255, &[1], &[1]),
    ] {
        assert!(
            error.contains("'a'") && error.contains("lies outside its storage"),
            "{error}"
        );
    }
    assert!(tensor(0, &[2, 2], &[1]).contains("strides [1]"));
    assert!(tensor(0, &[200, 200], &[0, 0]).contains("some of which it repeats"));
    let cases: [(&[u8], &str); 9] = [
        (b"\x80\x02ccollections\nCounter\n)R.", "collections.Counter"),
        (b"\x80\x02cbuiltins\ncomplex\n)R.", "builtins.complex"),
        (b"\x80\x02}", "ends before its last opcode"),
        (b"\x80\x02t.", "more objects from its stack"),
        (b"\x80\x02h\x05.", "object 5, which it has not kept"),
        (b"\x80\x02K\x01.", "a dictionary of tensors was expected"),
        (b"\x80\x02}.", "no tensors in it"),
        (b"\x80\x02\xff.", "opcode 0xff"),
        (
            b"\x80\x02X\xff\xff\xff\xffa.",
            "ends in the middle of an object",
        ),
    ];
    for (pickle, expected) in cases {
        let error = reason(with_pickle(pickle));
        assert!(error.contains(expected), "{error}");
    }
    let unknown = reason(with_pickle(&pickle("QInt8Storage", 0, &[1], &[1])));
    assert!(unknown.contains("torch.QInt8Storage"), "{unknown}");
    let without = archive(&[("data.pkl", &pickle("FloatStorage", 0, &[1], &[1]))]);
    assert!(reason(without).contains("'data/0' is not in the archive"));
    let big = archive(&[
        ("byteorder", b"big"),
        ("data.pkl", &pickle("FloatStorage", 0, &[1], &[1])),
    ]);
    assert!(reason(big).contains("byte order is 'big'"));
    assert!(reason(archive(&[("a.txt", b"a")])).contains("without data.pkl"));
    for len in 4..good.len() {
        assert!(!reason(good[..len].to_vec()).is_empty());
    }
}

/// Thousands of dictionaries in dictionaries, and one in itself.
#[test]
fn nested_dictionaries_end() {
    let mut deep = b"\x80\x02".to_vec();
    (0..100_000).for_each(|_| deep.extend(b"}X\x01\x00\x00\x00a"));
    deep.extend(b"N");
    (0..100_000).for_each(|_| deep.push(b's'));
    deep.push(b'.');
    assert!(reason(with_pickle(&deep)).contains("in more than 8 dictionaries"));
    let own = b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.";
    assert!(reason(with_pickle(own)).contains("in more than 8 dictionaries"));
}

/// An index names files of either format.
#[test]
fn checkpoints_may_be_sharded() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(file("plain.pth"), folder.path().join("one.bin")).unwrap();
    let two = folder.path().join("two.safetensors");
    let tensor = shadernet::tensor::Tensor::zeros([2]);
    write_safetensors(&two, [("other", &tensor)], Dtype::F32).unwrap();
    let index = r#"{"weight_map": {"conv.weight": "one.bin", "conv.bias": "one.bin",
        "norm.num_batches_tracked": "one.bin", "other": "two.safetensors"}}"#;
    let path = folder.path().join("pytorch_model.bin.index.json");
    std::fs::write(&path, index).unwrap();
    let weights = Weights::open(&path).unwrap();
    assert_eq!(weights.read("conv.bias").unwrap()[..], values(4));
    assert_eq!(weights.names().len(), 4);
}
