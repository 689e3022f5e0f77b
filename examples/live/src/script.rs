//! For scripts: quits after a number of frames, with a screenshot.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eframe::egui;

use crate::messages::Messages;

/// The actions of a script.
pub struct Script {
    /// Frames left, if they are counted.
    frames: Option<u32>,
    screenshot: Option<PathBuf>,
    /// Whether the screenshot was written, or has failed.
    written: Arc<AtomicBool>,
    requested: bool,
    over: bool,
}

impl Script {
    pub fn new(frames: Option<u32>, screenshot: Option<PathBuf>) -> Self {
        Self {
            frames,
            screenshot,
            written: Arc::default(),
            requested: false,
            over: false,
        }
    }

    /// Counts a frame if it is `settled`, with no result pending. Returns `true` once, in the last frame.
    pub fn is_over(&mut self, settled: bool, ctx: &egui::Context, messages: &Messages) -> bool {
        // The window closes one frame later.
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
        if !self.requested {
            self.requested = true;
            let (path, messages) = (path.clone(), messages.clone());
            let (repaint, written) = (ctx.clone(), self.written.clone());
            ctx.request_screenshot(move |image| {
                if let Err(error) = save(&path, &image) {
                    messages.push(format!("{}: {error}", path.display()));
                }
                written.store(true, Ordering::Relaxed);
                repaint.request_repaint();
            });
        }
        self.written.load(Ordering::Relaxed)
    }
}

fn save(path: &std::path::Path, image: &egui::ColorImage) -> image::ImageResult<()> {
    // Windows are opaque, so premultiplied colors are the colors themselves.
    let rgb: Vec<u8> = (image.pixels.iter())
        .flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()])
        .collect();
    // The sides of a window are far below 2^32.
    let [width, height] = image.size.map(|side| side as u32);
    image::save_buffer(path, &rgb, width, height, image::ColorType::Rgb8)
}

/// A file for `RawInput::dropped_files`, as the window system would add it.
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
