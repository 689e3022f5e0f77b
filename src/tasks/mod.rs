//! What people do with a trained network: a model folder on a device, pictures in, answers out.
//!
//! ```
//! use shadernet::device::Device;
//! use shadernet::model_folder::{default_detector, default_model};
//! use shadernet::tasks::{Classifier, Detector};
//! use shadernet::vision::decode;
//!
//! let folder = default_model()?.open()?;
//! let mut classifier = Classifier::new(&Device::cpu(), &folder, &Default::default())?;
//! let picture = decode("tests/images/chelsea.png")?;
//! for p in classifier.classify(&picture, 3)? {
//!     println!("{:5.1} % {}", 100.0 * p.probability, p.label);
//! }
//!
//! let folder = default_detector()?.open()?;
//! let mut detector = Detector::new(&Device::cpu(), &folder, &Default::default())?;
//! for d in detector.detect(&decode("tests/images/coffee.png")?, &Default::default())? {
//!     println!("{:5.1} % {} at {:?}", 100.0 * d.score, d.label, d.corners);
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```

mod classifier;
mod detector;
mod segmenter;

pub use classifier::{Classifier, Prediction};
pub use detector::{Detection, Detector};
pub use segmenter::{SegmentSize, Segmenter};

pub use crate::vision::DetectionOptions;
