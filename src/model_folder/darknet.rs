//! Converts Darknet's files to a model folder.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::unfinished_folder::UnfinishedFolder;
use super::{CONFIG, DARKNET, NETWORK, WEIGHTS, heads};
use crate::darknet::Network;
use crate::error::{Error, Result};
use crate::output_file;
use crate::vision::{CropMode, Interpolation, read_names};
use crate::weights::Dtype;
use crate::zoo::{self, ZooOptions};

/// What [`convert_darknet`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Converted {
    /// The folder.
    pub folder: PathBuf,
    /// A name of [`crate::zoo`], or `darknet`.
    pub architecture: String,
    /// The number of learnable parameters.
    pub parameters: u64,
    /// The number of classes.
    pub num_classes: usize,
    /// How images are fitted to the network.
    pub crop_mode: CropMode,
}

/// The `config.json`, with its keys in a readable order.
#[derive(Serialize)]
struct Config {
    architecture: String,
    num_classes: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    heads: Vec<Value>,
    pretrained_cfg: Value,
    label_names: Value,
}

/// Converts Darknet's `cfg` and `weights` to the model folder `folder`: `config.json` and
/// `model.safetensors`, with matrices and filters stored as `matrices`, vectors as float32.
///
/// Where the network is one of [`crate::zoo`]'s, `architecture` is its name; otherwise it is `darknet`,
/// and `cfg` is copied to `network.cfg`. `names` is a file with the names of the classes, one per line.
///
/// `crop_mode` says how images are fitted to the network. `None` is what Darknet does: for a classifier, the shorter
/// side is scaled and the center cropped; for a detector, `letter_box=1` in `[net]` letterboxes and `letter_box=0`
/// stretches ([`CropMode::Squash`]). A `.cfg` without `letter_box` does not say for which Darknet it was written:
/// Redmon's always letterboxes and is followed here, Bochkovskiy's (YOLOv4) stretches. Images are resized as
/// in Darknet ([`Interpolation::Darknet`]). Input values are between 0 and 1.
///
/// Batch norm adds 1e-5 to the variance, as Darknet does on GPUs (`normalize_kernel`, and cuDNN) and
/// PyTorch does everywhere. On the CPU, Darknet adds 1e-6 to the standard deviation; the difference is
/// negligible.
///
/// The folder is created completely or not at all. An existing folder that is not empty is refused.
///
/// ```
/// use shadernet::model_folder::{ModelFolder, convert_darknet};
/// use shadernet::weights::Dtype;
///
/// let files = tempfile::tempdir()?;
/// let (cfg, weights) = (files.path().join("a.cfg"), files.path().join("a.weights"));
/// let text = "[net]\nwidth=8\nheight=8\nchannels=3\n\
///             [convolutional]\nfilters=10\nactivation=linear\n[avgpool]\n[softmax]";
/// std::fs::write(&cfg, text)?;
/// // A header of version 0.0 (16 bytes), 10 biases and a kernel of 10 x 3 x 1 x 1.
/// std::fs::write(&weights, vec![0; 16 + 4 * (10 + 30)])?;
///
/// let made = convert_darknet(&cfg, &weights, None, None, files.path().join("out"), Dtype::F16)?;
/// assert_eq!((made.num_classes, made.parameters), (10, 40));
/// assert_eq!(ModelFolder::open(made.folder)?.architecture, "darknet");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`Network::open`], [`Network::read_weights`] and [`crate::weights::Weights::save`];
/// [`Error::File`] where `names` has fewer names than classes, or `folder` exists and is not empty;
/// [`Error::Io`] where a file cannot be read, [`Error::Write`] where one cannot be written.
pub fn convert_darknet(
    cfg: impl AsRef<Path>,
    weights: impl AsRef<Path>,
    names: Option<&Path>,
    crop_mode: Option<CropMode>,
    folder: impl AsRef<Path>,
    matrices: Dtype,
) -> Result<Converted> {
    let folder = folder.as_ref();
    // Before the work, so that a folder that cannot be created is an error at once.
    let unfinished = UnfinishedFolder::new(folder)?;
    let network = Network::open(&cfg)?;
    let num_classes = network.num_classes()?;
    let label_names = match names {
        Some(path) => json!(read_names(path, num_classes)?),
        // No names, rather than ImageNet's default names in torchvision's order.
        None => json!({}),
    };
    let architecture = architecture(&network, num_classes);
    let (mean, std) = network.mean_and_std();
    let crop_mode = crop_mode.unwrap_or(match (network.heads(), network.letter_box()) {
        ([], _) => CropMode::Center,
        (_, Some(false)) => CropMode::Squash,
        (_, Some(true) | None) => CropMode::Letterbox,
    });
    let config = Config {
        architecture: architecture.to_owned(),
        num_classes,
        heads: network.heads().iter().map(heads::to_json).collect(),
        pretrained_cfg: json!({
            "input_size": network.input_size(),
            "interpolation": Interpolation::Darknet.to_string(),
            "crop_pct": 1.0,
            "crop_mode": crop_mode.to_string(),
            "mean": [mean],
            "std": [std],
        }),
        label_names,
    };
    let weights = network.read_weights(weights)?;

    unfinished.write(WEIGHTS, |path| weights.save(path, matrices))?;
    if architecture == DARKNET {
        let text = network.text().as_bytes();
        unfinished.write(NETWORK, |path| output_file::write(path, text))?;
    }
    let mut text = serde_json::to_string_pretty(&config)
        .map_err(|error| Error::file(folder.join(CONFIG), error.to_string()))?;
    text.push('\n');
    unfinished.write(CONFIG, |path| output_file::write(path, text.as_bytes()))?;
    unfinished.finish()?;
    Ok(Converted {
        folder: folder.to_owned(),
        architecture: architecture.to_owned(),
        parameters: network.graph().parameter_count(),
        num_classes,
        crop_mode,
    })
}

/// The name of the network in the zoo: of the architecture with the same nodes. `darknet` if there is
/// none.
fn architecture(network: &Network, classes: usize) -> &'static str {
    let [channels, ..] = network.input_size();
    let options = ZooOptions::classes(classes).with_channels(channels);
    let graph = network.graph();
    let same = |other: &crate::graph::Graph| {
        let nodes = graph.nodes().iter().zip(other.nodes());
        graph.nodes().len() == other.nodes().len()
            && graph.outputs() == other.outputs()
            && nodes
                .into_iter()
                .all(|(a, b)| a.name == b.name && a.op == b.op && a.inputs == b.inputs)
    };
    zoo::architectures()
        .find(|architecture| architecture.build(&options).is_ok_and(|other| same(&other)))
        .map_or(DARKNET, |architecture| architecture.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(side: usize, layers: &str) -> String {
        format!("[net]\nwidth={side}\nheight={side}\nchannels=3\n{layers}")
    }

    fn conv(filters: usize, size: usize) -> String {
        format!(
            "[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\nstride=1\npad=1\n\
             activation=leaky\n"
        )
    }

    fn last(filters: usize) -> String {
        format!("[convolutional]\nfilters={filters}\nsize=1\nstride=1\npad=1\nactivation=linear\n")
    }

    const POOL: &str = "[maxpool]\nsize=2\nstride=2\n";

    /// Convolutions by filters and kernel size; 0 filters stand for a max pooling.
    fn layers(layers: &[(usize, usize)]) -> String {
        let layer = |&(filters, size): &(usize, usize)| match filters {
            0 => POOL.to_owned(),
            _ => conv(filters, size),
        };
        layers.iter().map(layer).collect()
    }

    fn name_of(cfg: &str) -> &'static str {
        let network = Network::parse("test.cfg", cfg).unwrap();
        architecture(&network, network.num_classes().unwrap())
    }

    #[test]
    fn networks_of_the_zoo_are_recognized() {
        let tiny = include_str!("../../tests/darknet/yolov3-tiny.cfg");
        assert_eq!(name_of(tiny), "yolov3_tiny");
        // Fully convolutional: of any input size and any number of classes.
        let other = tiny
            .replace("width=416", "width=608")
            .replace("height=416", "height=320");
        let other = other
            .replace("classes=80", "classes=3")
            .replace("filters=255", "filters=24");
        assert_eq!(name_of(&other), "yolov3_tiny");
        // With one layer changed it is another network.
        assert_eq!(name_of(&tiny.replacen("leaky", "relu", 1)), DARKNET);

        let backbone = layers(&[
            (32, 3),
            (0, 0),
            (64, 3),
            (0, 0),
            (128, 3),
            (64, 1),
            (128, 3),
            (0, 0),
            (256, 3),
            (128, 1),
            (256, 3),
            (0, 0),
            (512, 3),
            (256, 1),
            (512, 3),
            (256, 1),
            (512, 3),
            (0, 0),
            (1024, 3),
            (512, 1),
            (1024, 3),
            (512, 1),
            (1024, 3),
        ]);
        let end = format!(
            "{}[avgpool]\n[softmax]\ngroups=1\n[cost]\ntype=sse\n",
            last(1000)
        );
        assert_eq!(name_of(&net(224, &format!("{backbone}{end}"))), "darknet19");

        let neck = format!(
            "{}[route]\nlayers=-9\n{}[reorg]\nstride=2\n[route]\nlayers=-1,-4\n{}{}",
            layers(&[(1024, 3), (1024, 3)]),
            conv(64, 1),
            conv(1024, 3),
            last(125)
        );
        let head = "[region]\nanchors=1.3,1.7, 3.1,4.0, 5.0,8.0, 9.4,4.8, 11.2,10.0\nclasses=20\n\
                    coords=4\nnum=5\nsoftmax=1\n";
        assert_eq!(
            name_of(&net(416, &format!("{backbone}{neck}{head}"))),
            "yolov2"
        );

        let first = layers(&[
            (16, 3),
            (0, 0),
            (32, 3),
            (0, 0),
            (64, 3),
            (0, 0),
            (128, 3),
            (0, 0),
            (256, 3),
            (0, 0),
            (512, 3),
            (0, 0),
            (1024, 3),
            (256, 3),
        ]);
        let grid = "[connected]\noutput=1470\nactivation=linear\n\
                    [detection]\nclasses=20\ncoords=4\nside=7\nnum=2\nsqrt=1\n";
        let first = format!("{first}{grid}");
        assert_eq!(name_of(&net(448, &first)), "yolov1_tiny");
        // The fully connected layer fits only one input size.
        assert_eq!(name_of(&net(384, &first)), DARKNET);
    }
}
