//! What people do with a trained network: a model folder on a device, pictures in, answers out.
//!
//! ```
//! use shadernet::device::Device;
//! use shadernet::model_folder::default_model;
//! use shadernet::tasks::Classifier;
//! use shadernet::vision::decode;
//!
//! let folder = default_model()?.open()?;
//! let mut classifier = Classifier::new(&Device::cpu(), &folder, &Default::default())?;
//! let picture = decode("tests/images/chelsea.png")?;
//! for p in classifier.classify(&picture, 3)? {
//!     println!("{:5.1} % {}", 100.0 * p.probability, p.label);
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```

mod classifier;

pub use classifier::{Classifier, Prediction};
