//! Classifies a photograph with the network that is part of the repository.
//!
//! ```sh
//! cargo run --release --example classify_image [IMAGE [MODEL_FOLDER]]
//! ```

use std::path::PathBuf;

use shadernet::device::{Device, DeviceOptions};
use shadernet::model_folder::ModelFolder;
use shadernet::session::SessionOptions;
use shadernet::tasks::Classifier;
use shadernet::vision::decode;

fn main() -> shadernet::Result<()> {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let image = (arguments.next()).unwrap_or_else(|| repository.join("tests/images/chelsea.png"));
    let model = (arguments.next()).unwrap_or_else(|| repository.join("models/efficientnet_lite0"));

    // The best GPU of the machine. Without one, the CPU.
    let device = Device::open(&DeviceOptions::default())?;
    if let Some(warning) = device.warning() {
        eprintln!("{warning}");
    }
    let folder = ModelFolder::open(&model)?;
    let mut classifier = Classifier::new(&device, &folder, &SessionOptions::default())?;

    println!("{} on {device}", image.display());
    for prediction in classifier.classify(&decode(&image)?, 5)? {
        let percent = 100.0 * prediction.probability;
        println!(
            "{percent:7.2} %  {} ({})",
            prediction.label, prediction.class
        );
    }
    Ok(())
}
