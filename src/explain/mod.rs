//! Why a network answers what it does: where the evidence for a class lies, and what the layers see.
//!
//! [`Explainer`] makes heat maps of a classifier's answers: Grad-CAM and its kind from a layer's
//! gradient, saliency, SmoothGrad and integrated gradients from the input's, and occlusion from no gradient
//! at all. [`FeatureMaps`] shows the channels of any layer, and what of the picture made them
//! answer. The gradients are computed where the network is: see
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
//! let picture = decode("tests/images/coffee.png")?;
//! let found = explainer.explain(&picture, &ExplainOptions::default())?;
//! assert_eq!(found[0].label, "espresso");
//!
//! let heat = found[0].heat.on_image(explainer.preprocessing(), picture.width(), picture.height())?;
//! // On the cup.
//! let [x, y] = heat.statistics().peak;
//! assert!((200..420).contains(&x) && (60..330).contains(&y), "{x}, {y}");
//! # Ok::<(), shadernet::Error>(())
//! ```

mod cam;
mod explainer;
mod explanation;
mod features;
mod integrated;
mod method;
mod model_variants;
mod occlusion;
mod pixels;

pub use explainer::Explainer;
pub use explanation::{Completeness, ExplainOptions, Explanation};
pub use features::{Channel, FeatureMaps, Features};
pub use method::ExplainMethod;
