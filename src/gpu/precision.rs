//! Parsing of precisions.

use std::fmt;
use std::str::FromStr;

use super::Precision;
use crate::error::UnknownName;

impl FromStr for Precision {
    type Err = UnknownName;

    /// Parses `f32` and `f16`.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let all = [Self::F32, Self::F16];
        (all.into_iter().find(|precision| precision.name() == name))
            .ok_or_else(|| UnknownName::new("precision", name, all.map(Self::name)))
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Precision;

    #[test]
    fn names_are_parsed_and_unknown_ones_are_errors() {
        for precision in [Precision::F32, Precision::F16] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        let error = "f64".parse::<Precision>().unwrap_err().to_string();
        assert!(error.contains("(known: f32, f16)"), "{error}");
    }
}
