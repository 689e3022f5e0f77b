//! See [`FeatureMaps`].

use std::sync::Arc;

use image::{Rgb, RgbImage};

use super::explainer::BATCH;
use super::model_variants::VariantRunner;
use super::pixels;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{GradientRule, Graph, Seed, ValueId};
use crate::model_folder::ModelFolder;
use crate::session::SessionOptions;
use crate::tensor::{Shape, Tensor};
use crate::vision::{HeatMap, Preprocessing};
use crate::weights::Weights;

/// Shows what the layers of a network of any task answer.
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
    runner: VariantRunner<Variant>,
}

/// What is asked of the network.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// A layer.
    Layer(ValueId),
    /// What of the input a layer's channels answer to.
    Projection(ValueId),
}

/// What a layer answers.
#[derive(Clone, Debug)]
pub struct Features {
    /// The layer's name.
    pub layer: String,
    /// Its channels, strongest first.
    pub channels: Vec<Channel>,
    /// What it answers, `[1, C, H, W]`.
    pub activation: Tensor,
}

/// One channel of a layer.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its index.
    pub index: usize,
    /// The largest value of its map, which is what it is ranked by (Zeiler and Fergus 2014).
    pub largest: f32,
    /// The mean of its map, which decides between those of one largest value: ReLU6 has many end at 6.
    pub mean: f64,
    /// Column and row of that value.
    pub peak: [usize; 2],
    /// Its map.
    pub map: HeatMap,
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

    /// Opens a network that reads pictures.
    ///
    /// # Errors
    /// Where the weights do not fit the graph, or the graph not the preprocessing's input.
    pub fn from_graph(
        device: &Device,
        graph: &Graph,
        weights: impl Into<Arc<Weights>>,
        preprocessing: &Preprocessing,
        options: &SessionOptions,
    ) -> Result<Self> {
        Ok(Self {
            runner: VariantRunner::new(device, graph, weights, preprocessing, options)?,
        })
    }

    /// What the user should be told about how the network runs; see
    /// [`Session::warning`](crate::session::Session::warning).
    pub fn warning(&self) -> Option<&str> {
        self.runner.warning()
    }

    /// How pictures become inputs.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.runner.preprocessing
    }

    /// Every layer that answers a map: its name, its operator in PyTorch's terms, and its shape.
    ///
    /// # Errors
    /// As [`Graph::infer`].
    pub fn layers(&self) -> Result<Vec<(String, &'static str, Shape)>> {
        self.runner.layers()
    }

    /// The last layer of each stage, as layers of one height and width in a row are called; but for those
    /// of one pixel.
    ///
    /// # Errors
    /// As [`Graph::infer`].
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

    /// Whether `layer` is one of [`Self::layers`].
    ///
    /// # Errors
    /// As [`Self::channels`] has them of its layer.
    pub fn check(&self, layer: &str) -> Result<()> {
        self.layer(layer).map(drop)
    }

    /// The channels of the layer `layer` for `picture`, strongest first.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the nearest names; [`Error::Inputs`] where the layer answers no map,
    /// or what are no numbers; those of [`Preprocessing::apply`] and of the device.
    pub fn channels(&mut self, picture: &RgbImage, layer: &str) -> Result<Features> {
        let value = self.layer(layer)?;
        let input = self.runner.preprocessing.apply(picture)?;
        let make = |graph: &Graph| Ok(graph.with_outputs(vec![value]));
        let answers = self.runner.run(Variant::Layer(value), make, &[input])?;
        // One output was asked for.
        let activation = answers
            .into_iter()
            .next()
            .unwrap_or_else(|| Tensor::zeros([0]));
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

    /// What of the picture made channels of a layer answer: each channel alone goes back to the pixels
    /// through the deconvnet of Zeiler and Fergus (2014), from its strongest place. Answers a picture of
    /// the network's input for each of `channels` (indices), grey where nothing came back.
    ///
    /// # Errors
    /// As [`Self::channels`]; and [`Error::Node`] where an operator on the way has no gradient.
    pub fn projections(
        &mut self,
        picture: &RgbImage,
        features: &Features,
        channels: &[usize],
    ) -> Result<Vec<RgbImage>> {
        let value = self.layer(&features.layer)?;
        let input = self.runner.preprocessing.apply(picture)?;
        let target = self.runner.input();
        let shape = self.runner.shape(1);
        let [_, count, height, width] = features.activation.shape().nchw();
        if let Some(channel) = channels.iter().find(|channel| **channel >= count) {
            return Err(Error::Inputs(format!(
                "there is no channel {channel}: '{}' has {count}, counted from 0",
                features.layer
            )));
        }
        let mut pictures = Vec::new();
        for some in channels.chunks(BATCH) {
            let rows = Tensor::new(
                self.runner.shape(some.len()),
                input.data().repeat(some.len()),
            )?;
            let mut seed = Tensor::zeros([some.len(), count, height, width]);
            for (row, &channel) in seed.data_mut().chunks_mut(count * height * width).zip(some) {
                let found = features.channels.iter().find(|c| c.index == channel);
                if let Some(found) = found {
                    let [x, y] = found.peak;
                    row[(channel * height + y) * width + x] = found.largest;
                }
            }
            let make = |graph: &Graph| {
                let graph = graph.with_outputs(vec![value]);
                let rule = GradientRule::Deconvnet;
                graph.with_gradients(
                    std::slice::from_ref(&shape),
                    value,
                    Seed::Input,
                    &[target],
                    rule,
                )
            };
            let answers = (self.runner).run(Variant::Projection(value), make, &[rows, seed])?;
            for row in 0..some.len() {
                pictures.push(visible(&pixels::image(&answers[1], row))?);
            }
        }
        Ok(pictures)
    }

    fn layer(&self, name: &str) -> Result<ValueId> {
        let graph = &self.runner.graph;
        let value = graph.find(name)?;
        let shape = &graph.infer(&[self.runner.shape(1)])?[value.index()];
        match shape.rank() {
            4 => Ok(value),
            _ => Err(Error::Inputs(format!(
                "'{name}' of {} is {shape}, no map [N, C, H, W] whose channels could be shown",
                graph.name()
            ))),
        }
    }
}

/// What came back to the pixels, `[1, C, H, W]`, as a picture: 0 is grey, and the largest magnitude black
/// or white.
fn visible(image: &Tensor) -> Result<RgbImage> {
    let [_, channels, height, width] = image.shape().nchw();
    let largest = pixels::largest(image)?.statistics().max;
    let plane = height * width;
    let level = |channel: usize, pixel: usize| {
        // Grey pictures have one channel for all three.
        let value = image.data()[channel.min(channels - 1) * plane + pixel];
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
