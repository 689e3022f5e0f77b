//! A network on the window's device: from a texture to a result, all on the GPU.

use std::time::Duration;

use shadernet::device::Device;
use shadernet::gpu::{Download, Downloads, Gpu, GpuTensor};
use shadernet::model_folder::ModelFolder;
use shadernet::postprocess::{BoxList, BoxListOutput, ClassScore, ColorTable, TopClasses};
use shadernet::session::{PassChunks, SessionOptions};
use shadernet::tasks::{Classifier, DetectionOptions, Detector, Segmenter};
use shadernet::wgpu;
use shadernet::zoo::Task;

use crate::inference::NetworkResult;

/// How many classes are listed.
const CLASSES: usize = 5;

/// A model folder's network by task, with the buffers that bring small results back to the CPU.
pub enum Network {
    Classifier(Classifier, Downloads),
    Detector(Detector, Downloads),
    /// The mask stays on the GPU.
    Segmenter(Segmenter, ColorTable),
}

/// Input and settings of a pass.
pub struct PassSettings<'a> {
    /// The image.
    pub view: &'a wgpu::TextureView,
    pub detection: &'a DetectionOptions,
    /// The texture that a segmenter writes to.
    pub mask: Option<&'a wgpu::TextureView>,
}

/// A recorded result.
pub enum Recorded {
    /// A few bytes, and how to parse them.
    Download(Download, Parse),
    /// A mask in the texture.
    Mask,
}

/// How to parse the bytes of a download.
pub enum Parse {
    Classes(TopClasses),
    Boxes,
}

/// A parsed result.
pub enum Parsed {
    Classes(Vec<ClassScore>),
    Boxes(BoxListOutput),
}

impl Parse {
    pub fn parse(&self, bytes: &[u8]) -> shadernet::Result<Parsed> {
        match self {
            // One image at a time, so one list.
            Self::Classes(classes) => Ok(Parsed::Classes(
                classes.parse(bytes)?.into_iter().flatten().collect(),
            )),
            Self::Boxes => BoxList::parse(bytes).map(Parsed::Boxes),
        }
    }
}

impl Network {
    /// Loads the network of `folder`, which is for `task`, and prepares whole passes and passes in chunks.
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

    /// A warning for the user about how it runs.
    pub fn warning(&self) -> Option<&str> {
        match self {
            Self::Classifier(classifier, _) => classifier.warning(),
            Self::Detector(detector, _) => detector.warning(),
            Self::Segmenter(segmenter, _) => segmenter.warning(),
        }
    }

    /// Records a whole pass, from the image to a result.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        settings: &PassSettings<'_>,
    ) -> shadernet::Result<Recorded> {
        match self {
            Self::Classifier(classifier, downloads) => {
                let classes = classifier.encode(encoder, settings.view, CLASSES)?;
                download_classes(encoder, downloads, classes)
            }
            Self::Detector(detector, downloads) => {
                let list = detector.encode(encoder, settings.view, settings.detection)?;
                download_boxes(encoder, downloads, &list)
            }
            Self::Segmenter(segmenter, colors) => {
                if let Some(mask) = settings.mask {
                    segmenter.encode(encoder, settings.view, mask, colors)?;
                }
                Ok(Recorded::Mask)
            }
        }
    }

    /// Records the network's input. The rest follows in chunks of at most `max` of GPU time.
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

    /// Records the postprocessing of `outputs`, which the last chunk returned.
    pub fn encode_postprocess(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        settings: &PassSettings<'_>,
    ) -> shadernet::Result<Recorded> {
        match self {
            Self::Classifier(classifier, downloads) => {
                let classes = classifier.encode_postprocess(encoder, outputs, CLASSES)?;
                download_classes(encoder, downloads, classes)
            }
            Self::Detector(detector, downloads) => {
                let (view, options) = (settings.view, settings.detection);
                let list = detector.encode_postprocess(encoder, outputs, view, options)?;
                download_boxes(encoder, downloads, &list)
            }
            Self::Segmenter(segmenter, colors) => {
                if let Some(mask) = settings.mask {
                    segmenter.encode_postprocess(encoder, outputs, mask, colors)?;
                }
                Ok(Recorded::Mask)
            }
        }
    }

    /// A result with class names.
    pub fn named(&self, parsed: Parsed) -> shadernet::Result<NetworkResult> {
        Ok(match (self, parsed) {
            (Self::Classifier(classifier, _), Parsed::Classes(classes)) => {
                NetworkResult::Classes(classifier.named(&classes)?)
            }
            (Self::Detector(detector, _), Parsed::Boxes(found)) => {
                NetworkResult::Boxes(detector.named(&found))
            }
            // A network's results are those of its task.
            _ => NetworkResult::None,
        })
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
