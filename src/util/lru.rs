//! A least-recently-used cache.

/// Values by key, up to a maximum: the least recently used one is evicted.
#[derive(Debug)]
pub(crate) struct LruCache<K, V> {
    /// The most recently used entry is last. There are few, so that a linear search is cheaper than a map.
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
    /// The value whose key satisfies `matches`. It becomes the most recently used.
    pub fn get(&mut self, matches: impl Fn(&K) -> bool) -> Option<&mut V> {
        let found = self.entries.iter().position(|(key, _)| matches(key))?;
        self.entries[found..].rotate_left(1);
        self.entries.last_mut().map(|(_, value)| value)
    }

    /// Adds a new key, and evicts entries until there are at most `capacity`, or one where that is 0.
    pub fn insert(&mut self, key: K, value: V, capacity: usize) {
        self.entries.push((key, value));
        let surplus = self.entries.len().saturating_sub(capacity.max(1));
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
    fn the_least_recently_used_entry_is_evicted() {
        let mut cache = LruCache::default();
        for key in 0..3 {
            cache.insert(key, 10 * key, 3);
        }
        assert_eq!(cache.get(|&key| key == 0), Some(&mut 0));
        cache.insert(3, 30, 3);
        assert_eq!(cache.len(), 3);
        assert_eq!(cache.get(|&key| key == 1), None);
        for key in [0, 2, 3] {
            assert_eq!(cache.get(|&k| k == key), Some(&mut (10 * key)));
        }
        // The new entry stays, because it is about to be used.
        cache.insert(4, 40, 0);
        assert_eq!(
            (cache.len(), cache.get(|&key| key == 4)),
            (1, Some(&mut 40))
        );
    }
}
