//! Lifetimes coloured onto few buffers. Several buffers rather than one arena: WebGPU forbids one
//! buffer to be read and written in the same dispatch, even in disjoint ranges.

/// Buffers that values take turns in.
#[derive(Debug, Default)]
pub(super) struct Slots {
    sizes: Vec<u64>,
    free: Vec<usize>,
}

impl Slots {
    /// A free slot of at least `bytes`: the smallest that is large enough, else the largest, made
    /// larger, else a new one.
    pub fn take(&mut self, bytes: u64) -> usize {
        let sizes = &self.sizes;
        let fits = (0..self.free.len())
            .filter(|&i| sizes[self.free[i]] >= bytes)
            .min_by_key(|&i| sizes[self.free[i]]);
        let largest = (0..self.free.len()).max_by_key(|&i| sizes[self.free[i]]);
        match fits.or(largest) {
            Some(i) => {
                let slot = self.free.swap_remove(i);
                self.sizes[slot] = self.sizes[slot].max(bytes);
                slot
            }
            None => {
                self.sizes.push(bytes);
                self.sizes.len() - 1
            }
        }
    }

    /// The value in `slot` is read no more.
    pub fn give_back(&mut self, slot: usize) {
        debug_assert!(!self.free.contains(&slot));
        self.free.push(slot);
    }

    /// Bytes of every slot.
    pub fn into_sizes(self) -> Vec<u64> {
        self.sizes
    }
}
