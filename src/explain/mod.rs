//! Why a network predicts what it does: where in an image the evidence for a class lies, and what the layers
//! respond to.
//!
//! [`Explainer`] makes heat maps for a classifier's predictions: Grad-CAM and its variants from a layer's
//! gradient; saliency, SmoothGrad and integrated gradients from the input's gradient; and occlusion without
//! gradients. [`FeatureMaps`] shows the channels of any layer, and which pixels activated them. Gradients are
//! computed on the same device as the network: see
//! [`Graph::with_gradients`](crate::graph::Graph::with_gradients).
//!
//! ```
//! use shadernet::device::Device;
//! use shadernet::explain::{ExplainOptions, Explainer};
//! use shadernet::model_folder::default_model;
//! use shadernet::vision::decode;
//!
//! let folder = default_model()?.open()?;
//! let mut explainer = Explainer::new(&Device::cpu(), &folder, &Default::default())?;
//! let image = decode("tests/images/coffee.png")?;
//! let found = explainer.explain(&image, &ExplainOptions::default())?;
//! assert_eq!(found[0].label, "espresso");
//!
//! let heat = found[0].heat.on_image(explainer.preprocessing(), image.width(), image.height())?;
//! // On the cup.
//! let [x, y] = heat.statistics().peak;
//! assert!((200..420).contains(&x) && (60..330).contains(&y), "{x}, {y}");
//! # Ok::<(), shadernet::Error>(())
//! ```

mod cam;
mod explainer;
mod explanation;
mod features;
mod integrated_gradients;
mod method;
mod occlusion;
mod options;
mod pixel_heat;
mod probe;
mod smooth_grad;
mod variant_session;

pub use explainer::Explainer;
pub use explanation::{Completeness, Explanation};
pub use features::{Channel, FeatureMaps, Features};
pub use method::ExplainMethod;
pub use options::ExplainOptions;
