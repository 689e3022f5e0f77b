//! The trained models of Shadernet's repository, compiled in: 27 MB, float16.
//!
//! Each is the content of a model folder, for `shadernet::model_folder::ModelFolder::from_memory`. With the feature
//! `built-in-models`, the library finds them itself.
//!
//! ```
//! let model = shadernet_models::EFFICIENTNET_LITE0;
//! assert!(model.config.starts_with(b"{"));
//! assert_eq!(model.weights.len(), 9_579_776);
//! ```

#![no_std]

/// The files of a model folder.
#[derive(Clone, Copy, Debug)]
pub struct ModelFiles {
    /// The folder's name.
    pub name: &'static str,
    /// `config.json`.
    pub config: &'static [u8],
    /// `model.safetensors`.
    pub weights: &'static [u8],
}

/// The classifier, of ImageNet's 1000 classes: 9.6 MB.
pub const EFFICIENTNET_LITE0: ModelFiles = ModelFiles {
    name: "efficientnet_lite0",
    config: include_bytes!("efficientnet_lite0/config.json"),
    weights: include_bytes!("efficientnet_lite0/model.safetensors"),
};

/// The detector, of COCO's 80 classes: 17.8 MB.
pub const YOLOV3_TINY: ModelFiles = ModelFiles {
    name: "yolov3_tiny",
    config: include_bytes!("yolov3_tiny/config.json"),
    weights: include_bytes!("yolov3_tiny/model.safetensors"),
};

/// All of them.
pub const ALL: [ModelFiles; 2] = [EFFICIENTNET_LITE0, YOLOV3_TINY];
