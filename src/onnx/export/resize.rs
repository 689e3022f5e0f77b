//! Operators that change the height and width of maps.

use super::attribute::{flag, ints, sizes, string, to_int};
use super::layout::{concat_lists, extents};
use super::writer::GraphWriter;
use crate::graph::{
    AdaptiveAvgPool2d, CenterCropOrPad, GridSample, GridSampleMode, GridSamplePadding, Pad2d,
    Resample, TapWindow, Taps, Upsample, UpsampleMode, UpsampleSize,
};

/// Means of parts of a map. ONNX has only that of the whole map.
pub(super) fn adaptive_avg_pool(writer: &mut GraphWriter, op: &AdaptiveAvgPool2d) -> String {
    let x = writer.input(0);
    if op.output == [1; 2] {
        return writer.op("GlobalAveragePool", &[&x], Vec::new());
    }
    writer.fix_size();
    let [_, _, h, w] = writer.shape(0).nchw();
    let [rows, columns] = op.output;
    if [h, w] == op.output {
        return x;
    }
    let side = |size: usize, parts: usize| {
        let side = size.checked_div(parts)?;
        (side.checked_mul(parts) == Some(size)).then_some(side)
    };
    if let (Some(height), Some(width)) = (side(h, rows), side(w, columns)) {
        let attributes = vec![
            sizes("kernel_shape", &[height, width]),
            sizes("strides", &[height, width]),
        ];
        return writer.op("AveragePool", &[&x], attributes);
    }
    // Parts that overlap.
    let [rows, columns] = [(h, rows), (w, columns)].map(|(size, parts)| means(size, parts));
    resampled(writer, &x, &rows, &columns)
}

/// Weights that average `size` pixels in parts, as `AdaptiveAvgPool2d` divides them.
fn means(size: usize, parts: usize) -> Taps {
    let window = |i: usize| {
        let bound = |i: usize| i.saturating_mul(size);
        let first = bound(i).checked_div(parts).unwrap_or(0);
        let end = bound(i.saturating_add(1)).div_ceil(parts);
        let count = end.saturating_sub(first);
        TapWindow {
            first,
            weights: vec![(count as f32).recip(); count],
        }
    };
    Taps {
        input: size,
        windows: (0..parts).map(window).collect(),
    }
}

pub(super) fn resample(writer: &mut GraphWriter, op: &Resample) -> String {
    writer.fix_size();
    let x = writer.input(0);
    let resampled = resampled(writer, &x, &op.rows, &op.columns);
    let is_empty = |window: &TapWindow| window.weights.is_empty();
    let [rows, columns] = [&op.rows, &op.columns].map(|taps| &taps.windows);
    if op.outside == 0.0 || !rows.iter().chain(columns).any(is_empty) {
        return resampled;
    }
    // The products are 0 there.
    let values = rows.iter().flat_map(|row| {
        let is_outside = |column| is_empty(row) || is_empty(column);
        columns.iter().map(move |column| match is_outside(column) {
            true => op.outside,
            false => 0.0,
        })
    });
    let values: Vec<f32> = values.collect();
    let outside = writer.floats(&[rows.len(), columns.len()], &values);
    writer.op("Add", &[&resampled, &outside], Vec::new())
}

/// A map whose rows and columns are weighted sums of those of `x`: products with a matrix on either side.
fn resampled(writer: &mut GraphWriter, x: &str, rows: &Taps, columns: &Taps) -> String {
    let mut value = x.to_owned();
    if !is_identity(rows) {
        let matrix = writer.floats(&[rows.windows.len(), rows.input], &matrix(rows));
        value = writer.op("MatMul", &[&matrix, &value], Vec::new());
    }
    if !is_identity(columns) {
        let by_output = matrix(columns);
        let count = columns.windows.len();
        let transposed = (0..columns.input).flat_map(|input| {
            let column = by_output.get(input..).unwrap_or_default();
            column
                .iter()
                .step_by(columns.input.max(1))
                .take(count)
                .copied()
        });
        let transposed: Vec<f32> = transposed.collect();
        let matrix = writer.floats(&[columns.input, count], &transposed);
        value = writer.op("MatMul", &[&value, &matrix], Vec::new());
    }
    value
}

fn is_identity(taps: &Taps) -> bool {
    taps.windows.len() == taps.input && *taps == Taps::identity(taps.input)
}

/// A row for each output pixel, with the weights of all input pixels.
fn matrix(taps: &Taps) -> Vec<f32> {
    let mut matrix = Vec::with_capacity(taps.windows.len().saturating_mul(taps.input));
    for window in &taps.windows {
        let start = matrix.len();
        matrix.resize(start.saturating_add(taps.input), 0.0);
        let targets = matrix.iter_mut().skip(start.saturating_add(window.first));
        for (target, weight) in targets.zip(&window.weights) {
            *target = *weight;
        }
    }
    matrix
}

pub(super) fn pad(writer: &mut GraphWriter, op: &Pad2d) -> String {
    let x = writer.input(0);
    let sides = [0, 0, op.top, op.left, 0, 0, op.bottom, op.right];
    let sides = sides.map(|side| i64::try_from(side).unwrap_or(0));
    let sides = writer.ints(&sides);
    let value = writer.number(op.value);
    writer.op("Pad", &[&x, &sides, &value], Vec::new())
}

pub(super) fn center_crop_or_pad(writer: &mut GraphWriter) -> String {
    let [x, like] = [writer.input(0), writer.input(1)];
    if !writer.free().space {
        let ([_, _, h, w], [_, _, rows, columns]) =
            (writer.shape(0).nchw(), writer.shape(1).nchw());
        let [top, bottom, left, right] = CenterCropOrPad::sides([h, w], [rows, columns]);
        if [top, bottom, left, right] == [0; 4] {
            return x;
        }
        return pad(writer, &Pad2d::zeros(top, bottom, left, right));
    }
    let wanted = extents(writer, &like, 2, 4);
    let found = extents(writer, &x, 2, 4);
    let more = writer.op("Sub", &[&wanted, &found], Vec::new());
    let two = writer.ints(&[2]);
    // Rounded toward 0.
    let before = writer.op("Div", &[&more, &two], Vec::new());
    let after = writer.op("Sub", &[&more, &before], Vec::new());
    let none = writer.ints(&[0, 0]);
    let sides = concat_lists(writer, &[&none, &before, &none, &after]);
    writer.op("Pad", &[&x, &sides], Vec::new())
}

pub(super) fn upsample(writer: &mut GraphWriter, op: &Upsample) -> String {
    let x = writer.input(0);
    let mut attributes = vec![
        string(
            "mode",
            match op.mode {
                UpsampleMode::Nearest => "nearest",
                UpsampleMode::Bilinear { .. } => "linear",
            },
        ),
        string(
            "coordinate_transformation_mode",
            match op.mode {
                UpsampleMode::Nearest => "asymmetric",
                UpsampleMode::Bilinear {
                    align_corners: true,
                } => "align_corners",
                UpsampleMode::Bilinear {
                    align_corners: false,
                } => "half_pixel",
            },
        ),
    ];
    if op.mode == UpsampleMode::Nearest {
        attributes.push(string("nearest_mode", "floor"));
    }
    match op.size {
        UpsampleSize::Factor([height, width]) => {
            let scales = [1.0, 1.0, height, width];
            #[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
            let scales = writer.floats(&[4], &scales.map(|scale| scale as f32));
            writer.op("Resize", &[&x, "", &scales], attributes)
        }
        UpsampleSize::Size(size) => {
            let size = writer.ints(&size.map(to_int));
            resize_to(writer, &x, &size, attributes)
        }
        UpsampleSize::OfSecondInput => {
            let like = writer.input(1);
            let size = extents(writer, &like, 2, 4);
            resize_to(writer, &x, &size, attributes)
        }
    }
}

/// Resizes to height and width in the list `size`.
fn resize_to(
    writer: &mut GraphWriter,
    x: &str,
    size: &str,
    attributes: Vec<super::super::proto::AttributeProto>,
) -> String {
    let others = extents(writer, x, 0, 2);
    let all = concat_lists(writer, &[&others, size]);
    writer.op("Resize", &[x, "", "", &all], attributes)
}

pub(super) fn grid_sample(writer: &mut GraphWriter, op: &GridSample) -> Result<String, String> {
    if op.volume.is_some() {
        return Err("opset 17 of ONNX samples maps only, not volumes".to_owned());
    }
    let [x, positions] = [writer.input(0), writer.input(1)];
    let last = vec![ints("perm", &[0, 2, 3, 1])];
    let positions = writer.op("Transpose", &[&positions], last);
    let mode = match op.mode {
        GridSampleMode::Nearest => "nearest",
        GridSampleMode::Bilinear => "bilinear",
        GridSampleMode::Bicubic => "bicubic",
    };
    let padding = match op.padding {
        GridSamplePadding::Zeros => "zeros",
        GridSamplePadding::Border => "border",
        GridSamplePadding::Reflection => "reflection",
    };
    let attributes = vec![
        string("mode", mode),
        string("padding_mode", padding),
        flag("align_corners", op.align_corners),
    ];
    Ok(writer.op("GridSample", &[&x, &positions], attributes))
}
