//! A cache of what was used last.

/// Values by key, at most as many as there is room for: the one that was not used for longest gives way.
#[derive(Debug)]
pub(crate) struct LruCache<K, V> {
    /// The one used last comes last. Few, so that looking through them is cheaper than a map.
    entries: Vec<(K, V)>,
}

impl<K, V> Default for LruCache<K, V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<K, V> LruCache<K, V> {
    /// The value whose key `is` the wanted one, which is then the one used last.
    pub fn get(&mut self, is: impl Fn(&K) -> bool) -> Option<&mut V> {
        let found = self.entries.iter().position(|(key, _)| is(key))?;
        self.entries[found..].rotate_left(1);
        self.entries.last_mut().map(|(_, value)| value)
    }

    /// Keeps what was not there; no more than `room` are kept.
    pub fn insert(&mut self, key: K, value: V, room: usize) {
        self.entries.push((key, value));
        let surplus = self.entries.len().saturating_sub(room.max(1));
        self.entries.drain(..surplus);
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_gives_way() {
        let mut recent = LruCache::default();
        for key in 0..3 {
            recent.insert(key, 10 * key, 3);
        }
        assert_eq!(recent.get(|&key| key == 0), Some(&mut 0));
        recent.insert(3, 30, 3);
        assert_eq!(recent.len(), 3);
        assert_eq!(recent.get(|&key| key == 1), None);
        for key in [0, 2, 3] {
            assert_eq!(recent.get(|&k| k == key), Some(&mut (10 * key)));
        }
        // Never none: the one that was just made is about to be used.
        recent.insert(4, 40, 0);
        assert_eq!(
            (recent.len(), recent.get(|&key| key == 4)),
            (1, Some(&mut 40))
        );
    }
}
