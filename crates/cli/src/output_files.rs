//! The files that commands write: one image file or a folder of images, and files that are replaced
//! atomically.

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

/// Of 100: lines and letters have no visible artifacts.
const JPEG_QUALITY: u8 = 92;

/// Where images are written.
pub enum OutputFiles {
    File(PathBuf, ImageFormat),
    Folder {
        folder: PathBuf,
        /// The names used so far. Images from different folders may have the same name.
        names: HashSet<String>,
    },
}

impl OutputFiles {
    /// [`OutputFiles::new`] for an option that may be absent.
    pub fn optional(
        option: &str,
        path: Option<&Path>,
        single: bool,
    ) -> Result<Option<Self>, Failure> {
        path.map(|path| Self::new(option, path, single)).transpose()
    }

    /// Interprets the value `path` of `option`. For a `single` image it is a file, unless it is an existing
    /// folder or has no extension. Otherwise it is a folder, which is created.
    pub fn new(option: &str, path: &Path, single: bool) -> Result<Self, Failure> {
        let is_folder = path.is_dir() || path.extension().is_none();
        if single && !is_folder {
            let format = ImageFormat::from_path(path).ok();
            let format = format.filter(|format| format.writing_enabled());
            return match format {
                Some(format) => Ok(Self::File(path.to_owned(), format)),
                None => Err(Failure::Usage(format!(
                    "{option} {}: expected a .png or .jpg file, or a folder",
                    path.display()
                ))),
            };
        }
        if path.exists() && !path.is_dir() {
            return Err(Failure::Usage(format!(
                "{option} {}: expected a folder for several images, found a file",
                path.display()
            )));
        }
        fs::create_dir_all(path).map_err(Error::write(path))?;
        Ok(Self::Folder {
            folder: path.to_owned(),
            names: HashSet::new(),
        })
    }

    /// Checks that a file can be written, before a long computation.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::File(path, _) => check_writable(path),
            Self::Folder { .. } => Ok(()),
        }
    }

    /// Writes `image`, which was made from the file `source`. Returns the path.
    pub fn write_image(&mut self, source: &Path, image: &RgbImage) -> Result<PathBuf> {
        self.write(source, |format| encoded(image, format))
    }

    /// Writes the output of `encode` for the image `source`. Returns the path. An existing file is replaced
    /// atomically, but `source` is never overwritten, and nothing is written into its folder by this name.
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
                        "the image is in the output folder; choose another output folder",
                    ));
                }
                let name = unused_name(source, names);
                (folder.join(name), ImageFormat::Png)
            }
        };
        write_file(path, format, source, encode)
    }

    /// Writes `image`, which was made from the file `source`. Returns the path: the file, or a file called
    /// `name` in the folder.
    pub fn write_as(&self, source: &Path, name: &str, image: &RgbImage) -> Result<PathBuf> {
        let (path, format) = match self {
            Self::File(path, format) => (path.clone(), *format),
            Self::Folder { folder, .. } => {
                // Characters that some operating system does not allow in file names.
                let name = name.replace(['/', '\\', ':', '*', '?', '"', '<', '>', '|'], "_");
                (folder.join(format!("{name}.png")), ImageFormat::Png)
            }
        };
        write_file(path, format, source, |format| encoded(image, format))
    }
}

/// Writes `path`. Refuses to overwrite `source`.
fn write_file(
    path: PathBuf,
    format: ImageFormat,
    source: &Path,
    encode: impl FnOnce(ImageFormat) -> Result<Vec<u8>, String>,
) -> Result<PathBuf> {
    if same(&path, source) {
        return Err(Error::file(
            path,
            "this is the input image; choose another output file",
        ));
    }
    match encode(format) {
        Ok(bytes) => save(&path, &bytes)?,
        Err(reason) => return Err(Error::file(path, reason)),
    }
    Ok(path)
}

/// The image's name with the extension `.png`, and a number if that name is used already.
fn unused_name(source: &Path, names: &mut HashSet<String>) -> String {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let numbered = (2..).map(|i| format!("{stem}-{i}.png"));
    let mut candidates = std::iter::once(format!("{stem}.png")).chain(numbered);
    // `candidates` is infinite, so there is one that is not used.
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

/// Whether two paths are the same file or folder.
fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

fn encoded(image: &RgbImage, format: ImageFormat) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let result = match format {
        ImageFormat::Jpeg => {
            image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))
        }
        format => image.write_to(&mut Cursor::new(&mut bytes), format),
    };
    match result {
        Ok(()) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

/// A mask as an indexed PNG: the pixels are the classes, and the palette has their colors.
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

/// Checks that [`save`] can write `path`, before a long computation.
pub fn check_writable(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    let reason = if path.is_dir() {
        "expected a file, found a folder".to_owned()
    } else if !folder.is_dir() {
        format!("there is no folder {}", folder.display())
    } else {
        return temporary(path).map(drop);
    };
    Err(Error::file(path, reason))
}

/// Writes a file atomically: under a temporary name first, so that `path` never holds an incomplete file.
pub fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = temporary(path)?;
    file.write_all(bytes).map_err(failed(path))?;
    (file.persist(path)).map_err(|error| failed(path)(error.error))?;
    Ok(())
}

/// A temporary file in the folder of `path`. It is deleted when dropped.
fn temporary(path: &Path) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".shadernet-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder_of(path));
    // The error names `path`, not the temporary file.
    file.map_err(|error| failed(path)(error.kind().into()))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    |source| Error::Write {
        path: path.to_owned(),
        source,
    }
}
