//! Why a picture cannot be decoded, and how that is said.

use std::path::Path;

use image::ImageFormat;
use image::error::ImageError;

use crate::error::{BoxError, Error};

/// Why a picture cannot be decoded.
#[derive(Debug)]
pub enum Fault {
    /// Whole, but of a kind that is not decoded. Some: what it has.
    Unsupported(Option<String>, Option<BoxError>),
    /// Ends too early. Some: what is missing.
    Truncated(Option<&'static str>, Option<BoxError>),
    Damaged(Option<BoxError>),
    /// Needs more memory than a decoder may take.
    TooLarge(Option<BoxError>),
}

impl Fault {
    /// A kind of picture that is not decoded; `what` completes "a picture with …".
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(Some(what.into()), None)
    }

    /// The error about the file `name`. `most` is the number of bytes that a decoder may take.
    pub fn into_error(self, name: &Path, format: ImageFormat, most: u64) -> Error {
        let format = name_of(format);
        let (reason, source) = match self {
            Self::Unsupported(None, source) => (
                format!("this kind of {format} is not supported: convert it to PNG"),
                source,
            ),
            Self::Unsupported(Some(what), source) => (
                format!("a {format} with {what} is not supported: convert it to PNG"),
                source,
            ),
            Self::Truncated(missing, source) => {
                let missing = missing.map_or(String::new(), |missing| format!(" ({missing})"));
                (
                    format!(
                        "a complete {format} was expected; this one is truncated{missing}: get the file again"
                    ),
                    source,
                )
            }
            Self::Damaged(source) => (
                format!(
                    "a complete {format} was expected; this one is damaged or truncated: get the file again"
                ),
                source,
            ),
            Self::TooLarge(source) => (
                format!(
                    "an image that decodes within {} MiB was expected; this {format} does not",
                    most >> 20
                ),
                source,
            ),
        };
        match source {
            Some(source) => Error::file_caused_by(name, reason, source),
            None => Error::file(name, reason),
        }
    }
}

/// What a format is called.
pub fn name_of(format: ImageFormat) -> String {
    match format {
        ImageFormat::WebP => "WebP".to_owned(),
        ImageFormat::OpenExr => "OpenEXR".to_owned(),
        ImageFormat::Farbfeld => "farbfeld".to_owned(),
        format => format!("{format:?}").to_uppercase(),
    }
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        match error {
            // Reading from memory fails only at the end of the bytes.
            ImageError::IoError(_) => Self::Truncated(None, Some(error.into())),
            ImageError::Limits(_) => Self::TooLarge(Some(error.into())),
            ImageError::Unsupported(_) => Self::Unsupported(None, Some(error.into())),
            _ => Self::Damaged(Some(error.into())),
        }
    }
}

impl From<jpeg_decoder::Error> for Fault {
    fn from(error: jpeg_decoder::Error) -> Self {
        match error {
            jpeg_decoder::Error::Io(_) => Self::Truncated(None, Some(error.into())),
            jpeg_decoder::Error::Unsupported(_) => Self::Unsupported(None, Some(error.into())),
            _ => Self::Damaged(Some(error.into())),
        }
    }
}

impl From<tiff::TiffError> for Fault {
    fn from(error: tiff::TiffError) -> Self {
        match error {
            tiff::TiffError::IoError(_) => Self::Truncated(None, Some(error.into())),
            tiff::TiffError::LimitsExceeded => Self::TooLarge(Some(error.into())),
            tiff::TiffError::UnsupportedError(_) => Self::Unsupported(None, Some(error.into())),
            _ => Self::Damaged(Some(error.into())),
        }
    }
}
