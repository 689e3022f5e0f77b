//! Computes the evidence for a class, on the window's device and on a thread: for the tab "Why".

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use eframe::egui;
use shadernet::device::Device;
use shadernet::explain::{ExplainMethod, ExplainOptions, Explainer};
use shadernet::gpu::Gpu;
use shadernet::model_folder::ModelFolder;
use shadernet::vision::{HeatMap, RgbImage};
use shadernet::wgpu;

use crate::opened_image;

/// The opacity of the hottest place of a layer's map: the photograph remains visible.
const OPACITY: f32 = 0.6;
/// The brightness of the photograph under a heat map of single pixels, of 256.
const DIMMED: u32 = 90;
/// The share of pixels whose heat is distinguished. The few hottest would leave the others dark.
const DISTINGUISHED: f64 = 0.99;

/// What to explain, and with which method.
#[derive(Clone)]
pub struct ExplainRequest {
    pub model: Arc<ModelFolder>,
    pub image: Arc<RgbImage>,
    /// `None` for the most likely class.
    pub class: Option<usize>,
    pub method: ExplainMethod,
}

impl PartialEq for ExplainRequest {
    fn eq(&self, other: &Self) -> bool {
        // An image or model that was opened again may have changed.
        Arc::ptr_eq(&self.model, &other.model)
            && Arc::ptr_eq(&self.image, &other.image)
            && self.class == other.class
            && self.method == other.method
    }
}

/// The evidence for a class.
pub struct Evidence {
    pub class: usize,
    pub label: String,
    pub probability: f32,
    /// The layer whose map it is, for methods that have one.
    pub layer: Option<String>,
    /// Column and row of the image's hottest pixel; `None` without any heat.
    pub hottest: Option<[usize; 2]>,
    /// The image with the heat map over it.
    pub view: wgpu::TextureView,
}

/// The network of a model folder, ready for the next request.
struct LoadedExplainer {
    model: Arc<ModelFolder>,
    explainer: Explainer,
}

/// The outcome of a request.
struct Outcome {
    loaded: Option<LoadedExplainer>,
    found: Result<Evidence, Box<dyn Error + Send + Sync>>,
}

/// Computes requests, one at a time.
pub struct ExplainWorker {
    gpu: Gpu,
    loaded: Option<LoadedExplainer>,
    working: Option<Receiver<Outcome>>,
}

impl ExplainWorker {
    pub fn new(gpu: &Gpu) -> Self {
        Self {
            gpu: gpu.clone(),
            loaded: None,
            working: None,
        }
    }

    /// Whether a request is being computed.
    pub fn is_working(&self) -> bool {
        self.working.is_some()
    }

    /// Whether the device is lost, in which case requests fail.
    pub fn is_lost(&self) -> bool {
        self.gpu.is_lost()
    }

    /// Frees the memory of a network other than `model`.
    pub fn keep_only(&mut self, model: Option<&Arc<ModelFolder>>) {
        let is_kept =
            |loaded: &mut LoadedExplainer| model.is_some_and(|m| Arc::ptr_eq(m, &loaded.model));
        drop(self.loaded.take_if(|loaded| !is_kept(loaded)));
    }

    /// Starts on a thread, which takes the network and returns it with the outcome.
    pub fn start(&mut self, request: ExplainRequest, ctx: &egui::Context) {
        let (sender, receiver) = mpsc::channel();
        let (gpu, loaded, ctx) = (self.gpu.clone(), self.loaded.take(), ctx.clone());
        let work = move || {
            // The window may have been closed meanwhile.
            drop(sender.send(explain(&gpu, loaded, &request)));
            ctx.request_repaint();
        };
        match self.gpu.info().backend {
            // There is one context, and wgpu panics in a thread that waits too long for it. The drawing
            // thread, which would have to wait anyway, does the work.
            wgpu::Backend::Gl => work(),
            _ => drop(std::thread::spawn(work)),
        }
        self.working = Some(receiver);
    }

    /// The outcome, once. Waits for nothing.
    pub fn poll(&mut self) -> Option<Result<Evidence, Box<dyn Error + Send + Sync>>> {
        let found = match self.working.as_ref()?.try_recv() {
            Ok(outcome) => {
                self.loaded = outcome.loaded;
                outcome.found
            }
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err("the thread that explains panicked".into()),
        };
        self.working = None;
        Some(found)
    }
}

/// Computes `request`, with the network that is loaded if it is the requested one.
fn explain(gpu: &Gpu, loaded: Option<LoadedExplainer>, request: &ExplainRequest) -> Outcome {
    let model = &request.model;
    let loaded = match loaded.filter(|loaded| Arc::ptr_eq(&loaded.model, model)) {
        Some(loaded) => Ok(loaded),
        None => Explainer::new(&Device::from(gpu.clone()), model, &Default::default()).map(
            |explainer| LoadedExplainer {
                model: model.clone(),
                explainer,
            },
        ),
    };
    match loaded {
        Ok(mut loaded) => Outcome {
            found: evidence(gpu, &mut loaded.explainer, request),
            loaded: Some(loaded),
        },
        Err(error) => Outcome {
            found: Err(error.into()),
            loaded: None,
        },
    }
}

fn evidence(
    gpu: &Gpu,
    explainer: &mut Explainer,
    request: &ExplainRequest,
) -> Result<Evidence, Box<dyn Error + Send + Sync>> {
    let image = &*request.image;
    let options = ExplainOptions::new(request.method).classes(request.class);
    let found = explainer.explain(image, &options)?;
    let found = (found.into_iter().next()).ok_or("the network explained no class")?;
    let (width, height) = image.dimensions();
    let on_image = |heat: &HeatMap| heat.on_image(explainer.preprocessing(), width, height);
    let heat = on_image(&found.heat)?;
    let statistics = heat.statistics();
    let over = match request.method {
        ExplainMethod::GradCam | ExplainMethod::GradCamPlusPlus => heat.overlay(image, OPACITY)?,
        // Single pixels are hard to see on a photograph.
        _ => on_image(&found.heat.capped(DISTINGUISHED))?.overlay(&dimmed(image), 1.0)?,
    };
    Ok(Evidence {
        class: found.class,
        label: found.label,
        probability: found.probability,
        layer: found.layer,
        hottest: (statistics.max > 0.0).then_some(statistics.peak),
        view: opened_image::checked_texture(gpu.device(), gpu.queue(), &over)?,
    })
}

/// `image` in dark grays, on which colors are visible.
fn dimmed(image: &RgbImage) -> RgbImage {
    let mut dimmed = image.clone();
    for pixel in dimmed.pixels_mut() {
        let [r, g, b] = pixel.0.map(u32::from);
        // Fits into a byte, since the weights add up to less than one.
        pixel.0 = [((r + 2 * g + b) * DIMMED / 1024) as u8; 3];
    }
    dimmed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimmed_images_are_gray() {
        let white = RgbImage::from_pixel(1, 1, [255; 3].into());
        assert_eq!(dimmed(&white).get_pixel(0, 0).0, [89; 3]);
    }
}
