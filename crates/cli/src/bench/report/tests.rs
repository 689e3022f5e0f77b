//! Tests with made-up results.

use serde_json::{Value, json};

use super::*;

fn page_of(results: &[Value]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    assert!(write(&path, results).is_ok());
    std::fs::read_to_string(path).unwrap()
}

fn kernel(case: &str, kernel: &str, operations: u64, intensity: f64, rate: f64) -> Value {
    json!({
        "case": case,
        "kernel": kernel,
        "rule": true,
        "min_ms": 1.0,
        "operations": operations,
        "intensity": intensity,
        "gflop_per_second": rate,
        "gbyte_per_second": 2.0,
    })
}

fn device(kernels: &[Value]) -> Value {
    json!({
        "kind": "kernels",
        "device": "Someone's GPU",
        "backend": "vulkan",
        "driver": "driver 1",
        "wgpu_version": "30.0.1",
        "commit": "0123abc",
        "peak_gflop_per_second": 70.0,
        "peak_gbyte_per_second": 3.0,
        "cached_gbyte_per_second": 30.0,
        "kernels": kernels,
    })
}

#[test]
fn the_page_shows_all_results() {
    let page = page_of(&[
        device(&[
            kernel("conv2d 1x8x6x6 out=8", "winograd-4", 9, 6.0, 12.0),
            kernel("conv2d 1x8x6x6 out=8", "tiled-8x16", 9, 6.0, 10.0),
            kernel("relu 1x8x6x6", "activation", 0, 0.0, 0.0),
            json!({"case": "relu 1x8x6x6", "kernel": "other", "wrong": "by much"}),
        ]),
        json!({"kind": "kernels", "device": "Lost", "backend": "gl", "failed": "signal 11"}),
        json!({"kind": "model", "device": "Lost", "backend": "gl", "failed": "hung"}),
        json!({
            "kind": "model", "device": "Someone's GPU", "backend": "vulkan", "network": "resnet50",
            "batch": 2, "input": [3, 8, 8], "median_ms": 20.0, "images_per_second": 100.0,
        }),
    ]);
    for part in [
        "Someone's GPU",
        "driver 1",
        "wgpu 30.0.1",
        "commit 0123abc",
        "memory, 3.00 GB/s",
        "cache, 30.0 GB/s",
        "arithmetic, 70.0 GFLOP/s",
        "winograd-4 1x8x6x6→8",
        "wrong: by much",
        "Nothing was measured: signal 11",
        "failed: hung",
        "resnet50",
        "batch 2, 3x8x8",
    ] {
        assert!(page.contains(part), "'{part}' is not in {page}");
    }
    // Two dots. Kernels without arithmetic and networks are bars.
    assert_eq!(page.matches("<circle").count(), 2);
    assert_eq!(page.matches("class=\"bar\"").count(), 3);
    // No external resources.
    for outside in [
        "http:", "https:", "<script", "src=", "<link", "@import", "url(",
    ] {
        assert!(!page.contains(outside), "'{outside}' is in {page}");
    }
}

#[test]
fn missing_and_extreme_values_are_accepted() {
    let mut without = device(&[
        json!({"case": "a", "kernel": "b", "min_ms": null, "operations": 5}),
        kernel("c", "d", 7, 0.0, f64::NAN),
        kernel("e", "f", 7, 1e-300, 1e300),
    ]);
    for peak in ["peak_gflop_per_second", "peak_gbyte_per_second"] {
        without[peak] = json!(null);
    }
    let model = json!({"kind": "model", "device": "", "backend": "", "network": "n"});
    let page = page_of(&[without, device(&[]), model]);
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    assert!(page_of(&[]).contains("</html>"));
    assert!(write(Path::new("page.html"), &[json!({"kind": "other"})]).is_err());
}

#[test]
fn names_are_escaped() {
    let hostile = "<script>\"'&</title></svg>{}";
    let mut results = device(&[
        kernel(hostile, hostile, 9, 6.0, 12.0),
        kernel(
            &format!("conv2d {hostile} out={hostile}"),
            hostile,
            0,
            0.0,
            0.0,
        ),
        json!({"case": hostile, "kernel": hostile, "failed": hostile}),
    ]);
    for key in ["device", "backend", "driver", "commit", "precision"] {
        results[key] = json!(hostile);
    }
    let model = json!({
        "kind": "model", "device": hostile, "backend": hostile, "network": hostile,
        "images_per_second": 1.0, "wrong": hostile,
    });
    let page = page_of(&[results, model]);
    assert!(page.contains("&lt;script&gt;"), "{page}");
    for part in ["<script", "'&<"] {
        assert!(!page.contains(part), "'{part}' is in {page}");
    }
    assert_eq!(page.matches("</svg>").count(), 1);
}

#[test]
fn numbers_are_short() {
    let cases = [
        (0.0, "0"),
        (0.000_123_4, "1.2e-4"),
        (0.1234, "0.123"),
        (9.876, "9.88"),
        (98.76, "98.8"),
        (98_765.4, "98765"),
    ];
    for (value, text) in cases {
        assert_eq!(number(Some(value)), text);
    }
    assert_eq!([number(None), number(Some(f64::NAN))], ["–", "–"]);
}

#[test]
fn names_are_escaped_and_shortened() {
    let long = format!("relu \u{1b}\u{202e}{}", "x".repeat(1 << 20));
    let page = page_of(&[device(&[kernel(&long, "relu", 0, 0.0, 0.0)])]);
    assert!(page.len() < 100_000, "{}", page.len());
    assert!(!page.contains(['\u{1b}', '\u{202e}']));
    assert!(page.contains(r"relu \u{1b}\u{202e}xxx"));
}
