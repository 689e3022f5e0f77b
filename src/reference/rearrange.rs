use super::Real;
use crate::graph::Rearrange;
use crate::tensor::Tensor;

/// `Rearrange::check` has bounded the indexes by the input's elements.
pub(super) fn rearrange<T: Real>(op: &Rearrange, x: &Tensor<T>) -> Vec<T> {
    let index = |i: usize| {
        let (mut rest, mut index) = (i, op.offset);
        for factor in op.factors.iter().rev() {
            // Partial sums may be negative, which wraps around and back.
            let step = factor.stride.wrapping_mul((rest % factor.extent) as isize);
            index = index.wrapping_add_signed(step);
            rest /= factor.extent;
        }
        index
    };
    (0..op.output.len()).map(|i| x.data()[index(i)]).collect()
}
