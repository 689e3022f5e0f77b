//! The files that commands write: one image file or a folder of images, and checks before the work. How a
//! file is written is in [`shadernet::output_file`].

use std::collections::HashSet;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};
use shadernet::output_file::{self, OutputFile, folder_of};
use shadernet::vision::{Mask, mask_color};
use shadernet::{Error, Result, printable};

use super::Failure;
use super::image_paths::STANDARD_INPUT;
use super::partial_results::FinishedImage;

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
    /// folder or has no extension. A device or pipe is a file, too, and gets a PNG. Otherwise it is a folder,
    /// which is created.
    pub fn new(option: &str, path: &Path, single: bool) -> Result<Self, Failure> {
        let is_stream = path.exists() && !path.is_dir() && OutputFile::target(path)?.is_none();
        if single && is_stream {
            return Ok(Self::File(path.to_owned(), ImageFormat::Png));
        }
        let is_folder = path.is_dir() || path.extension().is_none();
        if single && !is_folder {
            let format = ImageFormat::from_path(path).ok();
            let format = format.filter(|format| format.writing_enabled());
            return match format {
                Some(format) => Ok(Self::File(path.to_owned(), format)),
                None => Err(Failure::Usage(format!(
                    "{option} {}: expected a .png or .jpg file, or a folder",
                    printable::path(path)
                ))),
            };
        }
        let found = match path.exists() && !path.is_dir() {
            true => Some("a file"),
            // A folder of this name is not what was meant.
            false if !path.is_dir() && ImageFormat::from_path(path).is_ok() => {
                Some("the name of an image")
            }
            false => None,
        };
        if let Some(found) = found {
            return Err(Failure::Usage(format!(
                "{option} {}: several images are written: expected a folder, found {found}",
                printable::path(path)
            )));
        }
        fs::create_dir_all(path).map_err(Error::write(path))?;
        Ok(Self::Folder {
            folder: path.to_owned(),
            names: HashSet::new(),
        })
    }

    /// Checks that files can be written, before a long computation.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::File(path, _) => OutputFile::check(path),
            Self::Folder { folder, .. } => output_file::check_folder(folder),
        }
    }

    /// Does not use the names again that were, or may have been, used for images of an interrupted run.
    pub fn reserve(&mut self, finished: &[FinishedImage]) {
        if let Self::Folder { names, .. } = self {
            for finished in finished {
                unused_name(Path::new(&finished.image), names);
            }
        }
    }

    /// Checks that no input is overwritten. `inputs` are the command's arguments: images, and folders of them.
    pub fn check_inputs(&self, inputs: &[PathBuf]) -> Result<()> {
        inputs.iter().try_for_each(|input| self.check_input(input))
    }

    fn check_input(&self, input: &Path) -> Result<()> {
        match self {
            Self::File(path, _) if is_same(path, input) => Err(Error::file(
                path,
                "this is the input image; choose another output file",
            )),
            Self::Folder { folder, .. }
                if is_same(folder, folder_of(input)) || is_same(folder, input) =>
            {
                Err(Error::file(
                    input,
                    "the image is in the output folder; choose another output folder",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the files of `other` are other files. `single` is the image, where there is one.
    pub fn check_distinct(&self, other: &Self, single: Option<&Path>) -> Result<()> {
        let path = |files: &Self| match (files, single) {
            (Self::File(path, _), _) => path.clone(),
            (Self::Folder { folder, .. }, Some(image)) => {
                folder.join(unused_name(image, &mut HashSet::new()))
            }
            (Self::Folder { folder, .. }, None) => folder.clone(),
        };
        let path = [path(self), path(other)];
        match is_same(&path[0], &path[1]) {
            true => Err(Error::file(
                &path[0],
                "two outputs would be written to it; choose another file or folder for one of them",
            )),
            false => Ok(()),
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
        let (path, format) = self.destination(source)?;
        write_file(path, format, source, encode)
    }

    /// The file for the output of the image `source`, which is not `source` itself, and its format.
    pub fn destination(&mut self, source: &Path) -> Result<(PathBuf, ImageFormat)> {
        self.check_input(source)?;
        Ok(match self {
            Self::File(path, format) => (path.clone(), *format),
            Self::Folder { folder, names } => {
                (folder.join(unused_name(source, names)), ImageFormat::Png)
            }
        })
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
    if is_same(&path, source) {
        return Err(Error::file(
            path,
            "this is the input image; choose another output file",
        ));
    }
    match encode(format) {
        Ok(bytes) => output_file::write(&path, &bytes)?,
        Err(reason) => return Err(Error::file(path, reason)),
    }
    Ok(path)
}

/// The image's name with the extension `.png`, and a number if that name is used already.
fn unused_name(source: &Path, names: &mut HashSet<String>) -> String {
    let stem = match source.as_os_str() == STANDARD_INPUT {
        true => "stdin".into(),
        false => source.file_stem().unwrap_or_default().to_string_lossy(),
    };
    let numbered = (2..).map(|i| format!("{stem}-{i}.png"));
    let mut candidates = std::iter::once(format!("{stem}.png")).chain(numbered);
    // `candidates` is infinite, so there is one that is not used.
    let name = candidates
        .find(|name| !names.contains(name))
        .unwrap_or_default();
    names.insert(name.clone());
    name
}

/// Whether two paths are the same file or folder, which may be one that is still to be written. A device or
/// pipe can be used twice.
fn is_same(a: &Path, b: &Path) -> bool {
    let file = |path: &Path| match path.is_dir() {
        true => path.canonicalize().ok(),
        false => OutputFile::target(path).ok()?,
    };
    let (Some(a), Some(b)) = (file(a), file(b)) else {
        return false;
    };
    let full = |path: &Path| Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?));
    // Hard links are two paths of one file.
    same_file::is_same_file(&a, &b).unwrap_or(false)
        || full(&a).is_some_and(|a| full(&b).is_some_and(|b| a == b))
}

/// Checks before the work that a command can write `outputs`, which have the names of their options, and that
/// they are neither the same file nor one of `inputs`. An input may be a model folder, or no file at all.
pub fn check_outputs<'a>(
    outputs: impl IntoIterator<Item = (&'static str, Option<&'a Path>)>,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let inputs: Vec<PathBuf> = inputs.into_iter().flat_map(files_of_input).collect();
    let mut checked: Vec<(&str, &Path)> = Vec::new();
    for (option, path) in outputs {
        let Some(path) = path else { continue };
        OutputFile::check(path)?;
        if let Some((other, _)) = checked.iter().find(|(_, other)| is_same(path, other)) {
            let reason = format!("this is the file of {other}; name another for {option}");
            return Err(Error::file(path, reason));
        }
        if inputs.iter().any(|input| is_same(path, input)) {
            let reason = format!("this is an input of the command; name another file for {option}");
            return Err(Error::file(path, reason));
        }
        checked.push((option, path));
    }
    Ok(())
}

/// The files that a command reads from `input`: itself, or those of a model folder.
fn files_of_input(input: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(input) else {
        return vec![input.to_owned()];
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let is_read = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ["config.json", "network.cfg"].contains(&&*name)
            || [".safetensors", ".safetensors.index.json", ".onnx"]
                .iter()
                .any(|end| name.ends_with(end))
    };
    paths.filter(is_read).collect()
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
