use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;

use super::on_gpu::OnGpu;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};
use crate::graph::Graph;
use crate::model_folder::ModelFolder;
use crate::postprocess::{BoxList, BoxListOutput, ImagePlacement};
use crate::session::{PassChunks, Session, SessionInput, SessionOptions};
use crate::tensor::{Shape, Tensor};
use crate::texture::{TextureInput, TextureSource};
use crate::vision::{
    DetectionOptions, Head, ImageTransform, Labels, Preprocessing, ScoredBox,
    non_maximum_suppression,
};
use crate::zoo::Task;

/// Something found in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// The class's index.
    pub class: usize,
    /// Its name.
    pub label: String,
    /// Between 0 and 1; the larger the surer.
    pub score: f32,
    /// Left, top, right and bottom in pixels of the picture, within it; 0, 0 is the top left corner
    /// of the first pixel.
    pub corners: [f32; 4],
}

/// A model folder's detector on a device, with its preparation of pictures and its class names.
pub struct Detector {
    session: Session,
    preprocessing: Preprocessing,
    labels: Labels,
    heads: Vec<Head>,
    on_gpu: OnGpu<BoxList>,
}

impl Detector {
    /// Loads the network and prepares for one picture at a time.
    ///
    /// # Errors
    /// [`Error::File`] where the folder's architecture is not known (with the nearest that is), is no
    /// detector, or its `heads` are missing or do not fit the network's outputs; and those of
    /// [`Session::new`].
    pub fn new(device: &Device, folder: &ModelFolder, options: &SessionOptions) -> Result<Self> {
        let (graph, task) = folder.graph()?;
        if task != Task::Detection {
            return Err(folder.wrong_task(task, Task::Detection));
        }
        let [channels, height, width] = folder.preprocessing.input_size;
        let shape = Shape::from([1, channels, height, width]);
        check_heads(folder, &graph, &shape)?;
        let weights = Arc::new(folder.weights(&graph)?);
        Ok(Self {
            session: Session::new(device, &graph, weights, options, &[shape])?,
            preprocessing: folder.preprocessing.clone(),
            labels: folder.labels.clone(),
            heads: folder.heads.clone(),
            on_gpu: OnGpu::new(),
        })
    }

    /// How pictures become inputs: [`Preprocessing::apply`] makes what [`Self::predict`] takes.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// What the user should be told about how the network runs; see [`Session::warning`].
    pub fn warning(&self) -> Option<&str> {
        self.session.warning()
    }

    /// What is in `picture`, surest first.
    ///
    /// # Errors
    /// Those of [`Preprocessing::apply`] and [`Self::predict`].
    pub fn detect(
        &mut self,
        picture: &RgbImage,
        options: &DetectionOptions,
    ) -> Result<Vec<Detection>> {
        let input = self.preprocessing.apply(picture)?;
        self.predict(input, picture.dimensions(), options)
    }

    /// What is in a prepared picture `[1, C, H, W]` that was of `size` (width and height), surest
    /// first.
    ///
    /// # Errors
    /// Those of [`DetectionOptions::check`] and [`Session::run`]; [`Error::Inputs`] where the input
    /// is not one picture, or the network answers not-a-number, which is not to pass for "nothing
    /// there".
    pub fn predict(
        &mut self,
        input: Tensor,
        size: (u32, u32),
        options: &DetectionOptions,
    ) -> Result<Vec<Detection>> {
        options.check()?;
        let [batch, _, height, width] = input.shape().nchw();
        if batch != 1 {
            return Err(Error::Inputs(format!(
                "one picture was expected, found a batch of {batch}"
            )));
        }
        let outputs = self.session.run(&[input])?;
        let mut boxes = Vec::new();
        for (head, output) in self.heads.iter().zip(&outputs) {
            let unknown = output.data().iter().filter(|x| x.is_nan()).count();
            if unknown > 0 {
                return Err(Error::Inputs(format!(
                    "the network answered not-a-number ({unknown} of {} values): its weights are \
                     damaged, or float16 is too narrow for them",
                    output.data().len()
                )));
            }
            let found = head.decode(output, [height, width], options.threshold)?;
            boxes.extend(found.into_iter().flatten());
        }
        let placement = self.preprocessing.image_transform(size.0, size.1);
        let boxes = non_maximum_suppression(boxes, options.iou);
        Ok((boxes.into_iter())
            .filter_map(|found| {
                let corners = in_picture(&found, [width, height], &placement, size)?;
                Some(self.detection(&found, corners))
            })
            .collect())
    }

    /// Records what lists the boxes of the picture that `source` shows, in the host's encoder: nothing is
    /// submitted, and nothing waits. The answer is a list on the GPU, laid out as [`BoxList`] says, in texels
    /// of the level that `source` shows ([`TextureSource::mip_level`]); [`BoxList::parse`] and [`Self::named`] say
    /// what it means once it was read back.
    ///
    /// # Errors
    /// Those of [`Session::encode`] and [`BoxList::encode`]; [`Error::Device`] on the CPU twin.
    pub fn encode<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: impl Into<TextureSource<'v>>,
        options: &DetectionOptions,
    ) -> Result<wgpu::Buffer> {
        let source = source.into();
        let textures = [TextureInput::new(source, &self.preprocessing)];
        let outputs = (self.session).encode(encoder, &[SessionInput::Textures(&textures)])?;
        self.encode_postprocess(encoder, &outputs, source, options)
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
        let textures = [TextureInput::new(source, &self.preprocessing)];
        (self.session).encode_chunks(encoder, &[SessionInput::Textures(&textures)], max)
    }

    /// Records what lists the boxes in a pass's outputs, in texels of the level that `source` shows, which is
    /// to be as it was for [`Self::encode_chunks`].
    ///
    /// # Errors
    /// Those of [`BoxList::encode`]; [`Error::Inputs`] where `source` is of a level that its texture does not
    /// have; [`Error::Device`] on the CPU twin.
    pub fn encode_postprocess<'v>(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        source: impl Into<TextureSource<'v>>,
        options: &DetectionOptions,
    ) -> Result<wgpu::Buffer> {
        let make = |gpu: &Gpu| BoxList::new(gpu, &self.heads);
        let list = self.on_gpu.get(&mut self.session, make)?;
        let [width, height] = source.into().size()?;
        let picture = ImagePlacement::new(&self.preprocessing, width, height);
        list.encode(encoder, outputs, &picture, options)
    }

    /// Makes what [`Self::encode`] would make when it is called first.
    ///
    /// # Errors
    /// [`Error::Device`] on the CPU twin, and where the device refuses.
    pub fn prepare_encode(&mut self) -> Result<()> {
        self.session.prepare_textures()?;
        let make = |gpu: &Gpu| BoxList::new(gpu, &self.heads);
        self.on_gpu.get(&mut self.session, make).map(drop)
    }

    /// Makes what [`Self::encode_chunks`] would make when it is called first: see
    /// [`Session::prepare_chunks`].
    ///
    /// # Errors
    /// Those of [`Session::prepare_chunks`].
    pub fn prepare_chunks(&mut self) -> Result<()> {
        let [channels, height, width] = self.preprocessing.input_size;
        (self.session).prepare_chunks(&[Shape::from([1, channels, height, width])])
    }

    /// Boxes that were found on the GPU, with the names of their classes.
    pub fn named(&self, found: &BoxListOutput) -> Vec<Detection> {
        let named = |found: &ScoredBox| self.detection(found, found.corners);
        found.boxes.iter().map(named).collect()
    }

    /// `found` with its class's name, at `corners` of the picture.
    fn detection(&self, found: &ScoredBox, corners: [f32; 4]) -> Detection {
        Detection {
            class: found.class,
            label: self.labels.text(found.class).into_owned(),
            score: found.score,
            corners,
        }
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

/// A box in units of the input as one in pixels of the picture, cut off at its edges; none where
/// nothing of it is within.
fn in_picture(
    found: &ScoredBox,
    [input_width, input_height]: [usize; 2],
    placement: &ImageTransform,
    (width, height): (u32, u32),
) -> Option<[f32; 4]> {
    let to_picture = |x: f32, y: f32| {
        let [x, y] = placement.to_image([x * input_width as f32, y * input_height as f32]);
        [x.clamp(0.0, width as f32), y.clamp(0.0, height as f32)]
    };
    let [x0, y0, x1, y1] = found.corners;
    let ([x0, y0], [x1, y1]) = (to_picture(x0, y0), to_picture(x1, y1));
    (x0 < x1 && y0 < y1).then_some([x0, y0, x1, y1])
}

/// Whether the folder's heads can read what the network answers.
fn check_heads(folder: &ModelFolder, graph: &Graph, input: &Shape) -> Result<()> {
    let fault = |reason: String| Err(Error::file(folder.path.join("config.json"), reason));
    let outputs = graph.outputs();
    if folder.heads.len() != outputs.len() {
        return fault(format!(
            "key 'heads': {} objects were expected, one for each output of {}, found {}; \
             `shadernet convert` writes them from Darknet's .cfg",
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
    fn boxes_are_cut_off_at_the_pictures_edges() {
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
            in_picture(&found, [100, 100], &placement, (200, 100))
        };
        assert_eq!(
            corners([0.0, 0.25, 1.0, 0.75]),
            Some([0.0, 0.0, 200.0, 100.0])
        );
        assert_eq!(
            corners([-9.0, 0.5, 0.5, 2.0]),
            Some([0.0, 50.0, 100.0, 100.0])
        );
        // Wholly in the grey.
        assert_eq!(corners([0.1, 0.0, 0.9, 0.2]), None);
        assert_eq!(corners([0.5, 0.5, 0.5, 0.5]), None);
        let endless = [
            f32::NEG_INFINITY,
            f32::NEG_INFINITY,
            f32::INFINITY,
            f32::INFINITY,
        ];
        assert_eq!(corners(endless), Some([0.0, 0.0, 200.0, 100.0]));
        assert_eq!(corners([f32::NAN; 4]), None);
    }
}
