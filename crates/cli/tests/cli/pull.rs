//! `shadernet pull`, against a server on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::place;
use crate::hub_server::{Behavior, COMMIT, HubServer};
use crate::support::*;

const WEIGHTS: &str = "model.safetensors";

/// The files of the small model.
fn model_files() -> BTreeMap<String, Vec<u8>> {
    ["config.json", WEIGHTS]
        .map(|name| (name.to_owned(), fs::read(small_model().join(name)).unwrap()))
        .into()
}

/// `shadernet pull` into the cache `cache`.
fn pull(endpoint: &str, cache: &Path) -> Command {
    let mut command = shadernet();
    command.args(["pull", "org/model"]);
    command.env("HF_ENDPOINT", endpoint).env("HF_HOME", cache);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command
}

fn classify_pulled(cache: &Path, model: &str) -> Command {
    let mut command = shadernet();
    command.args([
        "classify",
        "--backend=cpu",
        "--json",
        &chelsea(),
        "--model",
        model,
    ]);
    command.env("HF_HOME", cache);
    command
}

#[test]
fn a_model_is_fetched_once_and_runs_offline() {
    let server = HubServer::start(model_files(), Behavior::default());
    let cache = tempfile::tempdir().unwrap();
    let first = execute(&mut pull(&server.endpoint, cache.path())).ok();
    assert!(
        first.out.contains("org/model: resnet18, 10 classes, "),
        "{}",
        first.out
    );
    assert!(first.out.contains(" downloaded, in "), "{}", first.out);
    assert_eq!(first.err, "");
    let fetched = ["config.json from 0", "model.safetensors from 0"];
    assert_eq!(server.downloads(), fetched);

    let run = execute(pull(&server.endpoint, cache.path()).arg("--json")).ok();
    assert_eq!(server.downloads(), fetched);
    let line = &run.json()[0];
    assert_eq!(line["downloaded_bytes"], 0);
    assert_eq!(line["architecture"], "resnet18");
    assert_eq!(line["files"], json!(["config.json", WEIGHTS]));

    // What `huggingface_hub` writes: files by their checksum, and links to them.
    let repository = cache.path().join("hub/models--org--model");
    assert_eq!(
        fs::read_to_string(repository.join("refs/main")).unwrap(),
        COMMIT
    );
    let snapshot = repository.join("snapshots").join(COMMIT);
    #[cfg(unix)]
    assert!(snapshot.join(WEIGHTS).is_symlink());

    let expected = execute(classify().args([&chelsea(), "--json"])).ok().json();
    for name in [
        "org/model",
        "hf-hub:org/model",
        "org/model@main",
        &format!("org/model@{COMMIT}"),
    ] {
        let run = execute(&mut classify_pulled(cache.path(), name)).ok();
        assert_eq!(
            run.json()[0]["predictions"],
            expected[0]["predictions"],
            "{name}"
        );
    }
    let mut models = shadernet();
    let run = execute(
        models
            .args(["models", "--json"])
            .env("HF_HOME", cache.path()),
    )
    .ok();
    let found = run
        .json()
        .into_iter()
        .find(|line| line["model"] == "org/model");
    assert_eq!(found.unwrap()["folder"], snapshot.to_str().unwrap());
    execute(&mut classify_pulled(cache.path(), "org/other")).fails(&[
        "org/other: there is no such folder, nor is this model in the Hugging Face cache",
        "`shadernet pull org/other`",
    ]);
}

#[test]
fn broken_connections_are_continued() {
    let behavior = Behavior {
        cut: Some((100_000, 2)),
        ..Behavior::default()
    };
    let server = HubServer::start(model_files(), behavior);
    let cache = tempfile::tempdir().unwrap();
    execute(&mut pull(&server.endpoint, cache.path())).ok();
    let from = |start: usize| format!("{WEIGHTS} from {start}");
    assert_eq!(
        server.downloads()[1..],
        [from(0), from(100_000), from(200_000)]
    );
    execute(&mut classify_pulled(cache.path(), "org/model")).ok();
}

#[test]
fn an_ended_download_is_continued_by_the_next() {
    let behavior = Behavior {
        cut: Some((100_000, 1)),
        stalls: true,
        ..Behavior::default()
    };
    let server = HubServer::start(model_files(), behavior);
    let cache = tempfile::tempdir().unwrap();
    let mut command = pull(&server.endpoint, cache.path());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let blobs = cache.path().join("hub/models--org--model/blobs");
    let is_cut = || {
        let parts = fs::read_dir(&blobs).into_iter().flatten().flatten();
        let mut parts = parts.filter(|entry| entry.path().extension().is_some_and(|e| e == "part"));
        parts.any(|part| part.metadata().is_ok_and(|part| part.len() == 100_000))
    };
    let start = Instant::now();
    while !is_cut() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "nothing was downloaded"
        );
        sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    execute(&mut classify_pulled(cache.path(), "org/model"))
        .fails(&["model.safetensors is missing"]);

    execute(&mut pull(&server.endpoint, cache.path())).ok();
    let last = format!("{WEIGHTS} from 100000");
    assert_eq!(server.downloads().last(), Some(&last));
    execute(&mut classify_pulled(cache.path(), "org/model")).ok();
}

#[test]
fn damaged_files_are_removed() {
    let behavior = Behavior {
        damages: true,
        ..Behavior::default()
    };
    let server = HubServer::start(model_files(), behavior);
    let cache = tempfile::tempdir().unwrap();
    execute(&mut pull(&server.endpoint, cache.path())).fails(&[
        "org/model: config.json: the checksum ",
        "the file was removed: run the command again",
    ]);
    let snapshot = cache
        .path()
        .join("hub/models--org--model/snapshots")
        .join(COMMIT);
    assert_eq!(fs::read_dir(snapshot).unwrap().count(), 0);
}

#[test]
fn private_models_need_a_token() {
    let behavior = Behavior {
        token: Some("hf_secret"),
        ..Behavior::default()
    };
    let server = HubServer::start(model_files(), behavior);
    let cache = tempfile::tempdir().unwrap();
    let pull = || pull(&server.endpoint, cache.path());
    execute(&mut pull()).fails(&[
        "org/model: ",
        "or it is private, or its terms have to be accepted: check the name, or set HF_TOKEN",
    ]);
    let wrong = execute(pull().env("HF_TOKEN", "hf_wrong"));
    assert!(!wrong.err.contains("hf_wrong"));
    wrong.fails(&["org/model: ", "refused the token"]);
    fs::write(cache.path().join("token"), "hf_secret\n").unwrap();
    execute(&mut pull()).ok();
    fs::remove_file(cache.path().join("token")).unwrap();
    execute(pull().env("HF_TOKEN", "hf_secret")).ok();
}

#[test]
fn what_is_missing_is_named() {
    let fails = |files: BTreeMap<String, Vec<u8>>, parts: &[&str]| {
        let server = HubServer::start(files, Behavior::default());
        let cache = tempfile::tempdir().unwrap();
        execute(&mut pull(&server.endpoint, cache.path())).fails(parts);
    };
    let without = |name: &str| {
        let mut files = model_files();
        files.remove(name);
        files
    };
    fails(
        without("config.json"),
        &["org/model: no config.json", "found model.safetensors"],
    );
    fails(
        without(WEIGHTS),
        &[
            "org/model: none of model.safetensors, ",
            "is in this repository",
        ],
    );
    // The index names a file that the repository lacks, and one outside of it.
    for (file, part) in [
        ("a.safetensors", "no such model, revision or file"),
        ("../a", "names of files beside it"),
    ] {
        let mut files = without(WEIGHTS);
        let index = json!({"weight_map": {"fc.weight": file}}).to_string();
        files.insert(format!("{WEIGHTS}.index.json"), index.into_bytes());
        fails(files, &["org/model: ", part]);
    }
    let mut other = model_files();
    other.insert(
        "config.json".to_owned(),
        b"{\"model_type\": \"bert\"}".to_vec(),
    );
    fails(other, &["config.json: key 'architecture' is missing"]);
}

#[test]
fn checkpoints_are_fetched_where_there_is_nothing_else() {
    let checkpoint = fs::read(place::repository().join("tests/pytorch/plain.pth")).unwrap();
    let mut files = model_files();
    let index = json!({"weight_map": {"fc.weight": "a.bin", "fc.bias": "b.bin"}}).to_string();
    let add = |files: &mut BTreeMap<_, _>, name: &str, content: &[u8]| {
        files.insert(name.to_owned(), content.to_vec());
    };
    add(&mut files, "pytorch_model.bin", &checkpoint);
    add(&mut files, "a.bin", &checkpoint);
    add(&mut files, "b.bin", &checkpoint);
    let fetched = |files: &BTreeMap<String, Vec<u8>>| {
        let server = HubServer::start(files.clone(), Behavior::default());
        let cache = tempfile::tempdir().unwrap();
        let run = execute(pull(&server.endpoint, cache.path()).arg("--json")).ok();
        (run.json()[0]["files"].clone(), server, cache)
    };
    assert_eq!(fetched(&files).0, json!(["config.json", WEIGHTS]));
    files.remove(WEIGHTS);
    let (names, _server, cache) = fetched(&files);
    assert_eq!(names, json!(["config.json", "pytorch_model.bin"]));
    // It is read, and has another network.
    execute(&mut classify_pulled(cache.path(), "org/model"))
        .fails(&["pytorch_model.bin", "conv.weight"]);

    files.remove("pytorch_model.bin");
    let name = "pytorch_model.bin.index.json";
    add(&mut files, name, index.as_bytes());
    let expected = json!(["config.json", name, "a.bin", "b.bin"]);
    assert_eq!(fetched(&files).0, expected);
}

#[test]
fn no_network_is_said() {
    let cache = tempfile::tempdir().unwrap();
    // Nothing listens on port 1.
    let nowhere = "http://127.0.0.1:1";
    execute(&mut pull(nowhere, cache.path()))
        .fails(&["org/model: http://127.0.0.1:1 cannot be reached, the connection broke off"]);
    execute(pull(nowhere, cache.path()).env("HF_HUB_OFFLINE", "1"))
        .fails(&["org/model: HF_HUB_OFFLINE is set"]);
    let mut command = shadernet();
    let wrong = execute(command.args(["pull", "resnet18"]));
    assert_eq!(wrong.code, 2);
    wrong.says(&[
        "expected a model on the Hugging Face hub as ORG/NAME",
        "found 'resnet18'",
    ]);
}
