//! The few things used last.

use crate::error::Result;

/// As many as a host plausibly takes in turns: the textures of a swapchain, say.
const KEPT: usize = 4;

/// Values by key, those that were asked for last.
pub(super) struct Recent<K, V> {
    /// The last used is last.
    entries: Vec<(K, V)>,
    kept: usize,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self::of(1)
    }
}

impl<K, V> Recent<K, V> {
    /// For what is asked for `each` times a run.
    pub fn of(each: usize) -> Self {
        Self {
            entries: Vec::new(),
            kept: KEPT * each.max(1),
        }
    }
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    /// The value of `key`, made where it is not there.
    pub fn get(&mut self, key: K, make: impl FnOnce(&K) -> Result<V>) -> Result<V> {
        let entry = match self.entries.iter().position(|(known, _)| *known == key) {
            Some(i) => self.entries.remove(i),
            None => {
                let value = make(&key)?;
                if self.entries.len() == self.kept {
                    self.entries.remove(0);
                }
                (key, value)
            }
        };
        let value = entry.1.clone();
        self.entries.push(entry);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_used_are_kept() {
        let mut made = Vec::new();
        let mut recent = Recent::default();
        for key in [1, 2, 3, 4, 1, 5, 1, 2] {
            let value = recent.get(key, |&key| {
                made.push(key);
                Ok(10 * key)
            });
            assert_eq!(value.unwrap(), 10 * key);
        }
        assert_eq!(made, [1, 2, 3, 4, 5, 2]);
        assert!(
            recent
                .get(9, |_| Err(crate::Error::Inputs(String::new())))
                .is_err()
        );
        assert_eq!(recent.entries.len(), KEPT);
    }
}
