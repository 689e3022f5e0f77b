use bytemuck::Zeroable;
use wgpu::BufferUsages;

use super::kernel::{Context, Kernel, Span, Target};
use crate::error::{Error, Result};
use crate::gpu::uniform::uniforms;
use crate::gpu::{BOX_CANDIDATES, BOX_LIST, Gpu, GpuTensor};
use crate::vision::{DetectionOptions, Head, ImageTransform, Preprocessing, ScoredBox};

/// What a YOLO network has found, decoded and listed on the GPU: [`Head::decode`] and
/// [`non_maximum_suppression`](crate::vision::non_maximum_suppression), in pixels of the picture.
///
/// Up to [`Self::CANDIDATES`] boxes above the threshold are looked at. Where there are more, which of
/// them differs from run to run, and the list says how many were not. Of what is left at most
/// [`Self::MOST`] boxes are listed, the surest. What the network answers is looked through for NaN,
/// as by [`Detector`](crate::tasks::Detector).
///
/// # The list
/// A buffer of [`Self::BYTES`], usages `STORAGE`, `COPY_SRC` and `VERTEX`. Eight `u32` come first:
///
/// | word | |
/// | --- | --- |
/// | 0 | boxes listed |
/// | 1 | boxes above the threshold, before suppression |
/// | 2 | those of them that did not fit, and were passed over |
/// | 3 | numbers of the network's answer that are NaN: where there are any, the list means nothing |
/// | 4 | boxes left over when the list was full; some of them may have been suppressed yet |
/// | 5–7 | 0 |
///
/// From byte 32 on there are 24 bytes a box, surest first (of equals the smaller class, then the order
/// of [`Head::decode`]): left, top, right and bottom, in pixels of the picture and within it, and the
/// score, all `f32`; and the class, a `u32`. What follows the last box is left from before.
pub struct BoxList {
    context: Context,
    heads: Vec<(Head, Span)>,
    decode: Kernel,
    suppress: Kernel,
    candidates: wgpu::Buffer,
    boxes: wgpu::Buffer,
}

/// Where a picture lies in a network's input, and how large it is, for boxes to be in its pixels.
#[derive(Clone, Copy, Debug)]
pub struct ImagePlacement {
    /// Height and width of the network's input.
    pub input: [usize; 2],
    /// Where the picture lies in it.
    pub placement: ImageTransform,
    /// Width and height of the picture.
    pub size: (u32, u32),
}

/// A list as its reader sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxListOutput {
    /// Surest first, in pixels of the picture.
    pub boxes: Vec<ScoredBox>,
    /// Boxes above the threshold, before suppression.
    pub candidates: u32,
    /// Those of them that were passed over, since there were more than [`BoxList::CANDIDATES`]: a
    /// higher threshold leaves fewer.
    pub dropped: u32,
    /// Boxes left over when the list was full; some of them may have been suppressed yet.
    pub unlisted: u32,
}

uniforms! {
    struct DecodeParams for BOX_CANDIDATES {
        offset: u32,
        is_vector: u32,
        width: u32,
        height: u32,
        boxes: u32,
        classes: u32,
        softmax: u32,
        sqrt: u32,
        sequence: u32,
        capacity: u32,
        threshold: f32,
        unit_width: f32,
        unit_height: f32,
        unused: [u32; 3],
    }

    struct ListParams for BOX_LIST {
        capacity: u32,
        most: u32,
        iou: f32,
        unused: u32,
        scale: [f32; 2],
        shift: [f32; 2],
        size: [f32; 2],
        unused_2: [u32; 2],
    }
}

/// Words of the list before the first box.
const HEADER: usize = 8;
/// Words a box.
const RECORD: usize = 6;

impl BoxList {
    /// The most boxes above the threshold that are looked at.
    pub const CANDIDATES: u32 = 4096;
    /// The most boxes that are listed.
    pub const MOST: u32 = 256;
    /// Bytes of the list.
    pub const BYTES: u64 = 4 * (HEADER as u64 + RECORD as u64 * Self::MOST as u64);

    /// Makes the pipelines, and buffers for the outputs of `heads`.
    ///
    /// # Errors
    /// [`Error::Device`] and its like where the device refuses.
    pub fn new(gpu: &Gpu, heads: &[Head]) -> Result<Self> {
        let context = Context::new(gpu);
        let [decode, suppress] = Kernel::all(&context, [&BOX_CANDIDATES, &BOX_LIST])?;
        let with_anchors = |head: &Head| {
            // A buffer may not be empty: heads without anchors read none.
            let mut anchors = head.anchors();
            anchors.resize(anchors.len().max(1), [0.0; 2]);
            let bytes = bytemuck::cast_slice(&anchors);
            let anchors = context.filled("anchors", bytes, BufferUsages::STORAGE)?;
            Ok((head.clone(), Span::all(&anchors)))
        };
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::VERTEX;
        Ok(Self {
            heads: heads.iter().map(with_anchors).collect::<Result<_>>()?,
            decode: decode.times(heads.len()),
            suppress,
            candidates: context.buffer(
                "candidates for boxes",
                // A counter and the rest of 16 bytes, then `Candidate` of the shaders.
                16 + 32 * u64::from(Self::CANDIDATES),
                BufferUsages::STORAGE | BufferUsages::COPY_DST,
            )?,
            boxes: context.buffer("boxes", Self::BYTES, usage)?,
            context,
        })
    }

    /// Adds to `encoder` what lists the boxes of one picture, of the network's outputs in the order of
    /// the heads. The answer is the list.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the outputs do not fit the heads ([`Head::check`]), are of several
    /// images, or the options are not between 0 and 1; [`Error::Limit`] where outputs are too large for
    /// the device; [`Error::Device`] and its like where it refuses.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        picture: &ImagePlacement,
        options: &DetectionOptions,
    ) -> Result<wgpu::Buffer> {
        let what = "boxes";
        options.check()?;
        if outputs.len() != self.heads.len() {
            return Err(Error::Inputs(format!(
                "an output for each of {} heads was expected, found {}",
                self.heads.len(),
                outputs.len()
            )));
        }
        let mut dispatches = Vec::new();
        let mut sequence = 0;
        for ((head, anchors), output) in self.heads.iter().zip(outputs) {
            head.check(&output.shape)?;
            if output.shape.dims()[0] != 1 {
                return Err(Error::Inputs(format!(
                    "outputs for one picture were expected, found {}",
                    output.shape
                )));
            }
            let (read, offset) = self.context.input(what, output)?;
            let params = DecodeParams {
                offset,
                sequence,
                capacity: Self::CANDIDATES,
                threshold: options.threshold,
                ..DecodeParams::of(head, &output.shape.nchw(), picture.input)
            };
            // Each of them has an element of the output, which are fewer than 2^32.
            let boxes = params.width * params.height * params.boxes;
            sequence = sequence.wrapping_add(boxes);
            let grid = self.context.device.flat_grid(what, u64::from(boxes))?;
            let reads = vec![read, anchors.clone()];
            let written = Target::Buffer(self.candidates.clone());
            let bound = self.decode.bind(&self.context, &params, reads, written)?;
            dispatches.push((bound, grid));
        }
        let params = ListParams::of(picture, options.iou);
        let reads = vec![Span::all(&self.candidates)];
        let written = Target::Buffer(self.boxes.clone());
        let list = self.suppress.bind(&self.context, &params, reads, written)?;
        self.context.gpu.with_error_scopes(what, || {
            encoder.clear_buffer(&self.candidates, 0, Some(16));
        })?;
        self.context.pass(what, encoder, |pass| {
            for (bound, grid) in &dispatches {
                self.decode.dispatch(pass, bound, *grid);
            }
            self.suppress.dispatch(pass, &list, [1, 1, 1]);
        })?;
        Ok(self.boxes.clone())
    }

    /// Lets go of the outputs that are kept.
    pub fn clear(&mut self) {
        self.decode.clear();
        self.suppress.clear();
    }

    /// What a list says, of its bytes.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the bytes are no list, or the network has answered NaN, which is not to
    /// pass for "nothing there".
    pub fn parse(bytes: &[u8]) -> Result<BoxListOutput> {
        let (words, _) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|&word| u32::from_le_bytes(word)).collect();
        let list = words
            .split_at_checked(HEADER)
            .and_then(|(header, records)| {
                let records = records.as_chunks::<RECORD>().0.get(..header[0] as usize)?;
                Some((header, records))
            });
        let Some((&[_, candidates, dropped, not_a_number, unlisted, ..], records)) = list else {
            return Err(Error::Inputs(format!(
                "a list of boxes was expected, of {} bytes; found {} that are none",
                Self::BYTES,
                bytes.len()
            )));
        };
        if not_a_number > 0 {
            return Err(Error::Inputs(format!(
                "the network answered not-a-number ({not_a_number} values): its weights are damaged, or \
                 float16 is too narrow for them"
            )));
        }
        let found = |&[left, top, right, bottom, score, class]: &[u32; RECORD]| ScoredBox {
            class: class as usize,
            score: f32::from_bits(score),
            corners: [left, top, right, bottom].map(f32::from_bits),
        };
        Ok(BoxListOutput {
            boxes: records.iter().map(found).collect(),
            candidates,
            dropped,
            unlisted,
        })
    }
}

impl ImagePlacement {
    /// A picture of `width` and `height` that was prepared by `preprocessing`.
    pub fn new(preprocessing: &Preprocessing, width: u32, height: u32) -> Self {
        let [_, input_height, input_width] = preprocessing.input_size;
        Self {
            input: [input_height, input_width],
            placement: preprocessing.image_transform(width, height),
            size: (width, height),
        }
    }
}

impl DecodeParams {
    /// What a head and an output of its shape say.
    fn of(head: &Head, &[_, _, height, width]: &[usize; 4], input: [usize; 2]) -> Self {
        // `Head::check` saw the shape, and the elements are fewer than 2^32.
        let map = Self {
            width: width as u32,
            height: height as u32,
            boxes: head.anchors().len() as u32,
            classes: head.classes() as u32,
            unit_width: 1.0,
            unit_height: 1.0,
            ..Self::zeroed()
        };
        match *head {
            Head::Detection {
                side,
                boxes,
                sqrt,
                softmax,
                ..
            } => Self {
                is_vector: 1,
                width: side as u32,
                height: side as u32,
                boxes: boxes as u32,
                softmax: u32::from(softmax),
                sqrt: u32::from(sqrt),
                ..map
            },
            Head::Region { softmax, .. } => Self {
                softmax: u32::from(softmax),
                unit_width: width as f32,
                unit_height: height as f32,
                ..map
            },
            Head::Yolo { .. } => Self {
                unit_width: input[1] as f32,
                unit_height: input[0] as f32,
                ..map
            },
        }
    }
}

impl ListParams {
    fn of(picture: &ImagePlacement, iou: f32) -> Self {
        let [height, width] = picture.input;
        let shift = picture.placement.to_image([0.0; 2]);
        let end = picture.placement.to_image([width as f32, height as f32]);
        let (width, height) = picture.size;
        Self {
            capacity: BoxList::CANDIDATES,
            most: BoxList::MOST,
            iou,
            unused: 0,
            scale: [end[0] - shift[0], end[1] - shift[1]],
            shift,
            size: [width as f32, height as f32],
            unused_2: [0; 2],
        }
    }
}
