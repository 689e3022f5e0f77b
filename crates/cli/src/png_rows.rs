//! PNG files that are written row by row.

use std::cell::RefCell;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use png::{BitDepth, ColorType, Compression, Encoder, StreamWriter};
use shadernet::output_file::OutputFile;
use shadernet::vision::mask_color;
use shadernet::{Error, Result};

/// A PNG under a temporary name, until it is complete.
pub struct PngRows {
    path: PathBuf,
    file: SharedFile,
    rows: StreamWriter<'static, SharedFile>,
}

/// What a row consists of.
#[derive(Clone, Copy)]
pub enum Pixels {
    /// Classes, with their colors as the palette.
    Classes,
    Rgb,
    /// With alpha.
    Rgba,
}

/// The file, of which the encoder has a share: it does not give it back.
#[derive(Clone)]
struct SharedFile(Rc<RefCell<BufWriter<OutputFile>>>);

impl Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl PngRows {
    pub fn create(path: PathBuf, width: u32, height: u32, pixels: Pixels) -> Result<Self> {
        let file = BufWriter::new(OutputFile::create(&path)?);
        let file = SharedFile(Rc::new(RefCell::new(file)));
        let mut encoder = Encoder::new(file.clone(), width, height);
        encoder.set_depth(BitDepth::Eight);
        match pixels {
            Pixels::Classes => {
                encoder.set_color(ColorType::Indexed);
                let colors = (0..=u8::MAX).flat_map(|class| mask_color(class).0);
                encoder.set_palette(colors.collect::<Vec<u8>>());
            }
            Pixels::Rgb | Pixels::Rgba => {
                encoder.set_color(match pixels {
                    Pixels::Rgba => ColorType::Rgba,
                    _ => ColorType::Rgb,
                });
                encoder.set_compression(Compression::Fast);
            }
        }
        let rows = encoder
            .write_header()
            .and_then(png::Writer::into_stream_writer);
        let rows = rows.map_err(|error| failed(&path, error))?;
        Ok(Self { path, file, rows })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.rows.write_all(bytes).map_err(Error::write(&self.path))
    }

    /// Puts the complete file in its place. Returns its path.
    pub fn finish(self) -> Result<PathBuf> {
        let Self { path, file, rows } = self;
        rows.finish().map_err(|error| failed(&path, error))?;
        // The encoder has dropped its share.
        if let Some(file) = Rc::into_inner(file.0) {
            let file = file.into_inner().into_inner();
            let file = file.map_err(|error| Error::write(&path)(error.into_error()))?;
            file.finish()?;
        }
        Ok(path)
    }
}

fn failed(path: &Path, error: png::EncodingError) -> Error {
    Error::write(path)(error.into())
}
