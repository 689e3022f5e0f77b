//! The window: its state, and the steps of a frame.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use eframe::egui::{self, TextureId};
use eframe::egui_wgpu::RenderState;
use shadernet::gpu::Gpu;
use shadernet::model_folder::{self, FoundModel};
use shadernet::wgpu;

use crate::device::{self, DeviceErrors};
use crate::inference::{Runner, Settings};
use crate::messages::Messages;
use crate::model::{self, Loading};
use crate::opened_image::{self, OpenedImage};
use crate::options::Options;
use crate::plots::History;
use crate::scene::{self, Scene};
use crate::script::{Dropped, Script};
use crate::textures::Textures;
use crate::why::Why;

/// The window.
pub struct Live {
    pub(crate) messages: Messages,
    device_errors: DeviceErrors,
    pub(crate) gpu: Gpu,
    pub(crate) textures: Textures,
    scene: Scene,
    scene_texture: TextureId,
    started: Instant,
    /// The opened image, if one replaces the scene, and its texture.
    pub(crate) image: Option<(OpenedImage, TextureId)>,
    opening: Option<Receiver<OpenedImage>>,
    pub(crate) found: Vec<FoundModel>,
    pub(crate) loading: Option<Loading>,
    pub(crate) runner: Option<Runner>,
    pub(crate) settings: Settings,
    pub(crate) why: Why,
    /// The user's choice in a file dialog, which runs on its own thread.
    pub(crate) chosen: Option<Receiver<PathBuf>>,
    /// The path that the user is typing.
    pub(crate) typed: String,
    pub(crate) frames: History,
    last_frame: Option<Instant>,
    script: Script,
    drop: Vec<PathBuf>,
    lose_device: Option<u32>,
}

impl Live {
    /// The window's contents, on the device that eframe opened.
    ///
    /// # Errors
    /// If the device cannot hold the scene.
    pub fn new(
        context: &eframe::CreationContext<'_>,
        options: Options,
        device_errors: DeviceErrors,
        messages: Messages,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let state = context.wgpu_render_state.as_ref();
        let RenderState {
            adapter,
            device,
            queue,
            renderer,
            ..
        } = state.ok_or("eframe was built without wgpu")?;
        device_errors.watch(device);
        let gpu = device::share(adapter, device, queue);
        let why = Why::new(&gpu, options.why);
        let textures = Textures::new(device, renderer);
        let scene = Scene::new(device, queue)?;
        let scene_texture = textures.register(&scene.view);
        let mut this = Self {
            messages,
            device_errors,
            gpu,
            textures,
            scene,
            scene_texture,
            started: Instant::now(),
            image: None,
            opening: None,
            found: model_folder::find_models(),
            loading: None,
            runner: None,
            settings: Settings::new(options.budget),
            why,
            chosen: None,
            typed: String::new(),
            frames: History::default(),
            last_frame: None,
            script: Script::new(options.frames, options.screenshot),
            drop: options.drop,
            lose_device: options.lose_device,
        };
        let ctx = &context.egui_ctx;
        match model::first(options.model.as_deref()) {
            Ok(found) => this.load(model::path_of(found), ctx),
            Err(error) => this.messages.push(error.to_string()),
        }
        if let Some(path) = options.picture {
            this.open_image(path, ctx);
        }
        Ok(this)
    }

    /// Loads the model in the folder `path`, which replaces the current one.
    pub(crate) fn load(&mut self, path: PathBuf, ctx: &egui::Context) {
        self.loading = Some(Loading::start(path, &self.gpu, &self.messages, ctx));
    }

    /// Opens the image at `path`, which replaces the current image or the scene.
    pub(crate) fn open_image(&mut self, path: PathBuf, ctx: &egui::Context) {
        let (device, queue) = (self.gpu.device(), self.gpu.queue());
        self.opening = Some(opened_image::open(path, device, queue, &self.messages, ctx));
    }

    /// Opens a chosen, typed or dropped path: folders are models, files are images.
    pub(crate) fn open(&mut self, path: PathBuf, ctx: &egui::Context) {
        match path.is_dir() {
            true => self.load(path, ctx),
            false => self.open_image(path, ctx),
        }
    }

    /// Goes back to the scene.
    pub(crate) fn show_scene(&mut self) {
        self.opening = None;
        if let Some((_, texture)) = self.image.take() {
            self.textures.forget(texture);
        }
        // It was chosen for that image.
        self.why.class = None;
        if let Some(runner) = &mut self.runner {
            runner.restart();
        }
    }

    /// The texture and size of the image or scene.
    pub(crate) fn shown(&self) -> (TextureId, [u32; 2]) {
        match &self.image {
            Some((image, texture)) => (*texture, image.size),
            None => (self.scene_texture, scene::SIZE),
        }
    }

    /// Receives results of other threads.
    fn receive(&mut self, ctx: &egui::Context) {
        if let Some(chosen) = &self.chosen {
            match chosen.try_recv() {
                Ok(path) => {
                    self.chosen = None;
                    self.open(path, ctx);
                }
                Err(TryRecvError::Disconnected) => self.chosen = None,
                Err(TryRecvError::Empty) => {}
            }
        }
        if let Some(opening) = &self.opening {
            match opening.try_recv() {
                Ok(image) => {
                    self.show_scene();
                    let texture = self.textures.register(&image.view);
                    self.image = Some((image, texture));
                }
                Err(TryRecvError::Disconnected) => self.opening = None,
                Err(TryRecvError::Empty) => {}
            }
        }
        match self.loading.as_mut().map(Loading::poll) {
            Some(Ok(Some(model))) => {
                self.loading = None;
                if let Some(old) = self.runner.take() {
                    old.forget_textures(&self.textures);
                }
                self.runner = Some(Runner::new(&self.gpu, model));
                // The class belonged to the old model.
                self.why.class = None;
            }
            Some(Err(())) => self.loading = None,
            Some(Ok(None)) | None => {}
        }
    }

    /// Updates the tab "Why" for the image that is shown.
    fn explain(&mut self, ctx: &egui::Context) {
        let model = self.runner.as_ref().map(|runner| &runner.model().folder);
        let image = self.image.as_ref().map(|(image, _)| &image.pixels);
        (self.why).update(model, image, &self.textures, &self.messages, ctx);
    }

    /// The GPU's part of a frame: the scene, then a pass of the network or a chunk of one, in one encoder
    /// that is submitted before egui's own. Its results are drawn in this frame.
    fn encode(&mut self) {
        let (device, queue) = (self.gpu.device(), self.gpu.queue());
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor {
            label: Some("scene and network"),
        });
        let view = match &self.image {
            Some((image, _)) => &image.view,
            None => {
                let seconds = self.started.elapsed().as_secs_f64();
                self.scene.encode(queue, &mut encoder, seconds);
                &self.scene.view
            }
        };
        let mut failure = None;
        if let Some(runner) = &mut self.runner {
            let encoded = runner.encode(&mut encoder, view, &self.settings, &self.textures);
            failure = encoded.err();
        }
        queue.submit([encoder.finish()]);
        if let Some(runner) = &mut self.runner {
            let submitted = runner.submitted();
            // Runs the callbacks of completed work, without waiting. A lost device is handled elsewhere.
            let _ = device.poll(wgpu::PollType::Poll);
            let received = runner.receive();
            failure = failure.or(submitted.err()).or(received.err());
        }
        if let Some(error) = failure
            && !self.gpu.is_lost()
        {
            self.messages.push(error.to_string());
            // It would fail in each frame.
            if let Some(runner) = self.runner.take() {
                runner.forget_textures(&self.textures);
            }
        }
    }

    /// Whether the device is lost. The window then closes, and nothing may be drawn any more, since egui
    /// would panic; `main` opens another window.
    fn is_lost(&self, ctx: &egui::Context) -> bool {
        let lost = self.gpu.is_lost();
        if lost {
            // Runs the device-lost callback, if it has not run yet.
            let _ = self.gpu.device().poll(wgpu::PollType::Poll);
            self.device_errors
                .note_loss("its driver gave no reason".to_owned());
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
        lost
    }

    /// Counts frames for a script. Returns whether the script quits.
    fn script(&mut self, ctx: &egui::Context) -> bool {
        let has_result = self.runner.as_ref().is_none_or(Runner::has_result);
        let waiting = self.loading.is_some() || self.opening.is_some();
        let settled = has_result && !waiting && self.why.is_settled();
        self.script.is_over(settled, ctx, &self.messages)
    }

    fn print(&self) {
        for text in self.messages.texts() {
            println!("error: {text}");
        }
        if let Some(runner) = &self.runner {
            let model = runner.model();
            println!("{}: {}", model.folder.name, model.task);
            for line in runner.lines().into_iter().chain(runner.chunks()) {
                println!("  {line}");
            }
            if let Some(line) = self.why.line() {
                println!("  why {line}");
            }
        }
    }
}

impl eframe::App for Live {
    fn raw_input_hook(&mut self, _: &egui::Context, input: &mut egui::RawInput) {
        for path in self.drop.drain(..) {
            input.dropped_files.push(Arc::new(Dropped(path)));
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        if self.is_lost(&ctx) {
            return;
        }
        let now = Instant::now();
        if let Some(last) = self.last_frame.replace(now) {
            self.frames.push(now, now - last);
        }
        for file in ctx.input(|input| input.raw.dropped_files.clone()) {
            self.open(file.path().to_owned(), &ctx);
        }
        self.receive(&ctx);
        if let Some(left) = &mut self.lose_device {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.gpu.device().destroy();
            }
        }
        self.encode();
        if self.is_lost(&ctx) {
            return;
        }
        self.explain(&ctx);
        self.panels(ui);
        if self.script(&ctx) {
            self.print();
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
        // The scene moves, and the network runs in each frame.
        ctx.request_repaint();
    }
}
