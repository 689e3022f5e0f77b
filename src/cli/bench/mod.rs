//! `shadernet bench`: how fast networks are here.

mod cost;
mod model;
mod timing;

use std::time::Instant;

use clap::{Args, Subcommand};

use super::Failure;

/// Measure how fast networks are here
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet bench model resnet50            times a network on this device")]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Model(model::Model),
}

impl Bench {
    /// `start` is when the process began, which first answers are counted from.
    pub fn execute(&self, start: Instant) -> Result<(), Failure> {
        match &self.what {
            What::Model(model) => model.execute(start),
        }
    }
}
