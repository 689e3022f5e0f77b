//! Softmax and top-k.

use std::cmp::Ordering;

/// Converts logits to probabilities that add up to one.
///
/// Computed in `f64` relative to the largest logit, so that no exponential overflows. NaN is not
/// hidden: one NaN or positive infinity among the logits makes every probability NaN, as in PyTorch.
///
/// ```
/// use shadernet::vision::softmax;
///
/// assert_eq!(softmax(&[1000.0, 1000.0]), [0.5, 0.5]);
/// assert!(softmax(&[f32::NAN, 0.0]).iter().all(|p| p.is_nan()));
/// ```
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = logits
        .iter()
        .map(|&logit| (f64::from(logit) - f64::from(largest)).exp())
        .collect();
    let total: f64 = exponentials.iter().sum();
    exponentials.iter().map(|e| (e / total) as f32).collect()
}

/// The indices of the `k` largest values, largest first; all indices where there are fewer.
///
/// Equal values are ordered by index. NaN is ordered before every number, so that a network that
/// returns NaN is noticed.
///
/// ```
/// use shadernet::vision::top_k;
///
/// assert_eq!(top_k(&[0.1, 0.7, 0.1, 0.1], 3), [1, 0, 2]);
/// assert_eq!(top_k(&[0.1, f32::NAN], 5), [1, 0]);
/// ```
pub fn top_k(values: &[f32], k: usize) -> Vec<usize> {
    let by_rank = |&a: &usize, &b: &usize| rank(values[a], values[b]).then(a.cmp(&b));
    let mut indices: Vec<usize> = (0..values.len()).collect();
    if k < indices.len() {
        indices.select_nth_unstable_by(k, by_rank);
        indices.truncate(k);
    }
    indices.sort_unstable_by(by_rank);
    indices
}

/// NaN first, then in descending order; both zeros are equal.
fn rank(a: f32, b: f32) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
        (a, b) => b.cmp(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_signed_zeros_keep_their_order() {
        assert_eq!(top_k(&[0.0, -0.0, 0.0, -1.0], 3), [0, 1, 2]);
        assert_eq!(top_k(&[f32::NAN, 1.0, -f32::NAN], 2), [0, 2]);
        assert_eq!(
            top_k(&[1.0, f32::INFINITY, f32::NEG_INFINITY], 3),
            [1, 0, 2]
        );
        assert!(top_k(&[], 3).is_empty());
        assert!(top_k(&[1.0], 0).is_empty());
    }

    #[test]
    fn probabilities_add_up_to_one() {
        let logits: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.7).sin() * 40.0).collect();
        let total: f64 = softmax(&logits).iter().map(|&p| f64::from(p)).sum();
        assert!((total - 1.0).abs() < 1e-6, "{total}");
        assert!(softmax(&[f32::INFINITY, 0.0]).iter().all(|p| p.is_nan()));
        assert_eq!(softmax(&[0.0, f32::NEG_INFINITY]), [1.0, 0.0]);
        assert!(softmax(&[]).is_empty());
    }
}
