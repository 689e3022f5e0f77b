//! A hash that is the same everywhere and always.

/// The FNV-1a hash (Fowler, Noll and Vo) of 64 bits: to tell names apart, and against damage, not
/// against malice.
pub(crate) fn fnv1a64(bytes: impl AsRef<[u8]>) -> u64 {
    (bytes.as_ref().iter()).fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
