use super::Real;
use super::pool::planes;
use crate::graph::{Resample, TapWindow};
use crate::tensor::{Shape, Tensor};

pub(super) fn resample<T: Real>(op: &Resample, x: &Tensor<T>, output: &Shape) -> Vec<T> {
    let [_, _, _, w] = x.shape().nchw();
    let [_, _, out_h, out_w] = output.nchw();
    planes(x, out_h, out_w, |map, y, x| {
        let (row, column) = (&op.rows.windows[y], &op.columns.windows[x]);
        if row.weights.is_empty() || column.weights.is_empty() {
            return T::from_f32(op.outside);
        }
        weighted(row, |y| weighted(column, |x| map[y * w + x]))
    })
}

fn weighted<T: Real>(window: &TapWindow, value: impl Fn(usize) -> T) -> T {
    let taps = window.weights.iter().zip(window.first..);
    taps.fold(T::zero(), |sum, (&weight, i)| {
        sum + T::from_f32(weight) * value(i)
    })
}
