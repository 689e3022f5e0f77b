//! Small helpers: reading of files, memory, hashes, caches, locks and suggestions for unknown names.

pub(crate) mod did_you_mean;
pub(crate) mod fnv;
pub(crate) mod lru;
pub(crate) mod memory;
pub(crate) mod read;
pub(crate) mod sync;
pub(crate) mod text;
