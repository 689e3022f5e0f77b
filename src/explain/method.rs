use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, UnknownName};

/// How evidence is found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum ExplainMethod {
    /// Gradient-weighted class activation map of a layer (Selvaraju et al. 2017).
    #[default]
    GradCam,
    /// The same with weights that see several and small objects (Chattopadhyay et al. 2018).
    GradCamPlusPlus,
    /// Guided backpropagation to the pixels (Springenberg et al. 2015), where Grad-CAM is warm.
    GuidedGradCam,
    /// The gradient with respect to each pixel: the largest magnitude of its channels (Simonyan et al.
    /// 2014).
    Saliency,
    /// The same of the mean gradient of noisy copies (Smilkov et al. 2017).
    SmoothGrad {
        /// How many copies.
        samples: usize,
        /// The noise's standard deviation, as a share of the range of the input's values.
        noise: f32,
    },
    /// The gradient along the way from a black picture, times that way (Sundararajan et al. 2017): all
    /// pixels' shares add up to the difference of the two scores. What is positive of it is shown.
    IntegratedGradients {
        /// Points on the way, equally far apart; `None` for as many as it takes, where it takes them,
        /// to come within a hundredth of that sum, [`MAX_STEPS`](Self::MAX_STEPS) at most.
        steps: Option<usize>,
    },
    /// How much the score falls when a grey square hides a place (Zeiler and Fergus 2014): asks no
    /// gradient, and so checks the others.
    Occlusion {
        /// The square's side, in pixels of the network's input.
        window: usize,
        /// From one square to the next.
        stride: usize,
    },
}

impl ExplainMethod {
    /// Points that integrated gradients take at most.
    pub const MAX_STEPS: usize = 1024;

    /// Every method with its usual settings.
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
        // A seventh of 224 pixels, as Grad-CAM's maps there.
        Self::Occlusion {
            window: 32,
            stride: 16,
        },
    ];

    /// Its name, as on the command line.
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

    /// Whether it is about a layer.
    pub fn takes_layer(self) -> bool {
        matches!(
            self,
            Self::GradCam | Self::GradCamPlusPlus | Self::GuidedGradCam
        )
    }

    /// Whether its settings make sense for an input of this height and width.
    pub(super) fn check(self, [height, width]: [usize; 2]) -> Result<()> {
        let fault = match self {
            Self::SmoothGrad { samples: 0, .. } => "0 samples of noise are none; take at least 1",
            Self::SmoothGrad { noise, .. } if !(noise >= 0.0 && noise.is_finite()) => {
                "the noise must be a number from 0 on"
            }
            Self::IntegratedGradients { steps: Some(0) } => "0 steps lead nowhere; take at least 1",
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

    /// The method of that name, with its usual settings.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let names = Self::ALL.map(Self::name);
        let known = Self::ALL.into_iter().find(|method| method.name() == name);
        known.ok_or_else(|| UnknownName::new("explanation method", name, names))
    }
}
