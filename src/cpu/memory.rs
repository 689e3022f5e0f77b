//! Aligned memory, on large pages where the system has them.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use memmap2::MmapMut;

/// Bytes of a cache line, and of the widest vectors.
const ALIGNMENT: usize = 64;

/// Bytes of a large page of x86 and of most ARM systems. A pass over AlexNet's weights, 240 MB, takes three quarters of
/// the time on them, since addresses are translated 512 times less often.
const LARGE_PAGE: usize = 2 << 20;

/// Floats on whole cache lines, zeros at first. Where they are many, pages that are never touched take no memory.
#[derive(Debug)]
pub(super) struct Floats {
    first: NonNull<f32>,
    len: usize,
    /// What the floats are in, where they are in pages of their own.
    pages: Option<MmapMut>,
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
                pages: None,
            };
        }
        let layout = Self::layout(len);
        if let Some((pages, first)) = map_pages(layout.size()) {
            return Self {
                first,
                len,
                pages: Some(pages),
            };
        }
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(layout) };
        match NonNull::new(memory.cast()) {
            Some(first) => Self {
                first,
                len,
                pages: None,
            },
            None => handle_alloc_error(layout),
        }
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

/// Pages of their own for `bytes` that fill a large page, and the first float there, at the beginning of one. `None`
/// where they are fewer, or the system refuses: the allocator says it then.
fn map_pages(bytes: usize) -> Option<(MmapMut, NonNull<f32>)> {
    if bytes < LARGE_PAGE {
        return None;
    }
    let mut pages = MmapMut::map_anon(bytes.checked_add(LARGE_PAGE)?).ok()?;
    let skipped = pages.as_ptr().align_offset(LARGE_PAGE);
    // The rest stays on small pages, which are resident only where they are used. The system may have no large pages:
    // small ones are slower, not wrong.
    #[cfg(target_os = "linux")]
    let _ = pages.advise_range(
        memmap2::Advice::HugePage,
        skipped,
        bytes / LARGE_PAGE * LARGE_PAGE,
    );
    let first = NonNull::new(pages.get_mut(skipped..)?.as_mut_ptr().cast())?;
    Some((pages, first))
}

impl Drop for Floats {
    fn drop(&mut self) {
        if self.len > 0 && self.pages.is_none() {
            // SAFETY: allocated with the same layout.
            unsafe { dealloc(self.first.as_ptr().cast(), Self::layout(self.len)) };
        }
    }
}
