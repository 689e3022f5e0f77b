//! Small helpers: reading of files, hashes, caches, locks and suggestions for unknown names.

pub(crate) mod did_you_mean;
pub(crate) mod fnv;
pub(crate) mod lru;
pub(crate) mod read;
pub(crate) mod sync;
