use crate::error::{Error, Result};
use crate::vision::mask_color;

/// A color for each of up to 256 classes: red, green, blue and alpha, written to the texture unchanged. Hosts
/// that blend premultiplied colors use premultiplied ones here.
///
/// ```
/// use shadernet::postprocess::ColorTable;
///
/// // PASCAL VOC's colors at half opacity, with people in red.
/// let mut colors = ColorTable::pascal_voc(128);
/// colors.set(15, [255, 0, 0, 128]);
/// assert_eq!(colors.get(0), [0, 0, 0, 0]);
/// assert_eq!(colors.get(1), [128, 0, 0, 128]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColorTable {
    colors: Box<[[u8; 4]; 256]>,
}

impl Default for ColorTable {
    /// [`Self::pascal_voc`], opaque.
    fn default() -> Self {
        Self::pascal_voc(255)
    }
}

impl ColorTable {
    /// `colors[i]` for class `i`; classes beyond the last are transparent.
    ///
    /// # Errors
    /// [`Error::Inputs`] where there are more than 256.
    pub fn new(colors: &[[u8; 4]]) -> Result<Self> {
        let mut table = Self {
            colors: Box::new([[0; 4]; 256]),
        };
        let Some(first) = table.colors.get_mut(..colors.len()) else {
            return Err(Error::Inputs(format!(
                "up to 256 colors were expected, found {}",
                colors.len()
            )));
        };
        first.copy_from_slice(colors);
        Ok(table)
    }

    /// PASCAL VOC's colors ([`mask_color`]) with this alpha, not premultiplied; class 0, the
    /// background, is transparent.
    pub fn pascal_voc(alpha: u8) -> Self {
        let mut colors = Box::new([[0; 4]; 256]);
        for (class, color) in (0..=255).zip(colors.iter_mut()).skip(1) {
            let [red, green, blue] = mask_color(class).0;
            *color = [red, green, blue, alpha];
        }
        Self { colors }
    }

    /// The color of a class.
    pub fn get(&self, class: u8) -> [u8; 4] {
        self.colors[usize::from(class)]
    }

    /// Sets the color of a class.
    pub fn set(&mut self, class: u8, color: [u8; 4]) {
        self.colors[usize::from(class)] = color;
    }

    /// Four bytes per class, 1024 in total.
    pub(super) fn bytes(&self) -> &[u8] {
        self.colors.as_flattened()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_without_a_color_are_transparent() {
        let table = ColorTable::new(&[[1, 2, 3, 4], [5, 6, 7, 8]]).unwrap();
        assert_eq!(table.get(1), [5, 6, 7, 8]);
        assert_eq!(table.get(2), [0; 4]);
        assert_eq!(table.bytes().len(), 1024);
        let error = ColorTable::new(&[[0; 4]; 257]).unwrap_err();
        assert!(error.to_string().contains("found 257"));
    }
}
