//! The window: what it holds, and what happens in a frame.

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
use crate::options::Options;
use crate::picture::{self, Picture};
use crate::plots::History;
use crate::scene::{self, Scene};
use crate::script::{Dropped, Script};
use crate::textures::Textures;
use crate::why::Why;

/// The window.
pub struct Live {
    pub(crate) messages: Messages,
    faults: DeviceErrors,
    pub(crate) gpu: Gpu,
    pub(crate) textures: Textures,
    scene: Scene,
    scene_texture: TextureId,
    started: Instant,
    /// A picture in place of the scene, and its texture.
    pub(crate) picture: Option<(Picture, TextureId)>,
    opening: Option<Receiver<Picture>>,
    pub(crate) found: Vec<FoundModel>,
    pub(crate) loading: Option<Loading>,
    pub(crate) runner: Option<Runner>,
    pub(crate) settings: Settings,
    pub(crate) why: Why,
    /// What the user has chosen in a dialog, which runs on a thread of its own.
    pub(crate) chosen: Option<Receiver<PathBuf>>,
    /// What the user has typed in place of choosing.
    pub(crate) typed: String,
    pub(crate) frames: History,
    last_frame: Option<Instant>,
    script: Script,
    drop: Vec<PathBuf>,
    lose_device: Option<u32>,
}

impl Live {
    /// The window's contents on the device that eframe has opened.
    ///
    /// # Errors
    /// Where the device cannot hold the scene.
    pub fn new(
        context: &eframe::CreationContext<'_>,
        options: Options,
        faults: DeviceErrors,
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
        faults.watch(device);
        let gpu = device::share(adapter, device, queue);
        let why = Why::new(&gpu, options.why);
        let textures = Textures::new(device, renderer);
        let scene = Scene::new(device, queue)?;
        let scene_texture = textures.register(&scene.view);
        let mut this = Self {
            messages,
            faults,
            gpu,
            textures,
            scene,
            scene_texture,
            started: Instant::now(),
            picture: None,
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
            Ok(found) => this.load(found.path, ctx),
            Err(error) => this.messages.push(error.to_string()),
        }
        if let Some(path) = options.picture {
            this.open_picture(path, ctx);
        }
        Ok(this)
    }

    /// Loads the model in the folder `path`, in place of the one there is.
    pub(crate) fn load(&mut self, path: PathBuf, ctx: &egui::Context) {
        self.loading = Some(Loading::start(path, &self.gpu, &self.messages, ctx));
    }

    /// Opens the picture at `path`, in place of the one there is or the scene.
    pub(crate) fn open_picture(&mut self, path: PathBuf, ctx: &egui::Context) {
        let (device, queue) = (self.gpu.device(), self.gpu.queue());
        self.opening = Some(picture::open(path, device, queue, &self.messages, ctx));
    }

    /// Opens what was chosen, typed or dropped: folders are models, files are pictures.
    pub(crate) fn open(&mut self, path: PathBuf, ctx: &egui::Context) {
        match path.is_dir() {
            true => self.load(path, ctx),
            false => self.open_picture(path, ctx),
        }
    }

    /// Goes back to the scene.
    pub(crate) fn show_scene(&mut self) {
        self.opening = None;
        if let Some((_, texture)) = self.picture.take() {
            self.textures.forget(texture);
        }
        // It was chosen for that picture.
        self.why.class = None;
        if let Some(runner) = &mut self.runner {
            runner.restart();
        }
    }

    /// The picture or the scene, as egui draws it.
    pub(crate) fn shown(&self) -> (TextureId, [u32; 2]) {
        match &self.picture {
            Some((picture, texture)) => (*texture, picture.size),
            None => (self.scene_texture, scene::SIZE),
        }
    }

    /// Takes what other threads have done.
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
                Ok(picture) => {
                    self.show_scene();
                    let texture = self.textures.register(&picture.view);
                    self.picture = Some((picture, texture));
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
                // Classes are the model's.
                self.why.class = None;
            }
            Some(Err(())) => self.loading = None,
            Some(Ok(None)) | None => {}
        }
    }

    /// Lets the tab "Why" explain what is shown.
    fn explain(&mut self, ctx: &egui::Context) {
        let model = self.runner.as_ref().map(|runner| &runner.model().folder);
        let picture = self.picture.as_ref().map(|(picture, _)| &picture.pixels);
        (self.why).update(model, picture, &self.textures, &self.messages, ctx);
    }

    /// The GPU's part of a frame: the scene, then the network or a piece of it, in one encoder that is
    /// submitted before egui's own. What it writes is drawn in this frame.
    fn encode(&mut self) {
        let (device, queue) = (self.gpu.device(), self.gpu.queue());
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor {
            label: Some("scene and network"),
        });
        let view = match &self.picture {
            Some((picture, _)) => &picture.view,
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
            // Lets what has arrived be told; waits for nothing. A device that is lost tells otherwise.
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

    /// Whether the device is lost. The window is then told to close, and nothing may be drawn any more,
    /// for egui panics where it cannot; `main` opens another window.
    fn is_lost(&self, ctx: &egui::Context) -> bool {
        let lost = self.gpu.is_lost();
        if lost {
            // Where the device has not called back, it does when asked; or never.
            let _ = self.gpu.device().poll(wgpu::PollType::Poll);
            self.faults
                .note_loss("its driver gave no reason".to_owned());
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
        lost
    }

    /// Counts frames for a script. Answers whether it wants to quit.
    fn script(&mut self, ctx: &egui::Context) -> bool {
        let answered = self.runner.as_ref().is_none_or(Runner::has_answered);
        let waiting = self.loading.is_some() || self.opening.is_some();
        let settled = answered && !waiting && self.why.is_settled();
        self.script.is_over(settled, ctx, &self.messages)
    }

    fn print(&self) {
        for text in self.messages.texts() {
            println!("error: {text}");
        }
        if let Some(runner) = &self.runner {
            let model = runner.model();
            println!("{}: {}", model.folder.name, model.task);
            for line in runner.lines().into_iter().chain(runner.pieces()) {
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
        // The scene moves, and the network runs on.
        ctx.request_repaint();
    }
}
