//! An image of a network's input.

use super::source::{Reading, TextureSource};
use crate::error::Result;
use crate::vision::Preprocessing;

/// A texture as one image of a network's input.
#[derive(Clone, Copy, Debug)]
pub struct TextureInput<'a> {
    pub(super) source: TextureSource<'a>,
    pub(super) preprocessing: &'a Preprocessing,
}

impl<'a> TextureInput<'a> {
    /// The image in `source`, which is a view or a [`TextureSource`], as `preprocessing` transforms it.
    pub fn new<'v: 'a>(
        source: impl Into<TextureSource<'v>>,
        preprocessing: &'a Preprocessing,
    ) -> Self {
        Self {
            source: source.into(),
            preprocessing,
        }
    }

    /// Channels, height and width of the network's input.
    pub(crate) fn input_size(&self) -> [usize; 3] {
        self.preprocessing.input_size
    }

    /// How the shader reads it.
    ///
    /// # Errors
    /// [`Error::Inputs`](crate::Error::Inputs) where it cannot be read at all, or the preprocessing cannot be
    /// used.
    pub(super) fn reading(&self) -> Result<Reading> {
        self.preprocessing.check_for_images()?;
        self.source.reading()
    }
}
