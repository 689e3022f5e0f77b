use std::time::Duration;

use image::RgbImage;

use super::on_gpu::{OnGpu, only};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};
use crate::graph::Graph;
use crate::model_folder::ModelFolder;
use crate::postprocess::{ColorTable, MapRegion, MaskTexture};
use crate::session::{PassChunks, Session, SessionInput, SessionOptions};
use crate::tensor::{Shape, Tensor};
use crate::texture::{TextureInput, TextureSource};
use crate::vision::{CropMode, Labels, Mask, Preprocessing, resize};
use crate::zoo::Task;

/// At which size a picture is segmented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentSize {
    /// Resized, whole, to the size in the model's `config.json`: what the network was trained on.
    #[default]
    Model,
    /// As it is: finer outlines, where the network knows objects of that size.
    Picture,
}

/// A model folder's segmentation network on a device: a class for every pixel of a picture.
///
/// Networks of unpadded convolutions, whose map is smaller than their input, see the picture
/// continued by its mirror image, as Ronneberger et al. 2015 do, so that the map covers it whole.
pub struct Segmenter {
    graph: Graph,
    session: Session,
    preprocessing: Preprocessing,
    labels: Labels,
    /// What the network is to see for a map of the model's size: height and width.
    seen: [usize; 2],
    on_gpu: OnGpu<MaskTexture>,
}

/// More rows and columns than any network here loses at its borders.
const MOST_BORDER: usize = 1024;

impl Segmenter {
    /// Loads the network and prepares for pictures of the model's size.
    ///
    /// # Errors
    /// [`Error::File`] where the folder's network is none for segmentation; and those of
    /// [`Session::new`].
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        let (graph, task) = folder.graph()?;
        if task != Task::Segmentation {
            return Err(folder.wrong_task(task, Task::Segmentation));
        }
        let preprocessing = Preprocessing {
            crop_pct: 1.0,
            crop_mode: CropMode::Squash,
            ..folder.preprocessing.clone()
        };
        let [channels, height, width] = preprocessing.input_size;
        let seen = seen_size(&graph, channels, [height, width])?;
        let shape = Shape::from([1, channels, seen[0], seen[1]]);
        let weights = folder.weights(&graph)?;
        Ok(Self {
            session: Session::new(device, &graph, weights, options, &[shape])?,
            graph,
            preprocessing,
            labels: folder.labels.clone(),
            seen,
            on_gpu: OnGpu::new(),
        })
    }

    /// What the user should be told about how the network runs; see [`Session::warning`].
    pub fn warning(&self) -> Option<&str> {
        self.session.warning()
    }

    /// The name of a class of a [`Mask`]. With one logit a pixel, class 0 is what the network does
    /// not look for, and class 1 has the first name.
    pub fn label(&self, class: u8) -> String {
        let class = usize::from(class);
        match (self.labels.len(), class) {
            (1, 0) => "background".to_owned(),
            (1, _) => self.labels.text(class - 1).into_owned(),
            _ => self.labels.text(class).into_owned(),
        }
    }

    /// The class of every pixel of `picture`.
    ///
    /// # Errors
    /// Those of [`Preprocessing::apply`], [`Session::run`] and [`Mask::from_logits`].
    pub fn segment(&mut self, picture: &RgbImage, size: SegmentSize) -> Result<Mask> {
        let [channels, height, width] = self.preprocessing.input_size;
        let (picture_width, picture_height) = picture.dimensions();
        let target = match size {
            SegmentSize::Model => [height, width],
            SegmentSize::Picture => [picture_height as usize, picture_width as usize],
        };
        let [seen_height, seen_width] = seen_size(&self.graph, channels, target)?;
        let seen = match [seen_height, seen_width] == target {
            true => picture.clone(),
            false => {
                // Sides of pictures are far below 2^32.
                let [h, w] = target.map(|side| side as u32);
                let resized = resize(picture, w, h, self.preprocessing.interpolation)?;
                mirrored(&resized, seen_width as u32, seen_height as u32)
            }
        };
        let preprocessing = Preprocessing {
            input_size: [channels, seen_height, seen_width],
            ..self.preprocessing.clone()
        };
        let input = preprocessing.apply(&seen)?;
        let logits = self.session.run(&[input])?.swap_remove(0);
        let logits = centre(&logits, target)?;
        Mask::from_logits(&logits, picture_width, picture_height)
    }

    /// Records what writes every texel of `mask` with the colour of its class in the picture that `source`
    /// shows, in the host's encoder: nothing is submitted, and nothing waits. The network sees the picture
    /// at the model's size ([`SegmentSize::Model`]); the mask may be of any, see [`MaskTexture::encode`].
    ///
    /// # Errors
    /// Those of [`Session::encode`] and [`MaskTexture::encode`]; [`Error::Device`] on the CPU twin;
    /// [`Error::Inputs`] for networks of unpadded convolutions, which would see a mirror image around the
    /// picture: [`Self::segment`] has that.
    pub fn encode<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: impl Into<TextureSource<'v>>,
        mask: &wgpu::TextureView,
        colors: &ColorTable,
    ) -> Result<()> {
        self.check_map()?;
        let textures = [TextureInput::new(source, &self.preprocessing)];
        let outputs = (self.session).encode(encoder, &[SessionInput::Textures(&textures)])?;
        self.encode_postprocess(encoder, &outputs, mask, colors)
    }

    /// Whether the network's map lies over the whole of its input.
    fn check_map(&self) -> Result<()> {
        let [_, height, width] = self.preprocessing.input_size;
        if self.seen != [height, width] {
            return Err(Error::Inputs(format!(
                "a network whose map is as large as its input was expected for a texture; {} sees {}x{} \
                 (height and width) for a map of {height}x{width}: use Segmenter::segment",
                self.graph.name(),
                self.seen[0],
                self.seen[1]
            )));
        }
        Ok(())
    }

    /// As [`Self::encode`], in pieces which take the device about `max` each, so that a large network runs
    /// over several frames: records how the texture gets in. [`PassChunks::encode`] records a piece of the
    /// network, and with the last one gives the outputs for [`Self::encode_postprocess`].
    ///
    /// # Errors
    /// Those of [`Session::encode_chunks`]; [`Error::Device`] on the CPU twin.
    pub fn encode_chunks<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: impl Into<TextureSource<'v>>,
        max: Duration,
    ) -> Result<PassChunks> {
        self.check_map()?;
        let textures = [TextureInput::new(source, &self.preprocessing)];
        (self.session).encode_chunks(encoder, &[SessionInput::Textures(&textures)], max)
    }

    /// Records what writes every texel of `mask` by a pass's outputs; see [`Self::encode_chunks`].
    ///
    /// # Errors
    /// Those of [`MaskTexture::encode`]; [`Error::Device`] on the CPU twin.
    pub fn encode_postprocess(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        mask: &wgpu::TextureView,
        colors: &ColorTable,
    ) -> Result<()> {
        let kernel = self.on_gpu.get(&mut self.session, MaskTexture::new)?;
        let [_, height, width] = self.preprocessing.input_size;
        let logits = only(outputs)?;
        // Of this network's, `seen_size` saw that it is large enough; of others, the kernel will.
        let [_, _, map_height, map_width] = logits.shape.nchw();
        let part = MapRegion {
            top: map_height.saturating_sub(height) / 2,
            left: map_width.saturating_sub(width) / 2,
            height,
            width,
        };
        kernel.encode(encoder, logits, mask, colors, Some(part))
    }

    /// Makes what [`Self::encode`] would make when it is called first.
    ///
    /// # Errors
    /// [`Error::Device`] on the CPU twin, and where the device refuses.
    pub fn prepare_encode(&mut self) -> Result<()> {
        self.session.prepare_textures()?;
        self.on_gpu
            .get(&mut self.session, MaskTexture::new)
            .map(drop)
    }

    /// Makes what [`Self::encode_chunks`] would make when it is called first: see
    /// [`Session::prepare_chunks`].
    ///
    /// # Errors
    /// Those of [`Session::prepare_chunks`].
    pub fn prepare_chunks(&mut self) -> Result<()> {
        let [channels, _, _] = self.preprocessing.input_size;
        let [height, width] = self.seen;
        (self.session).prepare_chunks(&[Shape::from([1, channels, height, width])])
    }

    /// Lets go of the host's textures that are kept for when they come again; see
    /// [`Session::clear_textures`].
    pub fn clear_textures(&mut self) {
        self.session.clear_textures();
        if let Some(kernel) = self.on_gpu.made() {
            kernel.clear();
        }
    }

    /// Moves to another device, after the first was lost; see [`Session::restore`]. What is encoded from
    /// then on is for that one's encoders.
    ///
    /// # Errors
    /// As [`Session::restore`].
    pub fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        self.on_gpu.restore(&mut self.session, gpu)
    }
}

/// The smallest input whose map is as large as `target` (height, width) or larger.
fn seen_size(graph: &Graph, channels: usize, target: [usize; 2]) -> Result<[usize; 2]> {
    let [height, width] = target;
    let map = |border: usize| -> Result<Option<[usize; 2]>> {
        let size = [height + border, width + border];
        let shapes = graph.infer(&[Shape::from([1, channels, size[0], size[1]])])?;
        let [_, _, h, w] = shapes[graph.outputs()[0].index()].nchw();
        Ok((h >= height && w >= width).then_some(size))
    };
    // What a network without borders says of this size is what its user should hear.
    let plain = map(0);
    if let Ok(Some(size)) = plain {
        return Ok(size);
    }
    (1..MOST_BORDER)
        .find_map(|border| map(border).ok().flatten())
        .ok_or_else(|| match plain {
            Err(error) => error,
            Ok(_) => Error::Inputs(format!(
                "{} has no input whose map covers {height}x{width}",
                graph.name()
            )),
        })
}

/// `picture` in the centre of a larger one, continued by its mirror image on all sides.
fn mirrored(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let reflect = |at: u32, margin: u32, size: u32| {
        // Around the picture and back is one period; the edge itself is not repeated.
        let period = (2 * (size - 1)).max(1);
        let at = (at + period * margin.div_ceil(period) - margin) % period;
        at.min(period - at).min(size - 1)
    };
    let (left, top) = (
        (width - picture.width()) / 2,
        (height - picture.height()) / 2,
    );
    RgbImage::from_fn(width, height, |x, y| {
        *picture.get_pixel(
            reflect(x, left, picture.width()),
            reflect(y, top, picture.height()),
        )
    })
}

/// The middle `target` (height, width) of a map.
fn centre(logits: &Tensor, target: [usize; 2]) -> Result<Tensor> {
    let [_, channels, h, w] = logits.shape().nchw();
    let [height, width] = target;
    if [h, w] == target {
        return Ok(logits.clone());
    }
    let (top, left) = ((h - height) / 2, (w - width) / 2);
    let mut data = Vec::with_capacity(channels * height * width);
    for map in logits.data().chunks(h * w) {
        for row in map.chunks(w).skip(top).take(height) {
            data.extend_from_slice(&row[left..left + width]);
        }
    }
    Tensor::new([1, channels, height, width], data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_continue_as_their_mirror_image() {
        let picture = RgbImage::from_fn(3, 1, |x, _| image::Rgb([x as u8; 3]));
        let wide = mirrored(&picture, 11, 3);
        let row: Vec<u8> = (0..11).map(|x| wide.get_pixel(x, 2).0[0]).collect();
        assert_eq!(row, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
    }
}
