use rayon::prelude::*;

use super::Real;
use crate::graph::GroupNorm;
use crate::tensor::{Shape, Tensor};

/// `(x - mean) / sqrt(variance + eps) * weight + bias` over the pixels and channels of each group.
/// `parameters` are the weight and the bias, if there are any.
pub(super) fn group_norm<T: Real>(op: &GroupNorm, x: &Tensor<T>, parameters: &[Vec<T>]) -> Vec<T> {
    let groups = Groups::new(op, x.shape());
    let normals = groups.normals(op, x.data());
    let mut y = x.data().to_vec();
    groups.for_each(&mut y, |at, y| {
        let (mean, deviation) = normals[at.group];
        let (weight, bias) = match parameters {
            [weight, bias, ..] => (weight[at.channel], bias[at.channel]),
            _ => (T::one(), T::zero()),
        };
        *y = (*y - mean) / deviation * weight + bias;
    });
    y
}

/// With `g` the gradient times the weight and `z` the normalized input:
/// `(g - mean(g) - z * mean(g * z)) / sqrt(variance + eps)`.
pub(super) fn backward<T: Real>(
    op: &GroupNorm,
    parameters: &[Vec<T>],
    gradient: &Tensor<T>,
    x: &Tensor<T>,
) -> Vec<T> {
    let groups = Groups::new(op, x.shape());
    let normals = groups.normals(op, x.data());
    let mut g = gradient.data().to_vec();
    if let [weight, ..] = parameters {
        groups.for_each(&mut g, |at, g| *g *= weight[at.channel]);
    }
    let mut z = x.data().to_vec();
    groups.for_each(&mut z, |at, z| {
        let (mean, deviation) = normals[at.group];
        *z = (*z - mean) / deviation;
    });
    let means = groups.map(|group| {
        let mean = match op.centered {
            true => groups.mean(group, |i| g[i]),
            false => T::zero(),
        };
        (mean, groups.mean(group, |i| g[i] * z[i]))
    });
    groups.for_each_indexed(&mut g, |at, i, g| {
        let (mean, slope) = means[at.group];
        *g = (*g - mean - z[i] * slope) / normals[at.group].1;
    });
    g
}

/// The elements of an `[N, C, H, W]` value that are normalized together.
struct Groups {
    channels: usize,
    plane: usize,
    /// Pixels that are normalized together, and how many such sets there are.
    together: usize,
    sets: usize,
    /// The number of groups of a set, and the channels of each.
    groups: usize,
    in_group: usize,
}

/// Where an element is: its group among those of all sets, and its channel.
struct Place {
    group: usize,
    channel: usize,
}

impl Groups {
    fn new(op: &GroupNorm, shape: &Shape) -> Self {
        let [n, channels, h, w] = shape.nchw();
        let together = op.pixels(shape);
        Self {
            channels,
            plane: h * w,
            together,
            sets: n * h * w / together,
            groups: op.groups,
            in_group: op.group_channels(),
        }
    }

    /// A value for every group.
    fn map<T: Send>(&self, value: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
        let groups = (0..self.sets * self.groups).into_par_iter();
        groups.map(value).collect()
    }

    /// The mean of a term of all elements of a group, which takes the index of each.
    fn mean<T: Real>(&self, group: usize, term: impl Fn(usize) -> T) -> T {
        let (first, group) = (group / self.groups * self.together, group % self.groups);
        let mut sum = T::zero();
        for pixel in first..first + self.together {
            let image = pixel / self.plane * self.channels;
            for channel in group * self.in_group..(group + 1) * self.in_group {
                sum += term((image + channel) * self.plane + pixel % self.plane);
            }
        }
        sum / (T::from_f64(self.together as f64) * T::from_f64(self.in_group as f64))
    }

    /// Mean, or 0 where it is not subtracted, and deviation of every group.
    fn normals<T: Real>(&self, op: &GroupNorm, x: &[T]) -> Vec<(T, T)> {
        let eps = T::from_f64(op.eps);
        self.map(|group| {
            let mean = match op.centered {
                true => self.mean(group, |i| x[i]),
                false => T::zero(),
            };
            let variance = self.mean(group, |i| (x[i] - mean) * (x[i] - mean));
            (mean, (variance + eps).sqrt())
        })
    }

    /// Changes every element.
    fn for_each<T: Real>(&self, values: &mut [T], change: impl Fn(&Place, &mut T) + Sync) {
        self.for_each_indexed(values, |place, _, value| change(place, value));
    }

    /// The same with each element's index.
    fn for_each_indexed<T: Real>(
        &self,
        values: &mut [T],
        change: impl Fn(&Place, usize, &mut T) + Sync,
    ) {
        let planes = values.par_chunks_mut(self.plane).enumerate();
        planes.for_each(|(i, plane)| {
            let (image, channel) = (i / self.channels, i % self.channels);
            for (pixel, value) in plane.iter_mut().enumerate() {
                let set = (image * self.plane + pixel) / self.together;
                let group = set * self.groups + channel / self.in_group;
                change(&Place { group, channel }, i * self.plane + pixel, value);
            }
        });
    }
}
