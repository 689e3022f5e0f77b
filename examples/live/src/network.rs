//! A network on the window's device: from a texture to an answer, all on the GPU.

use std::time::Duration;

use shadernet::answers::{
    BoxList, ColorTable, FoundBoxes, LikelyClass, MaskTexture, SeenPicture, TopClasses, TopK,
};
use shadernet::device::Device;
use shadernet::gpu::{Download, Downloads, Gpu, GpuTensor};
use shadernet::graph::Op;
use shadernet::model_folder::ModelFolder;
use shadernet::session::{Input, Session, SessionOptions, Slices};
use shadernet::tasks::{Detection, DetectionOptions, Prediction};
use shadernet::tensor::Shape;
use shadernet::texture::TextureInput;
use shadernet::vision::{CropMode, Labels, Preprocessing};
use shadernet::wgpu;
use shadernet::zoo::Task;

use crate::inference::{Answer, Source};

/// How many classes are listed.
const CLASSES: usize = 5;

/// A model folder's network with what makes an answer of its outputs.
pub struct Network {
    session: Session,
    preprocessing: Preprocessing,
    labels: Labels,
    answering: Answering,
}

/// What makes an answer of outputs.
enum Answering {
    Classes(TopK, Downloads),
    Boxes(BoxList, Downloads),
    Mask(MaskTexture, ColorTable),
}

/// An answer that was recorded.
pub enum Recorded {
    /// A few bytes, and what reads them.
    Download(Download, Parse),
    /// In the texture.
    Mask,
}

/// What the bytes of a download say.
pub enum Parse {
    Classes(TopClasses),
    Boxes,
}

/// An answer that has arrived.
pub enum Parsed {
    Classes(Vec<LikelyClass>),
    Boxes(FoundBoxes),
}

impl Parse {
    pub fn parse(&self, bytes: &[u8]) -> shadernet::Result<Parsed> {
        match self {
            // One picture at a time, so one list.
            Self::Classes(classes) => Ok(Parsed::Classes(
                classes.parse(bytes)?.into_iter().flatten().collect(),
            )),
            Self::Boxes => BoxList::parse(bytes).map(Parsed::Boxes),
        }
    }
}

impl Network {
    /// Loads the network of `folder`, which is one for `task`, and makes all that passes need.
    pub fn new(
        gpu: &Gpu,
        folder: &ModelFolder,
        task: Task,
        options: &SessionOptions,
    ) -> shadernet::Result<Self> {
        let (graph, _) = folder.graph()?;
        let mut preprocessing = folder.preprocessing.clone();
        let answering = match task {
            Task::Classification => {
                let is_softmax = |&output| matches!(graph.node(output).op, Op::Softmax(_));
                let softmax = !graph.outputs().iter().any(is_softmax);
                // A class and its probability are 8 bytes.
                let classes = CLASSES.min(folder.num_classes);
                let downloads = Downloads::new(gpu, 8 * classes as u64);
                Answering::Classes(TopK::new(gpu, softmax)?, downloads)
            }
            Task::Detection => {
                let downloads = Downloads::new(gpu, BoxList::BYTES);
                Answering::Boxes(BoxList::new(gpu, &folder.heads)?, downloads)
            }
            Task::Segmentation => {
                // The whole picture, whatever its proportions, as `Segmenter` sees it.
                preprocessing.crop_pct = 1.0;
                preprocessing.crop_mode = CropMode::Squash;
                Answering::Mask(MaskTexture::new(gpu)?, ColorTable::default())
            }
        };
        let [channels, height, width] = preprocessing.input_size;
        let shape = Shape::from([1, channels, height, width]);
        let weights = folder.weights(&graph)?;
        let device = Device::from(gpu.clone());
        let mut session = Session::new(&device, &graph, weights, options, &[shape.clone()])?;
        // Times the steps now, not when the first pass is cut.
        session.prepare_slices(&[shape])?;
        Ok(Self {
            session,
            preprocessing,
            labels: folder.labels.clone(),
            answering,
        })
    }

    /// What the user should be told about how it runs.
    pub fn notice(&self) -> Option<&str> {
        self.session.notice()
    }

    /// The names of a mask's classes.
    pub fn mask_labels(&self) -> Vec<String> {
        let label = |class| self.labels.text(class).into_owned();
        match self.labels.len() {
            // One logit a pixel: whether it is the class.
            1 => vec!["background".to_owned(), label(0)],
            classes => (0..classes).map(label).collect(),
        }
    }

    /// Adds the whole network over `source` to `encoder`; its outputs.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: &Source<'_>,
    ) -> shadernet::Result<Vec<GpuTensor>> {
        let texture = [TextureInput::new(source.view, &self.preprocessing)];
        self.session.encode(encoder, &[Input::Textures(&texture)])
    }

    /// Adds the input of the network to `encoder`; the rest in pieces of at most `max` of GPU time.
    pub fn encode_slices(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: &Source<'_>,
        max: Duration,
    ) -> shadernet::Result<Slices> {
        let texture = [TextureInput::new(source.view, &self.preprocessing)];
        self.session
            .encode_slices(encoder, &[Input::Textures(&texture)], max)
    }

    /// Adds what makes an answer of `outputs` for a picture of `size`, to a texture or to be downloaded.
    pub fn encode_answer(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        size: [u32; 2],
        options: &DetectionOptions,
        mask: Option<&wgpu::TextureView>,
    ) -> shadernet::Result<Recorded> {
        match &mut self.answering {
            Answering::Classes(top, downloads) => {
                let classes = top.encode(encoder, &outputs[0], CLASSES)?;
                let download = downloads.record(encoder, &classes.buffer, 0)?;
                Ok(Recorded::Download(download, Parse::Classes(classes)))
            }
            Answering::Boxes(list, downloads) => {
                let picture = SeenPicture::new(&self.preprocessing, size[0], size[1]);
                let buffer = list.encode(encoder, outputs, &picture, options)?;
                let download = downloads.record(encoder, &buffer, 0)?;
                Ok(Recorded::Download(download, Parse::Boxes))
            }
            Answering::Mask(texture, colors) => {
                if let Some(mask) = mask {
                    texture.encode(encoder, &outputs[0], mask, colors, None)?;
                }
                Ok(Recorded::Mask)
            }
        }
    }

    /// An answer in words.
    pub fn answer(&self, parsed: Parsed) -> Answer {
        let label = |class| self.labels.text(class).into_owned();
        match parsed {
            Parsed::Classes(classes) => {
                let classes = classes.into_iter().map(|likely| Prediction {
                    class: likely.class,
                    label: label(likely.class),
                    probability: likely.probability,
                });
                Answer::Classes(classes.collect())
            }
            Parsed::Boxes(found) => {
                let boxes = found.boxes.into_iter().map(|found| Detection {
                    class: found.class,
                    label: label(found.class),
                    score: found.score,
                    corners: found.corners,
                });
                Answer::Boxes(boxes.collect())
            }
        }
    }
}
