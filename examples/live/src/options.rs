//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use shadernet::explain::ExplainMethod;

use crate::why;

/// A window in which a network runs on an image, or on a moving scene.
///
/// The network runs on the window's own device: it reads textures, and its output is drawn in the same
/// frame.
#[derive(Clone, Debug, Parser)]
#[command(name = "live", version, max_term_width = 100)]
pub struct Options {
    /// The model folder to start with, or the name of a model that was found [default:
    /// efficientnet_lite0].
    #[arg(long, value_name = "FOLDER")]
    pub model: Option<PathBuf>,

    /// The image to start with [default: the moving scene].
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,

    /// Start with the tab "Why" and this method [default: grad-cam].
    #[arg(
        long,
        value_name = "METHOD",
        num_args = 0..=1,
        default_missing_value = "grad-cam",
        value_parser = PossibleValuesParser::new(why::METHODS.map(ExplainMethod::name))
            .try_map(|name| name.parse::<ExplainMethod>()),
    )]
    pub why: Option<ExplainMethod>,

    /// GPU time for the network in one frame, in milliseconds; 0 for a whole pass in each frame.
    #[arg(long, value_name = "MS", default_value_t = 8.0)]
    pub budget: f32,

    /// Quit N frames after the network's first output or an error. Prints what the window shows; exit
    /// code 1 if it shows an error.
    #[arg(long, value_name = "N", help_heading = "For scripts")]
    pub frames: Option<u32>,

    /// Before quitting, write the window's contents to this PNG.
    #[arg(
        long,
        value_name = "FILE",
        requires = "frames",
        help_heading = "For scripts"
    )]
    pub screenshot: Option<PathBuf>,

    /// Drop this file or folder onto the window in its first frame, as the window system would.
    #[arg(long, value_name = "PATH", help_heading = "For scripts")]
    pub drop: Vec<PathBuf>,

    /// Destroy the device in frame N, to see the window return on a new one.
    #[arg(long, value_name = "N", help_heading = "For scripts")]
    pub lose_device: Option<u32>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Options::command().debug_assert();
    }
}
