//! What may differ between checkpoints of one architecture.

#[cfg(doc)]
use super::Architecture;
use super::variant::{ConvPadding, GlobalPool};
use crate::graph::Activation;

/// What may differ between two checkpoints of one architecture. `None` stands for the architecture's
/// own value.
///
/// ```
/// use shadernet::zoo::ZooOptions;
///
/// let options = ZooOptions::default().with_classes(10).with_channels(1);
/// assert_eq!(options.num_classes, Some(10));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ZooOptions {
    /// Number of classes; 0 for a classification network without its classifier, whose output is the pooled
    /// features. Default: [`Architecture::num_classes`].
    pub num_classes: Option<usize>,
    /// Channels of the image. Default: those of [`Architecture::input_size`].
    pub in_channels: Option<usize>,
    /// The function in place of every activation.
    pub activation: Option<Activation>,
    /// The epsilon of every norm: of batch norms, and of ConvNeXt's layer norms.
    pub bn_eps: Option<f64>,
    /// How every convolution is padded.
    pub padding: Option<ConvPadding>,
    /// The most that maps are smaller than the image: strides beyond it become dilations.
    pub output_stride: Option<usize>,
    /// The pooling before the classifier.
    pub global_pool: Option<GlobalPool>,
}

impl ZooOptions {
    /// `num_classes` classes, and the architecture's own image channels.
    pub fn classes(num_classes: usize) -> Self {
        Self::default().with_classes(num_classes)
    }

    /// Sets the number of classes; `None` is the architecture's own.
    pub fn with_classes(mut self, num_classes: impl Into<Option<usize>>) -> Self {
        self.num_classes = num_classes.into();
        self
    }

    /// Sets the channels of the image; `None` is the architecture's own.
    pub fn with_channels(mut self, in_channels: impl Into<Option<usize>>) -> Self {
        self.in_channels = in_channels.into();
        self
    }

    /// Whether nothing but the numbers of classes and channels may differ from the architecture's own.
    pub(crate) fn is_plain(&self) -> bool {
        let plain = Self {
            num_classes: self.num_classes,
            in_channels: self.in_channels,
            ..Self::default()
        };
        *self == plain
    }
}
