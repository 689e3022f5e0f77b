use super::Real;
use crate::graph::Gather;
use crate::tensor::Tensor;

/// `Gather::check` has bounded the indices.
pub(super) fn gather<T: Real>(op: &Gather, x: &Tensor<T>) -> Vec<T> {
    let mut y = Vec::with_capacity(op.output.len());
    for outer in x.data().chunks(op.count * op.inner) {
        for &index in op.indices.iter() {
            y.extend_from_slice(&outer[index as usize * op.inner..][..op.inner]);
        }
    }
    y
}
