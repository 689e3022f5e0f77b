//! The color map of heat maps.

/// The color of a value between 0 and 1 in matplotlib's inferno: from black through purple and orange
/// to pale yellow. Values outside the range are clamped to it; NaN is drawn as 0.
///
/// Inferno is perceptually uniform: equal steps look equal, and lightness alone orders the values, so
/// that color-blind readers and black-and-white prints keep the order. Laid over photographs, its cold
/// end disappears in the shadows; its orange and yellow are saturated, while magma's pink and
/// viridis's green are easily mistaken for skin and leaves.
///
/// ```
/// use shadernet::vision::heat_color;
///
/// assert_eq!(heat_color(0.0), [0, 0, 4]);
/// assert_eq!(heat_color(1.0), [252, 255, 164]);
/// assert_eq!(heat_color(f32::NAN), heat_color(-3.0));
/// ```
pub fn heat_color(value: f32) -> [u8; 3] {
    // `f32::max` returns the other operand where one is NaN.
    let value = f64::from(value.max(0.0));
    // It clamps values above 1.
    colorous::INFERNO.eval_continuous(value).as_array()
}
