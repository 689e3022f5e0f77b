//! Layers that are not in [`crate::CFG`], against loops written after Darknet's C.

use std::sync::Arc;

use shadernet::darknet::Network;
use shadernet::device::Device;
use shadernet::model_folder::{ModelFolder, convert_darknet};
use shadernet::reference::Reference;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::Tensor;
use shadernet::weights::generate::generated_input;
use shadernet::weights::{Dtype, Weights};

use crate::devices::devices;

/// A `.weights` file of these numbers.
fn weights_file(numbers: &[f32]) -> Vec<u8> {
    let header = [0_i32, 2, 0, 0, 0].map(i32::to_le_bytes).concat();
    let numbers: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    [header, numbers].concat()
}

/// Numbers between -1 and 1 without a pattern.
fn numbers(count: usize) -> Vec<f32> {
    (0..count)
        .map(|i| ((i * 7919 % 1009) as f32 / 504.5) - 1.0)
        .collect()
}

fn read(network: &Network, numbers: &[f32]) -> Weights {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.weights");
    std::fs::write(&path, weights_file(numbers)).unwrap();
    network.read_weights(path).unwrap()
}

/// The network's output on the reference backend, which must be that of the first GPU and the CPU too.
fn output(network: &Network, weights: Weights, input: &Tensor) -> Tensor {
    let graph = network.graph();
    let reference = Reference::<f32>::new(graph, &weights).unwrap();
    let output = reference
        .run(std::slice::from_ref(input))
        .unwrap()
        .remove(0);
    let weights = Arc::new(weights);
    let (_, first_gpu) = &devices()[0];
    for device in [first_gpu, &Device::cpu()] {
        let options = SessionOptions::default();
        let shapes = [input.shape().clone()];
        let mut session = Session::new(device, graph, weights.clone(), &options, &shapes).unwrap();
        let on_device = session.run(std::slice::from_ref(input)).unwrap().remove(0);
        assert_close(on_device.data(), output.data());
    }
    output
}

fn assert_close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{i}: {a} and {b}");
    }
}

fn parse(text: &str) -> Network {
    Network::parse("x.cfg", text).unwrap()
}

const ONE_BY_ONE: &str = "[convolutional]\nsize=1\nactivation=linear\n";

/// The maps of the layers `[convolutional]`s of one pixel without activation compute.
fn one_by_one(x: &[f32], pixels: usize, biases: &[f32], kernel: &[f32]) -> Vec<f32> {
    let channels = x.len() / pixels;
    let rows = biases.iter().zip(kernel.chunks(channels));
    rows.flat_map(|(bias, row)| {
        (0..pixels).map(move |p| {
            let products = row.iter().enumerate().map(|(c, w)| w * x[c * pixels + p]);
            bias + products.sum::<f32>()
        })
    })
    .collect()
}

#[test]
fn routes_take_groups_of_channels() {
    for (group, expected) in [(0, 0..4), (1, 4..8)] {
        let network = parse(&format!(
            "[net]\nwidth=3\nheight=2\nchannels=8\n[dropout]\n[route]\nlayers=-1\ngroups=2\ngroup_id={group}\n"
        ));
        let input = generated_input([1, 8, 2, 3]);
        let found = output(&network, read(&network, &[]), &input);
        assert_eq!(
            found.data(),
            &input.data()[expected.start * 6..expected.end * 6]
        );
    }
    // Of each of several layers.
    let network = parse(
        "[net]\nwidth=3\nheight=2\nchannels=4\n[dropout]\n[dropout]\n[route]\nlayers=-1,-2\ngroups=4\ngroup_id=3\n",
    );
    let input = generated_input([1, 4, 2, 3]);
    let found = output(&network, read(&network, &[]), &input);
    let last = &input.data()[18..];
    assert_eq!(found.data(), [last, last].concat());
}

/// `shortcut_cpu` in Darknet's `blas.c`.
fn shortcut(from: &[f32], [c1, h1, w1]: [usize; 3], to: &mut [f32], [c2, h2, w2]: [usize; 3]) {
    let stride = w1 / w2;
    for k in 0..c1.min(c2) {
        for j in 0..h1.min(h2) {
            for i in 0..w1.min(w2) {
                to[i + w2 * (j + h2 * k)] += from[i * stride + w1 * (j * stride + h1 * k)];
            }
        }
    }
}

#[test]
fn shortcuts_of_unequal_maps_add_what_both_have() {
    // Channels of the earlier and of the later map, the stride between them, and the input's size.
    for (c1, c2, stride, [h1, w1]) in [
        (2, 4, 1, [4, 5]),
        (4, 2, 1, [4, 5]),
        (2, 4, 2, [4, 6]),
        (5, 3, 2, [7, 5]),
        (3, 3, 3, [9, 9]),
    ] {
        let network = parse(&format!(
            "[net]\nwidth={w1}\nheight={h1}\nchannels=2\n{ONE_BY_ONE}filters={c1}\n\
             {ONE_BY_ONE}filters={c2}\nstride={stride}\n[shortcut]\nfrom=-2\nactivation=linear\n"
        ));
        let all = numbers(c1 * 3 + c2 * (c1 + 1));
        let input = generated_input([1, 2, h1, w1]);
        let found = output(&network, read(&network, &all), &input);

        let (first, second) = all.split_at(c1 * 3);
        let from = one_by_one(input.data(), h1 * w1, &first[..c1], &first[c1..]);
        let [h2, w2] = [h1, w1].map(|n| (n - 1) / stride + 1);
        let kept = (0..c1 * h2 * w2).map(|i| {
            let (c, y, x) = (i / (h2 * w2), i / w2 % h2, i % w2);
            from[c * h1 * w1 + y * stride * w1 + x * stride]
        });
        let kept: Vec<f32> = kept.collect();
        let mut expected = one_by_one(&kept, h2 * w2, &second[..c2], &second[c2..]);
        shortcut(&from, [c1, h1, w1], &mut expected, [c2, h2, w2]);
        assert_close(found.data(), &expected);
    }
    let smaller = "[net]\nwidth=8\nheight=8\nchannels=1\n[maxpool]\nsize=2\nstride=2\n[upsample]\nstride=2\n\
                   [shortcut]\nfrom=-2\n";
    let error = Network::parse("x.cfg", smaller).unwrap_err().to_string();
    let expected = "[shortcut]: it adds a map of 1 channels, 4x4, to one of 1 channels, 8x8";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn local_layers_have_weights_for_each_pixel() {
    let (c, h, w, filters) = (2, 4, 3, 3);
    for (size, stride, pad, [out_h, out_w]) in
        [(3, 1, 1, [4, 3]), (2, 1, 0, [3, 2]), (3, 2, 1, [2, 2])]
    {
        let network = parse(&format!(
            "[net]\nwidth={w}\nheight={h}\nchannels={c}\n\
             [local]\nsize={size}\nstride={stride}\npad={pad}\nfilters={filters}\nactivation=leaky\n"
        ));
        let (pixels, kernel) = (out_h * out_w, filters * c * size * size);
        let all = numbers(pixels * (filters + kernel));
        let (biases, kernels) = all.split_at(pixels * filters);
        let input = generated_input([1, c, h, w]);
        let found = output(&network, read(&network, &all), &input);
        assert_eq!(found.shape().dims(), [1, filters, out_h, out_w]);
        let expected = (0..filters * pixels).map(|i| {
            let (f, p) = (i / pixels, i % pixels);
            let mut sum = biases[i];
            for k in 0..c * size * size {
                let (channel, row, column) = (k / (size * size), k / size % size, k % size);
                let y = (p / out_w * stride + row).checked_sub(pad);
                let x = (p % out_w * stride + column).checked_sub(pad);
                if let (Some(y), Some(x)) = (y.filter(|y| *y < h), x.filter(|x| *x < w)) {
                    let weight = kernels[p * kernel + f * c * size * size + k];
                    sum += weight * input.data()[(channel * h + y) * w + x];
                }
            }
            if sum > 0.0 { sum } else { 0.1 * sum }
        });
        assert_close(found.data(), &expected.collect::<Vec<f32>>());
    }
}

/// Values go from 0..1 to -1..1 by the mean and standard deviation in `config.json`.
#[test]
fn crops_are_of_the_center() {
    for (noadjust, normalization) in [("", (0.5, 0.5)), ("noadjust=1\n", (0.0, 1.0))] {
        let cfg = format!(
            "[net]\nwidth=8\nheight=7\nchannels=1\n[crop]\ncrop_height=4\ncrop_width=5\nflip=1\n{noadjust}\
             [connected]\noutput=2\nactivation=linear\n"
        );
        let network = parse(&cfg);
        assert_eq!(network.mean_and_std(), normalization);
        // The matrix sums the values of the crop.
        let all = [vec![0.0; 2], vec![1.0; 40]].concat();
        let input = generated_input([1, 1, 7, 8]);
        let found = output(&network, read(&network, &all), &input);
        let sum: f32 = (1..5)
            .map(|y| input.data()[y * 8 + 1..y * 8 + 6].iter().sum::<f32>())
            .sum();
        assert_close(found.data(), &[sum, sum]);

        let folder = tempfile::tempdir().unwrap();
        let [cfg_path, weights] = ["a.cfg", "a.weights"].map(|name| folder.path().join(name));
        std::fs::write(&cfg_path, cfg).unwrap();
        std::fs::write(&weights, weights_file(&all)).unwrap();
        let output = folder.path().join("out");
        convert_darknet(cfg_path, weights, None, None, &output, Dtype::F32).unwrap();
        let preprocessing = ModelFolder::open(output).unwrap().preprocessing;
        assert_eq!((preprocessing.mean[0], preprocessing.std[0]), normalization);
    }
}

#[test]
fn files_are_read_as_darknet_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let open = |bytes: &[u8]| {
        let path = folder.path().join("x.cfg");
        std::fs::write(&path, bytes).unwrap();
        Network::open(path).unwrap()
    };
    let plain =
        "[net]\nwidth=8\nheight=6\nchannels=3\n[convolutional]\nfilters=2\nactivation=linear\n";
    let nodes = open(plain.as_bytes()).graph().nodes().len();
    let same = |bytes: &[u8]| {
        let network = open(bytes);
        assert_eq!(network.input_size(), [3, 6, 8]);
        assert_eq!(network.graph().nodes().len(), nodes);
    };
    same(format!("\u{feff}{plain}").as_bytes());
    same(&[b"# entra\xeenement\n", plain.as_bytes()].concat());
    same(&[b"# \xd1\xb5\xc1\xb7\n", plain.as_bytes()].concat());
    same(
        plain
            .replace('\n', " \r\n")
            .replace("[net]", "[ net ]")
            .replace('=', " =\t")
            .as_bytes(),
    );
    same(
        plain
            .replace("width=8", "width=8.0")
            .replace("height=6", "height=6,")
            .as_bytes(),
    );
}

#[test]
fn names_may_be_more_and_in_any_encoding() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let cfg = "[net]\nwidth=2\nheight=2\nchannels=1\n[convolutional]\nfilters=2\nactivation=linear\n[avgpool]\n";
    std::fs::write(path("a.cfg"), cfg).unwrap();
    std::fs::write(path("a.weights"), weights_file(&[0.0; 4])).unwrap();
    let labels = |names: &[u8], output: &str| {
        std::fs::write(path("a.names"), names).unwrap();
        let names = path("a.names");
        convert_darknet(
            path("a.cfg"),
            path("a.weights"),
            Some(&names),
            None,
            path(output),
            Dtype::F32,
        )
        .unwrap();
        let labels = ModelFolder::open(path(output)).unwrap().labels;
        [0, 1].map(|class| labels.text(class).into_owned())
    };
    assert_eq!(
        labels("\u{feff}cat\ndog\nbird\n".as_bytes(), "marked"),
        ["cat", "dog"]
    );
    assert_eq!(
        labels(b"pi\xe9ton\nv\xe9lo\n", "latin"),
        ["pi\u{e9}ton", "v\u{e9}lo"]
    );
}
