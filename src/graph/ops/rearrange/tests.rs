use super::*;

fn factor(extent: usize, stride: isize) -> Factor {
    Factor { extent, stride }
}

fn op(
    input: impl Into<Shape>,
    output: impl Into<Shape>,
    factors: &[Factor],
    offset: usize,
) -> Rearrange {
    Rearrange {
        input: input.into(),
        output: output.into(),
        factors: factors.to_vec(),
        offset,
    }
}

/// The input's linear index of every output element.
fn indexes(op: &Rearrange) -> Vec<isize> {
    let index = |i: usize| {
        let (mut rest, mut index) = (i, op.offset as isize);
        for factor in op.factors.iter().rev() {
            index += (rest % factor.extent) as isize * factor.stride;
            rest /= factor.extent;
        }
        index
    };
    (0..op.output.len()).map(index).collect()
}

#[test]
fn constructors_compute_the_indexes() {
    let shape = Shape::from([2, 3, 2]);
    let reshape = Rearrange::reshape(shape.clone(), Shape::from([4, 3])).unwrap();
    assert_eq!(reshape.factors, [factor(12, 1)]);
    assert!(reshape.is_reshape());
    let transposed = Rearrange::transpose(&shape, &[2, 0, 1]).unwrap();
    assert_eq!(transposed.output, Shape::from([2, 2, 3]));
    // The axes 0 and 1 stay neighbors and become one factor.
    assert_eq!(transposed.factors, [factor(2, 1), factor(6, 2)]);
    let expected = [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11];
    assert_eq!(indexes(&transposed), expected);
    assert!(!transposed.is_reshape());
    let expanded = Rearrange::expand(&Shape::from([3, 1]), &Shape::from([2, 3, 2])).unwrap();
    assert_eq!(indexes(&expanded), [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    let slice = Rearrange::slice(&shape, &[0, 2, 1], &[1, -2, 5], &[2, 2, 1]).unwrap();
    assert_eq!(slice.output, Shape::from([2, 2, 1]));
    assert_eq!(indexes(&slice), [5, 1, 11, 7]);
    let scalar = Rearrange::reshape(Shape::from([1, 1]), Shape::from([])).unwrap();
    assert_eq!((&scalar.factors[..], indexes(&scalar)), (&[][..], vec![0]));
}

#[test]
fn constructors_refuse_what_does_not_fit() {
    let shape = Shape::from([2, 3]);
    let huge = Shape::from([usize::MAX, 2]);
    assert!(Rearrange::reshape(shape.clone(), Shape::from([5])).is_err());
    assert!(Rearrange::reshape(huge.clone(), huge.clone()).is_err());
    for order in [&[0][..], &[0, 0], &[0, 2], &[0, 1, 2], &[usize::MAX, 0]] {
        assert!(Rearrange::transpose(&shape, order).is_err(), "{order:?}");
    }
    assert!(Rearrange::transpose(&huge, &[1, 0]).is_err());
    for output in [&[3][..], &[2, 4], &[2, 3, 1], &[2, 0]] {
        let output = Shape::from(output);
        assert!(Rearrange::expand(&shape, &output).is_err(), "{output}");
    }
    let slice = |starts: &[usize], steps: &[isize], extents: &[usize]| {
        Rearrange::slice(&shape, starts, steps, extents)
    };
    assert!(slice(&[0], &[1], &[1]).is_err());
    assert!(slice(&[0, 3], &[1, 1], &[1, 1]).is_err());
    assert!(slice(&[0, 2], &[1, -1], &[1, 4]).is_err());
    assert!(slice(&[0, 0], &[1, 1], &[2, 0]).is_err());
    assert!(slice(&[1, 1], &[isize::MIN, isize::MAX], &[2, usize::MAX]).is_err());
    // The step of one element is of no importance.
    let one = slice(&[1, 1], &[isize::MIN, isize::MAX], &[1, 1]).unwrap();
    assert_eq!(indexes(&one), [4]);
    // Nine axes whose order is reversed have nine factors.
    let many = Shape::from(vec![2; 9]);
    let reversed: Vec<usize> = (0..9).rev().collect();
    let error = Rearrange::transpose(&many, &reversed).unwrap_err();
    assert!(error.contains("9 factors"), "{error}");
}

#[test]
fn hostile_numbers_are_refused() {
    let check = |op: &Rearrange| op.check(1);
    let cases = [
        (op([6], [6], &[factor(6, 1)], 1), "elements 1 to 6"),
        (op([6], [6], &[factor(6, -1)], 4), "elements -1 to 4"),
        (op([6], [4], &[factor(6, 1)], 0), "product"),
        (op([6], [6], &[factor(0, 1), factor(6, 1)], 0), "product"),
        (op([6], [6], &[], 0), "product"),
        (op([6], [0], &[factor(0, 1)], 0), "empty"),
        (op([0], [1], &[], 0), "empty"),
        (op([6], [1], &[factor(1, 1); 9], 0), "9 factors"),
        (op([6], [1 << 33], &[factor(1 << 33, 0)], 0), "2^32"),
        (op([1 << 33], [1], &[], 0), "2^32"),
        (op([usize::MAX, usize::MAX], [1], &[], 0), "2^32 elements"),
        (
            op([6], [1], &[], usize::MAX),
            "elements 18446744073709551615",
        ),
        (
            op([6], [2], &[factor(2, isize::MIN)], usize::MAX),
            "elements 9223372036854775807",
        ),
        (
            op([6], [2], &[factor(2, isize::MAX)], usize::MAX),
            "to 27670116110564327422",
        ),
        // Their product is 4 if it wraps around.
        (
            op(
                [6],
                [4],
                &[factor(1 << 63, 1), factor(1 << 63, 1), factor(4, 1)],
                0,
            ),
            "product",
        ),
    ];
    for (op, expected) in cases {
        let error = check(&op).unwrap_err();
        assert!(error.contains(expected), "{error}\n  lacks: {expected}");
        assert!(op.inverse().is_none());
        // Merging does not overflow either.
        let _ = op.merged();
    }
    let fits = op([6], [6], &[factor(1, isize::MIN), factor(6, -1)], 5);
    assert_eq!(check(&fits), Ok(()));
    assert!(fits.check(2).is_err());
    let error = fits.output_shape(&[&Shape::from([2, 3])]).unwrap_err();
    assert!(error.contains("[2, 3]"), "{error}");
}

#[test]
fn factors_are_merged() {
    let merged = |factors: &[Factor]| op([1], [1], factors, 0).merged().factors;
    let (a, b) = (factor(2, 12), factor(3, 4));
    assert_eq!(merged(&[a, b, factor(4, 1)]), [factor(24, 1)]);
    assert_eq!(merged(&[b, a]), [b, a]);
    assert_eq!(merged(&[a, factor(1, 99), b]), [factor(6, 4)]);
    assert_eq!(merged(&[factor(2, 0), factor(3, 0)]), [factor(6, 0)]);
    assert_eq!(merged(&[factor(2, -6), factor(6, -1)]), [factor(12, -1)]);
    let huge = [factor(1 << 40, 0), factor(1 << 40, 0)];
    assert_eq!(merged(&huge), huge);
}

#[test]
fn permutations_have_an_inverse() {
    let shape = Shape::from([2, 3, 4, 5]);
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [0, 2, 3, 1]] {
        let forward = Rearrange::transpose(&shape, &order).unwrap();
        let back = forward.inverse().unwrap();
        let mut inverse = [0; 4];
        for (i, axis) in order.into_iter().enumerate() {
            inverse[axis] = i;
        }
        assert_eq!(
            back,
            Rearrange::transpose(&forward.output, &inverse).unwrap()
        );
    }
    let reversed = Rearrange::slice(&shape, &[0, 2, 0, 4], &[1, -1, 1, -1], shape.dims()).unwrap();
    assert_eq!(reversed.inverse(), Some(reversed.clone()));
    let both = op([2, 3], [3, 2], &[factor(3, -1), factor(2, 3)], 2);
    let back = both.inverse().unwrap();
    let (there, back) = (indexes(&both), indexes(&back));
    for (i, index) in there.iter().enumerate() {
        assert_eq!(back[*index as usize], i as isize);
    }
    // Every second element twice is no permutation.
    let repeated = op([4], [4], &[factor(2, 2), factor(2, 0)], 0);
    assert_eq!(repeated.check(1), Ok(()));
    assert_eq!(repeated.inverse(), None);
    let part = Rearrange::slice(&shape, &[0; 4], &[1; 4], &[1, 3, 4, 5]).unwrap();
    assert_eq!(part.inverse(), None);
}

#[test]
fn layouts_that_are_kept() {
    let keeps = |from: &[usize], to: &[usize]| {
        Rearrange::reshape(Shape::from(from), Shape::from(to))
            .unwrap()
            .keeps_layout()
    };
    assert!(keeps(&[2, 5], &[2, 5, 1, 1]));
    assert!(keeps(&[2, 5, 4, 3], &[2, 5, 12]));
    assert!(keeps(&[2, 5, 4, 3, 2], &[2, 5, 8, 3]));
    assert!(keeps(&[3, 1, 4], &[2, 1, 6]));
    assert!(!keeps(&[2, 6, 4], &[1, 6, 8]));
    assert!(!keeps(&[2, 6, 4], &[2, 3, 8]));
    assert!(!keeps(&[6], &[1, 6]));
    let transposed = Rearrange::transpose(&Shape::from([2, 5, 1, 3]), &[0, 1, 3, 2]).unwrap();
    assert!(transposed.keeps_layout());
    let swapped = Rearrange::transpose(&Shape::from([2, 5, 2, 3]), &[0, 1, 3, 2]).unwrap();
    assert!(!swapped.keeps_layout());
    // Pixels as rows, and columns as channels.
    let rows = Rearrange::transpose(&Shape::from([2, 5, 3]), &[0, 2, 1]).unwrap();
    let rows = Rearrange {
        output: Shape::from([6, 5]),
        ..rows
    };
    assert!(rows.keeps_layout());
    let columns = Rearrange::transpose(&Shape::from([4, 5]), &[1, 0]).unwrap();
    assert!(!columns.keeps_layout());
    let columns = Rearrange {
        output: Shape::from([1, 5, 4]),
        ..columns
    };
    assert!(columns.keeps_layout());
}
