use super::Real;
use crate::tensor::Tensor;

/// Only the shape changes, because tensors are stored in NCHW order.
pub(super) fn flatten<T: Real>(x: &Tensor<T>) -> Vec<T> {
    x.data().to_vec()
}
