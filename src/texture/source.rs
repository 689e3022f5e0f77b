//! How a host describes a texture, and whether the texture can be read.

use wgpu::{TextureDimension, TextureFormat, TextureUsages};

use crate::error::{Error, Result};

/// What the values mean that a shader reads from a texture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColorEncoding {
    /// Encoded as sRGB, as images are stored and as networks read them. The values are used unchanged.
    Srgb,
    /// Linear. The values are encoded as sRGB before anything else is done.
    Linear,
}

/// A texture that a network reads: a view, and its properties that wgpu does not expose. Where the defaults are
/// right, `&view` converts to one. See [`crate::texture`] for formats and color encoding.
///
/// ```
/// use shadernet::texture::{ColorEncoding, TextureSource};
/// use shadernet::wgpu;
///
/// /// The second mip level of a float texture whose values are already encoded as sRGB.
/// fn second_level(view: &wgpu::TextureView) -> TextureSource<'_> {
///     TextureSource::new(view).mip_level(1).color_encoding(ColorEncoding::Srgb)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TextureSource<'a> {
    pub(super) view: &'a wgpu::TextureView,
    color_encoding: Option<ColorEncoding>,
    format: Option<TextureFormat>,
    mip_level: u32,
}

/// How the shader reads a texture: its `override` constants, except the number of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub linear: bool,
    pub float: bool,
    pub grey: bool,
}

impl<'a> From<&'a wgpu::TextureView> for TextureSource<'a> {
    fn from(view: &'a wgpu::TextureView) -> Self {
        Self::new(view)
    }
}

impl<'a> TextureSource<'a> {
    /// The texture in `view`, which must be a 2D view of a 2D texture with usage
    /// [`TextureUsages::TEXTURE_BINDING`]. The view is taken to have the texture's format, and to begin at its
    /// first mip level.
    pub fn new(view: &'a wgpu::TextureView) -> Self {
        Self {
            view,
            color_encoding: None,
            format: None,
            mip_level: 0,
        }
    }

    /// Sets what the values mean that a shader reads from the view. By default, those of `Srgb` views and of
    /// `Rgba16Float` are linear, and all others are encoded as sRGB.
    pub fn color_encoding(mut self, color_encoding: ColorEncoding) -> Self {
        self.color_encoding = Some(color_encoding);
        self
    }

    /// Sets the view's format, where it differs from the texture's: for example `Rgba8UnormSrgb`, for such a
    /// view of an `Rgba8Unorm` texture. wgpu does not expose it, and without it the colors are wrong.
    pub fn format(mut self, format: TextureFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Sets the mip level that the view begins at (`base_mip_level`), where it is not the first. wgpu does not
    /// expose it, and without it the network reads a stretched part of the texture.
    pub fn mip_level(mut self, level: u32) -> Self {
        self.mip_level = level;
        self
    }

    /// Width and height of the mip level that the view begins at.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the texture has no such level, or no texels.
    pub(crate) fn size(&self) -> Result<[u32; 2]> {
        let texture = self.view.texture();
        let [width, height] = [texture.width(), texture.height()];
        if width == 0 || height == 0 {
            let found = format!("{width}x{height}");
            return fault("a texture with texels", found, "skip frames of no size");
        }
        if self.mip_level >= texture.mip_level_count() {
            return fault(
                &format!("a mip level below {}", texture.mip_level_count()),
                self.mip_level.to_string(),
                "pass the view's base_mip_level to TextureSource::mip_level",
            );
        }
        // A texture that wgpu has refused may claim more mip levels than a shift allows.
        let at_level = |side: u32| side.checked_shr(self.mip_level).unwrap_or(0).max(1);
        Ok([width, height].map(at_level))
    }

    /// How the shader reads it.
    ///
    /// # Errors
    /// [`Error::Inputs`] where it cannot be read at all.
    pub(super) fn reading(&self) -> Result<Reading> {
        let texture = self.view.texture();
        if texture.dimension() != TextureDimension::D2 {
            let found = format!(
                "one of {:?}, {}x{}x{}",
                texture.dimension(),
                texture.width(),
                texture.height(),
                texture.depth_or_array_layers()
            );
            return fault(
                "a 2D texture",
                found,
                "copy one layer of it to a 2D texture",
            );
        }
        self.size()?;
        if texture.sample_count() != 1 {
            let found = format!("{} samples", texture.sample_count());
            return fault(
                "a texture of one sample per texel",
                found,
                "resolve it, and pass the resolved texture",
            );
        }
        if !texture.usage().contains(TextureUsages::TEXTURE_BINDING) {
            let found = format!("{:?}", texture.usage());
            return fault(
                "a texture that shaders may read",
                found,
                "create it with TextureUsages::TEXTURE_BINDING",
            );
        }
        let format = self.format.unwrap_or(texture.format());
        if format.remove_srgb_suffix() != texture.format().remove_srgb_suffix() {
            return fault(
                &format!("a view's format for a texture of {:?}", texture.format()),
                format!("{format:?}"),
                "pass the view's format to TextureSource::format",
            );
        }
        let (linear, float, grey) = match format {
            TextureFormat::Rgba8Unorm | TextureFormat::Bgra8Unorm => (false, false, false),
            TextureFormat::Rgba8UnormSrgb | TextureFormat::Bgra8UnormSrgb => (true, false, false),
            TextureFormat::Rgba16Float => (true, true, false),
            TextureFormat::R8Unorm => (false, false, true),
            _ => {
                return fault(
                    "a texture of Rgba8Unorm, Rgba8UnormSrgb, Bgra8Unorm, Bgra8UnormSrgb, Rgba16Float or \
                     R8Unorm",
                    format!("{format:?}"),
                    "draw it to a texture of one of these",
                );
            }
        };
        Ok(Reading {
            linear: self.color_encoding.map_or(linear, |color_encoding| {
                color_encoding == ColorEncoding::Linear
            }),
            float,
            grey,
        })
    }
}

fn fault<T>(expected: &str, found: String, advice: &str) -> Result<T> {
    Err(Error::Inputs(format!(
        "{expected} was expected, found {found}; {advice}"
    )))
}
