//! Errors that a device reports, and the loss of a device.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use super::Gpu;
use crate::error::{BoxError, Error, Result};
use crate::util::sync::lock_ignoring_poison as lock;

/// What is known of a device's errors.
#[derive(Debug, Default)]
pub(super) struct DeviceErrors {
    /// Why the device was lost, once the loss is known.
    lost: Arc<OnceLock<String>>,
    /// The first error that no scope caught. Only recorded for devices that this crate opened.
    uncaptured: Arc<Mutex<Option<wgpu::Error>>>,
    /// Whether this crate has the device's one device-lost callback, as on devices that it opened. On a
    /// host's device, the callback is the host's.
    has_callback: bool,
    /// Counts probes, for tests.
    #[cfg(test)]
    pub(super) probes: std::sync::atomic::AtomicUsize,
}

impl DeviceErrors {
    /// Registers the callbacks of a device that this crate opened. Those of a host's device are the host's.
    pub fn with_callbacks(device: &wgpu::Device) -> Self {
        let errors = Self {
            has_callback: true,
            ..Self::default()
        };
        let uncaptured = errors.uncaptured.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            tracing::error!("{error}");
            lock(&uncaptured).get_or_insert(error);
        }));
        let lost = errors.lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            // The first reason counts.
            let _ = lost.set(format!("{reason:?} {message}").trim_end().to_owned());
        });
        errors
    }

    /// Whether the device is known to be lost, without asking it.
    fn is_known_lost(&self) -> bool {
        self.lost.get().is_some()
    }

    /// Asks `device` whether it is lost. Calls on a lost device succeed and do nothing, and wgpu reports the
    /// loss to a single callback, which may be the host's, and which for a destroyed device is called only
    /// when the device is polled. But an invalid call raises an error on a device that is not lost, and only
    /// there.
    fn probe(&self, device: &wgpu::Device) -> bool {
        if self.is_known_lost() {
            return true;
        }
        #[cfg(test)]
        (self.probes).fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let _ = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4,
            // Invalid: a buffer needs a usage.
            usage: wgpu::BufferUsages::empty(),
            mapped_at_creation: false,
        });
        let is_lost = pop(scope).is_none();
        if is_lost {
            // Unless the callback has set a better reason in the meantime.
            let _ = self.lost.set("destroyed or reset".to_owned());
        }
        is_lost
    }
}

/// The error that an error scope caught.
///
/// The only place where this crate blocks on error scopes. On native backends the future is ready at once. In a
/// browser it is not, and blocking is impossible: there, [`Gpu::with_error_scopes`] has to become async or
/// check the scopes later.
fn pop(scope: wgpu::ErrorScopeGuard) -> Option<wgpu::Error> {
    pollster::block_on(scope.pop())
}

impl Gpu {
    /// Whether only one thread at a time may use the device: OpenGL has one context per device, and wgpu
    /// panics in a thread that waits for it for some seconds, as happens during a long pass.
    pub(crate) fn needs_serialized_access(&self) -> bool {
        self.inner.info.backend == wgpu::Backend::Gl
    }

    /// Held while the device is used for long where access must be serialized, so that other threads wait
    /// instead of panicking. Not reentrant.
    pub(crate) fn gl_lock(&self) -> Option<MutexGuard<'_, ()>> {
        self.needs_serialized_access()
            .then(|| lock(&self.inner.gl_mutex))
    }

    /// An error of this device while doing `context`: [`Error::DeviceLost`] where the device is lost, else
    /// [`Error::Device`] caused by `source`. Asks the device, so call it only when something failed.
    #[doc(hidden)]
    pub fn error(&self, context: &str, source: impl Into<BoxError>) -> Error {
        let device = self.inner.info.name.clone();
        let context = context.to_owned();
        if self.is_lost() {
            let reason = self.inner.device_errors.lost.get();
            return Error::DeviceLost {
                device,
                context,
                reason: reason.cloned().unwrap_or_default(),
            };
        }
        Error::Device {
            device,
            context,
            source: source.into(),
        }
    }

    /// Whether the device is lost: destroyed, reset by its driver, or unplugged. Its resources are gone;
    /// [`Session::restore`](crate::session::Session::restore) moves a session to another device.
    ///
    /// Unless the loss is already known, this makes a wgpu call: call it once per frame, not once per
    /// dispatch.
    pub fn is_lost(&self) -> bool {
        self.inner.device_errors.probe(&self.inner.device)
    }

    /// Fails where the device is already known to be lost. Costs nothing.
    pub(crate) fn check_known_lost(&self, context: &str) -> Result<()> {
        match self.inner.device_errors.is_known_lost() {
            true => Err(self.error(context, "lost")),
            false => Ok(()),
        }
    }

    /// Fails where the device is lost. For calls whose results do not show it: making resources, and
    /// recording into a host's encoder. A run needs no check, because mapping its outputs fails.
    ///
    /// The device-lost callback reports the loss of a device that this crate opened; a host's device is
    /// asked.
    pub(crate) fn check_lost(&self, context: &str) -> Result<()> {
        if !self.inner.device_errors.has_callback {
            // Notes the loss.
            self.is_lost();
        }
        self.check_known_lost(context)
    }

    /// Runs `work`, and returns an error for anything that the device refused meanwhile. Does not notice that
    /// the device is lost, see [`Self::is_lost`].
    #[doc(hidden)]
    pub fn with_error_scopes<T>(&self, context: &str, work: impl FnOnce() -> T) -> Result<T> {
        let device = &self.inner.device;
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let output = work();
        // Scopes are popped in reverse order.
        let [validation, internal, memory] = [validation, internal, memory].map(pop);
        // Out of memory comes first: the missing buffer makes the calls that use it invalid as well.
        if let Some(error) = memory {
            return Err(match self.error(context, error) {
                Error::Device {
                    device, context, ..
                } => Error::OutOfMemory {
                    device,
                    context,
                    needed: None,
                },
                lost => lost,
            });
        }
        if let Some(error) = validation.or(internal) {
            return Err(self.error(context, error));
        }
        self.check_known_lost(context)?;
        let uncaptured = lock(&self.inner.device_errors.uncaptured).take();
        match uncaptured {
            Some(error) => Err(self.error(context, error)),
            None => Ok(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use crate::device::Device;
    use crate::gpu::{Gpu, adapters};
    use crate::graph::{Conv2d, GraphBuilder};
    use crate::session::{Session, SessionInput, SessionOptions};
    use crate::tensor::Shape;
    use crate::weights::Weights;
    use crate::weights::generate::generated_input;

    fn probes(gpu: &Gpu) -> usize {
        (gpu.inner.device_errors.probes).load(Ordering::Relaxed)
    }

    #[test]
    fn runs_do_not_ask_whether_the_device_is_lost() {
        let Some(adapter) = adapters(None).into_iter().next() else {
            return;
        };
        let open = adapter.request_device(&Default::default());
        let (device, queue) = pollster::block_on(open).unwrap();
        let host = Gpu::from_wgpu(&adapter, device, queue);
        let ours = Gpu::open(&adapter, &Default::default()).unwrap();
        let mut b = GraphBuilder::new("conv");
        let x = b.image_input("input", 3);
        let y = b.conv2d("conv", x, Conv2d::new(3, 4, 3).padding(1));
        b.output(y);
        let graph = b.build().unwrap();
        let shapes = [Shape::from([1, 3, 8, 8])];
        let inputs = [generated_input(shapes[0].clone())];
        // The host's callbacks are not ours: recording asks the device once.
        for (gpu, per_recording) in [(&host, 1), (&ours, 0)] {
            let weights = Weights::generated(&graph, 1.0);
            let device = Device::from(gpu.clone());
            let options = SessionOptions::default();
            let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
            let prepared = probes(gpu);
            for _ in 0..3 {
                session.run(&inputs).unwrap();
                session.run_async(&inputs).unwrap().wait().unwrap();
            }
            assert_eq!(probes(gpu), prepared);
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            let input = SessionInput::Tensor(&inputs[0]);
            session.encode(&mut encoder, &[input]).unwrap();
            assert_eq!(probes(gpu), prepared + per_recording);
        }
    }
}
