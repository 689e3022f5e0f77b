//! Parsers of the values of command-line options.

use std::fmt;
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

/// A number of threads: up to what machines have, since more are started before the system refuses.
pub fn threads(text: &str) -> Result<NonZeroUsize, String> {
    const MAX: usize = 1024;
    number(text, |number: &NonZeroUsize| number.get() <= MAX)
        .ok_or_else(|| format!("expected a whole number from 1 to {MAX}"))
}

/// The size of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSize {
    /// Those of the network where there are none.
    channels: Option<usize>,
    height: usize,
    width: usize,
}

impl ImageSize {
    /// Channels, height and width for a network that takes images of size `default`.
    pub fn for_network(self, default: [usize; 3]) -> [usize; 3] {
        [self.channels.unwrap_or(default[0]), self.height, self.width]
    }

    pub fn height_and_width(self) -> [usize; 2] {
        [self.height, self.width]
    }
}

impl FromStr for ImageSize {
    type Err = String;

    /// `SIDE`, `HxW` or `CxHxW`, such as `160`, `160x224` or `3x160x224`.
    fn from_str(text: &str) -> Result<Self, String> {
        let extents: Option<Vec<usize>> = text.split('x').map(|part| part.parse().ok()).collect();
        let (channels, height, width) = match extents.as_deref() {
            Some(&[side]) => (None, side, side),
            Some(&[height, width]) => (None, height, width),
            Some(&[channels, height, width]) => (Some(channels), height, width),
            _ => {
                return Err(format!(
                    "expected a size such as 160, 160x224 or 3x160x224, found '{text}'"
                ));
            }
        };
        Ok(Self {
            channels,
            height,
            width,
        })
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(channels) = self.channels {
            write!(f, "{channels}x")?;
        }
        write!(f, "{}x{}", self.height, self.width)
    }
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

/// A finite number above 0.
pub fn positive(text: &str) -> Result<f32, String> {
    number(text, |number: &f32| *number > 0.0 && number.is_finite())
        .ok_or_else(|| "expected a number above 0".to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_squares_or_have_height_and_width() {
        let size = |text: &str| {
            let size: ImageSize = text.parse().unwrap();
            assert_eq!(size.to_string().parse(), Ok(size));
            size.for_network([3, 1, 1])
        };
        assert_eq!(size("160"), [3, 160, 160]);
        assert_eq!(size("160x224"), [3, 160, 224]);
        assert_eq!(size("1x160x224"), [1, 160, 224]);
        for text in ["", "x", "1x2x3x4", "160,224", "-1", "160x"] {
            assert!(text.parse::<ImageSize>().is_err(), "{text}");
        }
    }
}
