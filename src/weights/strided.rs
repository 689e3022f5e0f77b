//! Views: tensors whose elements are not one after the other.

/// The elements of a view in row-major order. `bytes` is from its first element to its last, each of `element` bytes;
/// `strides` are in elements. `None` where an element is not in `bytes`.
pub(super) fn in_order(
    bytes: &[u8],
    element: usize,
    dims: &[usize],
    strides: &[usize],
) -> Option<Vec<u8>> {
    let len = dims
        .iter()
        .try_fold(1_usize, |len, dim| len.checked_mul(*dim))?;
    let mut ordered = Vec::with_capacity(len.checked_mul(element)?);
    let mut index = vec![0_usize; dims.len()];
    for _ in 0..len {
        let places = index.iter().zip(strides);
        let place = places.fold(0_usize, |place, (index, stride)| {
            place.saturating_add(index.saturating_mul(*stride))
        });
        let start = place.checked_mul(element)?;
        ordered.extend_from_slice(bytes.get(start..start.checked_add(element)?)?);
        // The next index, the last dimension first.
        for (index, dim) in index.iter_mut().zip(dims).rev() {
            *index = index.saturating_add(1);
            if *index < *dim {
                break;
            }
            *index = 0;
        }
    }
    Some(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_put_in_order() {
        let bytes: Vec<u8> = (0..12).collect();
        // A transposed matrix [2, 3], every second column, and one that is repeated.
        let read =
            |element, dims: &[usize], strides: &[usize]| in_order(&bytes, element, dims, strides);
        assert_eq!(read(1, &[3, 2], &[1, 3]).unwrap(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(
            read(2, &[2, 2], &[3, 2]).unwrap(),
            [0, 1, 4, 5, 6, 7, 10, 11]
        );
        assert_eq!(read(1, &[2, 2], &[0, 1]).unwrap(), [0, 1, 0, 1]);
        assert_eq!(read(1, &[], &[]).unwrap(), [0]);
        assert_eq!(read(1, &[0, 5], &[5, 1]), Some(Vec::new()));
        assert_eq!(read(4, &[4], &[1]), None);
    }
}
