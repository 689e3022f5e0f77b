use std::borrow::Cow;
use std::sync::Arc;

use image::RgbImage;

use super::image_model::{ImageModel, graph_for, source};
use super::task_runner::{Postprocess, TaskRunner, runner_methods, single_output};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};
use crate::model_folder::ModelFolder;
use crate::postprocess::{ColorTable, MapRegion, MaskTexture};
use crate::session::{NetworkSource, PassChunks, Run, Session, SessionOptions};
use crate::tensor::{Shape, Tensor};
use crate::texture::TextureSource;
use crate::vision::{CropMode, Labels, Mask, Preprocessing, resize};
use crate::zoo::Task;

/// The size at which an image is segmented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentSize {
    /// The whole image is resized to the size in the model's `config.json`, which the network was trained
    /// on.
    #[default]
    Model,
    /// The image keeps its size. Outlines are finer, where the network recognizes objects of that size.
    Image,
}

/// A model folder's segmentation network on a device: it finds the class of every pixel of an image.
///
/// For networks of unpadded convolutions, whose map is smaller than their input, the image is continued by
/// its reflection, as in Ronneberger et al. 2015, so that the map covers the whole image.
pub struct Segmenter {
    source: Arc<NetworkSource>,
    runner: TaskRunner<MaskOutput>,
}

/// A texture with the color of every pixel's class.
struct MaskOutput {
    /// The network's name.
    network: String,
    /// Height and width of the map that covers the image.
    map: [usize; 2],
    /// Height and width of the input that the network needs for such a map.
    input: [usize; 2],
}

impl Postprocess for MaskOutput {
    type Kernel = MaskTexture;
    type Request<'a> = (&'a wgpu::TextureView, &'a ColorTable);
    type Output = ();

    fn make_kernel(&self, gpu: &Gpu) -> Result<MaskTexture> {
        MaskTexture::new(gpu)
    }

    /// The map has to cover the whole input: a texture is not padded by its reflection.
    fn check_texture_input(&self) -> Result<()> {
        let [height, width] = self.map;
        if self.input != self.map {
            return Err(Error::Inputs(format!(
                "a network whose map is as large as its input was expected for a texture; {} needs an \
                 input of {}x{} (height and width) for a map of {height}x{width}: use Segmenter::segment",
                self.network, self.input[0], self.input[1]
            )));
        }
        Ok(())
    }

    fn encode(
        kernel: &mut MaskTexture,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        preprocessing: &Preprocessing,
        (mask, colors): Self::Request<'_>,
    ) -> Result<()> {
        let [_, height, width] = preprocessing.input_size;
        let logits = single_output(outputs)?;
        // `input_size_for` made sure that this network's map covers the image; `MaskTexture` checks any other.
        let [_, _, map_height, map_width] = logits.shape.nchw();
        let (height, width) = (height.min(map_height), width.min(map_width));
        let region = MapRegion {
            top: (map_height - height) / 2,
            left: (map_width - width) / 2,
            height,
            width,
        };
        kernel.encode(encoder, logits, mask, colors, Some(region))
    }

    fn clear(kernel: &mut MaskTexture) {
        kernel.clear();
    }
}

/// More rows and columns than any supported network loses at its borders.
const MAX_BORDER: usize = 1024;

runner_methods!(Segmenter);

impl Segmenter {
    /// Loads the network and prepares for images of the model's size.
    ///
    /// # Errors
    /// [`Error::File`] where the folder's network is not for segmentation; and those of
    /// [`Session::new`](crate::session::Session::new).
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        Self::from_network(device, SegmentationNetwork::open(folder)?, options)
    }

    pub(super) fn from_network(
        device: &Device,
        network: SegmentationNetwork,
        options: &SessionOptions,
    ) -> Result<Self> {
        let SegmentationNetwork {
            source,
            unused_weights,
            preprocessing,
            labels,
        } = network;
        let [channels, height, width] = preprocessing.input_size;
        let input = input_size_for(&source, channels, [height, width])?;
        let shape = Shape::from([1, channels, input[0], input[1]]);
        let output = MaskOutput {
            network: source.name().to_owned(),
            map: [height, width],
            input,
        };
        let shapes = std::slice::from_ref(&shape);
        let model = ImageModel {
            session: Session::from_source(device, source.clone(), options, shapes, unused_weights)?,
            preprocessing,
            labels,
        };
        Ok(Self {
            source,
            runner: TaskRunner::new(model, shape, output),
        })
    }

    /// The name of a class of a [`Mask`]. With one logit per pixel, class 0 is the background, and class 1
    /// has the first name.
    pub fn label(&self, class: u8) -> String {
        class_name(&self.runner.model.labels, class)
    }

    /// The class of every pixel of `image`.
    ///
    /// # Errors
    /// Those of [`Preprocessing::apply`], [`Session::run`](crate::session::Session::run),
    /// [`Session::check_finite`](crate::session::Session::check_finite) and [`Mask::from_logits`].
    pub fn segment(&mut self, image: &RgbImage, size: SegmentSize) -> Result<Mask> {
        Ok(self.segment_at(&[image], size)?.swap_remove(0))
    }

    /// Prepares for batches of `batch` images at the model's size. Without it, the first such batch takes longer.
    ///
    /// # Errors
    /// Those of [`Session::prepare`](crate::session::Session::prepare): [`Error::Limit`] where the batch is
    /// too large for the device.
    pub fn prepare(&mut self, batch: usize) -> Result<()> {
        let channels = self.preprocessing().input_size[0];
        let [height, width] = input_size_for(&self.source, channels, self.model_size())?;
        let shape = Shape::from([batch, channels, height, width]);
        self.runner.model.session.prepare(&[shape])
    }

    /// The classes of every pixel of `images`, in one pass at the model's size ([`SegmentSize::Model`]).
    ///
    /// # Errors
    /// As [`Self::segment`], for any of the images; [`Error::Inputs`] where there are none.
    pub fn segment_batch(&mut self, images: &[&RgbImage]) -> Result<Vec<Mask>> {
        self.segment_at(images, SegmentSize::Model)
    }

    /// Submits `images`, in one pass, without waiting: several at the model's size, or one at its own. Returns the
    /// pass's input `[N, C, H, W]` with the run. [`Self::masks`] makes masks of the outputs.
    ///
    /// # Errors
    /// Those of [`Preprocessing::apply`] and [`Session::run_async`](crate::session::Session::run_async);
    /// [`Error::Inputs`] where there is not one image, or several at the model's size.
    pub fn segment_async(
        &mut self,
        images: &[&RgbImage],
        size: SegmentSize,
    ) -> Result<(Tensor, Run)> {
        let batch = self.batch(images, size)?;
        let run = (self.runner.model.session).run_async(std::slice::from_ref(&batch))?;
        Ok((batch, run))
    }

    /// The masks of `images`, of the `outputs` for `batch` of [`Self::segment_async`].
    ///
    /// # Errors
    /// Those of [`Session::check_finite`](crate::session::Session::check_finite) and [`Mask::from_logits`];
    /// [`Error::Inputs`] where there is no output.
    pub fn masks(
        &mut self,
        images: &[&RgbImage],
        size: SegmentSize,
        batch: &Tensor,
        outputs: &[Tensor],
    ) -> Result<Vec<Mask>> {
        let batch = std::slice::from_ref(batch);
        self.runner.model.session.check_finite(batch, outputs)?;
        let [logits] = outputs else {
            return Err(Error::Inputs(format!(
                "one output of the network was expected, found {}",
                outputs.len()
            )));
        };
        let logits = match images {
            [image, ..] => center_crop(logits, self.target(image, size))?,
            [] => return Ok(Vec::new()),
        };
        (images.iter().zip(logits.images()))
            .map(|(image, map)| Mask::from_logits(&map, image.width(), image.height()))
            .collect()
    }

    /// Height and width of the image in `config.json`.
    fn model_size(&self) -> [usize; 2] {
        let [_, height, width] = self.preprocessing().input_size;
        [height, width]
    }

    /// Height and width at which `image` is segmented.
    fn target(&self, image: &RgbImage, size: SegmentSize) -> [usize; 2] {
        match size {
            SegmentSize::Model => self.model_size(),
            SegmentSize::Image => [image.height() as usize, image.width() as usize],
        }
    }

    fn segment_at(&mut self, images: &[&RgbImage], size: SegmentSize) -> Result<Vec<Mask>> {
        let batch = self.batch(images, size)?;
        let outputs = (self.runner.model.session).run(std::slice::from_ref(&batch))?;
        self.masks(images, size, &batch, &outputs)
    }

    /// The network's input `[N, C, H, W]` for `images`.
    fn batch(&self, images: &[&RgbImage], size: SegmentSize) -> Result<Tensor> {
        let target = match (images, size) {
            ([image], _) => self.target(image, size),
            ([_, ..], SegmentSize::Model) => self.model_size(),
            _ => {
                return Err(Error::Inputs(format!(
                    "an image was expected, or several at the model's size, found {}",
                    images.len()
                )));
            }
        };
        let channels = self.preprocessing().input_size[0];
        let input = input_size_for(&self.source, channels, target)?;
        let mut values = Vec::new();
        for image in images {
            values.extend(self.input(image, target, input)?.into_data());
        }
        Tensor::new([images.len(), channels, input[0], input[1]], values)
    }

    /// The network's input of height and width `input` for a map of `target`, which covers the image.
    fn input(&self, image: &RgbImage, target: [usize; 2], input: [usize; 2]) -> Result<Tensor> {
        let padded = match input == target {
            true => Cow::Borrowed(image),
            false => {
                // Sides of images are far below 2^32.
                let [h, w] = target.map(|side| side as u32);
                let resized = resize(image, w, h, self.preprocessing().interpolation)?;
                Cow::Owned(reflect_pad(&resized, input[1] as u32, input[0] as u32))
            }
        };
        let channels = self.preprocessing().input_size[0];
        let preprocessing = Preprocessing {
            input_size: [channels, input[0], input[1]],
            ..self.preprocessing().clone()
        };
        preprocessing.apply(&padded)
    }

    /// Records a pass into the host's encoder that writes every texel of `mask` with the color of its class
    /// in the image in `source`. Nothing is submitted, and nothing waits. The network reads the image at the
    /// model's size ([`SegmentSize::Model`]); the mask may be of any size, see [`MaskTexture::encode`].
    ///
    /// # Errors
    /// Those of [`Session::encode`](crate::session::Session::encode) and [`MaskTexture::encode`];
    /// [`Error::Device`] where the device is not a GPU; [`Error::Inputs`] for networks of unpadded convolutions,
    /// whose input has to be padded by reflection: [`Self::segment`] does that.
    pub fn encode<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: impl Into<TextureSource<'v>>,
        mask: &wgpu::TextureView,
        colors: &ColorTable,
    ) -> Result<()> {
        self.runner.encode(encoder, source, (mask, colors))
    }

    /// Records what writes every texel of `mask` from a pass's outputs; see [`Self::encode_chunks`].
    ///
    /// # Errors
    /// Those of [`MaskTexture::encode`]; [`Error::Device`] where the device is not a GPU.
    pub fn encode_postprocess(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        mask: &wgpu::TextureView,
        colors: &ColorTable,
    ) -> Result<()> {
        (self.runner).encode_postprocess(encoder, outputs, (mask, colors))
    }
}

/// The name of a class of a mask of a network with these labels.
pub(super) fn class_name(labels: &Labels, class: u8) -> String {
    match (labels.len(), usize::from(class)) {
        (1, 0) => "background".to_owned(),
        (1, class) => labels.text(class - 1).into_owned(),
        (_, class) => labels.text(class).into_owned(),
    }
}

/// What a segmenter is made of, before it has a session.
#[derive(Clone)]
pub(super) struct SegmentationNetwork {
    pub source: Arc<NetworkSource>,
    /// What is to be said about tensors that it does not use.
    pub unused_weights: Option<String>,
    pub preprocessing: Preprocessing,
    pub labels: Labels,
}

impl SegmentationNetwork {
    /// The network of `folder`, which has to be for segmentation.
    pub fn open(folder: &ModelFolder) -> Result<Self> {
        let graph = graph_for(folder, Task::Segmentation)?;
        let (source, unused_weights) = source(folder, &graph)?;
        Ok(Self {
            source,
            unused_weights,
            preprocessing: whole_image(&folder.preprocessing),
            labels: folder.labels.clone(),
        })
    }
}

/// How a segmenter reads images: whole.
pub(super) fn whole_image(preprocessing: &Preprocessing) -> Preprocessing {
    Preprocessing {
        crop_pct: 1.0,
        crop_mode: CropMode::Squash,
        ..preprocessing.clone()
    }
}

/// The smallest input size whose map is at least as large as `target` (height, width).
pub(super) fn input_size_for(
    source: &NetworkSource,
    channels: usize,
    target: [usize; 2],
) -> Result<[usize; 2]> {
    // The networks of the zoo may lose a border. Others return a map of the whole image, perhaps a smaller one.
    if !source.is_one_graph() {
        return Ok(target);
    }
    let [height, width] = target;
    let map = |border: usize| -> Result<Option<[usize; 2]>> {
        let size = [height + border, width + border];
        let shapes = source.output_shapes(&[Shape::from([1, channels, size[0], size[1]])])?;
        // A graph has an output.
        let [_, _, h, w] = shapes[0].nchw();
        Ok((h >= height && w >= width).then_some(size))
    };
    // Where no border helps, the error for the size without a border is the one to report.
    let without_border = map(0);
    if let Ok(Some(size)) = without_border {
        return Ok(size);
    }
    (1..MAX_BORDER)
        .find_map(|border| map(border).ok().flatten())
        .ok_or_else(|| match without_border {
            Err(error) => error,
            Ok(_) => Error::Inputs(format!(
                "{} has no input whose map covers {height}x{width}",
                source.name()
            )),
        })
}

/// `image` in the center of a larger one, continued by its reflection on all sides.
fn reflect_pad(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (left, top) = ((width - image.width()) / 2, (height - image.height()) / 2);
    RgbImage::from_fn(width, height, |x, y| {
        let at = |at, margin, size| reflected(at as usize, margin as usize, size as usize) as u32;
        *image.get_pixel(at(x, left, image.width()), at(y, top, image.height()))
    })
}

/// The pixel of an axis of `size` pixels that is at `at` where `margin` pixels before it are its reflection.
pub(super) fn reflected(at: usize, margin: usize, size: usize) -> usize {
    // Once across the image and back is one period; the edge itself is not repeated.
    let period = (2 * (size - 1)).max(1);
    let at = (at + period * margin.div_ceil(period) - margin) % period;
    at.min(period - at).min(size - 1)
}

/// The central `target` (height, width) of maps.
fn center_crop(logits: &Tensor, target: [usize; 2]) -> Result<Tensor> {
    let [images, channels, h, w] = logits.shape().nchw();
    let [height, width] = target;
    // A smaller map is of the whole image.
    if [h, w] == target || h < height || w < width {
        return Ok(logits.clone());
    }
    let (top, left) = ((h - height) / 2, (w - width) / 2);
    let mut data = Vec::with_capacity(images * channels * height * width);
    for map in logits.data().chunks(h * w) {
        for row in map.chunks(w).skip(top).take(height) {
            data.extend_from_slice(&row[left..left + width]);
        }
    }
    Tensor::new([images, channels, height, width], data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_reflects_the_image() {
        let image = RgbImage::from_fn(3, 1, |x, _| image::Rgb([x as u8; 3]));
        let wide = reflect_pad(&image, 11, 3);
        let row: Vec<u8> = (0..11).map(|x| wide.get_pixel(x, 2).0[0]).collect();
        assert_eq!(row, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
    }
}
