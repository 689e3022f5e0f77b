//! wgpu's pipeline cache in a file: the driver's compiled shaders, for the next process.
//!
//! A driver only gets complete data that this crate wrote for the same adapter and driver: the file begins with
//! a header of our own, and any other file in its place is ignored, logged, and replaced.

#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::output_file::write_with_folder;
use crate::util::fnv::fnv1a64;
use crate::util::sync::lock_ignoring_poison as lock;

/// The first bytes of a file; the digit is the format's version.
const MAGIC: [u8; 8] = *b"SHNPIPE1";
/// The header's length: magic, the length of the identity, that of the data, the checksum of both.
const HEADER: usize = 8 + 4 + 8 + 8;
/// Larger files are neither read nor written: wgpu cannot shrink a cache.
const MAX_BYTES: usize = 64 << 20;

/// A device's pipeline cache and its file.
#[derive(Debug)]
pub(super) struct PipelineFile {
    path: PathBuf,
    /// Adapter, driver and version of this crate: pipelines of others cannot be used.
    identity: String,
    cache: wgpu::PipelineCache,
    /// The checksum of the file's data, where it is usable.
    saved: Mutex<Option<u64>>,
}

impl PipelineFile {
    /// The cache of `device`, loaded from its file in `folder` where there is one; `None` where the backend
    /// or the device does not support pipeline caches.
    pub fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo, folder: &Path) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            // A host may have forgotten to request it, and only Vulkan has it.
            tracing::debug!("pipelines are not cached: the device has no PIPELINE_CACHE");
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
            tracing::warn!("{path}: this pipeline cache is not used, and replaced: {reason}");
            None
        });
        let descriptor = wgpu::PipelineCacheDescriptor {
            label: Some("shadernet"),
            data: data.as_deref(),
            // wgpu and drivers have headers of their own, and start empty where those do not match.
            fallback: true,
        };
        // SAFETY: the data, where there is any, is what `get_data` returned for this adapter, driver and
        // version of wgpu: `decode` has compared the identity and the checksum of the whole.
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

    /// Writes the driver's current data, where it is not in the file yet. Nothing depends on it, so a failure
    /// is only logged.
    pub fn save(&self) {
        let Some(data) = self.cache.get_data() else {
            return;
        };
        let path = self.path.display();
        if data.len() > MAX_BYTES {
            let size = data.len();
            tracing::warn!("{path}: the pipeline cache of {size} bytes is too large to be written");
            return;
        }
        let now = fnv1a64(&data);
        // Held while writing: two threads may have compiled pipelines.
        let mut saved = lock(&self.saved);
        if *saved == Some(now) {
            return;
        }
        match write_with_folder(&self.path, &encode(&self.identity, &data)) {
            Ok(()) => {
                tracing::debug!("{path}: wrote {} bytes of pipelines", data.len());
                *saved = Some(now);
            }
            Err(error) => {
                tracing::warn!("the pipeline cache: {}", error.report());
            }
        }
    }
}

/// The data in the file at `path`; `None` where there is no file.
fn read(path: &Path, identity: &str) -> Result<Option<Vec<u8>>, String> {
    let size = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err("it is not a file".to_owned()),
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let most = MAX_BYTES
        .saturating_add(HEADER)
        .saturating_add(identity.len()) as u64;
    if size > most {
        return Err(format!("{size} bytes are more than this crate writes"));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    decode(identity, &bytes).map(|data| Some(data.to_vec()))
}

fn encode(identity: &str, data: &[u8]) -> Vec<u8> {
    let mut body = identity.as_bytes().to_vec();
    body.extend(data);
    let mut bytes = MAGIC.to_vec();
    #[allow(
        clippy::cast_possible_truncation,
        reason = "names of adapters and drivers are far shorter than 4 GiB"
    )]
    let identity_len = identity.len() as u32;
    bytes.extend(identity_len.to_le_bytes());
    bytes.extend((data.len() as u64).to_le_bytes());
    bytes.extend(fnv1a64(&body).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// The data in a file's `bytes`, where it was written with this identity.
pub(crate) fn decode<'a>(identity: &str, bytes: &'a [u8]) -> Result<&'a [u8], String> {
    let truncated = || format!("it is truncated, at {} bytes", bytes.len());
    let (magic, rest) = bytes.split_first_chunk().ok_or_else(truncated)?;
    if *magic != MAGIC {
        return Err("it is not a pipeline cache of this version's format".to_owned());
    }
    let (identity_len, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
    let (data_len, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
    let (checksum, body) = rest.split_first_chunk().ok_or_else(truncated)?;
    let identity_len = u32::from_le_bytes(*identity_len) as usize;
    let expected = (identity_len as u64).saturating_add(u64::from_le_bytes(*data_len));
    if expected != body.len() as u64 {
        return Err(format!(
            "{} bytes follow its header, which announces {expected}",
            body.len()
        ));
    }
    if fnv1a64(body) != u64::from_le_bytes(*checksum) {
        return Err("its checksum does not match; it is damaged".to_owned());
    }
    let (found, data) = body.split_at_checked(identity_len).ok_or_else(truncated)?;
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

    /// Lengths whose sum wraps around to that of the body, with the body's checksum.
    #[test]
    fn lengths_that_wrap_are_refused() {
        let whole = encode("me", b"pipelines");
        let body = whole.len() as u64 - HEADER as u64;
        for identity_len in [body as u32 + 1, 1 << 31, u32::MAX] {
            let mut bytes = whole.clone();
            bytes[8..12].copy_from_slice(&identity_len.to_le_bytes());
            let data_len = body.wrapping_sub(u64::from(identity_len));
            bytes[12..20].copy_from_slice(&data_len.to_le_bytes());
            let message = decode("me", &bytes).unwrap_err();
            assert!(message.contains("announces"), "{message}");
        }
    }

    #[test]
    fn written_data_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("cache.bin");
        assert_eq!(read(&path, "me"), Ok(None));
        for data in [&b"pipelines"[..], b"", b"others"] {
            write_with_folder(&path, &encode("me", data)).unwrap();
            assert_eq!(read(&path, "me"), Ok(Some(data.to_vec())));
        }
        // No temporary file is left.
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn damaged_files_are_refused() {
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
    fn folders_and_huge_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path(), "me").is_err());
        let path = folder.path().join("cache.bin");
        let file = fs::File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        assert!(
            read(&path, "me")
                .unwrap_err()
                .contains("more than this crate")
        );
    }
}
