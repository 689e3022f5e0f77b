//! The network's part of a frame: recording passes, whole or in pieces, and taking their answers.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use shadernet::gpu::{Gpu, Received};
use shadernet::session::PassChunks;
use shadernet::tasks::{Detection, DetectionOptions, Prediction};
use shadernet::wgpu;

use crate::mask::Mask;
use crate::model::Model;
use crate::network::{Parse, Recorded, Wanted};
use crate::plots::History;
use crate::textures::Textures;

/// Passes that the GPU may be behind: with more, what is seen is older, and no faster.
const IN_FLIGHT: usize = 2;

/// What the user can change.
pub struct Settings {
    /// Whether a pass is cut into pieces of `budget_ms` of GPU time, one a frame.
    pub sliced: bool,
    pub budget_ms: f32,
    /// How opaque a mask is.
    pub opacity: f32,
    pub detection: DetectionOptions,
}

impl Settings {
    /// With a frame's budget in milliseconds; 0 for whole passes.
    pub fn new(budget_ms: f32) -> Self {
        // NaN is no budget either.
        let sliced = budget_ms > 0.0;
        Self {
            sliced,
            budget_ms: if sliced { budget_ms } else { 8.0 },
            opacity: 0.5,
            detection: DetectionOptions::default(),
        }
    }

    fn budget(&self) -> Option<Duration> {
        let seconds = self.budget_ms.clamp(0.1, 10_000.0) / 1e3;
        self.sliced.then(|| Duration::from_secs_f32(seconds))
    }
}

/// What the network said last.
pub enum Answer {
    None,
    Classes(Vec<Prediction>),
    Boxes(Vec<Detection>),
    /// In the mask's texture; it never leaves the GPU.
    Mask,
}

/// A pass whose last piece is recorded.
struct Submission {
    begun: Instant,
    /// What the pass found, on its way from the GPU; nothing for a mask.
    answer: Option<Pending>,
    /// When the GPU was done.
    done: Arc<OnceLock<Instant>>,
}

/// Bytes on their way from the GPU, and what reads them.
struct Pending {
    bytes: Received,
    parse: Parse,
}

/// A pass of which pieces are left to record.
struct Cut {
    slices: PassChunks,
    begun: Instant,
    /// What it sees.
    view: wgpu::TextureView,
}

/// A model with what it has said.
pub struct Runner {
    gpu: Gpu,
    model: Model,
    mask: Option<Mask>,
    cut: Option<Cut>,
    /// Recorded in this frame, and not submitted yet.
    recorded: Option<(Instant, Recorded)>,
    flights: VecDeque<Submission>,
    answer: Answer,
    passes: History,
    /// Pieces of a pass, where it is cut, and what the longest was measured to take.
    pieces: Option<(usize, Duration)>,
}

impl Runner {
    pub fn new(gpu: &Gpu, model: Model) -> Self {
        Self {
            gpu: gpu.clone(),
            model,
            mask: None,
            cut: None,
            recorded: None,
            flights: VecDeque::new(),
            answer: Answer::None,
            passes: History::default(),
            pieces: None,
        }
    }

    /// Adds a pass over the picture in `view` to `encoder`, or the next piece of one. Nothing waits.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        view: &wgpu::TextureView,
        settings: &Settings,
        textures: &Textures,
    ) -> shadernet::Result<()> {
        if self.cut.is_none() && self.flights.len() >= IN_FLIGHT {
            return Ok(());
        }
        let now = Instant::now();
        let recorded = match (self.cut.take(), settings.budget()) {
            // Whole: from the texture to the answer in one go.
            (None, None) => {
                self.pieces = None;
                let network = &mut self.model.network;
                let mask =
                    Mask::prepared(&mut self.mask, self.model.task, &self.gpu, view, textures);
                let wanted = Wanted {
                    view,
                    detection: &settings.detection,
                    mask,
                };
                Some((now, network.encode(encoder, &wanted)?))
            }
            // The input and the first piece in one frame, so that a small network needs no more.
            (None, Some(budget)) => {
                let slices = self.model.network.encode_chunks(encoder, view, budget)?;
                self.pieces = Some((slices.progress().1, slices.longest()));
                let cut = Cut {
                    slices,
                    begun: now,
                    view: view.clone(),
                };
                self.piece(encoder, cut, settings, textures)?
            }
            (Some(cut), _) => self.piece(encoder, cut, settings, textures)?,
        };
        self.recorded = recorded;
        Ok(())
    }

    /// Adds the next piece of a pass to `encoder`, and the answer after the last.
    fn piece(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        mut cut: Cut,
        settings: &Settings,
        textures: &Textures,
    ) -> shadernet::Result<Option<(Instant, Recorded)>> {
        let Some(outputs) = cut.slices.encode(encoder)? else {
            self.cut = Some(cut);
            return Ok(None);
        };
        let mask = Mask::prepared(
            &mut self.mask,
            self.model.task,
            &self.gpu,
            &cut.view,
            textures,
        );
        let wanted = Wanted {
            view: &cut.view,
            detection: &settings.detection,
            mask,
        };
        let network = &mut self.model.network;
        let recorded = network.encode_postprocess(encoder, &outputs, &wanted)?;
        Ok(Some((cut.begun, recorded)))
    }
}

impl Runner {
    /// To be called after the encoder was submitted.
    pub fn submitted(&mut self) -> shadernet::Result<()> {
        let Some((begun, recorded)) = self.recorded.take() else {
            return Ok(());
        };
        let answer = match recorded {
            Recorded::Mask => None,
            Recorded::Download(download, parse) => Some(Pending {
                bytes: download.receive()?,
                parse,
            }),
        };
        let done = Arc::new(OnceLock::new());
        let told = done.clone();
        self.gpu.queue().on_submitted_work_done(move || {
            // Called once.
            let _ = told.set(Instant::now());
        });
        self.flights.push_back(Submission {
            begun,
            answer,
            done,
        });
        Ok(())
    }

    /// Takes what has arrived. Waits for nothing.
    pub fn receive(&mut self) -> shadernet::Result<()> {
        while let Some(flight) = self.flights.front_mut() {
            let Some(&done) = flight.done.get() else {
                break;
            };
            let answer = match &mut flight.answer {
                None => Answer::Mask,
                Some(Pending { bytes, parse }) => match bytes.take_if_ready() {
                    None => break,
                    Some(bytes) => self.model.network.answer(parse.parse(&bytes?)?),
                },
            };
            self.passes.push(done, done.duration_since(flight.begun));
            self.answer = answer;
            self.flights.pop_front();
        }
        Ok(())
    }

    /// Cancels what is under way and forgets the answer: they are about another picture.
    pub fn restart(&mut self) {
        self.cut = None;
        self.recorded = None;
        self.flights.clear();
        self.answer = Answer::None;
    }

    /// Whether there is an answer.
    pub fn has_answered(&self) -> bool {
        !matches!(self.answer, Answer::None)
    }

    /// What the network said last.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The mask's texture, where there is one and it was written.
    pub fn mask(&self) -> Option<&Mask> {
        self.mask.as_ref().filter(|_| self.has_answered())
    }

    /// How long passes took, from being recorded to being done.
    pub fn passes(&self) -> &History {
        &self.passes
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Into what a pass is cut, where it is.
    pub fn pieces(&self) -> Option<String> {
        let (pieces, longest) = self.pieces?;
        let longest = longest.as_secs_f32() * 1e3;
        Some(format!(
            "{pieces} pieces a pass, the longest of {longest:.1} ms"
        ))
    }

    /// To be called when another takes its place.
    pub fn forget_textures(self, textures: &Textures) {
        if let Some(mask) = self.mask {
            textures.forget(mask.id);
        }
    }

    /// The answer in lines of text.
    pub fn lines(&self) -> Vec<String> {
        match &self.answer {
            Answer::None => vec!["no answer".to_owned()],
            Answer::Mask => vec!["a mask".to_owned()],
            Answer::Classes(classes) => (classes.iter())
                .map(|class| format!("{:6.2} % {}", 100.0 * class.probability, class.label))
                .collect(),
            Answer::Boxes(boxes) => (boxes.iter())
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
