//! Model folders: which there are, and loading one on a thread.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use eframe::egui;
use shadernet::device::Device;
use shadernet::gpu::Gpu;
use shadernet::model_folder::{self, FoundModel, ModelFolder};
use shadernet::tasks::{Classifier, Detector, Segmenter};
use shadernet::zoo::Task;

use crate::messages::Messages;

/// A network ready to run, by what it answers.
pub enum Network {
    Classifier(Classifier),
    Detector(Detector),
    Segmenter(Segmenter),
}

/// A model folder's network on the window's device.
pub struct Model {
    pub folder: ModelFolder,
    pub network: Network,
    pub task: Task,
    pub took: Duration,
}

/// The model to begin with: what `wanted` says, a folder or the name of one, or the default.
pub fn first(wanted: Option<&Path>) -> shadernet::Result<FoundModel> {
    match wanted {
        Some(name) => model_folder::find_model(name),
        None => model_folder::default_model(),
    }
}

/// Loads the network of `folder`.
fn load(path: &Path, gpu: &Gpu, tell: impl Fn(Stage)) -> shadernet::Result<Model> {
    let started = Instant::now();
    tell(Stage::Reading);
    let folder = ModelFolder::open(path)?;
    let (_, task) = folder.graph()?;
    tell(Stage::Preparing(task));
    let device = Device::from(gpu.clone());
    let options = Default::default();
    let network = match task {
        Task::Classification => Network::Classifier(Classifier::new(&device, &folder, &options)?),
        Task::Detection => Network::Detector(Detector::new(&device, &folder, &options)?),
        Task::Segmentation => Network::Segmenter(Segmenter::new(&device, &folder, &options)?),
    };
    Ok(Model {
        folder,
        network,
        task,
        took: started.elapsed(),
    })
}

/// How far loading is.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Reading,
    Preparing(Task),
}

enum News {
    Stage(Stage),
    /// Boxed, as it is much larger than a stage.
    Ready(Box<Model>),
}

/// A model that is being loaded.
pub struct Loading {
    path: PathBuf,
    started: Instant,
    stage: Stage,
    news: Receiver<News>,
}

impl Loading {
    /// Begins on a thread. On failure the message is shown.
    pub fn start(path: PathBuf, gpu: &Gpu, messages: &Messages, ctx: &egui::Context) -> Self {
        let (sender, news) = mpsc::channel();
        let (gpu, messages, ctx) = (gpu.clone(), messages.clone(), ctx.clone());
        let folder = path.clone();
        std::thread::spawn(move || {
            // Whoever asked may have asked for another meanwhile, and listens no more.
            let tell = |stage| drop(sender.send(News::Stage(stage)));
            match load(&folder, &gpu, tell) {
                Ok(model) => drop(sender.send(News::Ready(Box::new(model)))),
                Err(error) => messages.push(error.to_string()),
            }
            drop(sender);
            ctx.request_repaint();
        });
        Self {
            path,
            started: Instant::now(),
            stage: Stage::Reading,
            news,
        }
    }

    /// The model once it is there, nothing while it is being loaded; `Err` where it failed.
    pub fn poll(&mut self) -> Result<Option<Model>, ()> {
        loop {
            match self.news.try_recv() {
                Ok(News::Stage(stage)) => self.stage = stage,
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

    /// What is being done, for people.
    pub fn show(&self, ui: &mut egui::Ui) {
        let doing = match self.stage {
            Stage::Reading => "reading config.json".to_owned(),
            Stage::Preparing(task) => {
                format!("uploading weights and compiling shaders ({task})")
            }
        };
        let seconds = self.started.elapsed().as_secs_f32();
        ui.spinner();
        let name = self.name();
        ui.label(format!("{name}: {doing}, {seconds:.1} s"));
    }
}
