//! The evidence for a class, looked for on the window's device by a thread: for the tab "Why".

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use eframe::egui;
use shadernet::device::Device;
use shadernet::explain::{ExplainOptions, Explainer, ExplainMethod};
use shadernet::gpu::Gpu;
use shadernet::model_folder::ModelFolder;
use shadernet::vision::{HeatMap, RgbImage};
use shadernet::wgpu;

use crate::picture;

/// How opaque the hottest place of a layer's map is: the photograph stays to be seen.
const OPACITY: f32 = 0.6;
/// How bright the photograph under the heat of pixels stays, of 256.
const DIMMED: u32 = 90;
/// The share of pixels whose heat is told apart. The few that are hotter would leave the others dark.
const TOLD_APART: f64 = 0.99;

/// What is to be explained, and how.
#[derive(Clone)]
pub struct Question {
    pub model: Arc<ModelFolder>,
    pub picture: Arc<RgbImage>,
    /// None for the likeliest.
    pub class: Option<usize>,
    pub method: ExplainMethod,
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        // A picture or model that was opened again may have changed.
        Arc::ptr_eq(&self.model, &other.model)
            && Arc::ptr_eq(&self.picture, &other.picture)
            && self.class == other.class
            && self.method == other.method
    }
}

/// The evidence that was found.
pub struct Evidence {
    pub class: usize,
    pub label: String,
    pub probability: f32,
    /// The layer whose map it is, for methods that have one.
    pub layer: Option<String>,
    /// Column and row of the picture's hottest pixel; none where there is no heat.
    pub hottest: Option<[usize; 2]>,
    /// The picture with the heat over it.
    pub view: wgpu::TextureView,
}

/// The network of a model folder, ready for the next question about it.
struct Opened {
    model: Arc<ModelFolder>,
    explainer: Explainer,
}

/// What comes of a question.
struct Answer {
    opened: Option<Opened>,
    found: Result<Evidence, Box<dyn Error + Send + Sync>>,
}

/// Answers questions, one at a time.
pub struct Explaining {
    gpu: Gpu,
    opened: Option<Opened>,
    working: Option<Receiver<Answer>>,
}

impl Explaining {
    pub fn new(gpu: &Gpu) -> Self {
        Self {
            gpu: gpu.clone(),
            opened: None,
            working: None,
        }
    }

    /// Whether a question is being answered.
    pub fn is_working(&self) -> bool {
        self.working.is_some()
    }

    /// Whether the device is lost, and answers fail for that.
    pub fn is_lost(&self) -> bool {
        self.gpu.is_lost()
    }

    /// Gives back the memory of a network other than `model`.
    pub fn keep_only(&mut self, model: Option<&Arc<ModelFolder>>) {
        let is_kept = |opened: &mut Opened| model.is_some_and(|m| Arc::ptr_eq(m, &opened.model));
        drop(self.opened.take_if(|opened| !is_kept(opened)));
    }

    /// Begins on a thread, which takes the network along and brings it back with the answer.
    pub fn start(&mut self, question: Question, ctx: &egui::Context) {
        let (sender, receiver) = mpsc::channel();
        let (gpu, opened, ctx) = (self.gpu.clone(), self.opened.take(), ctx.clone());
        let work = move || {
            // The window may have been closed meanwhile.
            drop(sender.send(answer(&gpu, opened, &question)));
            ctx.request_repaint();
        };
        match self.gpu.info().backend {
            // There is one context, and wgpu panics in a thread that waits long for it: the thread that
            // draws, which would have to wait anyway, does the work.
            wgpu::Backend::Gl => work(),
            _ => drop(std::thread::spawn(work)),
        }
        self.working = Some(receiver);
    }

    /// What came of the question, once. Waits for nothing.
    pub fn poll(&mut self) -> Option<Result<Evidence, Box<dyn Error + Send + Sync>>> {
        let found = match self.working.as_ref()?.try_recv() {
            Ok(answer) => {
                self.opened = answer.opened;
                answer.found
            }
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err("the thread that explains panicked".into()),
        };
        self.working = None;
        Some(found)
    }
}

/// Answers `question` with the network that is `opened`, where it is the one that is asked about.
fn answer(gpu: &Gpu, opened: Option<Opened>, question: &Question) -> Answer {
    let model = &question.model;
    let opened = match opened.filter(|opened| Arc::ptr_eq(&opened.model, model)) {
        Some(opened) => Ok(opened),
        None => Explainer::new(&Device::from(gpu.clone()), model, &Default::default()).map(
            |explainer| Opened {
                model: model.clone(),
                explainer,
            },
        ),
    };
    match opened {
        Ok(mut opened) => Answer {
            found: evidence(gpu, &mut opened.explainer, question),
            opened: Some(opened),
        },
        Err(error) => Answer {
            found: Err(error.into()),
            opened: None,
        },
    }
}

fn evidence(
    gpu: &Gpu,
    explainer: &mut Explainer,
    question: &Question,
) -> Result<Evidence, Box<dyn Error + Send + Sync>> {
    let picture = &*question.picture;
    let options = ExplainOptions::new(question.method).classes(question.class);
    let found = explainer.explain(picture, &options)?;
    let found = (found.into_iter().next()).ok_or("the network explained no class")?;
    let (width, height) = picture.dimensions();
    let on_picture = |heat: &HeatMap| heat.on_picture(explainer.preprocessing(), width, height);
    let heat = on_picture(&found.heat)?;
    let statistics = heat.statistics();
    let over = match question.method {
        ExplainMethod::GradCam | ExplainMethod::GradCamPlusPlus => heat.overlay(picture, OPACITY)?,
        // Single pixels are lost on a photograph.
        _ => on_picture(&found.heat.capped(TOLD_APART))?.overlay(&dimmed(picture), 1.0)?,
    };
    Ok(Evidence {
        class: found.class,
        label: found.label,
        probability: found.probability,
        layer: found.layer,
        hottest: (statistics.max > 0.0).then_some(statistics.peak),
        view: picture::checked_texture(gpu.device(), gpu.queue(), &over)?,
    })
}

/// `picture` in dark greys, on which colours are seen.
fn dimmed(picture: &RgbImage) -> RgbImage {
    let mut dimmed = picture.clone();
    for pixel in dimmed.pixels_mut() {
        let [r, g, b] = pixel.0.map(u32::from);
        // Not more than a byte, as the shares add up to less than one.
        pixel.0 = [((r + 2 * g + b) * DIMMED / 1024) as u8; 3];
    }
    dimmed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimmed_pictures_are_grey() {
        let white = RgbImage::from_pixel(1, 1, [255; 3].into());
        assert_eq!(dimmed(&white).get_pixel(0, 0).0, [89; 3]);
    }
}
