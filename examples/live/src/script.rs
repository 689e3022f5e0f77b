//! For scripts: quits after some frames, with a screenshot.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eframe::egui;

use crate::messages::Messages;

/// What is done without a user.
pub struct Script {
    /// Frames left, where they are counted.
    frames: Option<u32>,
    screenshot: Option<PathBuf>,
    /// Whether the screenshot is written, or cannot be.
    written: Arc<AtomicBool>,
    asked: bool,
    over: bool,
}

impl Script {
    pub fn new(frames: Option<u32>, screenshot: Option<PathBuf>) -> Self {
        Self {
            frames,
            screenshot,
            written: Arc::default(),
            asked: false,
            over: false,
        }
    }

    /// Counts a frame that is `settled`: with nothing more to wait for. Answers whether it was the last,
    /// once.
    pub fn is_over(&mut self, settled: bool, ctx: &egui::Context, messages: &Messages) -> bool {
        // The window closes a frame later.
        let over = !self.over && self.is_done(settled, ctx, messages);
        self.over |= over;
        over
    }

    fn is_done(&mut self, settled: bool, ctx: &egui::Context, messages: &Messages) -> bool {
        let Some(frames) = &mut self.frames else {
            return false;
        };
        *frames = frames.saturating_sub(u32::from(settled));
        if *frames > 0 {
            return false;
        }
        let Some(path) = &self.screenshot else {
            return true;
        };
        if !self.asked {
            self.asked = true;
            let (path, messages) = (path.clone(), messages.clone());
            let (ctx_of_call, written) = (ctx.clone(), self.written.clone());
            ctx.request_screenshot(move |image| {
                if let Err(error) = save(&path, &image) {
                    messages.push(format!("{}: {error}", path.display()));
                }
                written.store(true, Ordering::Relaxed);
                ctx_of_call.request_repaint();
            });
        }
        self.written.load(Ordering::Relaxed)
    }
}

fn save(path: &std::path::Path, image: &egui::ColorImage) -> image::ImageResult<()> {
    // Windows are opaque, so that it does not matter that colours are multiplied by their alpha.
    let rgb: Vec<u8> = (image.pixels.iter())
        .flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()])
        .collect();
    // Sides of windows are far below 2^32.
    let [width, height] = image.size.map(|side| side as u32);
    image::save_buffer(path, &rgb, width, height, image::ColorType::Rgb8)
}

/// A file for `RawInput::dropped_files`: what the window system would have put there.
#[derive(Debug)]
pub struct Dropped(pub PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &std::path::Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}
