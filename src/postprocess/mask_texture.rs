use wgpu::{BufferUsages, TextureFormat, TextureUsages};

use super::ColorTable;
use super::kernel::{Context, KEPT, Kernel, Span, Target};
use crate::error::{Error, Result};
use crate::gpu::uniform::uniforms;
use crate::gpu::{Gpu, GpuTensor, MASK_TEXTURE};
use crate::util::lru::LruCache;

/// A segmentation network's logits as a picture of its classes, in a texture of the host.
///
/// The texture may be of any size. Logits are interpolated before they are compared, exactly as
/// [`Mask::from_logits`](crate::vision::Mask::from_logits) does it for a picture of the texture's size.
pub struct MaskTexture {
    context: Context,
    kernel: Kernel,
    tables: LruCache<ColorTable, wgpu::Buffer>,
}

/// A part of a map, in its pixels: what of the logits lies over the picture, where a network sees more
/// than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRegion {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

uniforms! {
    struct Params for MASK_TEXTURE {
        offset: u32,
        channels: u32,
        plane: u32,
        row: u32,
        first: [u32; 2],
        size: [u32; 2],
    }
}

/// Texels along either side of what a workgroup answers.
const TILE: u32 = 8;

impl MaskTexture {
    /// Makes the pipeline.
    ///
    /// # Errors
    /// [`Error::Device`] and its like where the device refuses.
    pub fn new(gpu: &Gpu) -> Result<Self> {
        let context = Context::new(gpu);
        let [kernel] = Kernel::all(&context, [&MASK_TEXTURE])?;
        Ok(Self {
            context,
            kernel,
            tables: LruCache::default(),
        })
    }

    /// Adds to `encoder` what writes every texel of `mask`: the colour of the likeliest class there, of
    /// logits `[1, C, h, w]` of up to 256 classes. `part` of the map lies over the texture, or all of
    /// it.
    ///
    /// `mask` is a two-dimensional view of one mip level of a texture of format
    /// [`Rgba8Unorm`](TextureFormat::Rgba8Unorm) with usage
    /// [`STORAGE_BINDING`](TextureUsages::STORAGE_BINDING).
    ///
    /// # Errors
    /// [`Error::Inputs`] where the logits, the part or the texture are not so; [`Error::Limit`] where
    /// the logits are too large for the device; [`Error::Device`] and its like where it refuses.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        logits: &GpuTensor,
        mask: &wgpu::TextureView,
        colors: &ColorTable,
        part: Option<MapRegion>,
    ) -> Result<()> {
        let what = "a mask";
        let &[1, channels @ 1..=256, height, width] = logits.shape.dims() else {
            return Err(Error::Inputs(format!(
                "logits [1, C, H, W] of up to 256 classes were expected for {what}, found {}",
                logits.shape
            )));
        };
        let part = part.unwrap_or(MapRegion {
            top: 0,
            left: 0,
            height,
            width,
        });
        part.check([height, width])?;
        check_texture(mask.texture())?;
        let (read, offset) = self.context.input(what, logits)?;
        let table = match self.tables.get(|known| known == colors) {
            Some(table) => table.clone(),
            None => {
                let (name, bytes) = ("colours of classes", colors.bytes());
                let table = self.context.filled(name, bytes, BufferUsages::STORAGE)?;
                self.tables.insert(colors.clone(), table.clone(), KEPT);
                table
            }
        };
        // `input` has bounded the elements to 32 bits.
        let params = Params {
            offset,
            channels: channels as u32,
            plane: (height * width) as u32,
            row: width as u32,
            first: [part.left as u32, part.top as u32],
            size: [part.width as u32, part.height as u32],
        };
        let reads = vec![read, Span::all(&table)];
        let bound = (reads, Target::Texture(mask.clone()));
        // Of the first mip level: for others, there are workgroups that have nothing to do.
        let size = mask.texture().size();
        let grid = [size.width.div_ceil(TILE), size.height.div_ceil(TILE), 1];
        (self.kernel).encode(&self.context, what, encoder, &params, bound, grid)
    }

    /// Lets go of the textures and buffers that are kept: for a host that has resized its textures and
    /// wants the old ones' memory back at once. What was recorded stays valid.
    pub fn clear(&mut self) {
        self.kernel.clear();
        self.tables.clear();
    }
}

impl MapRegion {
    /// Whether it lies within a map of `height` and `width`, and is not empty.
    fn check(&self, [height, width]: [usize; 2]) -> Result<()> {
        let within = |first: usize, len: usize, all: usize| {
            len > 0 && first.checked_add(len).is_some_and(|end| end <= all)
        };
        if within(self.top, self.height, height) && within(self.left, self.width, width) {
            return Ok(());
        }
        Err(Error::Inputs(format!(
            "a part of the map of {height} rows and {width} columns was expected, found {} rows from {} \
             and {} columns from {}",
            self.height, self.top, self.width, self.left
        )))
    }
}

fn check_texture(texture: &wgpu::Texture) -> Result<()> {
    let expected = |what: &str, found: String| {
        Err(Error::Inputs(format!(
            "{what} was expected for a mask, found {found}; make the texture with format Rgba8Unorm and \
             usages STORAGE_BINDING and those of your own"
        )))
    };
    if texture.format() != TextureFormat::Rgba8Unorm {
        let found = format!("{:?}", texture.format());
        return expected("a texture of format Rgba8Unorm", found);
    }
    if !texture.usage().contains(TextureUsages::STORAGE_BINDING) {
        let found = format!("{:?}", texture.usage());
        return expected("a texture with usage STORAGE_BINDING", found);
    }
    if texture.dimension() != wgpu::TextureDimension::D2 {
        let found = format!("{:?}", texture.dimension());
        return expected("a two-dimensional texture", found);
    }
    Ok(())
}
