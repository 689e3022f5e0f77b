//! Aligned memory.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Bytes of a cache line, and of the widest vectors.
const ALIGNMENT: usize = 64;

/// Floats on whole cache lines, zeros at first. Pages that are never written take no memory.
#[derive(Debug)]
pub(super) struct Floats {
    first: NonNull<f32>,
    len: usize,
}

// SAFETY: it owns its memory, as `Vec` does.
unsafe impl Send for Floats {}
// SAFETY: shared references only read.
unsafe impl Sync for Floats {}

impl Floats {
    pub fn zeros(len: usize) -> Self {
        if len == 0 {
            return Self {
                first: NonNull::dangling(),
                len,
            };
        }
        let layout = Self::layout(len);
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(layout) };
        match NonNull::new(memory.cast()) {
            Some(first) => Self { first, len },
            None => handle_alloc_error(layout),
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn bytes(&self) -> u64 {
        self.len as u64 * 4
    }

    pub fn as_ptr(&self) -> *const f32 {
        self.first.as_ptr()
    }

    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.first.as_ptr()
    }

    pub fn as_slice(&self) -> &[f32] {
        // SAFETY: that many floats were allocated, and zeros are floats.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: that many floats were allocated, and zeros are floats.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }

    fn layout(len: usize) -> Layout {
        let bytes = len
            .saturating_mul(size_of::<f32>())
            .min(isize::MAX as usize - ALIGNMENT);
        // SAFETY: the alignment is a power of two, and the size is below `isize::MAX` when rounded up.
        unsafe { Layout::from_size_align_unchecked(bytes, ALIGNMENT) }
    }
}

impl Drop for Floats {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: allocated with the same layout.
            unsafe { dealloc(self.first.as_ptr().cast(), Self::layout(self.len)) };
        }
    }
}
