//! The network's part of a frame: recording passes, whole or in chunks, and receiving their results.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use shadernet::gpu::{Gpu, Received};
use shadernet::session::PassChunks;
use shadernet::tasks::{Detection, DetectionOptions, Prediction};
use shadernet::wgpu;

use crate::mask::Mask;
use crate::model::Model;
use crate::network::{Parse, PassSettings, Recorded};
use crate::plots::History;
use crate::textures::Textures;

/// Passes in flight at most. With more, results are older on screen, and nothing gets faster.
const IN_FLIGHT: usize = 2;

/// Settings that the user can change.
pub struct Settings {
    /// Whether a pass is recorded in chunks of `budget_ms` of GPU time, one per frame.
    pub chunked: bool,
    pub budget_ms: f32,
    /// How opaque a mask is.
    pub opacity: f32,
    pub detection: DetectionOptions,
}

impl Settings {
    /// With a frame's budget in milliseconds; 0 for whole passes.
    pub fn new(budget_ms: f32) -> Self {
        // NaN means whole passes too.
        let chunked = budget_ms > 0.0;
        Self {
            chunked,
            budget_ms: if chunked { budget_ms } else { 8.0 },
            opacity: 0.5,
            detection: DetectionOptions::default(),
        }
    }

    fn budget(&self) -> Option<Duration> {
        let seconds = self.budget_ms.clamp(0.1, 10_000.0) / 1e3;
        self.chunked.then(|| Duration::from_secs_f32(seconds))
    }
}

/// The network's last result.
pub enum NetworkResult {
    None,
    Classes(Vec<Prediction>),
    Boxes(Vec<Detection>),
    /// In the mask's texture; it never leaves the GPU.
    Mask,
}

/// A submitted pass.
struct Submission {
    begun: Instant,
    /// The result on its way from the GPU; `None` for a mask.
    result: Option<Pending>,
    /// When the GPU completed it.
    done: Arc<OnceLock<Instant>>,
}

/// Bytes on their way from the GPU, and how to parse them.
struct Pending {
    bytes: Received,
    parse: Parse,
}

/// A pass with chunks left to record.
struct UnfinishedPass {
    chunks: PassChunks,
    begun: Instant,
    /// Its image.
    view: wgpu::TextureView,
}

/// A model with its passes and its last result.
pub struct Runner {
    gpu: Gpu,
    model: Model,
    mask: Option<Mask>,
    unfinished: Option<UnfinishedPass>,
    /// Recorded in this frame, not submitted yet.
    recorded: Option<(Instant, Recorded)>,
    submissions: VecDeque<Submission>,
    result: NetworkResult,
    passes: History,
    /// The number of chunks of a pass, if it is chunked, and the measured time of the longest.
    chunks: Option<(usize, Duration)>,
}

impl Runner {
    pub fn new(gpu: &Gpu, model: Model) -> Self {
        Self {
            gpu: gpu.clone(),
            model,
            mask: None,
            unfinished: None,
            recorded: None,
            submissions: VecDeque::new(),
            result: NetworkResult::None,
            passes: History::default(),
            chunks: None,
        }
    }

    /// Records a pass on the image in `view`, or the next chunk of one. Nothing waits.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        view: &wgpu::TextureView,
        settings: &Settings,
        textures: &Textures,
    ) -> shadernet::Result<()> {
        if self.unfinished.is_none() && self.submissions.len() >= IN_FLIGHT {
            return Ok(());
        }
        let now = Instant::now();
        let recorded = match (self.unfinished.take(), settings.budget()) {
            // A whole pass.
            (None, None) => {
                self.chunks = None;
                let network = &mut self.model.network;
                let mask =
                    Mask::prepared(&mut self.mask, self.model.task, &self.gpu, view, textures);
                let pass_settings = PassSettings {
                    view,
                    detection: &settings.detection,
                    mask,
                };
                Some((now, network.encode(encoder, &pass_settings)?))
            }
            // The input and the first chunk in one frame: a small network then needs only one.
            (None, Some(budget)) => {
                let chunks = self.model.network.encode_chunks(encoder, view, budget)?;
                self.chunks = Some((chunks.progress().1, chunks.longest()));
                let pass = UnfinishedPass {
                    chunks,
                    begun: now,
                    view: view.clone(),
                };
                self.encode_chunk(encoder, pass, settings, textures)?
            }
            (Some(pass), _) => self.encode_chunk(encoder, pass, settings, textures)?,
        };
        self.recorded = recorded;
        Ok(())
    }

    /// Records the next chunk of a pass, and the postprocessing after the last.
    fn encode_chunk(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        mut pass: UnfinishedPass,
        settings: &Settings,
        textures: &Textures,
    ) -> shadernet::Result<Option<(Instant, Recorded)>> {
        let Some(outputs) = pass.chunks.encode(encoder)? else {
            self.unfinished = Some(pass);
            return Ok(None);
        };
        let mask = Mask::prepared(
            &mut self.mask,
            self.model.task,
            &self.gpu,
            &pass.view,
            textures,
        );
        let pass_settings = PassSettings {
            view: &pass.view,
            detection: &settings.detection,
            mask,
        };
        let network = &mut self.model.network;
        let recorded = network.encode_postprocess(encoder, &outputs, &pass_settings)?;
        Ok(Some((pass.begun, recorded)))
    }
}

impl Runner {
    /// Call this after submitting the encoder.
    pub fn submitted(&mut self) -> shadernet::Result<()> {
        let Some((begun, recorded)) = self.recorded.take() else {
            return Ok(());
        };
        let result = match recorded {
            Recorded::Mask => None,
            Recorded::Download(download, parse) => Some(Pending {
                bytes: download.receive()?,
                parse,
            }),
        };
        let done = Arc::new(OnceLock::new());
        let completed = done.clone();
        self.gpu.queue().on_submitted_work_done(move || {
            // Called once.
            let _ = completed.set(Instant::now());
        });
        self.submissions.push_back(Submission {
            begun,
            result,
            done,
        });
        Ok(())
    }

    /// Takes the results that have arrived. Waits for nothing.
    pub fn receive(&mut self) -> shadernet::Result<()> {
        while let Some(submission) = self.submissions.front_mut() {
            let Some(&done) = submission.done.get() else {
                break;
            };
            let result = match &mut submission.result {
                None => NetworkResult::Mask,
                Some(Pending { bytes, parse }) => match bytes.take_if_ready() {
                    None => break,
                    Some(bytes) => self.model.network.named(parse.parse(&bytes?)?)?,
                },
            };
            self.passes
                .push(done, done.duration_since(submission.begun));
            self.result = result;
            self.submissions.pop_front();
        }
        Ok(())
    }

    /// Cancels passes in flight and drops the result: they belong to another image.
    pub fn restart(&mut self) {
        self.unfinished = None;
        self.recorded = None;
        self.submissions.clear();
        self.result = NetworkResult::None;
    }

    /// Whether there is a result.
    pub fn has_result(&self) -> bool {
        !matches!(self.result, NetworkResult::None)
    }

    /// The network's last result.
    pub fn result(&self) -> &NetworkResult {
        &self.result
    }

    /// The mask's texture, once a mask was written to it.
    pub fn mask(&self) -> Option<&Mask> {
        self.mask.as_ref().filter(|_| self.has_result())
    }

    /// Times of passes, from recording to completion on the GPU.
    pub fn passes(&self) -> &History {
        &self.passes
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// A description of a pass's chunks, if it is chunked.
    pub fn chunks(&self) -> Option<String> {
        let (chunks, longest) = self.chunks?;
        let longest = longest.as_secs_f32() * 1e3;
        Some(format!(
            "{chunks} chunks per pass, the longest takes {longest:.1} ms"
        ))
    }

    /// Call this before dropping it for another.
    pub fn forget_textures(self, textures: &Textures) {
        if let Some(mask) = self.mask {
            textures.forget(mask.id);
        }
    }

    /// The result as lines of text.
    pub fn lines(&self) -> Vec<String> {
        match &self.result {
            NetworkResult::None => vec!["no result".to_owned()],
            NetworkResult::Mask => vec!["a mask".to_owned()],
            NetworkResult::Classes(classes) => (classes.iter())
                .map(|class| format!("{:6.2} % {}", 100.0 * class.probability, class.label))
                .collect(),
            NetworkResult::Boxes(boxes) => (boxes.iter())
                .map(|found| {
                    let [left, top, right, bottom] = found.corners;
                    format!(
                        "{:6.2} % {} from {left:.0},{top:.0} to {right:.0},{bottom:.0}",
                        100.0 * found.score,
                        found.label
                    )
                })
                .collect(),
        }
    }
}
