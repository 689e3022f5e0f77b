use super::Real;
use crate::tensor::Tensor;

/// For each image, the channels of the operands one after the other.
pub(super) fn concat<T: Real>(operands: &[&Tensor<T>]) -> Vec<T> {
    let images = operands[0].shape().nchw()[0];
    let mut y = Vec::with_capacity(operands.iter().map(|x| x.data().len()).sum());
    for image in 0..images {
        for x in operands {
            let len = x.data().len() / images;
            y.extend_from_slice(&x.data()[image * len..(image + 1) * len]);
        }
    }
    y
}
