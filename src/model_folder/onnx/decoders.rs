//! Nodes that turn the raw outputs of detectors into boxes, which [`DecodedBoxes`] describes.
//!
//! The formulas are those of the projects' own programs: `face_detect.cpp` of OpenCV for YuNet, `onnx-runtime/main.cpp` of
//! FastestDet, `centerface.py` of CenterFace.

use crate::onnx::{OnnxModel, Setting};
use crate::vision::DecodedBoxes;

/// Adds nodes to a model.
pub(super) struct Decoder<'m> {
    pub model: &'m mut OnnxModel,
    /// The name of the image.
    pub image: String,
}

/// The cells of a map.
struct Grid {
    /// The column and the row of each cell, in order, `[cells]` each.
    at: [String; 2],
    /// The number of columns and of rows.
    counts: [String; 2],
}

impl Decoder<'_> {
    fn op(&mut self, op_type: &str, inputs: &[&str]) -> String {
        self.model.add_node(op_type, inputs, &[])
    }

    fn on_axis(&mut self, op_type: &str, inputs: &[&str], axis: i64) -> String {
        let axis = [("axis", Setting::Int(axis))];
        self.model.add_node(op_type, inputs, &axis)
    }

    /// `value op number`.
    fn by(&mut self, op_type: &str, value: &str, number: f32) -> String {
        let number = self.model.add_number(number);
        self.op(op_type, &[value, &number])
    }

    /// Elements `start` to below `end` along an axis.
    pub fn slice(&mut self, value: &str, axis: i64, start: i64, end: i64) -> String {
        let [start, end, axis] = [start, end, axis].map(|index| self.model.add_ints([index]));
        self.op("Slice", &[value, &start, &end, &axis])
    }

    /// `value` with another shape: 0 stands for the extent that it has, -1 for what is left.
    fn reshape<const N: usize>(&mut self, value: &str, shape: [i64; N]) -> String {
        let shape = self.model.add_ints(shape);
        self.op("Reshape", &[value, &shape])
    }

    fn as_float(&mut self, value: &str) -> String {
        let float = [("to", Setting::Int(1))];
        self.model.add_node("Cast", &[value], &float)
    }

    /// A grid of cells that are `stride` pixels wide and high.
    fn cells(&mut self, stride: i64) -> Grid {
        let shape = self.op("Shape", &[&self.image.clone()]);
        let stride = self.model.add_ints([stride]);
        let [rows, columns] = [2, 3].map(|axis| {
            let index = self.model.add_ints([axis]);
            let side = self.on_axis("Gather", &[&shape, &index], 0);
            self.op("Div", &[&side, &stride])
        });
        let count = self.op("Mul", &[&rows, &columns]);
        let [zero, one] = [0, 1].map(|number| self.model.add_ints([number]));
        let index = self.op("Range", &[&zero, &count, &one]);
        let at = ["Mod", "Div"].map(|op_type| {
            let at = self.op(op_type, &[&index, &columns]);
            self.as_float(&at)
        });
        let counts = [columns, rows].map(|count| self.as_float(&count));
        Grid { at, counts }
    }

    /// The first `used` of `found` values along an axis.
    fn first(&mut self, value: &str, axis: i64, found: usize, used: usize) -> String {
        match found == used {
            true => value.to_owned(),
            false => self.slice(value, axis, 0, i64::try_from(used).unwrap_or(i64::MAX)),
        }
    }

    /// `[N, values, boxes]`: centers and sizes in pixels, scores, and other values.
    pub fn yolo_v8(
        &mut self,
        output: &str,
        values: usize,
        classes: usize,
    ) -> (String, DecodedBoxes) {
        let output = self.first(output, 1, values, classes.saturating_add(4));
        let boxes = DecodedBoxes {
            in_pixels: true,
            ..DecodedBoxes::new(classes)
        };
        (output, boxes)
    }

    /// `[N, boxes, values]`: centers and sizes in pixels, objectness, scores, and other values.
    pub fn yolo_v5(
        &mut self,
        output: &str,
        values: usize,
        classes: usize,
    ) -> (String, DecodedBoxes) {
        let output = self.first(output, 2, values, classes.saturating_add(5));
        let boxes = DecodedBoxes {
            has_objectness: true,
            by_box: true,
            in_pixels: true,
            ..DecodedBoxes::new(classes)
        };
        (output, boxes)
    }

    /// YuNet's maps of one stride, `[N, cells, 1]`, `[N, cells, 1]` and `[N, cells, 4]`, as `[N, cells, 5]`.
    fn yunet_stride(&mut self, stride: i64, [class, objectness, boxes]: [&str; 3]) -> String {
        let grid = self.cells(stride).at;
        let grid = grid.map(|at| self.reshape(&at, [-1, 1]));
        let grid = self.on_axis("Concat", &[&grid[0], &grid[1]], 1);
        #[allow(clippy::cast_precision_loss)]
        let pixels = stride as f32;
        let center = self.slice(boxes, 2, 0, 2);
        let center = self.op("Add", &[&center, &grid]);
        let center = self.by("Mul", &center, pixels);
        let size = self.slice(boxes, 2, 2, 4);
        let size = self.op("Exp", &[&size]);
        let size = self.by("Mul", &size, pixels);
        let bounds = [0.0, 1.0].map(|bound| self.model.add_number(bound));
        let [class, objectness] =
            [class, objectness].map(|x| self.op("Clip", &[x, &bounds[0], &bounds[1]]));
        let score = self.op("Mul", &[&class, &objectness]);
        let score = self.op("Sqrt", &[&score]);
        self.on_axis("Concat", &[&center, &size, &score], 2)
    }

    /// YuNet's outputs: `cls_S`, `obj_S` and `bbox_S` for each stride `S`.
    pub fn yunet(&mut self, strides: &[i64]) -> (String, DecodedBoxes) {
        let maps: Vec<String> = (strides.iter())
            .map(|&stride| {
                let names = ["cls", "obj", "bbox"].map(|name| format!("{name}_{stride}"));
                self.yunet_stride(stride, [&names[0], &names[1], &names[2]])
            })
            .collect();
        let maps: Vec<&str> = maps.iter().map(String::as_str).collect();
        let boxes = DecodedBoxes {
            by_box: true,
            in_pixels: true,
            ..DecodedBoxes::new(1)
        };
        (self.on_axis("Concat", &maps, 1), boxes)
    }

    /// Boxes `[N, boxes, 4]` and scores `[N, boxes, C]`, without the first class where that is the background.
    pub fn boxes_and_scores(
        &mut self,
        boxes: &str,
        scores: &str,
        classes: usize,
        has_background: bool,
    ) -> (String, DecodedBoxes) {
        let scores = match has_background {
            true => self.slice(scores, 2, 1, i64::MAX),
            false => scores.to_owned(),
        };
        let output = self.on_axis("Concat", &[boxes, &scores], 2);
        let boxes = DecodedBoxes {
            by_box: true,
            has_corners: true,
            ..DecodedBoxes::new(classes)
        };
        (output, boxes)
    }

    /// Boxes after non-maximum suppression, `[N, boxes, 6]`: corners in pixels, score and class.
    pub fn end_to_end(&mut self, output: &str, classes: usize) -> (String, DecodedBoxes) {
        let corners = self.slice(output, 2, 0, 4);
        let score = self.slice(output, 2, 4, 5);
        let class = self.slice(output, 2, 5, 6);
        let [zero, one, count] = [0, 1, i64::try_from(classes).unwrap_or(i64::MAX)]
            .map(|number| self.model.add_ints([number]));
        let all = self.op("Range", &[&zero, &count, &one]);
        let all = self.as_float(&all);
        // One for the box's class, zero for the others: 1 - |class - i|, but at least 0.
        let distance = self.op("Sub", &[&class, &all]);
        let distance = self.op("Abs", &[&distance]);
        let one = self.model.add_number(1.0);
        let is_class = self.op("Sub", &[&one, &distance]);
        let is_class = self.op("Relu", &[&is_class]);
        let scores = self.op("Mul", &[&is_class, &score]);
        let output = self.on_axis("Concat", &[&corners, &scores], 2);
        let boxes = DecodedBoxes {
            by_box: true,
            has_corners: true,
            in_pixels: true,
            ..DecodedBoxes::new(classes)
        };
        (output, boxes)
    }

    /// FastestDet's map `[N, 5 + C, H, W]` of objectness, offset, size and class probabilities.
    pub fn fastest_det(&mut self, output: &str, classes: usize) -> (String, DecodedBoxes) {
        let map = self.reshape(output, [0, 0, -1]);
        let objectness = self.slice(&map, 1, 0, 1);
        let objectness = self.by("Pow", &objectness, 0.6);
        let scores = self.slice(&map, 1, 5, i64::MAX);
        let scores = self.by("Pow", &scores, 0.4);
        let grid = self.cells(FAST_STRIDE);
        let center = [0, 1].map(|axis: usize| {
            let channel = if axis == 0 { 1 } else { 2 };
            let at = self.slice(&map, 1, channel, channel.saturating_add(1));
            let at = self.op("Tanh", &[&at]);
            let at = self.op("Add", &[&at, &grid.at[axis]]);
            self.op("Div", &[&at, &grid.counts[axis]])
        });
        let size = self.slice(&map, 1, 3, 5);
        let size = self.op("Sigmoid", &[&size]);
        let all = [&center[0], &center[1], &size, &objectness, &scores].map(String::as_str);
        let boxes = DecodedBoxes {
            has_objectness: true,
            ..DecodedBoxes::new(classes)
        };
        (self.on_axis("Concat", &all, 1), boxes)
    }

    /// CenterFace's maps: scores `[N, 1, H, W]`, and heights and widths, and offsets of y and x, `[N, 2, H, W]`.
    pub fn center_face(&mut self, [scores, sizes, offsets]: [&str; 3]) -> (String, DecodedBoxes) {
        #[allow(clippy::cast_precision_loss)]
        let stride = CENTER_STRIDE as f32;
        let [scores, sizes, offsets] =
            [scores, sizes, offsets].map(|map| self.reshape(map, [0, 0, -1]));
        let grid = self.cells(CENTER_STRIDE).at;
        let center = [(0, 1), (1, 0)].map(|(axis, channel): (usize, i64)| {
            let at = self.slice(&offsets, 1, channel, channel.saturating_add(1));
            let at = self.op("Add", &[&at, &grid[axis]]);
            let at = self.by("Add", &at, 0.5);
            self.by("Mul", &at, stride)
        });
        let size = [1, 0].map(|channel: i64| {
            let at = self.slice(&sizes, 1, channel, channel.saturating_add(1));
            let at = self.op("Exp", &[&at]);
            self.by("Mul", &at, stride)
        });
        let all = [&center[0], &center[1], &size[0], &size[1], &scores].map(String::as_str);
        let boxes = DecodedBoxes {
            in_pixels: true,
            ..DecodedBoxes::new(1)
        };
        (self.on_axis("Concat", &all, 1), boxes)
    }
}

/// Pixels of a cell of FastestDet, along an axis.
pub(super) const FAST_STRIDE: i64 = 16;
/// Pixels of a cell of CenterFace, along an axis.
pub(super) const CENTER_STRIDE: i64 = 4;
