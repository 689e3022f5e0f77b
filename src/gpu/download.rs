//! Small downloads from the device to the host: lists of classes and boxes.

use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use wgpu::BufferUsages;

use super::{Gpu, Submission, poll_once};
use crate::error::{Error, Result};
use crate::util::sync::lock_ignoring_poison as lock;

const RECEIVING: &str = "receiving a download";

/// Reusable buffers for downloads of one size.
///
/// ```
/// use shadernet::gpu::{Downloads, Gpu, GpuOptions, adapters};
/// use shadernet::wgpu::{BufferDescriptor, BufferUsages};
///
/// let Some(adapter) = adapters(None).into_iter().next() else { return Ok(()) };
/// let gpu = Gpu::open(&adapter, &GpuOptions::default())?;
/// let list = gpu.device().create_buffer(&BufferDescriptor {
///     label: Some("list"),
///     size: 64,
///     usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
///     mapped_at_creation: false,
/// });
///
/// let downloads = Downloads::new(&gpu, 40);
/// let mut encoder = gpu.device().create_command_encoder(&Default::default());
/// // … dispatches that write the list …
/// let download = downloads.record(&mut encoder, &list, 0)?;
/// gpu.queue().submit([encoder.finish()]);
/// // After the submission: a future, or `wait`.
/// assert_eq!(download.receive()?.wait()?, [0; 40]);
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Downloads {
    gpu: Gpu,
    bytes: u64,
    idle: Arc<Mutex<Vec<wgpu::Buffer>>>,
}

impl Downloads {
    /// Downloads of `bytes` bytes each, a multiple of 4.
    pub fn new(gpu: &Gpu, bytes: u64) -> Self {
        Self {
            gpu: gpu.clone(),
            bytes,
            idle: Arc::default(),
        }
    }

    /// Records a copy of `buffer` from byte `offset` on. The buffer needs the usage `COPY_SRC`.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the range of the buffer cannot be copied; [`Error::Device`],
    /// [`Error::DeviceLost`] and [`Error::OutOfMemory`] where a buffer for it cannot be made.
    pub fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffer: &wgpu::Buffer,
        offset: u64,
    ) -> Result<Download> {
        let range = offset..offset.saturating_add(self.bytes);
        check_copy(buffer, &range)?;
        let idle = lock(&self.idle).pop();
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let make = || self.gpu.buffer("download", self.bytes, usage, false);
        let host = match idle {
            Some(host) => host,
            None => self
                .gpu
                .with_error_scopes("making a buffer for a download", make)?,
        };
        encoder.copy_buffer_to_buffer(buffer, offset, &host, 0, self.bytes);
        Ok(Download {
            downloads: self.clone(),
            host,
        })
    }
}

/// Checks that a range of a buffer can be copied: wgpu would report it only when the host finishes its
/// encoder.
pub(crate) fn check_copy(buffer: &wgpu::Buffer, range: &Range<u64>) -> Result<()> {
    let (size, usage) = (buffer.size(), buffer.usage());
    let reason = if !usage.contains(BufferUsages::COPY_SRC) {
        format!("the usage COPY_SRC was expected, found {usage:?}")
    } else if !range.start.is_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT) {
        let offset = range.start;
        format!("an offset that is a multiple of 4 was expected, found {offset}")
    } else if range.end > size {
        let Range { start, end } = range;
        format!("bytes {start} to {end} were requested, but it has {size}")
    } else if !(range.end - range.start).is_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT) {
        let bytes = range.end - range.start;
        format!("a number of bytes that is a multiple of 4 was expected, found {bytes}")
    } else {
        return Ok(());
    };
    Err(Error::Inputs(format!("a buffer cannot be read: {reason}")))
}

/// A recorded copy, see [`Downloads`].
#[derive(Debug)]
#[must_use = "the copy is received after it was submitted"]
pub struct Download {
    downloads: Downloads,
    host: wgpu::Buffer,
}

impl Download {
    /// Requests the bytes. Call it after submitting the encoder that the copy was recorded in.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] where the device is lost.
    pub fn receive(self) -> Result<Received> {
        let gpu = &self.downloads.gpu;
        let submission = Arc::new(Submission::new(None, 1));
        let mapped = submission.clone();
        gpu.with_error_scopes(RECEIVING, || {
            let mapped = move |result: Result<(), _>| mapped.mapped(result.is_ok());
            self.host.map_async(wgpu::MapMode::Read, .., mapped);
        })?;
        // A lost device fails at once.
        if submission.has_failed() {
            return Err(gpu.error(RECEIVING, "its buffer was not mapped"));
        }
        submission.watch(gpu);
        Ok(Received {
            downloads: self.downloads,
            host: Some(self.host),
            submission,
        })
    }
}

/// A download in progress: a future of its bytes. Any executor can drive it, because a thread of this crate
/// polls the device.
#[derive(Debug)]
#[must_use = "the bytes arrive when it is awaited, or `wait` is called"]
pub struct Received {
    downloads: Downloads,
    /// `None` once it was read: it may be used for another download then.
    host: Option<wgpu::Buffer>,
    submission: Arc<Submission<()>>,
}

impl Received {
    /// Waits for the bytes.
    ///
    /// # Errors
    /// [`Error::Device`] where the device fails, [`Error::DeviceLost`] where it is lost.
    pub fn wait(mut self) -> Result<Vec<u8>> {
        let gpu = self.downloads.gpu.clone();
        let _gl_lock = gpu.gl_lock();
        self.submission.wait(&gpu)?;
        self.read()
    }

    /// The bytes where they have arrived; for hosts that check once per frame. They are returned once.
    ///
    /// # Errors
    /// As [`Self::wait`], and [`Error::Inputs`] where they were already returned.
    pub fn take_if_ready(&mut self) -> Option<Result<Vec<u8>>> {
        poll_once(self)
    }

    fn read(&mut self) -> Result<Vec<u8>> {
        let downloads = &self.downloads;
        let gpu = &downloads.gpu;
        let Some(host) = self.host.take() else {
            return Err(Error::Inputs(
                "the bytes of the download were already taken".to_owned(),
            ));
        };
        if self.submission.has_failed() {
            return Err(gpu.error(RECEIVING, "its buffer was not mapped"));
        }
        let read = || {
            let view = host.get_mapped_range(..downloads.bytes);
            let bytes = view.map(|view| view.to_vec());
            host.unmap();
            bytes.map_err(|error| gpu.error(RECEIVING, error))
        };
        let bytes = gpu.with_error_scopes(RECEIVING, read).flatten()?;
        lock(&downloads.idle).push(host);
        Ok(bytes)
    }
}

impl Future for Received {
    type Output = Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.submission.poll_complete(context) {
            true => {
                let gpu = self.downloads.gpu.clone();
                let _gl_lock = gpu.gl_lock();
                Poll::Ready(self.read())
            }
            false => Poll::Pending,
        }
    }
}
