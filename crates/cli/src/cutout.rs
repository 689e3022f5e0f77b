//! Cut-outs of `shadernet segment`.

use std::convert::Infallible;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use image::{ImageFormat, Rgb};
use shadernet::vision::{Background, Mask, RgbImage, decode};
use shadernet::{Result, printable};

use super::Failure;
use super::output_files::OutputFiles;

/// What is cut out, and what is put behind it.
#[derive(Args)]
pub struct CutoutArgs {
    /// Write the image without its background, which becomes transparent, into a .png, .webp or .tiff file or a folder;
    /// with --classes, only those are kept
    #[arg(long, value_name = "OUT.png|DIR")]
    cutout: Option<PathBuf>,

    /// Put a color, such as white or #20a0ff, or an image behind the cut-out
    #[arg(long, value_name = "COLOR|IMAGE", requires = "cutout")]
    background: Option<ColorOrFile>,
}

#[derive(Clone)]
enum ColorOrFile {
    Color(Rgb<u8>),
    File(PathBuf),
}

impl FromStr for ColorOrFile {
    type Err = Infallible;

    /// A color of CSS, or else a path: a file of a color's name is `./white`.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match csscolorparser::parse(text) {
            Ok(color) => {
                let [red, green, blue, _] = color.to_rgba8();
                Self::Color(Rgb([red, green, blue]))
            }
            Err(_) => Self::File(text.into()),
        })
    }
}

impl CutoutArgs {
    /// Prepares for the cut-outs that were asked for: of a `single` image, or of several.
    pub fn open(&self, single: bool) -> Result<Option<Cutouts>, Failure> {
        let Some(files) = OutputFiles::optional("--cutout", self.cutout.as_deref(), single)? else {
            return Ok(None);
        };
        if let (OutputFiles::File(path, format), None) = (&files, &self.background)
            && !WITH_ALPHA.contains(format)
        {
            return Err(Failure::Usage(format!(
                "--cutout {}: this format has no transparency; expected a .png, .webp or .tiff file, or --background",
                printable::path(path)
            )));
        }
        let background = match &self.background {
            None => None,
            Some(ColorOrFile::Color(color)) => Some(Background::Color(*color)),
            Some(ColorOrFile::File(path)) if !path.exists() => {
                return Err(Failure::Usage(format!(
                    "--background {}: this is neither a color of CSS, such as white or #20a0ff, nor the file of an image",
                    printable::path(path)
                )));
            }
            Some(ColorOrFile::File(path)) => Some(Background::Image(decode(path)?)),
        };
        Ok(Some(Cutouts { files, background }))
    }

    /// The image behind the cut-outs, an input of the command.
    pub fn background_file(&self) -> Option<&PathBuf> {
        match &self.background {
            Some(ColorOrFile::File(path)) => Some(path),
            _ => None,
        }
    }
}

const WITH_ALPHA: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff];

/// The cut-outs that a command writes.
pub struct Cutouts {
    pub files: OutputFiles,
    pub background: Option<Background>,
}

impl Cutouts {
    /// Writes what `mask` leaves of `image`, which was read from `source`: its `classes`, or all but the background
    /// where there are none. Returns the path.
    pub fn write(
        &mut self,
        source: &Path,
        image: &RgbImage,
        mask: &Mask,
        classes: &[u8],
    ) -> Result<PathBuf> {
        let cutout = mask.cutout(image, classes)?;
        if let Some(background) = &self.background {
            return (self.files).write_image(source, &background.composite(&cutout)?);
        }
        self.files.write(source, |format| {
            let mut bytes = Vec::new();
            let written = cutout.write_to(&mut Cursor::new(&mut bytes), format);
            written.map_err(|error| error.to_string())?;
            Ok(bytes)
        })
    }
}
