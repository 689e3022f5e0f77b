use super::Real;
use crate::graph::CumSum;
use crate::tensor::Tensor;

pub(super) fn cum_sum<T: Real>(op: CumSum, x: &Tensor<T>) -> Vec<T> {
    let len = x.shape().dims()[2];
    let mut y = x.data().to_vec();
    for row in y.chunks_mut(len) {
        let mut sum = T::zero();
        let mut add = |element: &mut T| {
            let before = sum;
            sum += *element;
            *element = if op.exclusive { before } else { sum };
        };
        match op.reverse {
            true => row.iter_mut().rev().for_each(&mut add),
            false => row.iter_mut().for_each(&mut add),
        }
    }
    y
}
