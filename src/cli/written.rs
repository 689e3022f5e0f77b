//! Pictures that a command writes: one file, or a folder with a file for each picture.

use std::collections::HashSet;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};
use shadernet::{Error, Result};

use super::Failure;

/// JPEG's, of 100: lines and letters stay clean.
const JPEG_QUALITY: u8 = 92;

/// Where pictures go.
pub enum Written {
    File(PathBuf, ImageFormat),
    Folder {
        folder: PathBuf,
        /// Names that were given already, as two pictures from two folders may have one.
        names: HashSet<String>,
    },
}

impl Written {
    /// What `--output` means: a file for a `single` picture, unless it is a folder or has no ending;
    /// else a folder, which is made.
    pub fn new(path: &Path, single: bool) -> Result<Self, Failure> {
        let is_folder = path.is_dir() || path.extension().is_none();
        if single && !is_folder {
            let format = ImageFormat::from_path(path).ok();
            let format = format.filter(|format| format.writing_enabled());
            return match format {
                Some(format) => Ok(Self::File(path.to_owned(), format)),
                None => Err(Failure::Usage(format!(
                    "--output {}: expected a file that ends in .png or .jpg, or a folder",
                    path.display()
                ))),
            };
        }
        if path.exists() && !path.is_dir() {
            return Err(Failure::Usage(format!(
                "--output {}: several pictures need a folder, and this is a file",
                path.display()
            )));
        }
        fs::create_dir_all(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::Folder {
            folder: path.to_owned(),
            names: HashSet::new(),
        })
    }

    /// Writes `picture`, made of the one at `source`, and answers where. What is there is replaced,
    /// whole, but for pictures that might be asked about.
    pub fn write(&mut self, source: &Path, picture: &RgbImage) -> Result<PathBuf> {
        let (path, format) = match self {
            Self::File(path, format) => (path.clone(), *format),
            Self::Folder { folder, names } => {
                if same(folder, folder_of(source)) {
                    return Err(Error::File {
                        path: source.to_owned(),
                        reason: "the picture lies in the folder that is to be written to; name \
                                 another folder"
                            .to_owned(),
                    });
                }
                let name = unused(source, names);
                (folder.join(name), ImageFormat::Png)
            }
        };
        if same(&path, source) {
            return Err(Error::File {
                path,
                reason: "this is the picture itself, which is not written over; name another file"
                    .to_owned(),
            });
        }
        save(&path, picture, format)?;
        Ok(path)
    }
}

/// The picture's name with the ending `.png`, and a number where that has been given.
fn unused(source: &Path, names: &mut HashSet<String>) -> String {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let numbered = (2..).map(|i| format!("{stem}-{i}.png"));
    let mut candidates = std::iter::once(format!("{stem}.png")).chain(numbered);
    // Of endless names, one has not been given.
    let name = candidates
        .find(|name| !names.contains(name))
        .unwrap_or_default();
    names.insert(name.clone());
    name
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether two paths are one file or folder.
fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// Under another name first, so that `path` never holds half a picture.
fn save(path: &Path, picture: &RgbImage, format: ImageFormat) -> Result<()> {
    let failed = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let encoded = match format {
        ImageFormat::Jpeg => {
            picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))
        }
        format => picture.write_to(&mut Cursor::new(&mut bytes), format),
    };
    encoded.map_err(|error| Error::File {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".shadernet-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder_of(path));
    // Without the temporary file's name, which nobody asked for.
    let mut file = file.map_err(|error| failed(error.kind().into()))?;
    file.write_all(&bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
