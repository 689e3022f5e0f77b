//! Parsers of the values of command-line options.

use std::str::FromStr;
use std::time::Duration;

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

/// A positive number of milliseconds.
pub fn milliseconds(text: &str) -> Result<Duration, String> {
    number(text, |number: &f64| *number > 0.0)
        .and_then(|number| Duration::try_from_secs_f64(number / 1e3).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a number above 0".to_owned())
}

/// The number in `text`, if it is one and valid.
fn number<T: FromStr>(text: &str, is_valid: impl Fn(&T) -> bool) -> Option<T> {
    text.parse().ok().filter(is_valid)
}
