//! The error for a name that is not known.

use std::fmt;

use crate::printable::name;
use crate::util::did_you_mean::nearest_few;

/// A name that is not known, with the most similar known names. The error of [`str::parse`] for all named
/// types of this crate.
///
/// ```
/// use shadernet::gpu::Backend;
///
/// let error = "vulcan".parse::<Backend>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown backend 'vulcan'; did you mean 'vulkan'? (known: vulkan, gl, metal, dx12, cpu, reference)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownName {
    /// What the name should denote, in the singular: `architecture`.
    pub kind: &'static str,
    /// The unknown name.
    pub name: String,
    /// Up to three similar known names, the most similar first.
    pub nearest: Vec<String>,
    /// All known names.
    pub known: Vec<String>,
}

impl UnknownName {
    /// An error for `name`, which is not among `known`.
    pub fn new<S: AsRef<str>>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = S>,
    ) -> Self {
        let known: Vec<String> = (known.into_iter())
            .map(|name| name.as_ref().to_owned())
            .collect();
        Self {
            kind,
            name: name.to_owned(),
            nearest: nearest_few(name, known.iter().map(String::as_str), MAX_SUGGESTIONS),
            known,
        }
    }
}

/// The maximum number of known names that an [`UnknownName`] suggests.
const MAX_SUGGESTIONS: usize = 3;
/// Up to this many known names are listed; of more, only the number is printed.
const MAX_LISTED: usize = 24;

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} '{}'", self.kind, name(&self.name))?;
        if !self.nearest.is_empty() {
            let quoted = (self.nearest.iter()).map(|nearest| format!("'{}'", name(nearest)));
            let quoted: Vec<String> = quoted.collect();
            write!(f, "; did you mean {}?", alternatives(&quoted))?;
        }
        match self.known.len() {
            0 => Ok(()),
            1..=MAX_LISTED => {
                let known: Vec<String> = self.known.iter().map(|known| name(known)).collect();
                write!(f, " (known: {})", known.join(", "))
            }
            count => write!(f, " ({count} are known)"),
        }
    }
}

/// `a, b or c`.
fn alternatives(items: &[String]) -> String {
    match items {
        [first @ .., before, last] => [first, &[format!("{before} or {last}")]]
            .concat()
            .join(", "),
        items => items.concat(),
    }
}

impl std::error::Error for UnknownName {}
