//! Decodes images on other threads, ahead of the network.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use shadernet::Result;
use shadernet::vision::EncodedImage;

use super::Failure;
use super::image_id::ImageId;
use super::image_paths::{ImageSource, STANDARD_INPUT};

/// The most bytes of memory that images take while they are decoded or wait for the network. One image that
/// needs more is decoded alone.
const MAX_BYTES: u64 = 1 << 30;

type Sources = Box<dyn Iterator<Item = Result<ImageSource>> + Send>;

/// Calls `decode` for the images of `sources` on other threads, and `run` with the results in the order of
/// `sources`. At most `ahead` images are decoded ahead of `run`, and no more than fit into [`MAX_BYTES`].
pub fn decode_ahead<T: Send + 'static>(
    sources: Sources,
    ahead: usize,
    decode: impl Fn(&EncodedImage) -> Result<T> + Send + Sync + 'static,
    run: impl FnOnce(Decoded<T>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    run(decode_within(MAX_BYTES, sources, ahead, decode))
}

fn decode_within<T: Send + 'static>(
    max_bytes: u64,
    sources: Sources,
    ahead: usize,
    decode: impl Fn(&EncodedImage) -> Result<T> + Send + Sync + 'static,
) -> Decoded<T> {
    let (sender, images) = sync_channel(ahead);
    let decode = Arc::new(decode);
    let memory = Arc::new(Memory {
        max_bytes,
        used: Mutex::new(0),
        is_freed: Condvar::new(),
    });
    // This thread is not joined: it may wait for a standard input that does not end.
    thread::spawn(move || {
        for source in sources {
            let (id, image) = match source {
                Ok(ImageSource::File(path)) => {
                    let image = EncodedImage::open(&path);
                    (ImageId::file(path), image)
                }
                Ok(ImageSource::Bytes(bytes)) => (
                    ImageId::file(STANDARD_INPUT),
                    EncodedImage::new("standard input", bytes),
                ),
                Ok(ImageSource::Frame(id, bytes)) => {
                    let image = bytes.and_then(|bytes| EncodedImage::new(id.path(), bytes));
                    (id, image)
                }
                Ok(ImageSource::Unusable(path, error)) => (ImageId::file(path), Err(error)),
                Err(error) => (ImageId::file(STANDARD_INPUT), Err(error)),
            };
            let (done, result) = sync_channel(1);
            // In order, so that an image that waits for memory is never overtaken, and `run` frees it.
            match image {
                Ok(image) => start(image, &memory, &decode, done),
                Err(error) => done.send(Finished::failed(error)).unwrap_or_default(),
            }
            if sender.send((id, result)).is_err() {
                return;
            }
        }
    });
    Decoded {
        images,
        next: None,
        decoding: Duration::ZERO,
    }
}

/// Decodes `image` on the thread pool once there is memory for it.
fn start<T: Send + 'static>(
    image: EncodedImage<'static>,
    memory: &Arc<Memory>,
    decode: &Arc<impl Fn(&EncodedImage) -> Result<T> + Send + Sync + 'static>,
    done: SyncSender<Finished<T>>,
) {
    let share = Memory::take(memory, image.decoding_bytes());
    let decode = Arc::clone(decode);
    rayon::spawn(move || {
        let start = Instant::now();
        let image = catch_unwind(AssertUnwindSafe(|| decode(&image)));
        // No one waits for it once `run` has failed.
        let _ = done.send(Finished {
            image,
            decoding: start.elapsed(),
            _share: Some(share),
        });
    });
}

/// The images, decoded, or why they could not be decoded.
pub struct Decoded<T> {
    images: Receiver<Decoding<T>>,
    /// The next image, where [`Self::next_if_ready`] found that it is still being decoded.
    next: Option<Decoding<T>>,
    decoding: Duration,
}

/// An image that is being decoded.
type Decoding<T> = (ImageId, Receiver<Finished<T>>);

impl<T> Decoded<T> {
    /// The next image. `Err` where it is still being decoded, or where there is none yet.
    pub fn next_if_ready(&mut self) -> Result<Option<(ImageId, Result<T>)>, NotReady> {
        let next = match self.next.take() {
            Some(next) => next,
            None => match self.images.try_recv() {
                Ok(next) => next,
                Err(TryRecvError::Empty) => return Err(NotReady),
                Err(TryRecvError::Disconnected) => return Ok(None),
            },
        };
        match next.1.try_recv() {
            Ok(finished) => Ok(Some(self.finished(next.0, finished))),
            Err(TryRecvError::Empty) => {
                self.next = Some(next);
                Err(NotReady)
            }
            // The sender is dropped without a result only with the whole thread pool.
            Err(TryRecvError::Disconnected) => Ok(None),
        }
    }

    /// How long threads have decoded the images so far, all together.
    pub fn decoding(&self) -> Duration {
        self.decoding
    }

    fn finished(&mut self, id: ImageId, finished: Finished<T>) -> (ImageId, Result<T>) {
        self.decoding += finished.decoding;
        match finished.image {
            Ok(image) => (id, image),
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// Why there is no next image, although others may follow.
pub struct NotReady;

impl<T> Iterator for Decoded<T> {
    type Item = (ImageId, Result<T>);

    /// Waits for the next image.
    fn next(&mut self) -> Option<Self::Item> {
        let (id, result) = match self.next.take() {
            Some(next) => next,
            None => self.images.recv().ok()?,
        };
        // The sender is dropped without a result only with the whole thread pool.
        let finished = result.recv().ok()?;
        Some(self.finished(id, finished))
    }
}

/// A decoded image, and its share of the memory until `run` takes it.
struct Finished<T> {
    image: thread::Result<Result<T>>,
    decoding: Duration,
    _share: Option<Share>,
}

impl<T> Finished<T> {
    fn failed(error: shadernet::Error) -> Self {
        Self {
            image: Ok(Err(error)),
            decoding: Duration::ZERO,
            _share: None,
        }
    }
}

/// Counts the bytes of the images that are decoded or wait.
struct Memory {
    max_bytes: u64,
    used: Mutex<u64>,
    is_freed: Condvar,
}

/// Bytes of a [`Memory`], given back when dropped.
struct Share {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Memory {
    /// Waits until `bytes` are free, or all are.
    fn take(this: &Arc<Self>, bytes: u64) -> Share {
        let bytes = bytes.min(this.max_bytes);
        let used = this.used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |used: &mut u64| *used + bytes > this.max_bytes;
        let waited = this.is_freed.wait_while(used, is_full);
        *waited.unwrap_or_else(PoisonError::into_inner) += bytes;
        Share {
            memory: Arc::clone(this),
            bytes,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let used = self.memory.used.lock();
        *used.unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.memory.is_freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn images_that_are_decoded_at_once_fit_into_the_memory() {
        let folder = tempfile::tempdir().unwrap();
        // A small file of many pixels each, and one that is more than all the memory.
        let names: Vec<PathBuf> = (0..24)
            .map(|i| {
                let path = folder.path().join(format!("{i}.pgm"));
                let side = if i == 7 { 400 } else { 100 + i };
                let header = format!("P5 {side} {side} 255\n");
                fs::write(&path, [header.as_bytes(), &vec![7; side * side]].concat()).unwrap();
                path
            })
            .collect();
        let most = 3 * EncodedImage::open(&names[0]).unwrap().decoding_bytes();
        let (used, peak) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let listed = names.clone().into_iter();
        let listed = listed.map(|path| Ok(ImageSource::File(path)));
        let decode = {
            let (used, peak) = (used.clone(), peak.clone());
            move |image: &EncodedImage| {
                let bytes = image.decoding_bytes().min(most);
                peak.fetch_max(
                    used.fetch_add(bytes, Ordering::SeqCst) + bytes,
                    Ordering::SeqCst,
                );
                thread::sleep(std::time::Duration::from_millis(5));
                let pixels = image.decode()?;
                used.fetch_sub(bytes, Ordering::SeqCst);
                Ok(pixels.width())
            }
        };
        let decoded = decode_within(most, Box::new(listed), 24, decode);
        let widths: Vec<(PathBuf, u32)> = decoded
            .map(|(id, image)| (id.path().into_owned(), image.unwrap()))
            .collect();
        let expected = |i: usize| if i == 7 { 400 } else { 100 + i as u32 };
        let expected: Vec<(PathBuf, u32)> = names
            .into_iter()
            .enumerate()
            .map(|(i, path)| (path, expected(i)))
            .collect();
        assert_eq!(widths, expected);
        assert!(peak.load(Ordering::SeqCst) <= most);
    }
}
