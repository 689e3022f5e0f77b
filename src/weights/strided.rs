//! Views: tensors whose elements are not one after the other.

use std::ops::Range;

/// The elements `range` of a view in row-major order. `bytes` is from its first element to its last, each of `element`
/// bytes; `strides` are in elements. `None` where an element is not in the view or not in `bytes`.
pub(super) fn in_order(
    bytes: &[u8],
    element: usize,
    dims: &[usize],
    strides: &[usize],
    range: Range<usize>,
) -> Option<Vec<u8>> {
    let len = dims
        .iter()
        .try_fold(1_usize, |len, dim| len.checked_mul(*dim))?;
    let mut left = range.end.checked_sub(range.start)?;
    if range.end > len {
        return None;
    }
    let mut ordered = Vec::with_capacity(left.checked_mul(element)?);
    // A scalar is a row of one element.
    let (&columns, dims) = dims.split_last().unwrap_or((&1, &[]));
    let (&step, strides) = strides.split_last().unwrap_or((&1, &[]));
    let mut column = range.start.checked_rem(columns).unwrap_or(0);
    let mut row = row_index(range.start.checked_div(columns).unwrap_or(0), dims);
    while left > 0 {
        let places = row.iter().zip(strides);
        let start = places.fold(column.saturating_mul(step), |place, (index, stride)| {
            place.saturating_add(index.saturating_mul(*stride))
        });
        let count = columns.saturating_sub(column).min(left);
        let place = |i: usize| {
            start
                .checked_add(i.checked_mul(step)?)?
                .checked_mul(element)
        };
        let from = place(0)?;
        let to = place(count.saturating_sub(1))?.checked_add(element)?;
        let run = bytes.get(from..to)?;
        match step.saturating_mul(element) {
            width if width == element => ordered.extend_from_slice(run),
            // One element, repeated.
            0 => ordered.extend_from_slice(&run.repeat(count)),
            width => {
                for chunk in run.chunks(width) {
                    ordered.extend_from_slice(chunk.get(..element)?);
                }
            }
        }
        left = left.saturating_sub(count);
        column = 0;
        next_row(&mut row, dims);
    }
    Some(ordered)
}

/// The index of a row by its number.
fn row_index(mut number: usize, dims: &[usize]) -> Vec<usize> {
    let mut index = vec![0; dims.len()];
    for (index, dim) in index.iter_mut().zip(dims).rev() {
        *index = number.checked_rem(*dim).unwrap_or(0);
        number = number.checked_div(*dim).unwrap_or(0);
    }
    index
}

/// The index of the row after this one, the last dimension first.
fn next_row(index: &mut [usize], dims: &[usize]) {
    for (index, dim) in index.iter_mut().zip(dims).rev() {
        *index = index.saturating_add(1);
        if *index < *dim {
            return;
        }
        *index = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    fn read(element: usize, dims: &[usize], strides: &[usize]) -> Option<Vec<u8>> {
        let len = dims.iter().product();
        in_order(&BYTES, element, dims, strides, 0..len)
    }

    #[test]
    fn views_are_put_in_order() {
        // A transposed matrix [2, 3], every second column, rows and columns that are repeated.
        assert_eq!(read(1, &[3, 2], &[1, 3]).unwrap(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(
            read(2, &[2, 2], &[3, 2]).unwrap(),
            [0, 1, 4, 5, 6, 7, 10, 11]
        );
        assert_eq!(read(1, &[2, 2], &[0, 1]).unwrap(), [0, 1, 0, 1]);
        assert_eq!(read(2, &[2, 2], &[1, 0]).unwrap(), [0, 1, 0, 1, 2, 3, 2, 3]);
        assert_eq!(read(1, &[], &[]).unwrap(), [0]);
        assert_eq!(read(1, &[0, 5], &[5, 1]), Some(Vec::new()));
        assert_eq!(read(1, &[5, 0], &[1, 1]), Some(Vec::new()));
        assert_eq!(read(4, &[4], &[1]), None);
        assert_eq!(read(1, &[3, 2], &[5, 3]), None);
    }

    #[test]
    fn parts_are_those_of_the_whole() {
        for (dims, strides) in [
            ([2, 3, 2], [1, 4, 2]),
            ([3, 2, 2], [4, 1, 2]),
            ([1, 1, 12], [0, 0, 1]),
        ] {
            let whole = read(1, &dims, &strides).unwrap();
            for start in 0..=12 {
                for end in start..=12 {
                    let part = in_order(&BYTES, 1, &dims, &strides, start..end);
                    assert_eq!(part.as_deref(), Some(&whole[start..end]));
                }
            }
            assert_eq!(in_order(&BYTES, 1, &dims, &strides, 11..13), None);
        }
    }
}
