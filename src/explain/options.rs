use super::method::ExplainMethod;

/// What an [`Explainer`](super::Explainer) explains, and how.
///
/// ```
/// use shadernet::explain::{ExplainMethod, ExplainOptions};
///
/// let options = ExplainOptions::new(ExplainMethod::GradCamPlusPlus)
///     .classes([281, 285])
///     .layer("blocks.4");
/// assert_eq!(options.classes, [281, 285]);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExplainOptions {
    /// The method.
    pub method: ExplainMethod,
    /// For methods that explain a layer, the name of its node. With `None`, it is the last feature map before
    /// the network pools it away.
    pub layer: Option<String>,
    /// The classes to explain. Where there are none, the image's top classes are explained.
    pub classes: Vec<usize>,
    /// How many of the top classes are explained where no classes are given; 0 counts as 1.
    pub top: usize,
}

impl Default for ExplainOptions {
    /// Grad-CAM of the top class at the last feature map.
    fn default() -> Self {
        Self::new(ExplainMethod::default())
    }
}

impl ExplainOptions {
    /// The top class, by `method`.
    pub fn new(method: ExplainMethod) -> Self {
        Self {
            method,
            layer: None,
            classes: Vec::new(),
            top: 1,
        }
    }

    /// Explains the layer of that name rather than the last feature map.
    pub fn layer(mut self, layer: impl Into<String>) -> Self {
        self.layer = Some(layer.into());
        self
    }

    /// Explains these classes rather than the top ones.
    pub fn classes(mut self, classes: impl IntoIterator<Item = usize>) -> Self {
        self.classes = classes.into_iter().collect();
        self
    }

    /// Explains the `count` top classes, where no classes are given.
    pub fn top(mut self, count: usize) -> Self {
        self.top = count;
        self
    }
}
