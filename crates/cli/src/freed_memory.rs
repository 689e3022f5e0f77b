//! What the allocator does with memory that is freed.

/// Keeps freed memory for the next image, up to 256 MiB, rather than returning it to the system at once.
///
/// The values of a network on the CPU are allocated and freed for every image. glibc maps each large one anew, whose
/// pages the system clears: `classify --backend cpu` of many photographs took 1.2 times as long.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // The most that glibc allows.
        const LARGEST_IN_HEAP: libc::c_int = 32 << 20;
        const KEPT: libc::c_int = 256 << 20;
        // SAFETY: it changes settings of the allocator, and no other thread runs yet. A value that it refuses leaves
        // the setting as it is.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_IN_HEAP);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
    }
}
