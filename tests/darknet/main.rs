//! Darknet's files: valid, damaged and hostile. `yolov3-tiny.cfg` is Darknet's own (public domain).

#[path = "../common/devices.rs"]
mod devices;
mod heads;
mod hostile;
mod layers;
#[path = "../common/place.rs"]
mod place;
#[path = "../common/tolerance.rs"]
mod tolerance;
mod weights;

use shadernet::darknet::Network;
use shadernet::reference::Reference;
use shadernet::tensor::Tensor;
use shadernet::weights::Weights;

/// Every kind of section, for images of 32 x 24.
const CFG: &str = "
[net]
# a comment
width = 32
height=24
channels=2

[convolutional]   ; 0
batch_normalize=1
filters=4
size=3
stride=1
pad=1
activation=leaky

[maxpool]         # 1
size=2
stride=2

[convolutional]   # 2
filters=4
size=1
activation=linear

[shortcut]        # 3
from=-2
activation=linear

[reorg]           # 4
stride=2

[upsample]        # 5
stride=2

[route]           # 6
layers = -1, 3

[maxpool]         # 7
size=2
stride=1

[dropout]         # 8
probability=.5

[connected]       # 9
output=6
activation=relu

[connected]       # 10
batch_normalize=1
output=5
activation=linear

[softmax]
groups=1

[cost]
type=sse
";

fn network() -> Network {
    Network::parse("every.cfg", CFG).unwrap()
}

/// The first line, counted from 1, of `text` that contains `part`.
fn line_of(text: &str, part: &str) -> usize {
    1 + text.lines().position(|line| line.contains(part)).unwrap()
}

#[test]
fn every_section_is_read() {
    let network = network();
    assert_eq!(network.input_size(), [2, 24, 32]);
    assert_eq!(network.num_classes().unwrap(), 5);
    assert!(network.heads().is_empty());
    let shapes = network.graph().infer(&[[3, 2, 24, 32].into()]).unwrap();
    let shape = |name: &str| {
        let nodes = network.graph().nodes();
        let index = nodes.iter().position(|node| node.name() == name).unwrap();
        shapes[index].dims().to_vec()
    };
    assert_eq!(shape("layers.1"), [3, 4, 12, 16]);
    assert_eq!(shape("layers.4"), [3, 16, 6, 8]);
    assert_eq!(shape("layers.6"), [3, 20, 12, 16]);
    assert_eq!(shape("layers.7"), [3, 20, 12, 16]);
    assert_eq!(shape("layers.10.bn"), [3, 5]);
}

#[test]
fn darknets_own_file_is_read() {
    let path = place::repository().join("tests/darknet/yolov3-tiny.cfg");
    let network = Network::open(path).unwrap();
    assert_eq!(network.input_size(), [3, 416, 416]);
    assert_eq!(network.graph().parameter_count(), 8_852_366);
    let [first, second] = network.heads() else {
        panic!("{:?}", network.heads());
    };
    let shadernet::vision::Head::Yolo {
        anchors,
        mask,
        classes,
        ..
    } = first
    else {
        panic!("{first:?}");
    };
    assert_eq!(
        (anchors.len(), &mask[..], *classes),
        (6, &[3, 4, 5][..], 80)
    );
    assert_eq!(anchors[5], [344.0, 319.0]);
    assert_eq!(second.classes(), 80);
}

/// The output of a network of one max pooling for the values 0 to 24 in rows of five.
fn pooled(settings: &str) -> Vec<f32> {
    let cfg = format!("[net]\nwidth=5\nheight=5\nchannels=1\n[maxpool]\n{settings}");
    let network = Network::parse("pool.cfg", &cfg).unwrap();
    let reference = Reference::new(network.graph(), &Weights::from_tensors("none", [])).unwrap();
    let input = Tensor::from_fn([1, 1, 5, 5], |i| i as f32);
    reference.run(&[input]).unwrap().swap_remove(0).into_data()
}

#[test]
fn poolings_are_padded_as_in_darknet() {
    // The last windows extend half beyond the end of an odd map.
    assert_eq!(
        pooled("size=2\nstride=2"),
        [6.0, 8.0, 9.0, 16.0, 18.0, 19.0, 21.0, 23.0, 24.0]
    );
    // One row and column of padding before, one after.
    assert_eq!(
        pooled("size=3\nstride=2"),
        [6.0, 8.0, 9.0, 16.0, 18.0, 19.0, 21.0, 23.0, 24.0]
    );
    assert_eq!(
        pooled("size=3\nstride=2\npadding=0"),
        [12.0, 14.0, 22.0, 24.0]
    );
    assert_eq!(
        pooled("size=2\nstride=1")[..6],
        [6.0, 7.0, 8.0, 9.0, 9.0, 11.0]
    );
    // Without a size, a window has the size of its stride; it begins two pixels before the map.
    assert_eq!(pooled("stride=5"), [12.0]);
}
