use image::RgbImage;

use super::image_model::{ImageModel, graph_for, source};
use super::task_runner::{Postprocess, TaskRunner, runner_methods};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};
use crate::graph::Graph;
use crate::model_folder::ModelFolder;
use crate::postprocess::{BoxList, BoxListOutput, ImagePlacement};
use crate::session::{PassChunks, Run, SessionOptions};
use crate::tensor::{Shape, Tensor};
use crate::texture::TextureSource;
use crate::vision::{
    DetectionOptions, Head, ImageTransform, Preprocessing, ScoredBox, non_maximum_suppression,
};
use crate::zoo::Task;

/// An object found in an image.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Detection {
    /// The class's index.
    pub class: usize,
    /// The class's name.
    pub label: String,
    /// The confidence, between 0 and 1.
    pub score: f32,
    /// Left, top, right and bottom in pixels of the image, clipped to it; (0, 0) is the top left corner of
    /// the first pixel.
    pub corners: [f32; 4],
}

/// A model folder's detector on a device, with its preprocessing and its class names.
pub struct Detector {
    runner: TaskRunner<BoxesOutput>,
}

/// The boxes that non-maximum suppression leaves.
struct BoxesOutput {
    heads: Vec<Head>,
}

impl Postprocess for BoxesOutput {
    type Kernel = BoxList;
    type Request<'a> = (TextureSource<'a>, &'a DetectionOptions);
    type Output = wgpu::Buffer;

    fn make_kernel(&self, gpu: &Gpu) -> Result<BoxList> {
        BoxList::new(gpu, &self.heads)
    }

    fn encode(
        kernel: &mut BoxList,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        preprocessing: &Preprocessing,
        (source, options): Self::Request<'_>,
    ) -> Result<wgpu::Buffer> {
        let [width, height] = source.size()?;
        let placement = ImagePlacement::new(preprocessing, width, height);
        kernel.encode(encoder, outputs, &placement, options)
    }

    fn clear(kernel: &mut BoxList) {
        kernel.clear();
    }
}

runner_methods!(Detector);

impl Detector {
    /// Loads the network and prepares for one image at a time.
    ///
    /// # Errors
    /// [`Error::File`] where the folder's architecture is unknown (with the nearest known names), is not a
    /// detector, or its `heads` are missing or do not fit the network's outputs; and those of
    /// [`Session::new`](crate::session::Session::new).
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        let graph = graph_for(folder, Task::Detection)?;
        let preprocessing = folder.preprocessing.clone();
        let [channels, height, width] = preprocessing.input_size;
        let shape = Shape::from([1, channels, height, width]);
        check_heads(folder, &graph, &shape)?;
        let input = shape.clone();
        let source = source(folder, &graph)?;
        let model = ImageModel::load(device, folder, source, preprocessing, shape, options)?;
        let heads = folder.heads.clone();
        Ok(Self {
            runner: TaskRunner::new(model, input, BoxesOutput { heads }),
        })
    }

    /// The objects in `image`, highest score first.
    ///
    /// # Errors
    /// Those of [`Preprocessing::apply`] and [`Self::predict`].
    pub fn detect(
        &mut self,
        image: &RgbImage,
        options: &DetectionOptions,
    ) -> Result<Vec<Detection>> {
        let input = self.preprocessing().apply(image)?;
        self.predict(input, image.dimensions(), options)
    }

    /// The objects in a preprocessed image `[1, C, H, W]`, highest score first. `size` is the image's width
    /// and height before preprocessing.
    ///
    /// # Errors
    /// Those of [`DetectionOptions::check`], [`Session::run`](crate::session::Session::run) and
    /// [`Session::check_finite`](crate::session::Session::check_finite), since NaN must not pass for "no
    /// objects"; [`Error::Inputs`] where the input is not a single image.
    pub fn predict(
        &mut self,
        input: Tensor,
        size: (u32, u32),
        options: &DetectionOptions,
    ) -> Result<Vec<Detection>> {
        Ok(self.predict_batch(input, &[size], options)?.swap_remove(0))
    }

    /// Prepares for batches of `batch` images. Without it, the first such batch takes longer.
    ///
    /// # Errors
    /// Those of [`Session::prepare`](crate::session::Session::prepare): [`Error::Limit`] where the batch is
    /// too large for the device.
    pub fn prepare(&mut self, batch: usize) -> Result<()> {
        let shape = self.runner.model.shape(batch);
        self.runner.model.session.prepare(&[shape])
    }

    /// The objects in every image of a preprocessed batch `[N, C, H, W]`, highest score first. `sizes` are the
    /// images' widths and heights before preprocessing.
    ///
    /// # Errors
    /// As [`Self::predict`], for any of the images; [`Error::Inputs`] where there is not one size per image.
    pub fn predict_batch(
        &mut self,
        batch: Tensor,
        sizes: &[(u32, u32)],
        options: &DetectionOptions,
    ) -> Result<Vec<Vec<Detection>>> {
        options.check()?;
        check_sizes(&batch, sizes)?;
        let batch = std::slice::from_ref(&batch);
        let outputs = self.runner.model.session.run(batch)?;
        self.detections(&batch[0], &outputs, sizes, options)
    }

    /// Submits a preprocessed batch `[N, C, H, W]` without waiting. [`Self::detections`] finds the objects in the
    /// outputs.
    ///
    /// # Errors
    /// Those of [`Session::run_async`](crate::session::Session::run_async).
    pub fn predict_async(&mut self, batch: &Tensor) -> Result<Run> {
        let batch = std::slice::from_ref(batch);
        self.runner.model.session.run_async(batch)
    }

    /// The objects in every image, highest score first, of the `outputs` for `batch` of [`Self::predict_async`].
    /// `sizes` are the images' widths and heights before preprocessing.
    ///
    /// # Errors
    /// Those of [`DetectionOptions::check`] and [`Session::check_finite`](crate::session::Session::check_finite);
    /// [`Error::Inputs`] where there is not one size per image.
    pub fn detections(
        &mut self,
        batch: &Tensor,
        outputs: &[Tensor],
        sizes: &[(u32, u32)],
        options: &DetectionOptions,
    ) -> Result<Vec<Vec<Detection>>> {
        options.check()?;
        check_sizes(batch, sizes)?;
        let [images, _, height, width] = batch.shape().nchw();
        let batch = std::slice::from_ref(batch);
        self.runner.model.session.check_finite(batch, outputs)?;
        let mut boxes = vec![Vec::new(); images];
        for (head, output) in self.runner.postprocess.heads.iter().zip(outputs) {
            let found = head.decode(output, [height, width], options.threshold)?;
            for (boxes, found) in boxes.iter_mut().zip(found) {
                boxes.extend(found);
            }
        }
        let detections = |(boxes, &size): (Vec<ScoredBox>, &(u32, u32))| {
            let placement = self.preprocessing().image_transform(size.0, size.1);
            let boxes = non_maximum_suppression(boxes, options.iou);
            (boxes.into_iter())
                .filter_map(|found| {
                    let corners = to_image_pixels(&found, [width, height], &placement, size)?;
                    Some(self.detection(&found, corners))
                })
                .collect()
        };
        Ok(boxes.into_iter().zip(sizes).map(detections).collect())
    }

    /// Records a pass into the host's encoder that lists the boxes in the image in `source`. Nothing is
    /// submitted, and nothing waits. The result is a list on the GPU, in the layout of [`BoxList`]. Boxes are
    /// in texels of the mip level that `source` shows ([`TextureSource::mip_level`]). Once the list was read
    /// back, [`BoxList::parse`] and [`Self::named`] decode it.
    ///
    /// # Errors
    /// Those of [`Session::encode`](crate::session::Session::encode) and [`BoxList::encode`];
    /// [`Error::Device`] where the device is not a GPU.
    pub fn encode<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: impl Into<TextureSource<'v>>,
        options: &DetectionOptions,
    ) -> Result<wgpu::Buffer> {
        let source = source.into();
        self.runner.encode(encoder, source, (source, options))
    }

    /// Records what lists the boxes in a pass's outputs. Boxes are in texels of the mip level that `source`
    /// shows, which must be as it was for [`Self::encode_chunks`].
    ///
    /// # Errors
    /// Those of [`BoxList::encode`]; [`Error::Inputs`] where `source` is of a mip level that its texture does
    /// not have; [`Error::Device`] where the device is not a GPU.
    pub fn encode_postprocess<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        source: impl Into<TextureSource<'v>>,
        options: &DetectionOptions,
    ) -> Result<wgpu::Buffer> {
        let request = (source.into(), options);
        self.runner.encode_postprocess(encoder, outputs, request)
    }

    /// Boxes that were found on the GPU, with the names of their classes.
    pub fn named(&self, found: &BoxListOutput) -> Vec<Detection> {
        let named = |found: &ScoredBox| self.detection(found, found.corners);
        found.boxes.iter().map(named).collect()
    }

    /// `found` with its class's name, at `corners` of the image.
    fn detection(&self, found: &ScoredBox, corners: [f32; 4]) -> Detection {
        Detection {
            class: found.class,
            label: self.runner.model.label(found.class),
            score: found.score,
            corners,
        }
    }
}

/// Checks that there is an image in `batch` for each of `sizes`.
fn check_sizes(batch: &Tensor, sizes: &[(u32, u32)]) -> Result<()> {
    let [images, ..] = batch.shape().nchw();
    if images != sizes.len() || images == 0 {
        return Err(Error::Inputs(format!(
            "a batch of {} was expected, one image for each size, found a batch of {images}",
            sizes.len()
        )));
    }
    Ok(())
}

/// A box in units of the input as one in pixels of the image, clipped to the image; `None` where it lies
/// wholly outside.
fn to_image_pixels(
    found: &ScoredBox,
    [input_width, input_height]: [usize; 2],
    placement: &ImageTransform,
    (width, height): (u32, u32),
) -> Option<[f32; 4]> {
    let to_image = |x: f32, y: f32| {
        let [x, y] = placement.to_image([x * input_width as f32, y * input_height as f32]);
        [x.clamp(0.0, width as f32), y.clamp(0.0, height as f32)]
    };
    let [x0, y0, x1, y1] = found.corners;
    let ([x0, y0], [x1, y1]) = (to_image(x0, y0), to_image(x1, y1));
    (x0 < x1 && y0 < y1).then_some([x0, y0, x1, y1])
}

/// Checks that the folder's heads can decode the network's outputs.
fn check_heads(folder: &ModelFolder, graph: &Graph, input: &Shape) -> Result<()> {
    let fault = |reason: String| Err(Error::file(folder.path.join("config.json"), reason));
    let outputs = graph.outputs();
    if folder.heads.len() != outputs.len() {
        return fault(format!(
            "key 'heads': {} objects were expected, one for each output of {}, found {}; \
             convert_darknet writes them from Darknet's .cfg",
            outputs.len(),
            folder.architecture,
            folder.heads.len()
        ));
    }
    let shapes = graph.infer(std::slice::from_ref(input))?;
    for (i, (head, output)) in folder.heads.iter().zip(outputs).enumerate() {
        if let Err(error) = head.check(&shapes[output.index()]) {
            return fault(format!("key 'heads[{i}]': {error}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::CropMode;

    #[test]
    fn boxes_are_clipped_to_the_image() {
        let preprocessing = Preprocessing {
            input_size: [3, 100, 100],
            crop_mode: CropMode::Letterbox,
            ..Preprocessing::default()
        };
        // 200 x 100 lies in rows 25 to 75.
        let placement = preprocessing.image_transform(200, 100);
        let corners = |corners: [f32; 4]| {
            let found = ScoredBox {
                class: 0,
                score: 1.0,
                corners,
            };
            to_image_pixels(&found, [100, 100], &placement, (200, 100))
        };
        assert_eq!(
            corners([0.0, 0.25, 1.0, 0.75]),
            Some([0.0, 0.0, 200.0, 100.0])
        );
        assert_eq!(
            corners([-9.0, 0.5, 0.5, 2.0]),
            Some([0.0, 50.0, 100.0, 100.0])
        );
        // Wholly in the gray padding.
        assert_eq!(corners([0.1, 0.0, 0.9, 0.2]), None);
        assert_eq!(corners([0.5, 0.5, 0.5, 0.5]), None);
        let infinite = [
            f32::NEG_INFINITY,
            f32::NEG_INFINITY,
            f32::INFINITY,
            f32::INFINITY,
        ];
        assert_eq!(corners(infinite), Some([0.0, 0.0, 200.0, 100.0]));
        assert_eq!(corners([f32::NAN; 4]), None);
    }
}
