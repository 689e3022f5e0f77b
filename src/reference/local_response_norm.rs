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
