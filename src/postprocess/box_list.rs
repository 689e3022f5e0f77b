use bytemuck::Zeroable;
use wgpu::BufferUsages;

use super::compute_kernel::{BufferRange, ComputeKernel, KernelContext, WriteTarget};
use crate::error::{Error, Result};
use crate::gpu::uniform::uniforms;
use crate::gpu::{BOX_CANDIDATES, BOX_LIST, Gpu, GpuTensor};
use crate::kernels::{WORKGROUP, nested};
use crate::tensor::Shape;
use crate::vision::{
    DecodedBoxes, DetectionOptions, Head, ImageTransform, Preprocessing, ScoredBox,
};

/// Decodes the outputs of a detector into a list of boxes on the GPU, as [`Head::decode`] and
/// [`non_maximum_suppression`](crate::vision::non_maximum_suppression) do, in pixels of the image.
///
/// Up to [`Self::CANDIDATES`] boxes above the threshold are considered. Where there are more, which of them are
/// considered varies from run to run, and the list has the number of those that were dropped. At most
/// [`Self::MOST`] of the remaining boxes are listed, those of the highest scores. The network's outputs are
/// checked for NaN and infinity, as by [`Detector`](crate::tasks::Detector).
///
/// # Layout of the list
/// The list is the first [`Self::BYTES`] of a buffer with usages `STORAGE`, `COPY_SRC` and `VERTEX`. It begins with eight
/// `u32`:
///
/// | word | |
/// | --- | --- |
/// | 0 | boxes in the list |
/// | 1 | boxes above the threshold, before suppression |
/// | 2 | those of them that were dropped because there were too many |
/// | 3 | values in the network's outputs that are NaN or infinite: unless this is 0, the list is meaningless |
/// | 4 | boxes left over when the list was full; suppression might have removed some of them |
/// | 5–7 | 0 |
///
/// From byte 32 on there are 24 bytes per box, highest score first (among equal scores, by class and then in
/// the order of [`Head::decode`]): left, top, right and bottom, in pixels of the image and clipped to it, and
/// the score, all `f32`; and the class, a `u32`. The bytes after the last box are left from earlier lists.
#[derive(Debug)]
pub struct BoxList {
    context: KernelContext,
    heads: Vec<(Head, BufferRange)>,
    decode: ComputeKernel,
    suppress: ComputeKernel,
    candidates: wgpu::Buffer,
    boxes: wgpu::Buffer,
}

/// Where an image lies in a network's input, and its size: what brings boxes into the image's pixels.
#[derive(Clone, Copy, Debug)]
pub struct ImagePlacement {
    /// Height and width of the network's input.
    pub input: [usize; 2],
    /// Where the image lies in the input.
    pub placement: ImageTransform,
    /// Width and height of the image.
    pub size: (u32, u32),
}

/// A decoded list of boxes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BoxListOutput {
    /// The boxes, highest score first, in pixels of the image.
    pub boxes: Vec<ScoredBox>,
    /// Boxes above the threshold, before suppression.
    pub candidates: u32,
    /// Those of them that were dropped, because there were more than [`BoxList::CANDIDATES`]: a higher
    /// threshold leaves fewer.
    pub dropped: u32,
    /// Boxes left over when the list was full; suppression might have removed some of them.
    pub unlisted: u32,
}

uniforms! {
    struct DecodeParams for BOX_CANDIDATES {
        offset: u32,
        form: u32,
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
        scale_x_y: f32,
        new_coords: u32,
        by_box: u32,
        has_objectness: u32,
        has_corners: u32,
        unused: u32,
        unused_too: u32,
    }

    struct ListParams for BOX_LIST {
        capacity: u32,
        most: u32,
        iou: f32,
        iterations: u32,
        scale: [f32; 2],
        shift: [f32; 2],
        size: [f32; 2],
        continues: u32,
        unused: u32,
    }
}

/// The forms of a head, as in `box_candidates.wgsl`; a feature map's is 0.
const VECTOR: u32 = 1;
const DECODED: u32 = 2;

/// Words of the list before the first box.
const HEADER: usize = 8;
/// Words per box.
const RECORD: usize = 6;

impl BoxList {
    /// The most boxes above the threshold that are considered.
    pub const CANDIDATES: u32 = 4096;
    /// The most boxes that are listed.
    pub const MOST: u32 = 256;
    /// The size of the list in bytes.
    pub const BYTES: u64 = 4 * (HEADER as u64 + RECORD as u64 * Self::MOST as u64);

    /// Makes the pipelines, and buffers for the outputs of `heads`.
    ///
    /// # Errors
    /// [`Error::Device`] and the other device errors where the device refuses.
    pub fn new(gpu: &Gpu, heads: &[Head]) -> Result<Self> {
        let context = KernelContext::new(gpu);
        let [decode, suppress] = ComputeKernel::all(&context, [&BOX_CANDIDATES, &BOX_LIST])?;
        let with_anchors = |head: &Head| {
            // A buffer must not be empty. Heads without anchors do not read it.
            let mut anchors = head.anchors();
            anchors.resize(anchors.len().max(1), [0.0; 2]);
            let bytes = bytemuck::cast_slice(&anchors);
            let anchors = context.filled("anchors", bytes, BufferUsages::STORAGE)?;
            Ok((head.clone(), BufferRange::all(&anchors)))
        };
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::VERTEX;
        // One bit for each candidate, where several dispatches suppress.
        let (_, rounds) = suppression_rounds(context.device.max_loop_iterations);
        let state = match rounds {
            1 => 0,
            _ => u64::from(Self::CANDIDATES / 8),
        };
        Ok(Self {
            heads: heads.iter().map(with_anchors).collect::<Result<_>>()?,
            decode: decode.dispatches_per_pass(heads.len()),
            suppress,
            candidates: context.buffer(
                "candidates for boxes",
                // A counter, padded to 16 bytes, then the shaders' `Candidate`s.
                16 + 32 * u64::from(Self::CANDIDATES),
                BufferUsages::STORAGE | BufferUsages::COPY_DST,
            )?,
            boxes: context.buffer("boxes", Self::BYTES + state, usage)?,
            context,
        })
    }

    /// Records a pass that lists the boxes of one image, from the network's outputs in the order of the
    /// heads. Returns the list.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the outputs do not fit the heads ([`Head::check`]), are of several
    /// images, or the options are not between 0 and 1; [`Error::Limit`] where outputs are too large for
    /// the device; [`Error::Device`] and the other device errors where it refuses.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        outputs: &[GpuTensor],
        image: &ImagePlacement,
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
                    "outputs for one image were expected, found {}",
                    output.shape
                )));
            }
            let (read, offset) = self.context.input(what, output)?;
            let params = DecodeParams {
                offset,
                sequence,
                capacity: Self::CANDIDATES,
                threshold: options.threshold,
                ..DecodeParams::of(head, &output.shape, image.input)
            };
            // Each box has at least one element of the output, which has fewer than 2^32.
            let boxes = params.width * params.height * params.boxes;
            sequence = sequence.wrapping_add(boxes);
            // NaN are counted, the softmax reads the scores twice, and each may be a box's class.
            let iterations = 4 * nested([u64::from(params.classes)]);
            self.context.device.check_loops(what, iterations)?;
            let grid = self.context.device.flat_grid(what, u64::from(boxes))?;
            let reads = vec![read, anchors.clone()];
            let written = WriteTarget::Buffer(self.candidates.clone());
            let bound = self.decode.bind(&self.context, &params, reads, written)?;
            dispatches.push((bound, grid));
        }
        let whole = ListParams::of(image, options.iou);
        let (iterations, rounds) = suppression_rounds(self.context.device.max_loop_iterations);
        let mut lists = Vec::new();
        for continues in (0..rounds).map(|round| u32::from(round > 0)) {
            let params = ListParams {
                iterations,
                continues,
                ..whole
            };
            let reads = vec![BufferRange::all(&self.candidates)];
            let written = WriteTarget::Buffer(self.boxes.clone());
            lists.push(self.suppress.bind(&self.context, &params, reads, written)?);
        }
        self.context.gpu.with_error_scopes(what, || {
            encoder.clear_buffer(&self.candidates, 0, Some(16));
        })?;
        self.context.pass(what, encoder, |pass| {
            for (bound, grid) in &dispatches {
                self.decode.dispatch(pass, bound, *grid);
            }
            for list in &lists {
                self.suppress.dispatch(pass, list, [1, 1, 1]);
            }
        })?;
        Ok(self.boxes.clone())
    }

    /// Drops the cached bind groups, which keep outputs alive.
    pub fn clear(&mut self) {
        self.decode.clear();
        self.suppress.clear();
    }

    /// Decodes the bytes of a list.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the bytes are not a list, or the network's outputs contain NaN or
    /// infinity, which must not pass for "no objects".
    pub fn parse(bytes: &[u8]) -> Result<BoxListOutput> {
        let (words, _) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|&word| u32::from_le_bytes(word)).collect();
        let list = words
            .split_at_checked(HEADER)
            .and_then(|(header, records)| {
                let records = records.as_chunks::<RECORD>().0.get(..header[0] as usize)?;
                Some((header, records))
            });
        let Some((&[_, candidates, dropped, count, unlisted, ..], records)) = list else {
            return Err(Error::Inputs(format!(
                "a list of boxes was expected, of {} bytes; found {} bytes that are not one",
                Self::BYTES,
                bytes.len()
            )));
        };
        if count > 0 {
            let found = format!("{count} values are NaN or infinite");
            return Err(Error::not_numbers(&found));
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

/// Iterations of a dispatch of `box_list.wgsl`, each of which finds a box and what it suppresses, and the number of
/// dispatches: one, unless the driver limits loops.
fn suppression_rounds(max_loop_iterations: Option<u64>) -> (u32, u32) {
    let Some(limit) = max_loop_iterations else {
        return (u32::MAX, 1);
    };
    let candidates = u64::from(BoxList::CANDIDATES);
    let scan = nested([candidates / WORKGROUP]);
    // Before them, all candidates are scanned, and after them those that remain are counted, 32 at once. Each
    // compares the candidates of all invocations, and scans all.
    let each = 1 + 8 + scan;
    let others = scan + nested([candidates / 32]);
    let iterations = (limit.saturating_sub(others) / each).clamp(1, candidates);
    // One more finds that none remains. Both are at most the number of candidates.
    (
        iterations as u32,
        (candidates + 1).div_ceil(iterations) as u32,
    )
}

impl ImagePlacement {
    /// An image of `width` and `height` that `preprocessing` brought into the input.
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
    /// The parameters for a head and an output of this shape.
    fn of(head: &Head, shape: &Shape, input: [usize; 2]) -> Self {
        let [_, rows, height, width] = shape.nchw();
        let columns = shape.dims().last().copied().unwrap_or(1);
        // `Head::check` has checked the shape, and there are fewer than 2^32 elements.
        let map = Self {
            width: width as u32,
            height: height as u32,
            boxes: head.anchors().len() as u32,
            classes: head.classes() as u32,
            unit_width: 1.0,
            unit_height: 1.0,
            scale_x_y: 1.0,
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
                form: VECTOR,
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
            Head::Yolo {
                scale_x_y,
                new_coords,
                ..
            } => Self {
                unit_width: input[1] as f32,
                unit_height: input[0] as f32,
                scale_x_y,
                new_coords: u32::from(new_coords),
                ..map
            },
            Head::Decoded(DecodedBoxes {
                has_objectness,
                by_box,
                has_corners,
                in_pixels,
                ..
            }) => {
                let [height, width] = if in_pixels { input } else { [1, 1] };
                Self {
                    form: DECODED,
                    width: if by_box { rows } else { columns } as u32,
                    height: 1,
                    boxes: 1,
                    unit_width: width as f32,
                    unit_height: height as f32,
                    by_box: u32::from(by_box),
                    has_objectness: u32::from(has_objectness),
                    has_corners: u32::from(has_corners),
                    ..map
                }
            }
        }
    }
}

impl ListParams {
    fn of(image: &ImagePlacement, iou: f32) -> Self {
        let [height, width] = image.input;
        let shift = image.placement.to_image([0.0; 2]);
        let end = image.placement.to_image([width as f32, height as f32]);
        let (width, height) = image.size;
        Self {
            capacity: BoxList::CANDIDATES,
            most: BoxList::MOST,
            iou,
            iterations: u32::MAX,
            scale: [end[0] - shift[0], end[1] - shift[1]],
            shift,
            size: [width as f32, height as f32],
            continues: 0,
            unused: 0,
        }
    }
}
