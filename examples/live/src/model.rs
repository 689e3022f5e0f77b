//! Loads model folders on a thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use eframe::egui;
use shadernet::gpu::Gpu;
use shadernet::model_folder::{self, FoundModel, ModelFolder};
use shadernet::session::{self, LoadProgress, SessionOptions};
use shadernet::zoo::Task;

use crate::messages::Messages;
use crate::network::Network;

/// A model folder's network on the window's device.
pub struct Model {
    pub folder: Arc<ModelFolder>,
    pub network: Network,
    pub task: Task,
    /// The loading time.
    took: Duration,
}

impl Model {
    /// The names of a mask's classes.
    pub fn mask_labels(&self) -> Vec<String> {
        let labels = &self.folder.labels;
        let label = |class| labels.text(class).into_owned();
        match labels.len() {
            // One logit per pixel: whether it is the class.
            1 => vec!["background".to_owned(), label(0)],
            classes => (0..classes).map(label).collect(),
        }
    }

    /// A one-line description.
    pub fn description(&self) -> String {
        let [_, height, width] = self.folder.preprocessing.input_size;
        format!(
            "{}, {}, input {width}x{height}, ready in {:.1} s",
            self.folder.architecture,
            self.task,
            self.took.as_secs_f32()
        )
    }
}

/// What [`load`] finds a model by: its folder or, where it is built in, its name.
pub fn path_of(found: FoundModel) -> PathBuf {
    found.path.unwrap_or_else(|| found.name.into())
}

/// The model to start with: the folder or name `requested`, or the default.
pub fn first(requested: Option<&Path>) -> shadernet::Result<FoundModel> {
    match requested {
        Some(name) => model_folder::find_model(name),
        None => model_folder::default_model(),
    }
}

/// Loads the network of the folder at `path`, or of the model of that name.
fn load(path: &Path, gpu: &Gpu, progress: LoadProgress) -> shadernet::Result<Model> {
    let started = Instant::now();
    let folder = model_folder::find_model(path)?.open()?;
    let (_, task) = folder.graph()?;
    let options = SessionOptions::new().progress(progress);
    Ok(Model {
        network: Network::new(gpu, &folder, task, &options)?,
        folder: Arc::new(folder),
        task,
        took: started.elapsed(),
    })
}

enum News {
    Progress(session::Loading),
    /// Boxed, since it is much larger.
    Ready(Box<Model>),
}

/// A model that is being loaded.
pub struct Loading {
    path: PathBuf,
    started: Instant,
    /// Shares of pipelines compiled and of bytes uploaded.
    pipelines: f32,
    weights: f32,
    news: Receiver<News>,
}

impl Loading {
    /// Starts loading on a thread. A failure is shown as a message.
    pub fn start(path: PathBuf, gpu: &Gpu, messages: &Messages, ctx: &egui::Context) -> Self {
        let (sender, news) = mpsc::channel();
        let (gpu, messages, ctx) = (gpu.clone(), messages.clone(), ctx.clone());
        let folder = path.clone();
        std::thread::spawn(move || {
            // The receiver is gone if the user has chosen another model meanwhile.
            let progress_sender = sender.clone();
            let progress = LoadProgress::new(move |loading| {
                drop(progress_sender.send(News::Progress(loading)));
            });
            match load(&folder, &gpu, progress) {
                Ok(model) => drop(sender.send(News::Ready(Box::new(model)))),
                Err(error) => messages.push(error.to_string()),
            }
            drop(sender);
            ctx.request_repaint();
        });
        Self {
            path,
            started: Instant::now(),
            pipelines: 0.0,
            weights: 0.0,
            news,
        }
    }

    /// The model once it is loaded, `None` before that; `Err` if loading failed.
    pub fn poll(&mut self) -> Result<Option<Model>, ()> {
        loop {
            match self.news.try_recv() {
                Ok(News::Progress(loading)) => match loading {
                    session::Loading::Pipelines { completed, total } => {
                        self.pipelines = share(completed as f64, total as f64);
                    }
                    session::Loading::Weights { completed, total } => {
                        self.weights = share(completed as f64, total as f64);
                    }
                    _ => {}
                },
                Ok(News::Ready(model)) => return Ok(Some(*model)),
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => return Err(()),
            }
        }
    }

    /// The folder's own name.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// Draws the progress.
    pub fn show(&self, ui: &mut egui::Ui) {
        ui.horizontal(|ui| {
            ui.spinner();
            let seconds = self.started.elapsed().as_secs_f32();
            ui.label(format!("loading {}, {seconds:.1} s", self.name()));
        });
        for (what, share) in [("shaders", self.pipelines), ("weights", self.weights)] {
            ui.add(egui::ProgressBar::new(share).text(what));
        }
    }
}

fn share(completed: f64, total: f64) -> f32 {
    // No work is completed work.
    if total > 0.0 {
        (completed / total) as f32
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_zero_is_complete() {
        assert_eq!(share(0.0, 0.0), 1.0);
        assert_eq!(share(1.0, 4.0), 0.25);
    }
}
