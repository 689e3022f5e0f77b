//! A network on the window's device: from a texture to an answer, all on the GPU.

use std::time::Duration;

use shadernet::postprocess::{BoxList, ColorTable, BoxListOutput, ClassScore, TopClasses};
use shadernet::device::Device;
use shadernet::gpu::{Download, Downloads, Gpu, GpuTensor};
use shadernet::model_folder::ModelFolder;
use shadernet::session::{SessionOptions, PassChunks};
use shadernet::tasks::{Classifier, DetectionOptions, Detector, Segmenter};
use shadernet::wgpu;
use shadernet::zoo::Task;

use crate::inference::Answer;

/// How many classes are listed.
const CLASSES: usize = 5;

/// A model folder's network, by what it answers, with the way of small answers to the CPU.
pub enum Network {
    Classifier(Classifier, Downloads),
    Detector(Detector, Downloads),
    /// The mask stays on the GPU.
    Segmenter(Segmenter, ColorTable),
}

/// What an answer is recorded with.
pub struct Wanted<'a> {
    /// The picture.
    pub view: &'a wgpu::TextureView,
    pub detection: &'a DetectionOptions,
    /// The texture that a segmenter writes to.
    pub mask: Option<&'a wgpu::TextureView>,
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
    Classes(Vec<ClassScore>),
    Boxes(BoxListOutput),
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
    /// Loads the network of `folder`, which is one for `task`, and makes all that passes need, whole ones
    /// and those in pieces.
    pub fn new(
        gpu: &Gpu,
        folder: &ModelFolder,
        task: Task,
        options: &SessionOptions,
    ) -> shadernet::Result<Self> {
        let device = Device::from(gpu.clone());
        match task {
            Task::Classification => {
                let mut classifier = Classifier::new(&device, folder, options)?;
                classifier.prepare_encode()?;
                classifier.prepare_chunks()?;
                // A class and its probability are 8 bytes.
                let classes = CLASSES.min(folder.num_classes);
                let downloads = Downloads::new(gpu, 8 * classes as u64);
                Ok(Self::Classifier(classifier, downloads))
            }
            Task::Detection => {
                let mut detector = Detector::new(&device, folder, options)?;
                detector.prepare_encode()?;
                detector.prepare_chunks()?;
                let downloads = Downloads::new(gpu, BoxList::BYTES);
                Ok(Self::Detector(detector, downloads))
            }
            Task::Segmentation => {
                let mut segmenter = Segmenter::new(&device, folder, options)?;
                segmenter.prepare_encode()?;
                segmenter.prepare_chunks()?;
                Ok(Self::Segmenter(segmenter, ColorTable::default()))
            }
            other => Err(shadernet::Error::Inputs(format!(
                "this example shows no {other} networks"
            ))),
        }
    }

    /// What the user should be told about how it runs.
    pub fn warning(&self) -> Option<&str> {
        match self {
            Self::Classifier(classifier, _) => classifier.warning(),
            Self::Detector(detector, _) => detector.warning(),
            Self::Segmenter(segmenter, _) => segmenter.warning(),
        }
    }

    /// Adds the whole way from the picture to an answer to `encoder`.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        wanted: &Wanted<'_>,
    ) -> shadernet::Result<Recorded> {
        match self {
            Self::Classifier(classifier, downloads) => {
                let classes = classifier.encode(encoder, wanted.view, CLASSES)?;
                download_classes(encoder, downloads, classes)
            }
            Self::Detector(detector, downloads) => {
                let list = detector.encode(encoder, wanted.view, wanted.detection)?;
                download_boxes(encoder, downloads, &list)
            }
            Self::Segmenter(segmenter, colors) => {
                if let Some(mask) = wanted.mask {
                    segmenter.encode(encoder, wanted.view, mask, colors)?;
                }
                Ok(Recorded::Mask)
            }
        }
    }

    /// Adds the input of the network to `encoder`; the rest comes in pieces of at most `max` of GPU time.
    pub fn encode_chunks(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        view: &wgpu::TextureView,
        max: Duration,
    ) -> shadernet::Result<PassChunks> {
        match self {
            Self::Classifier(network, _) => network.encode_chunks(encoder, view, max),
            Self::Detector(network, _) => network.encode_chunks(encoder, view, max),
            Self::Segmenter(network, _) => network.encode_chunks(encoder, view, max),
        }
    }

    /// Adds what makes an answer of the `outputs` of the last piece to `encoder`.
    pub fn encode_postprocess(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        wanted: &Wanted<'_>,
    ) -> shadernet::Result<Recorded> {
        match self {
            Self::Classifier(classifier, downloads) => {
                let classes = classifier.encode_postprocess(encoder, outputs, CLASSES)?;
                download_classes(encoder, downloads, classes)
            }
            Self::Detector(detector, downloads) => {
                let (view, options) = (wanted.view, wanted.detection);
                let list = detector.encode_postprocess(encoder, outputs, view, options)?;
                download_boxes(encoder, downloads, &list)
            }
            Self::Segmenter(segmenter, colors) => {
                if let Some(mask) = wanted.mask {
                    segmenter.encode_postprocess(encoder, outputs, mask, colors)?;
                }
                Ok(Recorded::Mask)
            }
        }
    }

    /// An answer in words.
    pub fn answer(&self, parsed: Parsed) -> Answer {
        match (self, parsed) {
            (Self::Classifier(classifier, _), Parsed::Classes(classes)) => {
                Answer::Classes(classifier.named(&classes))
            }
            (Self::Detector(detector, _), Parsed::Boxes(found)) => {
                Answer::Boxes(detector.named(&found))
            }
            // A network's answers are of its kind.
            _ => Answer::None,
        }
    }
}

fn download_classes(
    encoder: &mut wgpu::CommandEncoder,
    downloads: &Downloads,
    classes: TopClasses,
) -> shadernet::Result<Recorded> {
    let download = downloads.record(encoder, &classes.buffer, 0)?;
    Ok(Recorded::Download(download, Parse::Classes(classes)))
}

fn download_boxes(
    encoder: &mut wgpu::CommandEncoder,
    downloads: &Downloads,
    list: &wgpu::Buffer,
) -> shadernet::Result<Recorded> {
    let download = downloads.record(encoder, list, 0)?;
    Ok(Recorded::Download(download, Parse::Boxes))
}
