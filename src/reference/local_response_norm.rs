use super::Real;
use crate::graph::LocalResponseNorm;
use crate::tensor::Tensor;

pub(super) fn local_response_norm<T: Real>(op: &LocalResponseNorm, x: &Tensor<T>) -> Vec<T> {
    let [_, c, h, w] = x.shape().nchw();
    let plane = h * w;
    let (k, beta) = (T::from_f64(op.k), T::from_f64(op.beta));
    let share = T::from_f64(op.alpha / op.size as f64);
    (x.data().iter().enumerate())
        .map(|(i, &value)| {
            let channel = i / plane % c;
            let first = channel.saturating_sub(op.size / 2);
            let end = (channel + (op.size - 1) / 2 + 1).min(c);
            let squares = (first..end)
                .map(|other| x.data()[i - channel * plane + other * plane])
                .fold(T::zero(), |sum, x| sum + x * x);
            value / (k + share * squares).powf(beta)
        })
        .collect()
}

pub(super) fn backward<T: Real>(
    op: &LocalResponseNorm,
    gradient: &Tensor<T>,
    x: &Tensor<T>,
) -> Vec<T> {
    let [_, c, h, w] = x.shape().nchw();
    let plane = h * w;
    let (k, beta) = (T::from_f64(op.k), T::from_f64(op.beta));
    let share = T::from_f64(op.alpha / op.size as f64);
    let (before, after) = (op.size / 2, (op.size - 1) / 2);
    // Of the pixel that element `i` is of, what lies in a channel.
    let at = |i: usize, channel: usize| i - i / plane % c * plane + channel * plane;
    let base = |i: usize, channel: usize| {
        let window = channel.saturating_sub(before)..(channel + after + 1).min(c);
        let squares = window.fold(T::zero(), |sum, other| {
            sum + x.data()[at(i, other)] * x.data()[at(i, other)]
        });
        k + share * squares
    };
    (0..x.data().len())
        .map(|i| {
            let channel = i / plane % c;
            let own = gradient.data()[i] / base(i, channel).powf(beta);
            // The channels whose windows it is in.
            let seen_by = channel.saturating_sub(after)..(channel + before + 1).min(c);
            let others = seen_by.fold(T::zero(), |sum, other| {
                let j = at(i, other);
                sum + gradient.data()[j] * x.data()[j] / base(i, other).powf(beta + T::one())
            });
            own - (beta + beta) * share * x.data()[i] * others
        })
        .collect()
}
