//! What a host says of a texture, and whether it can be read.

use wgpu::{TextureDimension, TextureFormat, TextureUsages};

use crate::error::{Error, Result};

/// What the numbers stand for that a shader reads from a texture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColorEncoding {
    /// Values encoded as sRGB, as pictures are kept and as networks see them: taken as they are.
    Encoded,
    /// Linear color_encoding: encoded as sRGB before anything else is done.
    Linear,
}

/// What a host shows to a network: a view of a texture, and what wgpu does not tell of it. Where there is
/// nothing to be said, `&view` is one as well. See [`crate::texture`] for formats and color_encoding.
///
/// ```
/// use shadernet::texture::{ColorEncoding, TextureSource};
/// use shadernet::wgpu;
///
/// /// The second level of a float texture, drawn with values that are encoded already.
/// fn smaller(view: &wgpu::TextureView) -> TextureSource<'_> {
///     TextureSource::new(view).mip_level(1).color_encoding(ColorEncoding::Encoded)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TextureSource<'a> {
    pub(super) view: &'a wgpu::TextureView,
    color_encoding: Option<ColorEncoding>,
    format: Option<TextureFormat>,
    mip_level: u32,
}

/// How the shader is to read a texture: its `override` constants, but for the channels.
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
    /// What `view` shows: a plain view of a 2D texture, made with [`TextureUsages::TEXTURE_BINDING`], of the
    /// texture's format and from its first level.
    pub fn new(view: &'a wgpu::TextureView) -> Self {
        Self {
            view,
            color_encoding: None,
            format: None,
            mip_level: 0,
        }
    }

    /// Says what the numbers stand for that a shader reads from the view, where the format does not tell:
    /// an `Srgb` view and `Rgba16Float` are linear color_encoding by default, all else is encoded.
    pub fn color_encoding(mut self, color_encoding: ColorEncoding) -> Self {
        self.color_encoding = Some(color_encoding);
        self
    }

    /// Says what the view's format is, where it is not the texture's: wgpu does not tell. Such as
    /// `Rgba8UnormSrgb` for a view of that format of an `Rgba8Unorm` texture. The colours are wrong where it
    /// is not said.
    pub fn format(mut self, format: TextureFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Says which of the texture's levels the view begins with (`base_mip_level`), where not with the first:
    /// wgpu does not tell. A part of the texture is seen, stretched, where it is not said.
    pub fn mip_level(mut self, level: u32) -> Self {
        self.mip_level = level;
        self
    }

    /// Width and height of what it shows: of the level that the view begins with.
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
                "give TextureSource::mip_level the base_mip_level of the view",
            );
        }
        // A texture that wgpu has refused may claim more levels than there are bits.
        let at_level = |side: u32| side.checked_shr(self.mip_level).unwrap_or(0).max(1);
        Ok([width, height].map(at_level))
    }

    /// How it is to be read.
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
                "a texture of one sample a texel",
                found,
                "resolve it, and give the resolved texture",
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
                "give TextureSource::format the format that the view was created with",
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
