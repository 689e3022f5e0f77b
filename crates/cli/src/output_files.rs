//! Pictures that a command writes: one file, or a folder with a file for each picture.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};
use shadernet::vision::{Mask, mask_color};
use shadernet::{Error, Result};
use tempfile::NamedTempFile;

use super::Failure;

/// JPEG's, of 100: lines and letters stay clean.
const JPEG_QUALITY: u8 = 92;

/// Where pictures go.
pub enum OutputFiles {
    File(PathBuf, ImageFormat),
    Folder {
        folder: PathBuf,
        /// Names that were given already, as two pictures from two folders may have one.
        names: HashSet<String>,
    },
}

impl OutputFiles {
    /// What `option` with `path` means: a file for a `single` picture, unless it is a folder or has no ending;
    /// else a folder, which is made.
    pub fn new(option: &str, path: &Path, single: bool) -> Result<Self, Failure> {
        let is_folder = path.is_dir() || path.extension().is_none();
        if single && !is_folder {
            let format = ImageFormat::from_path(path).ok();
            let format = format.filter(|format| format.writing_enabled());
            return match format {
                Some(format) => Ok(Self::File(path.to_owned(), format)),
                None => Err(Failure::Usage(format!(
                    "{option} {}: expected a file that ends in .png or .jpg, or a folder",
                    path.display()
                ))),
            };
        }
        if path.exists() && !path.is_dir() {
            return Err(Failure::Usage(format!(
                "{option} {}: several pictures need a folder, and this is a file",
                path.display()
            )));
        }
        fs::create_dir_all(path).map_err(Error::io(path))?;
        Ok(Self::Folder {
            folder: path.to_owned(),
            names: HashSet::new(),
        })
    }

    /// The same, where the file can be written: to be told before minutes are spent on what goes into it.
    pub fn ready(option: &str, path: &Path, single: bool) -> Result<Self, Failure> {
        let written = Self::new(option, path, single)?;
        if let Self::File(path, _) = &written {
            check(path)?;
        }
        Ok(written)
    }

    /// Writes `picture`, made of the one at `source`, and answers where.
    pub fn write_picture(&mut self, source: &Path, picture: &RgbImage) -> Result<PathBuf> {
        self.write(source, |format| encoded(picture, format))
    }

    /// Writes what `encode` makes of the picture at `source`, and answers where. What is there is
    /// replaced, whole, but for pictures that might be asked about.
    pub fn write(
        &mut self,
        source: &Path,
        encode: impl FnOnce(ImageFormat) -> Result<Vec<u8>, String>,
    ) -> Result<PathBuf> {
        let (path, format) = match self {
            Self::File(path, format) => (path.clone(), *format),
            Self::Folder { folder, names } => {
                if same(folder, folder_of(source)) {
                    return Err(Error::file(
                        source,
                        "the picture lies in the folder that is to be written to; name another folder",
                    ));
                }
                let name = unused(source, names);
                (folder.join(name), ImageFormat::Png)
            }
        };
        put(path, format, source, encode)
    }

    /// Writes `picture`, made of the one at `source`, and answers where: into the file, or into one of
    /// the folder that is called `name`.
    pub fn write_as(&self, source: &Path, name: &str, picture: &RgbImage) -> Result<PathBuf> {
        let (path, format) = match self {
            Self::File(path, format) => (path.clone(), *format),
            Self::Folder { folder, .. } => {
                // What some system or other does not have in names.
                let name = name.replace(['/', '\\', ':', '*', '?', '"', '<', '>', '|'], "_");
                (folder.join(format!("{name}.png")), ImageFormat::Png)
            }
        };
        put(path, format, source, |format| encoded(picture, format))
    }
}

/// Writes `path`, but not over the picture at `source`.
fn put(
    path: PathBuf,
    format: ImageFormat,
    source: &Path,
    encode: impl FnOnce(ImageFormat) -> Result<Vec<u8>, String>,
) -> Result<PathBuf> {
    if same(&path, source) {
        return Err(Error::file(
            path,
            "this is the picture itself, which is not written over; name another file",
        ));
    }
    match encode(format) {
        Ok(bytes) => save(&path, &bytes)?,
        Err(reason) => return Err(Error::file(path, reason)),
    }
    Ok(path)
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

fn encoded(picture: &RgbImage, format: ImageFormat) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let result = match format {
        ImageFormat::Jpeg => {
            picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))
        }
        format => picture.write_to(&mut Cursor::new(&mut bytes), format),
    };
    match result {
        Ok(()) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

/// A mask as a PNG whose pixels are the classes, with the classes' colours as its palette.
pub fn indexed_png(mask: &Mask) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, mask.width(), mask.height());
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(
        (0..=u8::MAX)
            .flat_map(|c| mask_color(c).0)
            .collect::<Vec<u8>>(),
    );
    let written = (encoder.write_header()).and_then(|mut writer| {
        writer.write_image_data(mask.classes())?;
        writer.finish()
    });
    match written {
        Ok(()) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether [`save`] could write `path`: to be told before minutes are spent on what goes into it.
pub fn check(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    let reason = if path.is_dir() {
        "this is a folder; name a file in it".to_owned()
    } else if !folder.is_dir() {
        format!("there is no folder {}", folder.display())
    } else {
        return temporary(path).map(drop);
    };
    Err(Error::file(path, reason))
}

/// Under another name first, so that `path` never holds half a file.
pub fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = temporary(path)?;
    file.write_all(bytes).map_err(failed(path))?;
    (file.persist(path)).map_err(|error| failed(path)(error.error))?;
    Ok(())
}

/// A file beside `path`, gone when it is dropped.
fn temporary(path: &Path) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".shadernet-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder_of(path));
    // Without the temporary file's name, which nobody asked for.
    file.map_err(|error| failed(path)(error.kind().into()))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    |source| Error::Io {
        path: path.to_owned(),
        source,
    }
}
