//! Which image a result is of.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use shadernet::printable;

/// Which image a result is of. It serializes to the keys that a line of JSON begins with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ImageId {
    File {
        #[serde(serialize_with = "displayed")]
        image: PathBuf,
    },
    /// A frame of a video: its number from 0, and its time in seconds.
    Frame { frame: u64, time: f64 },
}

impl ImageId {
    pub const FILE_COLUMNS: &[&str] = &["image"];
    pub const FRAME_COLUMNS: &[&str] = &["frame", "time"];

    pub fn file(image: impl Into<PathBuf>) -> Self {
        let image = image.into();
        Self::File { image }
    }

    /// The file's path, or what files that are written for a frame are named after.
    pub fn path(&self) -> Cow<'_, Path> {
        match self {
            Self::File { image } => Cow::Borrowed(image),
            // In order of their names where a folder is listed.
            Self::Frame { frame, .. } => Cow::Owned(format!("frame-{frame:06}").into()),
        }
    }

    /// The cells that a row begins with.
    pub fn cells(&self) -> Vec<String> {
        match self {
            Self::File { image } => vec![image.display().to_string()],
            Self::Frame { frame, time } => vec![frame.to_string(), time.to_string()],
        }
    }

    /// The line above the results in text.
    pub fn title(&self) -> String {
        match self {
            Self::File { image } => printable::path(image),
            Self::Frame { frame, time } => format!("frame {frame}, {time:.3} s"),
        }
    }
}

fn displayed<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}
