//! Checked arithmetic of sizes. Settings come from files and users, so that any number has to be expected.

/// The largest setting of an operator, and the largest extent of a value: shaders compute positions in
/// 32-bit signed integers.
pub(crate) const MAX_EXTENT: usize = i32::MAX as usize;

/// The pixels along one axis from the first to the last tap of a window, both inclusive; saturates.
pub(super) fn window_extent(kernel: usize, dilation: usize) -> usize {
    (dilation.saturating_mul(kernel.saturating_sub(1))).saturating_add(1)
}

/// `size` pixels with `before` and `after` more on its two sides, or why there cannot be as many.
pub(super) fn padded_extent(size: usize, before: usize, after: usize) -> Result<usize, String> {
    let sum = size.checked_add(before).and_then(|x| x.checked_add(after));
    sum.filter(|padded| *padded <= MAX_EXTENT).ok_or_else(|| {
        format!(
            "its padding {before} and {after} of {size} pixels gives more than {MAX_EXTENT}, \
             the most that is possible"
        )
    })
}

/// Checks that every setting, listed with its name, is at least 1, and at most [`MAX_EXTENT`].
pub(super) fn expect_positive(settings: &[(&str, usize)]) -> Result<(), String> {
    match settings.iter().find(|(_, value)| *value == 0) {
        Some((name, _)) => Err(format!("its {name} is 0; it must be at least 1")),
        None => expect_possible(settings),
    }
}

/// Checks that every setting, listed with its name, is at most [`MAX_EXTENT`].
pub(super) fn expect_possible(settings: &[(&str, usize)]) -> Result<(), String> {
    match settings.iter().find(|(_, value)| *value > MAX_EXTENT) {
        Some((name, value)) => Err(format!(
            "its {name} is {value}; at most {MAX_EXTENT} is possible"
        )),
        None => Ok(()),
    }
}
