//! Parsers of the values of command-line options.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

/// The largest number of rounds, images, steps and so on: more than anyone waits for, and no more memory for
/// their results than any machine has.
const MAX_COUNT: usize = 1_000_000;

/// A whole number from 1 to 1,000,000.
pub fn count(text: &str) -> Result<NonZeroUsize, String> {
    number(text, |number: &NonZeroUsize| number.get() <= MAX_COUNT)
        .ok_or_else(|| format!("expected a whole number from 1 to {MAX_COUNT}"))
}

/// `CxHxW`, such as `3x224x224`: channels, height and width.
pub fn image_size(text: &str) -> Result<[usize; 3], String> {
    let extents: Vec<usize> = (text.split('x').map(str::parse).collect::<Result<_, _>>())
        .map_err(|_| format!("expected CxHxW such as 3x224x224, found '{text}'"))?;
    <[usize; 3]>::try_from(extents)
        .map_err(|_| format!("expected three numbers as in 3x224x224, found '{text}'"))
}

/// A number from 0 to 1.
pub fn fraction(text: &str) -> Result<f32, String> {
    number(text, |number: &f32| (0.0..=1.0).contains(number))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// A finite number that is not negative.
pub fn non_negative(text: &str) -> Result<f32, String> {
    number(text, |number: &f32| *number >= 0.0 && number.is_finite())
        .ok_or_else(|| "expected a number that is 0 or greater".to_owned())
}

/// A percentage from 0 to 1,000,000.
pub fn percentage(text: &str) -> Result<f64, String> {
    number(text, |number: &f64| (0.0..=1e6).contains(number))
        .ok_or_else(|| "expected a percentage, such as 10".to_owned())
}

/// A positive number of milliseconds, up to 1,000,000.
pub fn milliseconds(text: &str) -> Result<Duration, String> {
    duration(text, Duration::from_millis(1))
        .ok_or_else(|| "expected a number above 0, and up to 1000000".to_owned())
}

/// A positive number of seconds, up to 1,000,000.
pub fn seconds(text: &str) -> Result<Duration, String> {
    duration(text, Duration::from_secs(1))
        .ok_or_else(|| "expected a number of seconds above 0, and up to 1000000".to_owned())
}

/// The multiple of `unit` in `text`, if it is positive and at most 1,000,000.
fn duration(text: &str, unit: Duration) -> Option<Duration> {
    number(text, |number: &f64| (0.0..=1e6).contains(number))
        .map(|number| unit.mul_f64(number))
        .filter(|duration| !duration.is_zero())
}

/// The number in `text`, if it is one and valid.
fn number<T: FromStr>(text: &str, is_valid: impl Fn(&T) -> bool) -> Option<T> {
    text.parse().ok().filter(is_valid)
}
