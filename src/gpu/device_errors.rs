//! What goes wrong with a device: errors that it reports, and that it is lost.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use super::Gpu;
use crate::error::{Error, Result};
use crate::util::sync::lock_ignoring_poison as lock;

/// What is known of a device's faults.
#[derive(Debug, Default)]
pub(super) struct DeviceErrors {
    /// Why the device was lost, once it was.
    lost: Arc<OnceLock<String>>,
    /// The first error that no scope caught; of a device of our own.
    uncaptured: Arc<Mutex<Option<String>>>,
}

impl DeviceErrors {
    /// Takes the events of a device of our own: those of a host's device are the host's.
    pub fn listen(&self, device: &wgpu::Device) {
        let uncaptured = self.uncaptured.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            tracing::error!("{error}");
            if let Ok(mut first) = uncaptured.lock() {
                first.get_or_insert_with(|| error.to_string());
            }
        }));
        let lost = self.lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Set once; a second loss adds nothing.
            let _ = lost.set(format!("{reason:?} {message}").trim_end().to_owned());
        });
    }

    /// Whether `device` is lost. Calls on a lost device do nothing, and wgpu tells only a callback,
    /// which may be the host's, and of a device that was destroyed only when it is polled. But a call
    /// that cannot succeed is refused by a device that is there, and by no other.
    fn is_lost(&self, device: &wgpu::Device) -> bool {
        if self.lost.get().is_some() {
            return true;
        }
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let _ = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4,
            usage: wgpu::BufferUsages::empty(),
            mapped_at_creation: false,
        });
        let is_there = pollster::block_on(scope.pop()).is_some();
        if !is_there {
            // Unless the callback has told more in the meantime.
            let _ = self.lost.set("destroyed or reset".to_owned());
        }
        !is_there
    }
}

impl Gpu {
    /// Whether one thread at a time may use the device: OpenGL's context is one for all, and wgpu
    /// panics in a thread that has waited for it for some seconds, as it must for a long pass.
    pub(crate) fn needs_serialized_access(&self) -> bool {
        self.inner.info.backend == wgpu::Backend::Gl
    }

    /// Held by what uses the device for long, where that takes turns: others wait instead of
    /// panicking. Not to be taken again by who holds it.
    pub(crate) fn gl_lock(&self) -> Option<MutexGuard<'_, ()>> {
        self.needs_serialized_access()
            .then(|| lock(&self.inner.turns))
    }

    /// What failed on this device as an error: [`Error::DeviceLost`] where it is lost.
    #[doc(hidden)]
    pub fn error(&self, context: &str, message: impl ToString) -> Error {
        let device = self.inner.info.name.clone();
        let context = context.to_owned();
        match self.lost() {
            Some(reason) => Error::DeviceLost {
                device,
                context,
                reason,
            },
            None => Error::Device {
                device,
                context,
                message: message.to_string(),
            },
        }
    }

    /// Why the device was lost, where it was.
    fn lost(&self) -> Option<String> {
        let reason = || {
            self.inner
                .device_errors
                .lost
                .get()
                .cloned()
                .unwrap_or_default()
        };
        self.is_lost().then(reason)
    }

    /// Whether the device is lost: destroyed, reset by its driver, or unplugged. What is on it is gone;
    /// [`Session::restore`](crate::session::Session::restore) moves a session to another.
    pub fn is_lost(&self) -> bool {
        self.inner.device_errors.is_lost(&self.inner.device)
    }

    /// Runs `work`, and makes an error of anything that the device refused meanwhile.
    #[doc(hidden)]
    pub fn with_error_scopes<T>(&self, context: &str, work: impl FnOnce() -> T) -> Result<T> {
        let device = &self.inner.device;
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let answer = work();
        // Scopes are popped in reverse order; the futures are ready at once on native backends.
        let [validation, internal, memory] =
            [validation.pop(), internal.pop(), memory.pop()].map(pollster::block_on);
        // A buffer that there was no memory for makes what uses it invalid, too: that is not the cause.
        if let Some(error) = memory {
            return Err(match self.is_lost() {
                true => self.error(context, error),
                false => Error::OutOfMemory {
                    device: self.inner.info.name.clone(),
                    context: context.to_owned(),
                    needed: None,
                },
            });
        }
        if let Some(error) = validation.or(internal) {
            return Err(self.error(context, error));
        }
        if self.is_lost() {
            return Err(self.error(context, "lost"));
        }
        let uncaptured = self.inner.device_errors.uncaptured.lock();
        match uncaptured.ok().and_then(|mut first| first.take()) {
            Some(message) => Err(self.error(context, message)),
            None => Ok(answer),
        }
    }
}
