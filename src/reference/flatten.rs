use super::Real;
use crate::tensor::Tensor;

/// Row-major order is NCHW order: only the shape changes.
pub(super) fn flatten<T: Real>(x: &Tensor<T>) -> Vec<T> {
    x.data().to_vec()
}
