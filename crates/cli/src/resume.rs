//! Continuing an interrupted run: which images are finished, and whether it is the same run.

use std::collections::HashMap;

use clap::{ArgMatches, Args, Command};

use super::image_id::ImageId;
use super::image_paths::{ImagePaths, ImageSource};
use super::partial_results::{FinishedImage, RunOptions};

/// Whether to continue.
#[derive(Args)]
pub struct ResumeArgs {
    /// Continue an interrupted run with the same results file: images whose results it has in FILE.partial are skipped
    #[arg(long, conflicts_with = "frames")]
    pub resume: bool,
}

/// Options of which results do not depend, by their names: what is read and written, in how many passes and where.
const IRRELEVANT: &[&str] = &[
    "adapter",
    "backend",
    "batch",
    "images",
    "no_tuning",
    "quiet",
    "recursive",
    "resume",
    "runtime_checks",
    "threads",
    "tuning",
    "verbose",
];

/// The options of the subcommand in `matches` that its results depend on, with their defaults.
pub fn run_options(command: &Command, matches: &ArgMatches) -> RunOptions {
    let Some((name, matches)) = matches.subcommand() else {
        return RunOptions::new();
    };
    let command = command.find_subcommand(name);
    let options = command.into_iter().flat_map(Command::get_arguments);
    let options: Vec<&str> = options.map(|option| option.get_id().as_str()).collect();
    let results_file = match options.contains(&"results") {
        true => "results",
        false => "output",
    };
    let values = |option: &str| {
        let values = matches.try_get_raw(option).ok().flatten()?;
        Some(
            values
                .map(|value| value.to_string_lossy().into_owned())
                .collect(),
        )
    };
    let relevant = |option: &&str| *option != results_file && !IRRELEVANT.contains(option);
    let mut found: RunOptions = (options.into_iter().filter(relevant))
        .filter_map(|option| Some((format!("--{}", option.replace('_', "-")), values(option)?)))
        .collect();
    found.insert("command".to_owned(), vec![name.to_owned()]);
    found
}

/// Takes the images of `finished` out of `images`, each as often as it is there.
pub fn skip(images: &mut ImagePaths, finished: &[FinishedImage]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for finished in finished {
        *counts.entry(finished.image.clone()).or_default() += 1;
    }
    let sources = std::mem::replace(&mut images.sources, Box::new(std::iter::empty()));
    images.sources = Box::new(sources.filter(move |source| {
        let path = match source {
            Ok(ImageSource::File(path) | ImageSource::Unusable(path, _)) => path,
            _ => return true,
        };
        match counts.get_mut(&name(&ImageId::file(path))) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        }
    }));
}

/// What an image is called in unfinished results.
pub fn name(id: &ImageId) -> String {
    id.path().display().to_string()
}
