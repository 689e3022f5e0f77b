use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, UnknownName};

/// How the evidence for a class is found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum ExplainMethod {
    /// Gradient-weighted class activation map of a layer (Selvaraju et al. 2017).
    #[default]
    GradCam,
    /// Grad-CAM with weights that also cover several and small objects (Chattopadhyay et al. 2018).
    GradCamPlusPlus,
    /// Guided backpropagation to the pixels (Springenberg et al. 2015), times Grad-CAM's map.
    GuidedGradCam,
    /// The gradient with respect to each pixel: the largest magnitude of its channels (Simonyan et al.
    /// 2014).
    Saliency,
    /// Saliency of the mean gradient of noisy copies of the image (Smilkov et al. 2017).
    SmoothGrad {
        /// The number of copies.
        samples: usize,
        /// The noise's standard deviation, as a share of the range of the input's values.
        noise: f32,
    },
    /// The gradient along the straight path from a black image to the image, times their difference
    /// (Sundararajan et al. 2017): the attributions of all pixels add up to the difference of the two
    /// scores. The heat map has their positive part.
    IntegratedGradients {
        /// Points on the path, evenly spaced. With `None`, points are added where the error is largest,
        /// until the attributions add up to within a hundredth, at most [`MAX_STEPS`](Self::MAX_STEPS).
        steps: Option<usize>,
    },
    /// How far the score falls when a gray square hides a part of the image (Zeiler and Fergus 2014). It
    /// needs no gradients, and so is a check on the other methods.
    Occlusion {
        /// The square's side, in pixels of the network's input.
        window: usize,
        /// The distance from one square to the next.
        stride: usize,
    },
}

impl ExplainMethod {
    /// The most points that integrated gradients take.
    pub const MAX_STEPS: usize = 1024;

    /// Every method with its default settings.
    pub const ALL: [Self; 7] = [
        Self::GradCam,
        Self::GradCamPlusPlus,
        Self::GuidedGradCam,
        Self::Saliency,
        // As the paper's figures.
        Self::SmoothGrad {
            samples: 24,
            noise: 0.15,
        },
        Self::IntegratedGradients { steps: None },
        // A seventh of 224 pixels, as wide as a pixel of Grad-CAM's maps there.
        Self::Occlusion {
            window: 32,
            stride: 16,
        },
    ];

    /// The method's name: `grad-cam`, `smooth-grad` and so on. [`str::parse`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GradCam => "grad-cam",
            Self::GradCamPlusPlus => "grad-cam++",
            Self::GuidedGradCam => "guided-grad-cam",
            Self::Saliency => "saliency",
            Self::SmoothGrad { .. } => "smooth-grad",
            Self::IntegratedGradients { .. } => "integrated-gradients",
            Self::Occlusion { .. } => "occlusion",
        }
    }

    /// Whether the method explains a layer, which [`ExplainOptions::layer`](super::ExplainOptions::layer) names.
    pub fn takes_layer(self) -> bool {
        matches!(
            self,
            Self::GradCam | Self::GradCamPlusPlus | Self::GuidedGradCam
        )
    }

    /// Checks the settings for an input of this height and width.
    pub(super) fn check(self, [height, width]: [usize; 2]) -> Result<()> {
        let fault = match self {
            Self::SmoothGrad { samples: 0, .. } => "0 samples were given; take at least 1",
            Self::SmoothGrad { noise, .. } if !(noise >= 0.0 && noise.is_finite()) => {
                "the noise must be a number of at least 0"
            }
            Self::IntegratedGradients { steps: Some(0) } => "0 steps were given; take at least 1",
            Self::Occlusion { window, stride } if window == 0 || stride == 0 => {
                "the window and its stride must be at least 1 pixel"
            }
            Self::Occlusion { window, .. } if window > height || window > width => {
                return Err(Error::Inputs(format!(
                    "a window of {window} pixels is larger than the network's input, {width}x{height}"
                )));
            }
            _ => return Ok(()),
        };
        Err(Error::Inputs(fault.to_owned()))
    }
}

impl fmt::Display for ExplainMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExplainMethod {
    type Err = UnknownName;

    /// The method of that name, with its default settings.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let names = Self::ALL.map(Self::name);
        let known = Self::ALL.into_iter().find(|method| method.name() == name);
        known.ok_or_else(|| UnknownName::new("explanation method", name, names))
    }
}
