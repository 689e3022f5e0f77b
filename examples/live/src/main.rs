//! A window in which a network looks at a picture, or at a moving scene, on the window's own device.

mod app;
mod device;
mod explaining;
mod inference;
mod mask;
mod messages;
mod model;
mod network;
mod options;
mod panels;
mod picture;
mod plots;
mod scene;
mod script;
mod textures;
mod views;
mod why;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use eframe::egui;

use crate::device::DeviceErrors;
use crate::messages::Messages;
use crate::options::Options;

/// A device that is lost sooner than this,
const SHORT_LIFE: Duration = Duration::from_secs(2);
/// and so many in a row, is not worth another.
const MOST_SHORT_LIVES: u32 = 3;

fn main() -> ExitCode {
    let mut options = Options::parse();
    let messages = Messages::default();
    let mut short_lives = 0;
    loop {
        let faults = DeviceErrors::new(messages.clone());
        let started = Instant::now();
        // Where the device is lost while egui draws, egui panics.
        let window = || open_window(&options, &faults, &messages);
        match panic::catch_unwind(AssertUnwindSafe(window)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                eprintln!("the window could not be opened: {error}");
                return ExitCode::FAILURE;
            }
            Err(_) if faults.lost().is_some() => {}
            Err(panic) => panic::resume_unwind(panic),
        }
        // A lost device takes the window with it, which was drawn by it: another is opened on a new one.
        let Some(reason) = faults.lost() else { break };
        messages.push(format!(
            "the device was lost: {reason}. This window is on a new one."
        ));
        short_lives = match started.elapsed() < SHORT_LIFE {
            true => short_lives + 1,
            false => 0,
        };
        if short_lives == MOST_SHORT_LIVES {
            eprintln!("{MOST_SHORT_LIVES} devices in a row were lost at once; giving up");
            return ExitCode::FAILURE;
        }
        // Once is enough.
        options.lose_device = None;
        options.drop.clear();
    }
    match options.frames.is_some() && messages.count() > 0 {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// Runs one window until it is closed.
fn open_window(options: &Options, faults: &DeviceErrors, messages: &Messages) -> eframe::Result {
    let native = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Shadernet live")
            .with_inner_size([1100.0, 760.0])
            .with_min_inner_size([640.0, 480.0])
            .with_drag_and_drop(true),
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: device::configuration(),
        ..Default::default()
    };
    let (options, faults, messages) = (options.clone(), faults.clone(), messages.clone());
    let create = move |context: &eframe::CreationContext<'_>| -> Result<Box<dyn eframe::App>, _> {
        let app = app::Live::new(context, options, faults, messages)?;
        Ok(Box::new(app) as Box<dyn eframe::App>)
    };
    eframe::run_native("shadernet-live", native, Box::new(create))
}
