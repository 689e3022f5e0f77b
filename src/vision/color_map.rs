//! Numbers as colours.

/// The colour of a value between 0 and 1: matplotlib's inferno, black over purple and orange to pale
/// yellow. What is below or above is drawn as the ends are, and what is not a number as 0.
///
/// Inferno is perceptually uniform: equal steps look equal, and lightness alone orders the values,
/// for the colour-blind and in black and white, too. Over photographs its cold end vanishes in the
/// shadows, and its orange and yellow are saturated where magma's pink and viridis's green are easily
/// taken for skin and leaves.
///
/// ```
/// use shadernet::vision::heat_color;
///
/// assert_eq!(heat_color(0.0), [0, 0, 4]);
/// assert_eq!(heat_color(1.0), [252, 255, 164]);
/// assert_eq!(heat_color(f32::NAN), heat_color(-3.0));
/// ```
pub fn heat_color(value: f32) -> [u8; 3] {
    // `max` takes the number where the other one is none.
    let value = f64::from(value.max(0.0));
    // Which takes what is above 1 to it.
    colorous::INFERNO.eval_continuous(value).as_array()
}
