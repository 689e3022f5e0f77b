//! wgpu's pipeline cache in a file: what a driver made of the shaders, for the next process.
//!
//! A driver is handed only bytes that this crate wrote for the same adapter and driver, whole: the
//! file begins with a header of our own, and anything else in its place is passed over, told of in
//! the log, and written anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::util::atomic_file::replace;
use crate::util::fnv::fnv1a64;
use crate::util::sync::lock_ignoring_poison as lock;

/// What a file begins with; the digit is the form's version.
const MAGIC: [u8; 8] = *b"SHNPIPE1";
/// Magic, the length of the identity, that of the data, the checksum of both.
const HEADER: usize = 8 + 4 + 8 + 8;
/// No file beyond this is read or written: wgpu cannot make a cache smaller again.
const LARGEST: usize = 64 << 20;

/// A device's pipeline cache, and where it is kept.
#[derive(Debug)]
pub(super) struct PipelineFile {
    path: PathBuf,
    /// Adapter, driver and version of this crate: pipelines of another are of no use.
    identity: String,
    cache: wgpu::PipelineCache,
    /// The checksum of what the file holds, where it can be used.
    saved: Mutex<Option<u64>>,
}

impl PipelineFile {
    /// The cache of `device` in `folder`, filled from its file where there is one; `None` where the
    /// backend or the device knows no such cache.
    pub fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo, folder: &Path) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            // Which a host may have forgotten, and backends but Vulkan do not have.
            tracing::debug!("no pipelines are kept: the device has no PIPELINE_CACHE");
            return None;
        }
        let key = wgpu::util::pipeline_cache_key(info)?;
        let path = folder.join(format!("{key}.bin"));
        let identity = format!(
            "{} {} {} shadernet {}",
            info.name,
            info.driver,
            info.driver_info,
            env!("CARGO_PKG_VERSION")
        );
        let data = read(&path, &identity).unwrap_or_else(|reason| {
            let path = path.display();
            tracing::warn!("{path}: this pipeline cache is not used, but made anew: {reason}");
            None
        });
        let descriptor = wgpu::PipelineCacheDescriptor {
            label: Some("shadernet"),
            data: data.as_deref(),
            // wgpu has a header too, and drivers theirs; what they do not take, they leave.
            fallback: true,
        };
        // SAFETY: the data is what `get_data` answered for this adapter, driver and version of
        // wgpu, or nothing: `decode` has compared the identity and the checksum of the whole.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(Self {
            saved: Mutex::new(data.as_deref().map(fnv1a64)),
            path,
            identity,
            cache,
        })
    }

    /// For `ComputePipelineDescriptor::cache`.
    pub fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Writes what the driver has by now, where that is not in the file yet. Nothing depends on it,
    /// so that a failure is told of in the log only.
    pub fn save(&self) {
        let Some(data) = self.cache.get_data() else {
            return;
        };
        let path = self.path.display();
        if data.len() > LARGEST {
            let size = data.len();
            tracing::warn!("{path}: the pipeline cache of {size} bytes is too large to be kept");
            return;
        }
        let now = fnv1a64(&data);
        // Held while writing: two threads may have made pipelines.
        let mut saved = lock(&self.saved);
        if *saved == Some(now) {
            return;
        }
        match replace(&self.path, &encode(&self.identity, &data)) {
            Ok(()) => {
                tracing::debug!("{path}: {} bytes of pipelines are kept", data.len());
                *saved = Some(now);
            }
            Err(error) => {
                tracing::warn!("{path}: the pipeline cache cannot be kept: {error}");
            }
        }
    }
}

/// The data in the file at `path`; none where there is no file.
fn read(path: &Path, identity: &str) -> Result<Option<Vec<u8>>, String> {
    let size = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err("it is no file".to_owned()),
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if size > (LARGEST + HEADER + identity.len()) as u64 {
        return Err(format!("{size} bytes are more than any that was written"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    decode(identity, &bytes).map(|data| Some(data.to_vec()))
}

fn encode(identity: &str, data: &[u8]) -> Vec<u8> {
    let mut body = identity.as_bytes().to_vec();
    body.extend(data);
    let mut bytes = MAGIC.to_vec();
    bytes.extend((identity.len() as u32).to_le_bytes());
    bytes.extend((data.len() as u64).to_le_bytes());
    bytes.extend(fnv1a64(&body).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// The data of a file's `bytes`, where it was written under this identity.
fn decode<'a>(identity: &str, bytes: &'a [u8]) -> Result<&'a [u8], String> {
    let short = || format!("it is cut short, at {} bytes", bytes.len());
    let (magic, rest) = bytes.split_first_chunk().ok_or_else(short)?;
    if *magic != MAGIC {
        return Err("it is no pipeline cache of this version's form".to_owned());
    }
    let (named, rest) = rest.split_first_chunk().ok_or_else(short)?;
    let (held, rest) = rest.split_first_chunk().ok_or_else(short)?;
    let (sum, body) = rest.split_first_chunk().ok_or_else(short)?;
    let named = u32::from_le_bytes(*named) as usize;
    let held = u64::from_le_bytes(*held);
    if named as u64 + held != body.len() as u64 {
        return Err(format!(
            "{} bytes follow its header, which announces {}",
            body.len(),
            (named as u64).saturating_add(held)
        ));
    }
    if fnv1a64(body) != u64::from_le_bytes(*sum) {
        return Err("its checksum does not fit; it is damaged".to_owned());
    }
    // `named` is no more than the body's length, seen above.
    let (found, data) = body.split_at(named);
    if found != identity.as_bytes() {
        return Err(format!(
            "it is of {}, not of {identity}",
            String::from_utf8_lossy(found)
        ));
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("cache.bin");
        assert_eq!(read(&path, "me"), Ok(None));
        for data in [&b"pipelines"[..], b"", b"others"] {
            replace(&path, &encode("me", data)).unwrap();
            assert_eq!(read(&path, "me"), Ok(Some(data.to_vec())));
        }
        // Nothing is left beside it.
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn no_file_that_is_damaged_is_read() {
        let whole = encode("me", b"pipelines");
        assert_eq!(decode("me", &whole), Ok(&b"pipelines"[..]));
        for len in 0..whole.len() {
            assert!(decode("me", &whole[..len]).is_err(), "{len}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x80;
            assert!(decode("me", &damaged).is_err(), "{at}");
        }
        let longer = [&whole[..], b"x"].concat();
        assert!(decode("me", &longer).unwrap_err().contains("announces"));
        let foreign = decode("you", &whole).unwrap_err();
        assert!(foreign.contains("of me, not of you"), "{foreign}");
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path(), "me").is_err());
        let path = folder.path().join("cache.bin");
        let file = fs::File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        assert!(read(&path, "me").unwrap_err().contains("more than any"));
    }
}
