//! A stable hash: the same on all platforms and in all versions.

/// The 64-bit FNV-1a hash (Fowler, Noll and Vo). Detects different names and damaged data, but does not protect
/// against deliberate collisions.
pub(crate) fn fnv1a64(bytes: impl AsRef<[u8]>) -> u64 {
    (bytes.as_ref().iter()).fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
