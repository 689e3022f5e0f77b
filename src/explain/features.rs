//! See [`FeatureMaps`].

use std::sync::Arc;

use image::{Rgb, RgbImage};

use super::pixel_heat::{batch_row, max_magnitude};
use super::probe::{BATCH, Probe};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, ValueId};
use crate::model_folder::ModelFolder;
use crate::session::SessionOptions;
use crate::tasks::model_methods;
use crate::tensor::{Shape, Tensor};
use crate::vision::{HeatMap, Labels, Preprocessing};
use crate::weights::Weights;

/// Shows the feature maps of a network's layers, whatever its task.
///
/// ```
/// use shadernet::device::Device;
/// use shadernet::explain::FeatureMaps;
/// use shadernet::model_folder::default_model;
/// use shadernet::vision::decode;
///
/// let folder = default_model()?.open()?;
/// let mut maps = FeatureMaps::new(&Device::cpu(), &folder, &Default::default())?;
/// let stages = maps.stages()?;
/// let found = maps.channels(&decode("tests/images/coffee.png")?, &stages[1])?;
/// assert!(found.channels[0].largest >= found.channels[1].largest);
/// # Ok::<(), shadernet::Error>(())
/// ```
pub struct FeatureMaps {
    probe: Probe,
}

/// The output of a layer, and its channels.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Features {
    /// The layer's name.
    pub layer: String,
    /// Its channels, strongest first.
    pub channels: Vec<Channel>,
    /// The layer's output, `[1, C, H, W]`.
    pub activation: Tensor,
}

/// One channel of a layer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Channel {
    /// Its index.
    pub index: usize,
    /// The largest value of its map, by which channels are ranked (Zeiler and Fergus 2014).
    pub largest: f32,
    /// The mean of its map, which ranks channels of the same largest value: with ReLU6, many have a largest
    /// value of 6.
    pub mean: f64,
    /// Column and row of the largest value.
    pub peak: [usize; 2],
    /// Its map.
    pub map: HeatMap,
}

model_methods!(FeatureMaps, probe.model, probe);

impl std::fmt::Debug for FeatureMaps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeatureMaps")
            .field("network", &self.probe.graph().name())
            .finish_non_exhaustive()
    }
}

impl FeatureMaps {
    /// Opens a model folder's network.
    ///
    /// # Errors
    /// Those of [`ModelFolder::graph`] and [`Self::from_graph`].
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        let (graph, _) = folder.graph()?;
        let weights = folder.weights(&graph)?;
        Self::from_graph(device, &graph, weights, &folder.preprocessing, options)
    }

    /// Opens a network that reads images.
    ///
    /// # Errors
    /// Where the weights do not fit the graph, or the graph does not fit the preprocessing's input;
    /// [`Error::Inputs`] for a graph with other inputs than one image.
    pub fn from_graph(
        device: &Device,
        graph: &Graph,
        weights: impl Into<Arc<Weights>>,
        preprocessing: &Preprocessing,
        options: &SessionOptions,
    ) -> Result<Self> {
        let labels = Labels::default();
        let probe = Probe::new(device, graph, weights, preprocessing, labels, options)?;
        Ok(Self { probe })
    }

    /// Every layer whose output is a map: its name, its operator in PyTorch's terms, and its shape.
    ///
    /// # Errors
    /// Those of [`Graph::infer`].
    pub fn layers(&self) -> Result<Vec<(String, &'static str, Shape)>> {
        self.probe.layers()
    }

    /// The last layer of each stage. A stage is a run of layers of the same height and width; those of one
    /// pixel are left out.
    ///
    /// # Errors
    /// Those of [`Graph::infer`].
    pub fn stages(&self) -> Result<Vec<String>> {
        let layers = self.layers()?;
        let size = |shape: &Shape| [shape.dims()[2], shape.dims()[3]];
        let is_last = |i: &usize| {
            let next = layers.get(i + 1);
            let this = size(&layers[*i].2);
            this != [1, 1] && next.is_none_or(|(_, _, shape)| size(shape) != this)
        };
        let last = (0..layers.len()).filter(is_last);
        Ok(last.map(|i| layers[i].0.clone()).collect())
    }

    /// Checks that `layer` is one of [`Self::layers`].
    ///
    /// # Errors
    /// Those errors of [`Self::channels`] that concern its layer.
    pub fn check(&self, layer: &str) -> Result<()> {
        self.layer(layer).map(drop)
    }

    /// The channels of the layer `layer` for `image`, strongest first.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the nearest names; [`Error::Inputs`] where the layer's output is not a
    /// map, or is NaN; those of [`Preprocessing::apply`] and of the device.
    pub fn channels(&mut self, image: &RgbImage, layer: &str) -> Result<Features> {
        let value = self.layer(layer)?;
        let input = self.preprocessing().apply(image)?;
        let activation = self.probe.activation(value, input)?;
        let [_, _, height, width] = activation.shape().nchw();
        let mut channels: Vec<Channel> = (activation.data().chunks(height * width).enumerate())
            .map(|(index, map)| {
                let map = HeatMap::new(width, height, map.to_vec())?;
                let statistics = map.statistics();
                Ok(Channel {
                    index,
                    largest: statistics.max,
                    mean: statistics.mean,
                    peak: statistics.peak,
                    map,
                })
            })
            .collect::<Result<_>>()?;
        let by_mean = |a: &Channel, b: &Channel| b.mean.total_cmp(&a.mean);
        channels.sort_by(|a, b| b.largest.total_cmp(&a.largest).then(by_mean(a, b)));
        Ok(Features {
            layer: layer.to_owned(),
            channels,
            activation,
        })
    }

    /// The patterns in `image` that activate channels of a layer: each channel's peak alone is projected back
    /// to the pixels through the deconvnet of Zeiler and Fergus (2014). Returns an image of the network's
    /// input size for each of `channels` (indices), gray where the projection is 0.
    ///
    /// # Errors
    /// Those of [`Self::channels`]; [`Error::Inputs`] for a channel that the layer does not have;
    /// [`Error::Node`] where an operator between the input and the layer has no gradient.
    pub fn projections(
        &mut self,
        image: &RgbImage,
        features: &Features,
        channels: &[usize],
    ) -> Result<Vec<RgbImage>> {
        let value = self.layer(&features.layer)?;
        let input = self.preprocessing().apply(image)?;
        let [_, count, height, width] = features.activation.shape().nchw();
        if let Some(channel) = channels.iter().find(|channel| **channel >= count) {
            return Err(Error::Inputs(format!(
                "there is no channel {channel}: '{}' has {count}, counted from 0",
                features.layer
            )));
        }
        let mut images = Vec::new();
        for chunk in channels.chunks(BATCH) {
            let rows = input.data().repeat(chunk.len());
            let rows = Tensor::new(self.probe.model.shape(chunk.len()), rows)?;
            let mut seeds = Tensor::zeros([chunk.len(), count, height, width]);
            let len = count * height * width;
            for (row, &channel) in seeds.data_mut().chunks_mut(len).zip(chunk) {
                let found = features.channels.iter().find(|c| c.index == channel);
                if let Some(found) = found {
                    let [x, y] = found.peak;
                    row[(channel * height + y) * width + x] = found.largest;
                }
            }
            let projected = self.probe.project(value, rows, seeds)?;
            for row in 0..chunk.len() {
                images.push(projection_image(&batch_row(&projected, row))?);
            }
        }
        Ok(images)
    }

    fn layer(&self, name: &str) -> Result<ValueId> {
        let (value, shape) = self.probe.layer(name)?;
        match shape.rank() {
            4 => Ok(value),
            _ => Err(Error::Inputs(format!(
                "'{name}' of {} is {shape}, not a map [N, C, H, W] with channels to show",
                self.probe.graph().name()
            ))),
        }
    }
}

/// A projection `[1, C, H, W]` as an image: 0 is gray, and the largest magnitude black or white.
fn projection_image(projection: &Tensor) -> Result<RgbImage> {
    let [_, channels, height, width] = projection.shape().nchw();
    let largest = max_magnitude(projection)?.statistics().max;
    let plane = height * width;
    let level = |channel: usize, pixel: usize| {
        // Networks of grayscale images have one channel for all three.
        let value = projection.data()[channel.min(channels - 1) * plane + pixel];
        match largest > 0.0 {
            true => (127.5 + 127.5 * value / largest).round() as u8,
            false => 128,
        }
    };
    Ok(RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let pixel = y as usize * width + x as usize;
        Rgb([0, 1, 2].map(|channel| level(channel, pixel)))
    }))
}
