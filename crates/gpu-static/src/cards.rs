//! GPUs for which times are predicted.

/// A GPU: published numbers.
#[derive(Debug)]
pub struct Card {
    /// What it is sold as.
    pub name: &'static str,
    /// The family that it is compiled for.
    pub family: &'static str,
    /// Compute units, each of two SIMDs.
    pub compute_units: u64,
    /// The clock under load, in GHz.
    pub gigahertz: f64,
    /// Bandwidth of its memory in GB/s.
    pub bandwidth: f64,
    /// Bytes of the cache before its memory (AMD's Infinity Cache); 0 without.
    pub cache_bytes: u64,
    /// Bandwidth of that cache in GB/s.
    pub cache_bandwidth: f64,
}

/// Three of AMD's: a large and a small discrete one, and one that shares the CPU's memory. The 890M's family is compiled
/// as RDNA3: its own differs in instructions that these shaders do not have.
pub const CARDS: [Card; 3] = [
    Card {
        name: "RX 7900 XT",
        family: "navi31",
        compute_units: 84,
        gigahertz: 2.4,
        bandwidth: 800.0,
        cache_bytes: 80 << 20,
        cache_bandwidth: 2900.0,
    },
    Card {
        name: "RX 6800",
        family: "navi21",
        compute_units: 60,
        gigahertz: 2.105,
        bandwidth: 512.0,
        cache_bytes: 128 << 20,
        cache_bandwidth: 2000.0,
    },
    Card {
        name: "Radeon 890M",
        family: "navi31",
        compute_units: 16,
        gigahertz: 2.9,
        bandwidth: 120.0,
        cache_bytes: 0,
        cache_bandwidth: f64::INFINITY,
    },
];
