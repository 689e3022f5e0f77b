//! Which pixels of the input a pixel of a value depends on: the receptive field with its position, so that a part of
//! an image can be computed alone.

use super::summary::Geometry;
use super::{CenterCropOrPad, Graph, Node, Op, Reach, Resample, Taps, UpsampleMode, ValueId};
use crate::error::Result;
use crate::tensor::Shape;

/// Along one axis: pixel `i` of a value depends on the input's pixels from `jump * i + first` to `jump * i + last`,
/// and on no other. `first` is negative where padding is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct InputWindow {
    /// Input pixels between neighboring pixels of the value.
    pub jump: f64,
    pub first: f64,
    pub last: f64,
}

/// The windows of all values, vertical and horizontal.
#[derive(Clone, Debug)]
pub(crate) struct InputWindows {
    values: Vec<Window>,
}

/// The window of a value.
#[derive(Clone, Debug)]
enum Window {
    /// It does not depend on the input.
    Constant,
    Local([InputWindow; 2]),
    /// It may depend on the whole input, or on where in the image a pixel is. Why, in words that follow a node's name.
    Global(String),
}

impl InputWindows {
    /// The windows of a value, or why it has none.
    pub fn of(&self, value: ValueId) -> Result<[InputWindow; 2], String> {
        match &self.values[value.index()] {
            Window::Local(windows) => Ok(*windows),
            Window::Constant => Err("its output does not depend on the image".to_owned()),
            Window::Global(reason) => Err(reason.clone()),
        }
    }

    /// The smallest shift of the input, vertically and horizontally, that shifts every value by whole pixels.
    pub fn stride(&self) -> [usize; 2] {
        let mut stride = [1; 2];
        for window in &self.values {
            if let Window::Local(windows) = window {
                for (stride, window) in stride.iter_mut().zip(windows) {
                    // Jumps below one pixel are parts of one, and others are whole: see `resized`.
                    *stride = least_common_multiple(*stride, (window.jump as usize).max(1));
                }
            }
        }
        stride
    }
}

impl Graph {
    /// The windows of all values of a network with one image as its input, for inputs of these shapes.
    ///
    /// A window does not depend on the size of the image, for sizes that differ by multiples of the
    /// [stride](InputWindows::stride).
    ///
    /// # Errors
    /// As [`Graph::infer`].
    pub(crate) fn input_windows(&self, inputs: &[Shape]) -> Result<InputWindows> {
        let shapes = self.infer(inputs)?;
        let mut values: Vec<Window> = Vec::with_capacity(shapes.len());
        for (value, node) in self.values() {
            let window = window(node, &values, &shapes, &shapes[value.index()]);
            values.push(window.unwrap_or_else(|why| {
                let kind = node.op.as_operator().kind();
                Window::Global(format!("'{}' ({kind}) {why}", node.name))
            }));
        }
        Ok(InputWindows { values })
    }
}

/// The window of a node's output, or what the node does that leaves none.
fn window(
    node: &Node,
    values: &[Window],
    shapes: &[Shape],
    output: &Shape,
) -> Result<Window, String> {
    if matches!(node.op, Op::Input(_)) {
        let pixel = InputWindow {
            jump: 1.0,
            first: 0.0,
            last: 0.0,
        };
        return Ok(Window::Local([pixel; 2]));
    }
    let mut joined: Option<[InputWindow; 2]> = None;
    let mut size = None;
    let mut has_own_map = false;
    for operand in node.values_read() {
        match &values[operand.index()] {
            Window::Constant => {
                let dims = shapes[operand.index()].dims();
                has_own_map |= dims.len() == 4 && dims[2..] != [1, 1];
            }
            Window::Global(reason) => return Ok(Window::Global(reason.clone())),
            Window::Local(windows) => {
                let [_, _, h, w] = map_of(&shapes[operand.index()])?;
                if *size.get_or_insert([h, w]) != [h, w] {
                    return Err("reads maps of different sizes".to_owned());
                }
                let both = joined.get_or_insert(*windows);
                for (both, window) in both.iter_mut().zip(windows) {
                    if both.jump != window.jump {
                        return Err("reads maps of different strides".to_owned());
                    }
                    both.first = both.first.min(window.first);
                    both.last = both.last.max(window.last);
                }
            }
        }
    }
    let (Some(windows), Some(size)) = (joined, size) else {
        return Ok(Window::Constant);
    };
    if has_own_map {
        return Err("reads a map that is part of the network".to_owned());
    }
    let [_, _, out_h, out_w] = map_of(output)?;
    let inputs: Vec<&Shape> = node.inputs.iter().map(|v| &shapes[v.index()]).collect();
    let axis = |axis: usize| -> Result<InputWindow, String> {
        let (from, to) = (size[axis], [out_h, out_w][axis]);
        step(node, &inputs, output, windows[axis], axis, [from, to])
    };
    Ok(Window::Local([axis(0)?, axis(1)?]))
}

/// The window of a node's output along one axis, of `from` pixels of the input and `to` of the output.
fn step(
    node: &Node,
    inputs: &[&Shape],
    output: &Shape,
    window: InputWindow,
    axis: usize,
    [from, to]: [usize; 2],
) -> Result<InputWindow, String> {
    let InputWindow { jump, first, last } = window;
    let shifted = |before: isize| InputWindow {
        jump,
        first: first - before as f64 * jump,
        last: last - before as f64 * jump,
    };
    match &node.op {
        Op::CenterCropOrPad(_) => {
            let sides = CenterCropOrPad::sides([from; 2], [to; 2]);
            return Ok(shifted(sides[0]));
        }
        Op::Pad2d(op) => return Ok(shifted([op.top, op.left][axis])),
        Op::AdaptiveAvgPool2d(_) if from != to => {
            return Err("divides the whole map".to_owned());
        }
        Op::Upsample(op) => {
            let rate = rate([from, to])?;
            // What the position of a pixel may differ from `rate * i`, and the taps at both sides of it.
            let slack = if from as f64 == rate * to as f64 {
                0.0
            } else {
                1.0
            };
            let [low, high] = match op.mode {
                UpsampleMode::Nearest => [rate - 1.0, 0.0],
                UpsampleMode::Bilinear {
                    align_corners: true,
                } => [rate - 2.0, 1.0],
                UpsampleMode::Bilinear {
                    align_corners: false,
                } => [0.5 * rate - 1.5, 0.5 * rate + 0.5],
            };
            return Ok(resized(window, rate, [low - slack, high + slack]));
        }
        Op::Resample(Resample { rows, columns, .. }) => {
            return resampled(window, [rows, columns][axis], rate([from, to])?);
        }
        _ => {}
    }
    let geometry = Geometry::of(&node.op, inputs.first().copied());
    let before = geometry.padding.map_or(0, |padding| padding[2 * axis]) as f64;
    match node.op.as_operator().reach(inputs, output) {
        Reach::Pixel if from == to => Ok(window),
        Reach::Pixel => Err("changes the size of the map".to_owned()),
        Reach::Whole => Err("reads the whole map".to_owned()),
        Reach::Window { size, stride } => Ok(InputWindow {
            jump: jump * stride[axis] as f64,
            first: first - before * jump,
            last: last + (size[axis] as f64 - 1.0 - before) * jump,
        }),
        Reach::Upsampled { .. } => {
            let Op::ConvTranspose2d(op) = &node.op else {
                return Err("resizes the map".to_owned());
            };
            let stride = op.stride[axis] as f64;
            let extent = (op.kernel[axis] - 1) as f64 * op.dilation[axis] as f64;
            Ok(resized(
                window,
                1.0 / stride,
                [(before - extent) / stride, before / stride],
            ))
        }
    }
}

/// The window of a map of which pixel `i` reads the pixels from `rate * i + low` to `rate * i + high`.
fn resized(window: InputWindow, rate: f64, [low, high]: [f64; 2]) -> InputWindow {
    InputWindow {
        jump: window.jump * rate,
        first: window.first + low * window.jump,
        last: window.last + high * window.jump,
    }
}

/// Input pixels per output pixel: a whole number, or one divided by one, but for what is cut off at the end of a map.
fn rate([from, to]: [usize; 2]) -> Result<f64, String> {
    let (a, b) = (from.max(to), from.min(to).max(1));
    let factor = (a as f64 / b as f64).round().max(1.0);
    match a as f64 - factor * b as f64 {
        difference if difference.abs() <= factor => Ok(match from < to {
            true => 1.0 / factor,
            false => factor,
        }),
        _ => Err(format!(
            "resizes {from} pixels to {to}, which is no whole factor"
        )),
    }
}

/// The window of a [`Resample`], where its taps are the same all over the map but for its edges.
fn resampled(window: InputWindow, taps: &Taps, rate: f64) -> Result<InputWindow, String> {
    let (period, shift) = match rate < 1.0 {
        true => ((1.0 / rate).round() as usize, 1),
        false => (1, rate as usize),
    };
    let is_inner = |at: usize| {
        let window = &taps.windows[at];
        window.first > 0 && window.first + window.weights.len() < taps.input
    };
    let repeats = (period..taps.windows.len()).all(|at| {
        let (before, window) = (&taps.windows[at - period], &taps.windows[at]);
        let is_same = window.first == before.first + shift
            && window.weights.len() == before.weights.len()
            && (window.weights.iter().zip(&before.weights)).all(|(a, b)| (a - b).abs() < 1e-5);
        is_same || !is_inner(at) || !is_inner(at - period)
    });
    if !repeats {
        return Err("resizes by a rule that depends on the size of the map".to_owned());
    }
    let mut range = [f64::INFINITY, f64::NEG_INFINITY];
    for (at, window) in taps.windows.iter().enumerate() {
        let low = window.first as f64 - rate * at as f64;
        range[0] = range[0].min(low);
        range[1] = range[1].max(low + window.weights.len().max(1) as f64 - 1.0);
    }
    Ok(resized(window, rate, range))
}

fn map_of(shape: &Shape) -> Result<[usize; 4], String> {
    match shape.rank() {
        4 => Ok(shape.nchw()),
        _ => Err("makes something else of the map".to_owned()),
    }
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1)).saturating_mul(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{
        Activation, AdaptiveAvgPool2d, Conv2d, ConvTranspose2d, GraphBuilder, Pool2d, Upsample,
    };

    fn windows(
        build: impl FnOnce(&mut GraphBuilder, ValueId) -> ValueId,
    ) -> (Result<[InputWindow; 2], String>, [usize; 2]) {
        let mut b = GraphBuilder::new("g");
        let x = b.image_input("input", 1);
        let x = build(&mut b, x);
        b.output(x);
        let graph = b.build().unwrap();
        let windows = graph.input_windows(&[Shape::from([1, 1, 64, 66])]).unwrap();
        (windows.of(x), windows.stride())
    }

    fn window(jump: f64, first: f64, last: f64) -> InputWindow {
        InputWindow { jump, first, last }
    }

    #[test]
    fn windows_have_the_position_of_padding() {
        let (padded, stride) = windows(|b, x| {
            let x = b.conv2d("a", x, Conv2d::new(1, 1, 7).stride(2).padding(3));
            b.pool2d("b", x, Pool2d::max(3, 2).padding(1))
        });
        assert_eq!((padded, stride), (Ok([window(4.0, -5.0, 5.0); 2]), [4, 4]));
        let (unpadded, _) = windows(|b, x| {
            let x = b.conv2d("a", x, Conv2d::new(1, 1, 3));
            b.conv2d("b", x, Conv2d::new(1, 1, 3).dilation(2))
        });
        assert_eq!(unpadded, Ok([window(1.0, 0.0, 6.0); 2]));
    }

    #[test]
    fn maps_that_are_enlarged_depend_on_their_neighbors() {
        let (transposed, stride) = windows(|b, x| {
            let y = b.pool2d("down", x, Pool2d::max(2, 2));
            let y = b.node("up", ConvTranspose2d::new(1, 1, 2, 2), &[y]);
            b.concat("both", &[x, y])
        });
        // Pixel 1 depends on pixels 0 and 1, and pixel 0 on these, too.
        assert_eq!(
            (transposed, stride),
            (Ok([window(1.0, -1.0, 1.0); 2]), [2, 2])
        );
        for (op, expected) in [
            (Upsample::nearest(2.0), [-1.0, 1.0]),
            (Upsample::bilinear(2.0, false), [-2.5, 2.5]),
            (Upsample::bilinear(2.0, true), [-3.0, 3.0]),
        ] {
            let (found, _) = windows(|b, x| {
                let x = b.pool2d("down", x, Pool2d::max(2, 2));
                b.node("up", op, &[x])
            });
            let [first, last] = expected;
            assert_eq!(found, Ok([window(1.0, first, last); 2]), "{op:?}");
        }
    }

    #[test]
    fn nodes_that_read_the_whole_map_are_named() {
        let (gated, _) = windows(|b, x| {
            let pooled = b.adaptive_avg_pool2d("pool", x, AdaptiveAvgPool2d::new(1, 1));
            let gate = b.activation("gate", pooled, Activation::Sigmoid);
            b.mul("scale", x, gate)
        });
        let reason = gated.unwrap_err();
        assert!(reason.starts_with("'pool' (AdaptiveAvgPool2d)"), "{reason}");
    }

    #[test]
    fn tables_of_taps_are_local_where_they_repeat() {
        let table = |weights: fn(usize) -> [f32; 2], size: usize| Taps {
            input: size,
            windows: (0..size - 1)
                .map(|first| crate::graph::TapWindow {
                    first,
                    weights: weights(first).to_vec(),
                })
                .collect(),
        };
        let resample = |weights: fn(usize) -> [f32; 2]| {
            windows(|b, x| {
                let (rows, columns) = (table(weights, 64), table(weights, 66));
                let op = Resample {
                    rows,
                    columns,
                    outside: 0.0,
                };
                b.node("resize", op, &[x])
            })
        };
        let (blur, _) = resample(|_| [0.5; 2]);
        assert_eq!(blur, Ok([window(1.0, 0.0, 1.0); 2]));
        let (skewed, _) = resample(|i| [i as f32 / 64.0, 1.0 - i as f32 / 64.0]);
        assert!(skewed.unwrap_err().contains("size of the map"));
    }
}
