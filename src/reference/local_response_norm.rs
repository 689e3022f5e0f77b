use super::Real;
use crate::graph::LocalResponseNorm;
use crate::tensor::Tensor;

pub(super) fn local_response_norm<T: Real>(op: &LocalResponseNorm, x: &Tensor<T>) -> Vec<T> {
    let pixels = Pixels::new(op, x);
    let beta = T::from_f64(op.beta);
    (x.data().iter().enumerate())
        .map(|(i, &value)| value / pixels.base(i, pixels.channel(i)).powf(beta))
        .collect()
}

pub(super) fn backward<T: Real>(
    op: &LocalResponseNorm,
    gradient: &Tensor<T>,
    x: &Tensor<T>,
) -> Vec<T> {
    let pixels = Pixels::new(op, x);
    let beta = T::from_f64(op.beta);
    (x.data().iter().zip(gradient.data()).enumerate())
        .map(|(i, (&value, &own))| {
            let channel = pixels.channel(i);
            let own = own / pixels.base(i, channel).powf(beta);
            // The channels whose windows contain this one.
            let first = channel.saturating_sub(pixels.after);
            let end = (channel + pixels.before + 1).min(pixels.channels);
            let others = (first..end).fold(T::zero(), |sum, other| {
                let j = pixels.at(i, other);
                let base = pixels.base(i, other).powf(beta + T::one());
                sum + gradient.data()[j] * x.data()[j] / base
            });
            own - (beta + beta) * pixels.share * value * others
        })
        .collect()
}

/// A map with the settings of the norm; indexes the channels of a pixel.
struct Pixels<'a, T> {
    x: &'a [T],
    channels: usize,
    plane: usize,
    /// Channels of a window before and after its channel.
    before: usize,
    after: usize,
    k: T,
    share: T,
}

impl<'a, T: Real> Pixels<'a, T> {
    fn new(op: &LocalResponseNorm, x: &'a Tensor<T>) -> Self {
        let [_, channels, h, w] = x.shape().nchw();
        Self {
            x: x.data(),
            channels,
            plane: h * w,
            before: op.size / 2,
            after: (op.size - 1) / 2,
            k: T::from_f64(op.k),
            share: T::from_f64(op.alpha / op.size as f64),
        }
    }

    /// The channel of element `i`.
    fn channel(&self, i: usize) -> usize {
        i / self.plane % self.channels
    }

    /// The index of the element in `channel` of the pixel that element `i` belongs to.
    fn at(&self, i: usize, channel: usize) -> usize {
        i - self.channel(i) * self.plane + channel * self.plane
    }

    /// `k + share * sum(x²)` over the window of `channel` at the pixel of element `i`.
    fn base(&self, i: usize, channel: usize) -> T {
        let first = channel.saturating_sub(self.before);
        let end = (channel + self.after + 1).min(self.channels);
        let squares = (first..end)
            .map(|other| self.x[self.at(i, other)])
            .fold(T::zero(), |sum, x| sum + x * x);
        self.k + self.share * squares
    }
}
