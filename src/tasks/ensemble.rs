use image::RgbImage;

use super::classifier::{Classifier, Prediction};
pub use super::view_mean::Average;
use super::view_mean::ViewMean;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::session::Run;
use crate::tensor::{Shape, Tensor};
use crate::vision::{Crops, Preprocessing};

/// Classifies by the mean over several views of an image, several networks, or both, as AlexNet (ten crops, and
/// five or seven networks), VGG and ResNet did in their papers.
///
/// Each network has its own preprocessing, and sees the same [`Crops`] of the image it makes; all crops of a batch of
/// images run in one pass. Networks with equal preprocessing share their inputs. All run on the same device, one
/// after the other.
///
/// The mean is computed in float64 and rounded to float32 once. Numbers that are all equal therefore have themselves
/// as their mean, whatever the weights: a float32 lies in the middle of the numbers that are rounded to it, and
/// float64's errors are smaller than that by a factor of 10⁸. An ensemble of a network with itself returns that
/// network's predictions to the bit.
///
/// ```
/// use shadernet::device::Device;
/// use shadernet::model_folder::default_model;
/// use shadernet::tasks::{Classifier, Ensemble};
/// use shadernet::vision::{Crops, decode};
///
/// let folder = default_model()?.open()?;
/// let classifier = Classifier::new(&Device::cpu(), &folder, &Default::default())?;
/// let mut ensemble = Ensemble::new(vec![classifier])?.with_crops(Crops::ONE.with_flip())?;
/// let predictions = ensemble.classify(&decode("tests/images/coffee.png")?, 3)?;
/// assert_eq!(predictions[0].label, "espresso");
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Debug)]
pub struct Ensemble {
    members: Vec<Member>,
    preprocessing: EnsemblePreprocessing,
    average: Average,
}

/// A network of an ensemble.
#[derive(Debug)]
struct Member {
    classifier: Classifier,
    weight: f32,
    /// Which of the preprocessings its inputs are from.
    input: usize,
}

/// How an image becomes the inputs of an ensemble's networks. A copy can be sent to threads that decode images.
#[derive(Clone, Debug)]
pub struct EnsemblePreprocessing {
    /// Those of the networks, each once.
    preprocessings: Vec<Preprocessing>,
    crops: Crops,
}

impl EnsemblePreprocessing {
    /// The views of `image`: a tensor `[V, C, H, W]` for each different preprocessing.
    ///
    /// # Errors
    /// Those of [`Preprocessing::apply_crops`].
    pub fn apply(&self, image: &RgbImage) -> Result<Vec<Tensor>> {
        let preprocessings = self.preprocessings.iter();
        preprocessings
            .map(|preprocessing| preprocessing.apply_crops(image, self.crops))
            .collect()
    }

    /// The number of views of an image, V.
    pub fn views(&self) -> usize {
        self.crops.count()
    }
}

/// A batch in flight; see [`Ensemble::predict_async`].
#[must_use = "`Ensemble::predictions` waits for it"]
#[derive(Debug)]
pub struct EnsembleRun {
    /// The number of images.
    images: usize,
    /// The passes of each network, with their inputs.
    passes: Vec<Vec<(Tensor, Run)>>,
}

impl Ensemble {
    /// An ensemble of networks with equal weights, which see one crop of an image. One network is allowed.
    ///
    /// # Errors
    /// [`Error::File`] where the networks' classes differ, with the first difference; [`Error::Inputs`] where there is
    /// no network.
    pub fn new(classifiers: Vec<Classifier>) -> Result<Self> {
        let Some((first, others)) = classifiers.split_first() else {
            return Err(Error::Inputs(
                "an ensemble of at least one network was expected, found none".to_owned(),
            ));
        };
        others
            .iter()
            .try_for_each(|other| other.check_classes_of(first))?;
        let mut preprocessings: Vec<Preprocessing> = Vec::new();
        let members = (classifiers.into_iter())
            .map(|classifier| {
                let preprocessing = classifier.preprocessing();
                let known = preprocessings.iter().position(|p| p == preprocessing);
                let input = known.unwrap_or_else(|| {
                    preprocessings.push(preprocessing.clone());
                    preprocessings.len() - 1
                });
                Member {
                    classifier,
                    weight: 1.0,
                    input,
                }
            })
            .collect();
        Ok(Self {
            members,
            preprocessing: EnsemblePreprocessing {
                preprocessings,
                crops: Crops::ONE,
            },
            average: Average::Probabilities,
        })
    }

    /// Weights the networks: their outputs count in proportion to `weights`, one for each.
    ///
    /// # Errors
    /// [`Error::Inputs`] where there is not one weight for each network, or one is not a finite number above 0.
    pub fn with_weights(mut self, weights: &[f32]) -> Result<Self> {
        if weights.len() != self.members.len() {
            return Err(Error::Inputs(format!(
                "{} weights were expected, one for each network of the ensemble, found {}",
                self.members.len(),
                weights.len()
            )));
        }
        if let Some(weight) = weights.iter().find(|w| !(w.is_finite() && **w > 0.0)) {
            return Err(Error::Inputs(format!(
                "finite weights above 0 were expected for the networks of an ensemble, found {weight}"
            )));
        }
        for (member, weight) in self.members.iter_mut().zip(weights) {
            member.weight = *weight;
        }
        Ok(self)
    }

    /// Lets every network see `crops` of an image.
    ///
    /// # Errors
    /// Those of [`Preprocessing::check_crops`], with the network's folder.
    pub fn with_crops(mut self, crops: Crops) -> Result<Self> {
        for Member { classifier, .. } in &self.members {
            let checked = classifier.preprocessing().check_crops(crops);
            checked.map_err(|error| Error::file(classifier.path(), error.to_string()))?;
        }
        self.preprocessing.crops = crops;
        Ok(self)
    }

    /// Chooses what is averaged.
    ///
    /// # Errors
    /// [`Error::File`] for [`Average::Logits`] where a network returns probabilities.
    pub fn with_average(mut self, average: Average) -> Result<Self> {
        let mut networks = self.members.iter().map(|member| &member.classifier);
        match networks.find(|network| network.returns_probabilities()) {
            Some(network) if average == Average::Logits => Err(Error::file(
                network.path(),
                "a network that returns logits was expected, since these are averaged; this one returns \
                 probabilities (it ends in a softmax or sigmoid): average probabilities",
            )),
            _ => {
                self.average = average;
                Ok(self)
            }
        }
    }

    /// How an image becomes the networks' inputs.
    pub fn preprocessing(&self) -> &EnsemblePreprocessing {
        &self.preprocessing
    }

    /// What the user should know about how the networks run; see [`Classifier::warning`].
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        let members = self.members.iter();
        members.filter_map(|member| member.classifier.warning())
    }

    /// Prepares for batches of `images` images, which the first [`Self::predict`] of such a batch would do.
    ///
    /// # Errors
    /// Those of [`Classifier::prepare`].
    pub fn prepare(&mut self, images: usize) -> Result<()> {
        let rows = images.saturating_mul(self.preprocessing.views());
        (self.members.iter_mut()).try_for_each(|member| match member.classifier.takes_one_image() {
            true => member.classifier.prepare(1),
            false => member.classifier.prepare(rows),
        })
    }

    /// Moves all networks to another device; see [`Classifier::restore`].
    ///
    /// # Errors
    /// Those of [`Classifier::restore`].
    pub fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        let mut classifiers = self.members.iter_mut().map(|member| &mut member.classifier);
        classifiers.try_for_each(|classifier| classifier.restore(gpu))
    }

    /// The top `k` classes of `image`, most probable first.
    ///
    /// # Errors
    /// Those of [`Preprocessing::apply_crops`] and [`Self::predict`].
    pub fn classify(&mut self, image: &RgbImage, k: usize) -> Result<Vec<Prediction>> {
        let views = self.preprocessing.apply(image)?;
        Ok(self.predict(&[views], k)?.swap_remove(0))
    }

    /// The top `k` classes of every image, most probable first. An image is what [`EnsemblePreprocessing::apply`]
    /// returned for it.
    ///
    /// # Errors
    /// As [`Classifier::predict`]; [`Error::Inputs`] where an image is not one of this ensemble's inputs.
    pub fn predict(&mut self, images: &[Vec<Tensor>], k: usize) -> Result<Vec<Vec<Prediction>>> {
        let batches = self.batches(images)?;
        let mut mean = self.mean(images.len());
        for member in &mut self.members {
            let scores = member.run(&batches[member.input])?;
            mean.add(&scores, member.returns_probabilities(), member.weight);
        }
        Ok(self.top_classes(mean, k))
    }

    /// Submits a batch of images without waiting, to all networks. [`Self::predictions`] waits for it. Batches in flight
    /// are limited as those of [`Session::run_async`](crate::session::Session::run_async).
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn predict_async(&mut self, images: &[Vec<Tensor>]) -> Result<EnsembleRun> {
        let batches = self.batches(images)?;
        let start = |member: &mut Member| member.start(&batches[member.input]);
        let passes = self.members.iter_mut().map(start).collect::<Result<_>>()?;
        Ok(EnsembleRun {
            images: images.len(),
            passes,
        })
    }

    /// Waits for a batch of [`Self::predict_async`]: the top `k` classes of every image, most probable first.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn predictions(&mut self, run: EnsembleRun, k: usize) -> Result<Vec<Vec<Prediction>>> {
        let mut mean = self.mean(run.images);
        for (member, passes) in self.members.iter_mut().zip(run.passes) {
            let scores = member.wait(passes)?;
            mean.add(&scores, member.returns_probabilities(), member.weight);
        }
        Ok(self.top_classes(mean, k))
    }

    fn mean(&self, images: usize) -> ViewMean {
        // The classes of all networks are equal.
        let classes = self.members[0].classifier.classes();
        ViewMean::new(images, self.preprocessing.views(), classes, self.average)
    }

    fn top_classes(&self, mean: ViewMean, k: usize) -> Vec<Vec<Prediction>> {
        let classifier = &self.members[0].classifier;
        let images = mean.probabilities().into_iter();
        images
            .map(|probabilities| classifier.top_classes(&probabilities, k))
            .collect()
    }

    /// The views of all images as one batch for each preprocessing.
    fn batches(&self, images: &[Vec<Tensor>]) -> Result<Vec<Tensor>> {
        let views = self.preprocessing.views();
        let preprocessings = self.preprocessing.preprocessings.iter().enumerate();
        preprocessings
            .map(|(input, preprocessing)| {
                let [channels, height, width] = preprocessing.input_size;
                let shape = Shape::from([views, channels, height, width]);
                let data: Vec<&[f32]> = (images.iter())
                    .map(|image| match image.get(input) {
                        Some(tensor) if *tensor.shape() == shape => Ok(tensor.data()),
                        found => Err(Error::Inputs(format!(
                            "the views of an image for this ensemble were expected, {shape}; found {}",
                            found.map_or("none".to_owned(), |tensor| tensor.shape().to_string())
                        ))),
                    })
                    .collect::<Result<_>>()?;
                let rows = images.len() * views;
                Tensor::new([rows, channels, height, width], data.concat())
            })
            .collect()
    }
}

impl Member {
    fn returns_probabilities(&self) -> bool {
        self.classifier.returns_probabilities()
    }

    /// The network's outputs for all rows of `batch`.
    fn run(&mut self, batch: &Tensor) -> Result<Vec<f32>> {
        let mut scores = Vec::new();
        for input in self.inputs(batch) {
            let outputs = self.classifier.session().run_finite(&[input])?;
            scores.extend(outputs.iter().flat_map(Tensor::data));
        }
        Ok(scores)
    }

    /// Submits the passes for `batch`.
    fn start(&mut self, batch: &Tensor) -> Result<Vec<(Tensor, Run)>> {
        let inputs = self.inputs(batch).into_iter();
        inputs
            .map(|input| {
                let run = self.classifier.predict_async(&input)?;
                Ok((input, run))
            })
            .collect()
    }

    /// The outputs of `passes`, one after another.
    fn wait(&mut self, passes: Vec<(Tensor, Run)>) -> Result<Vec<f32>> {
        let mut scores = Vec::new();
        for (input, run) in passes {
            let outputs = run.wait()?;
            (self.classifier.session()).check_finite(&[input], &outputs)?;
            scores.extend(outputs.iter().flat_map(Tensor::data));
        }
        Ok(scores)
    }

    /// The batch, or each of its rows where the network takes one image.
    fn inputs(&self, batch: &Tensor) -> Vec<Tensor> {
        let [rows, ..] = batch.shape().nchw();
        match rows > 1 && self.classifier.takes_one_image() {
            true => batch.images().collect(),
            false => vec![batch.clone()],
        }
    }
}
