//! Errors for damaged weights and weights of another network; reading and writing of all dtypes.

mod common;

use std::path::Path;

use common::{safetensors as file, write_weights};
use half::{bf16, f16};
use shadernet::graph::{BatchNorm2d, Conv2d, Graph, GraphBuilder, Linear};
use shadernet::reference::Reference;
use shadernet::tensor::Tensor;
use shadernet::weights::{Dtype, Weights, write_safetensors};
use shadernet::{Error, Result};

/// A convolution, a batch norm and a classifier: seven tensors.
fn graph() -> Graph {
    let mut b = GraphBuilder::new("small");
    let x = b.image_input("input", 2);
    let x = b.conv2d("conv", x, Conv2d::new(2, 4, 1).bias(false));
    let x = b.batch_norm("bn", x, BatchNorm2d::new(4));
    let x = b.flatten("flatten", x);
    let x = b.linear("fc", x, Linear::new(4, 3));
    b.output(x);
    b.build().unwrap()
}

/// The message of opening a file that holds `bytes`; it must name the file.
fn message(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let text = file_error(Weights::open(&path));
    assert!(text.contains("bad.safetensors"), "{text}");
    text
}

fn file_error(result: Result<Weights>) -> String {
    match result {
        Err(error @ Error::File { .. }) => error.to_string(),
        other => panic!("expected Error::File, found {other:?}"),
    }
}

/// The problems that `check` reports.
fn problems(weights: &Weights, graph: &Graph) -> Vec<String> {
    match weights.check(graph) {
        Err(Error::Weights { problems, .. }) => problems,
        other => panic!("expected Error::Weights, found {other:?}"),
    }
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
}

#[test]
fn truncated_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.safetensors");
    write_weights(&path, &Weights::generated(&graph(), 1.0), Dtype::F32);
    let whole = std::fs::read(&path).unwrap();
    for len in 0..whole.len() {
        let error = file_error(Weights::from_bytes("truncated", whole[..len].to_vec()));
        assert_contains(&error, &["truncated: "]);
    }
    assert_contains(
        &message(&whole[..whole.len() - 1]),
        &["truncated", "download"],
    );
    assert_contains(&message(&[]), &["empty", "expected a safetensors file"]);
    assert_contains(&message(&whole[..5]), &["holds 5 bytes"]);
    assert_contains(&message(&whole[..100]), &["only 92 follow", "truncated"]);
}

#[test]
fn inconsistent_headers_are_errors() {
    let mut huge = (1_u64 << 60).to_le_bytes().to_vec();
    huge.extend([b'{'; 100]);
    assert_contains(
        &message(&huge),
        &["claim a header of 1152921504606846976 bytes", "holds 108"],
    );
    assert_contains(&message(&[0xFF; 64]), &["18446744073709551615"]);
    assert_contains(
        &message(&file("not JSON at all", 8)),
        &["header cannot be read"],
    );
    assert_contains(&message(&file("[1, 2]", 8)), &["a JSON object of tensors"]);
    assert_contains(&message(&file("{\"a\": 3}", 8)), &["tensor 'a'"]);
    assert_contains(&message(&file("{}", 8)), &["take 0 bytes, but 8 follow"]);
    let overlap = r#"{"first":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
        "second":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    assert_contains(
        &message(&file(overlap, 12)),
        &["'first' and 'second' overlap"],
    );
    let beyond = r#"{"a":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}}"#;
    assert_contains(&message(&file(beyond, 16)), &["truncated", "4294967296"]);
    let misfit = r#"{"a":{"dtype":"F16","shape":[2, 3],"data_offsets":[0,16]}}"#;
    assert_contains(
        &message(&file(misfit, 16)),
        &["'a'", "12 bytes", "gives it 16"],
    );
    let mut not_text = file("{}", 0);
    not_text[8] = 0xC3;
    assert_contains(&message(&not_text), &["not UTF-8"]);
}

#[test]
fn other_formats_are_recognized() {
    assert_contains(
        &message(b"PK\x03\x04......"),
        &["PyTorch checkpoint", "save it again"],
    );
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0";
    assert_contains(&message(pointer), &["git lfs pull"]);
    let folder = tempfile::tempdir().unwrap();
    let text = file_error(Weights::open(folder.path()));
    assert_contains(&text, &["found a folder", "model.safetensors"]);
    let missing = Weights::open(folder.path().join("none.safetensors"));
    assert!(matches!(missing, Err(Error::Io { .. })));
}

#[test]
fn every_problem_is_listed() {
    let header = r#"{
        "conv.weight":{"dtype":"F32","shape":[4,2,3,3],"data_offsets":[0,288]},
        "bn.weight":{"dtype":"I64","shape":[4],"data_offsets":[288,320]},
        "bn.bias":{"dtype":"F8_E8M0","shape":[1],"data_offsets":[320,321]},
        "bn.running_mean":{"dtype":"F32","shape":[1],"data_offsets":[321,325]},
        "bn.runing_var":{"dtype":"F32","shape":[4],"data_offsets":[325,341]},
        "model.fc.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[341,389]}
    }"#;
    let weights = Weights::from_bytes("seven", file(header, 389)).unwrap();
    let problems = problems(&weights, &graph());
    assert_eq!(
        problems,
        [
            "'conv.weight': expected shape [4, 2, 1, 1], found [4, 2, 3, 3]",
            "'bn.weight': found dtype I64, which is not supported; convert it to float32, float16 or bfloat16",
            "'bn.bias': expected shape [4], found [1]; found dtype F8_E8M0, which is not supported; convert it to float32, float16 or bfloat16",
            "'bn.running_mean': expected shape [4], found [1]",
            "'bn.running_var': missing; did you mean 'bn.runing_var'?",
            "'fc.weight': missing; did you mean 'model.fc.weight'?",
            "'fc.bias': missing",
        ]
    );
    let text = weights.check(&graph()).unwrap_err().to_string();
    assert_contains(&text, &["seven: 7 tensors cannot be used", "\n  'fc.bias'"]);
    assert!(Reference::<f32>::new(&graph(), &weights).is_err());
    assert!(weights.read("bn.weight").is_err());
}

#[test]
fn unused_tensors_are_reported() {
    let generated = Weights::generated(&graph(), 1.0);
    let tensor = |name: &str| {
        let data = generated.read(name).unwrap().into_owned();
        Tensor::new(generated.shape(name).unwrap().clone(), data).unwrap()
    };
    let mut tensors: Vec<(String, Tensor)> = generated
        .names()
        .map(|name| (name.to_owned(), tensor(name)))
        .collect();
    for extra in ["head.weight", "bn.num_batches_tracked", "aux.bias"] {
        tensors.push((extra.to_owned(), Tensor::zeros([1])));
    }
    let weights = Weights::from_tensors("more", tensors);
    let checked = weights.check(&graph()).unwrap();
    assert_eq!(checked.unused, ["aux.bias", "head.weight"]);
}

#[test]
fn all_dtypes_are_read_whole_and_in_ranges() {
    let numbers = [0.0, -1.5, 3.140_625, 65504.0, f32::NAN, f32::INFINITY, 1e-3];
    let exact = Tensor::new([7], numbers.to_vec()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.safetensors");
    for dtype in Dtype::WRITABLE {
        write_safetensors(
            &path,
            [("before", &Tensor::zeros([1])), ("t", &exact)],
            dtype,
        )
        .unwrap();
        let weights = Weights::open(&path).unwrap();
        assert_eq!(weights.dtype("t"), Some(dtype));
        let rounded = |x: f32| match dtype {
            Dtype::F32 => x,
            Dtype::F16 => f16::from_f32(x).to_f32(),
            Dtype::Bf16 => bf16::from_f32(x).to_f32(),
            other => panic!("{other} is new: add its rounding"),
        };
        let bits = |x: &f32| x.to_bits();
        let expected: Vec<u32> = numbers.iter().map(|&x| rounded(x).to_bits()).collect();
        let read = weights.read("t").unwrap();
        assert_eq!(read.iter().map(bits).collect::<Vec<_>>(), expected);
        let range = weights.read_range("t", 2..5).unwrap();
        assert_eq!(range.iter().map(bits).collect::<Vec<_>>(), expected[2..5]);
    }
}

#[test]
fn aligned_float32_is_borrowed_and_unaligned_data_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.safetensors");
    // Headers of all lengths modulo 8.
    for spaces in 0..8 {
        let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
            "h":{"dtype":"F16","shape":[1],"data_offsets":[8,10]}}"#;
        let mut bytes = file(&format!("{header}{}", " ".repeat(spaces)), 0);
        let aligned = bytes.len().is_multiple_of(4);
        bytes.extend([1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat());
        bytes.extend(f16::from_f32(0.25).to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let weights = Weights::open(&path).unwrap();
        let read = weights.read("a").unwrap();
        assert_eq!(read[..], [1.5, -2.0]);
        assert_eq!(weights.read("h").unwrap()[..], [0.25]);
        if cfg!(target_endian = "little") {
            assert_eq!(matches!(read, std::borrow::Cow::Borrowed(_)), aligned);
        }
    }
}

#[test]
fn mapped_files_hold_the_same_tensors_and_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.safetensors");
    let generated = Weights::generated(&graph(), 1.0);
    write_weights(&path, &generated, Dtype::F32);
    // SAFETY: nothing changes the files in this folder while they are mapped.
    let open_mmap = |path: &Path| unsafe { Weights::open_mmap(path) };
    let (read, mapped) = (Weights::open(&path).unwrap(), open_mmap(&path).unwrap());
    assert!(read.names().eq(mapped.names()));
    for name in read.names() {
        assert_eq!(read.read(name).unwrap(), mapped.read(name).unwrap());
    }
    // Renaming another file over a mapped one leaves the map unchanged.
    write_weights(&path, &generated, Dtype::F16);
    for name in read.names() {
        assert_eq!(read.read(name).unwrap(), mapped.read(name).unwrap());
    }

    let bad = folder.path().join("bad.safetensors");
    std::fs::write(&bad, "").unwrap();
    for path in [folder.path(), &bad] {
        assert_eq!(file_error(open_mmap(path)), file_error(Weights::open(path)));
    }
    let missing = open_mmap(&folder.path().join("none"));
    assert!(matches!(missing, Err(Error::Io { .. })));
}

#[test]
fn written_files_are_read_by_the_safetensors_crate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.safetensors");
    let tensor = Tensor::new([1, 2], vec![0.5, -0.5]).unwrap();
    write_safetensors(
        &path,
        [("b", &tensor), ("a", &Tensor::zeros([0]))],
        Dtype::F32,
    )
    .unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let b = read.tensor("b").unwrap();
    assert_eq!(
        (b.dtype(), b.shape()),
        (safetensors::Dtype::F32, &[1, 2][..])
    );
    assert_eq!(
        b.data(),
        [0.5_f32.to_le_bytes(), (-0.5_f32).to_le_bytes()].concat()
    );
    assert_eq!(
        folder.path().read_dir().unwrap().count(),
        1,
        "no temporary file is left"
    );
}

#[test]
fn write_errors_name_the_path() {
    let tensor = Tensor::zeros([1]);
    let write = |path: &Path, names: &[&str]| {
        let tensors = names.iter().map(|name| (*name, &tensor));
        write_safetensors(path, tensors, Dtype::F32)
            .unwrap_err()
            .to_string()
    };
    let folder = tempfile::tempdir().unwrap();
    assert_contains(&write(folder.path(), &["a"]), &["found a folder"]);
    let nowhere = folder.path().join("nowhere/out.safetensors");
    assert_contains(&write(&nowhere, &["a"]), &["nowhere"]);
    let twice = folder.path().join("twice.safetensors");
    assert_contains(&write(&twice, &["a", "a"]), &["two tensors", "'a'"]);
    assert!(!twice.exists());
}

/// The bytes of a file of one tensor `t` of one dimension.
fn one_tensor(dtype: &str, len: usize, data: &[u8]) -> Vec<u8> {
    let end = data.len();
    let header =
        format!(r#"{{"t":{{"dtype":"{dtype}","shape":[{len}],"data_offsets":[0,{end}]}}}}"#);
    let mut bytes = file(&header, 0);
    bytes.extend(data);
    bytes
}

#[test]
fn float64_and_float8_are_read() {
    let numbers = [0.1, -2.5, f64::INFINITY];
    let data: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let weights = Weights::from_bytes("w", one_tensor("F64", 3, &data)).unwrap();
    assert_eq!(weights.dtype("t"), Some(Dtype::F64));
    assert_eq!(weights.read("t").unwrap()[..], [0.1, -2.5, f32::INFINITY]);
    assert_eq!(weights.read_range("t", 1..2).unwrap()[..], [-2.5]);
    for (dtype, expected) in [("F8_E4M3", [1.0, -1.125]), ("F8_E5M2", [0.5, -0.625])] {
        let weights = Weights::from_bytes("w", one_tensor(dtype, 2, &[0x38, 0xB9])).unwrap();
        assert_eq!(weights.read("t").unwrap()[..], expected, "{dtype}");
    }
    let weights = Weights::from_bytes("w", one_tensor("F64", 1, &1e39_f64.to_le_bytes())).unwrap();
    let text = weights.read("t").unwrap_err().to_string();
    assert_contains(&text, &["'t': 1e39 is beyond the range of float32"]);
}

#[test]
fn saving_keeps_what_is_not_converted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    let header = r#"{"__metadata__":{"licence":"mine","note":3},
        "n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},
        "odd":{"dtype":"F3","shape":[9],"data_offsets":[8,12]},
        "w":{"dtype":"F32","shape":[1,2],"data_offsets":[12,20]}}"#;
    let mut bytes = file(header, 0);
    bytes.extend(7_i64.to_le_bytes());
    bytes.extend([1, 2, 3, 4]);
    bytes.extend([0.5_f32, 0.25].map(f32::to_le_bytes).concat());
    Weights::from_bytes("w", bytes)
        .unwrap()
        .save(&path, Dtype::F16)
        .unwrap();

    let saved = Weights::open(&path).unwrap();
    assert!(saved.names().eq(["n", "odd", "w"]));
    assert_eq!(saved.dtype_name("n"), Some("I64"));
    assert_eq!(saved.dtype("w"), Some(Dtype::F16));
    assert_eq!(saved.read("w").unwrap()[..], [0.5, 0.25]);
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.ends_with(&[1, 2, 3, 4]));
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    assert_eq!(bytes[8 + length..][..8], 7_i64.to_le_bytes());
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    assert_eq!(
        header["__metadata__"],
        serde_json::json!({"format": "pt", "licence": "mine", "note": "3"})
    );
    // A type that can only be read.
    let error = saved.save(&path, Dtype::F64).unwrap_err().to_string();
    assert_contains(&error, &["float64 can only be read"]);
}

#[test]
fn long_names_do_not_make_long_messages() {
    let long = "n".repeat(1 << 20);
    let header = format!(r#"{{"{long}":{{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}}}"#);
    let text = message(&file(&header, 8));
    assert!(text.len() < 1000, "{}", text.len());
    let shape = "1,".repeat(1 << 16);
    let header = format!(r#"{{"t":{{"dtype":"F32","shape":[{shape}1],"data_offsets":[0,8]}}}}"#);
    let text = message(&file(&header, 8));
    assert_contains(&text, &["'t' has 65537 dimensions"]);
    assert!(text.len() < 1000, "{}", text.len());
}
