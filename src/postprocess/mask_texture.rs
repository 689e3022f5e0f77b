use wgpu::{BufferUsages, TextureFormat, TextureUsages};

use super::ColorTable;
use super::compute_kernel::{BufferRange, CACHED, ComputeKernel, KernelContext, WriteTarget};
use crate::error::{Error, Result};
use crate::gpu::uniform::uniforms;
use crate::gpu::{Gpu, GpuTensor, MASK_TEXTURE};
use crate::util::lru::LruCache;

/// Writes the colors of a segmentation network's classes to a texture of the host.
///
/// The texture may have any size. Logits are interpolated before they are compared, exactly as
/// [`Mask::from_logits`](crate::vision::Mask::from_logits) does for an image of the texture's size.
#[derive(Debug)]
pub struct MaskTexture {
    context: KernelContext,
    kernel: ComputeKernel,
    tables: LruCache<ColorTable, wgpu::Buffer>,
}

/// A region of a map, in its pixels: the part of the logits that covers the image, where the network's input
/// was padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRegion {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// The number of rows.
    pub height: usize,
    /// The number of columns.
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

/// The side, in texels, of the square that a workgroup writes.
const TILE: u32 = 8;

impl MaskTexture {
    /// Makes the pipeline.
    ///
    /// # Errors
    /// [`Error::Device`] and the other device errors where the device refuses.
    pub fn new(gpu: &Gpu) -> Result<Self> {
        let context = KernelContext::new(gpu);
        let [kernel] = ComputeKernel::all(&context, [&MASK_TEXTURE])?;
        Ok(Self {
            context,
            kernel,
            tables: LruCache::default(),
        })
    }

    /// Records a pass that writes every texel of `mask` with the color of its top class, by logits
    /// `[1, C, h, w]` of up to 256 classes. `region` of the map is stretched over the texture; by default the
    /// whole map.
    ///
    /// `mask` is a two-dimensional view of one mip level of a texture of format
    /// [`Rgba8Unorm`](TextureFormat::Rgba8Unorm) with usage
    /// [`STORAGE_BINDING`](TextureUsages::STORAGE_BINDING).
    ///
    /// # Errors
    /// [`Error::Inputs`] where the logits, the region or the texture are not as described; [`Error::Limit`] where
    /// the logits are too large for the device; [`Error::Device`] and the other device errors where it refuses.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        logits: &GpuTensor,
        mask: &wgpu::TextureView,
        colors: &ColorTable,
        region: Option<MapRegion>,
    ) -> Result<()> {
        let what = "a mask";
        let &[1, channels @ 1..=256, height, width] = logits.shape.dims() else {
            return Err(Error::Inputs(format!(
                "logits [1, C, H, W] of up to 256 classes were expected for {what}, found {}",
                logits.shape
            )));
        };
        let region = region.unwrap_or(MapRegion {
            top: 0,
            left: 0,
            height,
            width,
        });
        region.check([height, width])?;
        check_texture(mask.texture())?;
        let (read, offset) = self.context.input(what, logits)?;
        let table = match self.tables.get(|known| known == colors) {
            Some(table) => table.clone(),
            None => {
                let (name, bytes) = ("colors of classes", colors.bytes());
                let table = self.context.filled(name, bytes, BufferUsages::STORAGE)?;
                self.tables.insert(colors.clone(), table.clone(), CACHED);
                table
            }
        };
        // `input` has checked that element indices fit 32 bits.
        let params = Params {
            offset,
            channels: channels as u32,
            plane: (height * width) as u32,
            row: width as u32,
            first: [region.left as u32, region.top as u32],
            size: [region.width as u32, region.height as u32],
        };
        let reads = vec![read, BufferRange::all(&table)];
        let bound = (reads, WriteTarget::Texture(mask.clone()));
        // The size of the first mip level: for smaller levels, some workgroups write nothing.
        let size = mask.texture().size();
        let grid = [size.width.div_ceil(TILE), size.height.div_ceil(TILE), 1];
        (self.kernel).encode(&self.context, what, encoder, &params, bound, grid)
    }

    /// Drops the cached textures and buffers, for a host that has resized its textures and wants the memory
    /// of the old ones back at once. Recorded passes stay valid.
    pub fn clear(&mut self) {
        self.kernel.clear();
        self.tables.clear();
    }
}

impl MapRegion {
    /// Checks that the region lies within a map of `height` and `width`, and is not empty.
    fn check(&self, [height, width]: [usize; 2]) -> Result<()> {
        let within = |first: usize, len: usize, all: usize| {
            len > 0 && first.checked_add(len).is_some_and(|end| end <= all)
        };
        if within(self.top, self.height, height) && within(self.left, self.width, width) {
            return Ok(());
        }
        Err(Error::Inputs(format!(
            "a region within the map of {height} rows and {width} columns was expected, found {} rows from {} \
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
