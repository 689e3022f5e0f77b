//! A window in which a network runs on an image, or on a moving scene, on the window's own device.

mod app;
mod device;
mod explaining;
mod inference;
mod mask;
mod messages;
mod model;
mod network;
mod opened_image;
mod options;
mod panels;
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

/// A device that is lost within this time counts as short-lived.
const SHORT_LIFE: Duration = Duration::from_secs(2);
/// After this many short-lived devices in a row, no other is opened.
const MAX_SHORT_LIVES: u32 = 3;

fn main() -> ExitCode {
    let mut options = Options::parse();
    let messages = Messages::default();
    let mut short_lives = 0;
    loop {
        let device_errors = DeviceErrors::new(messages.clone());
        let started = Instant::now();
        // egui panics if the device is lost while it draws.
        let window = || open_window(&options, &device_errors, &messages);
        match panic::catch_unwind(AssertUnwindSafe(window)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                eprintln!("the window could not be opened: {error}");
                return ExitCode::FAILURE;
            }
            Err(_) if device_errors.lost().is_some() => {}
            Err(panic) => panic::resume_unwind(panic),
        }
        // The window is drawn by the device and lost with it: open another window on a new device.
        let Some(reason) = device_errors.lost() else {
            break;
        };
        messages.push(format!(
            "the device was lost: {reason}. This window uses a new one."
        ));
        short_lives = match started.elapsed() < SHORT_LIFE {
            true => short_lives + 1,
            false => 0,
        };
        if short_lives == MAX_SHORT_LIVES {
            eprintln!("{MAX_SHORT_LIVES} devices in a row were lost at once; giving up");
            return ExitCode::FAILURE;
        }
        // Not again in the new window.
        options.lose_device = None;
        options.drop.clear();
    }
    match options.frames.is_some() && messages.count() > 0 {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// Runs one window until it is closed.
fn open_window(
    options: &Options,
    device_errors: &DeviceErrors,
    messages: &Messages,
) -> eframe::Result {
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
    let (options, device_errors, messages) =
        (options.clone(), device_errors.clone(), messages.clone());
    let create = move |context: &eframe::CreationContext<'_>| -> Result<Box<dyn eframe::App>, _> {
        let app = app::Live::new(context, options, device_errors, messages)?;
        Ok(Box::new(app) as Box<dyn eframe::App>)
    };
    eframe::run_native("shadernet-live", native, Box::new(create))
}
