//! The image files that a command's arguments stand for.

use std::io::{self, BufRead, Read};
use std::iter;
use std::path::{Path, PathBuf};

use clap::Args;
use shadernet::vision::MAX_FILE_BYTES;
use shadernet::{Error, Result};

use crate::image_id::ImageId;
use crate::lines::lines;

/// The argument, and the name in results, of standard input.
pub const STANDARD_INPUT: &str = "-";
/// What tells an image from a list.
const HEAD_BYTES: usize = 64;

/// The images of a command.
#[derive(Args)]
pub struct ImageArgs {
    /// Images, folders of images, or - for standard input: an image, or a list of files
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,

    /// Search the folders in folders, too
    #[arg(short, long)]
    pub recursive: bool,
}

/// Where an image is.
#[derive(Debug)]
pub enum ImageSource {
    File(PathBuf),
    /// Its bytes, from standard input.
    Bytes(Vec<u8>),
    /// A frame of a video, as the bytes of an image file, or why there is none.
    Frame(ImageId, Result<Vec<u8>>),
    /// A folder without images, or one that cannot be read.
    Unusable(PathBuf, Error),
}

/// Images in the order of the arguments.
pub struct ImagePaths {
    /// The images, and errors of reading standard input.
    pub sources: Box<dyn Iterator<Item = Result<ImageSource>> + Send>,
    /// The number of images. `None` if a list of them comes from standard input.
    pub count: Option<usize>,
    /// Whether there is one image, and no folder. A folder stands for any number of images.
    pub is_single: bool,
    /// Whether they are frames of a video.
    pub are_frames: bool,
}

impl ImagePaths {
    /// Resolves files, folders and `-`, which stands for standard input. Folders are read now, standard input when
    /// its turn comes; its beginning is read now where it is the only argument.
    ///
    /// # Errors
    /// If a folder cannot be read or holds no images, and there is nothing else.
    pub fn new(arguments: &[PathBuf], recursive: bool) -> Result<Self> {
        if let [only] = arguments
            && is_standard_input(only)
        {
            let input = StandardInput::open()?;
            let is_image = input.is_image();
            return Ok(Self {
                sources: input.sources(),
                count: is_image.then_some(1),
                is_single: is_image,
                are_frames: false,
            });
        }
        let mut count = Some(0);
        let mut unusable = 0;
        let mut sources: Box<dyn Iterator<Item = Result<ImageSource>> + Send> =
            Box::new(iter::empty());
        for argument in arguments {
            if is_standard_input(argument) {
                count = None;
                let input = iter::once_with(StandardInput::open);
                let input = input.flat_map(|input| match input {
                    Ok(input) => input.sources(),
                    Err(error) => Box::new(iter::once(Err(error))),
                });
                sources = Box::new(sources.chain(input));
            } else {
                let files = match argument.is_dir() {
                    true => images_in(argument, recursive),
                    false => Ok(vec![argument.clone()]),
                };
                let files: Vec<ImageSource> = match files {
                    Ok(files) => files.into_iter().map(ImageSource::File).collect(),
                    Err(error) if arguments.len() == unusable + 1 => return Err(error),
                    Err(error) => {
                        unusable += 1;
                        vec![ImageSource::Unusable(argument.clone(), error)]
                    }
                };
                count = count.map(|count| count + files.len());
                sources = Box::new(sources.chain(files.into_iter().map(Ok)));
            }
        }
        Ok(Self {
            sources,
            count,
            is_single: count == Some(1) && !arguments.iter().any(|argument| argument.is_dir()),
            are_frames: false,
        })
    }
}

fn is_standard_input(argument: &Path) -> bool {
    argument.as_os_str() == STANDARD_INPUT
}

/// Standard input, whose first bytes were read to tell an image from a list.
struct StandardInput {
    head: Vec<u8>,
    rest: io::Stdin,
}

impl StandardInput {
    fn open() -> Result<Self> {
        let mut rest = io::stdin();
        let head = head_of(&mut rest).map_err(Error::io("standard input"))?;
        Ok(Self { head, rest })
    }

    fn is_image(&self) -> bool {
        is_image(&self.head)
    }

    fn sources(self) -> Box<dyn Iterator<Item = Result<ImageSource>> + Send> {
        let is_image = self.is_image();
        let input = io::Cursor::new(self.head).chain(self.rest);
        match is_image {
            true => Box::new(iter::once(read_image(input))),
            false => {
                let list = read_list(io::BufReader::new(input));
                Box::new(list.map(|path| Ok(ImageSource::File(path?))))
            }
        }
    }
}

/// The first bytes of `input`: enough to tell an image from a list, but not more than its first line where that is
/// text, since a list may come line by line.
fn head_of(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut bytes = [0; HEAD_BYTES];
    let is_text = |head: &[u8]| head.contains(&b'\n') && str::from_utf8(head).is_ok();
    while head.len() < HEAD_BYTES && !is_text(&head) {
        match input.read(&mut bytes)? {
            0 => break,
            read => head.extend_from_slice(&bytes[..read]),
        }
    }
    Ok(head)
}

/// Whether `head` begins an image rather than a list of paths. Names of files have no zeros; a format that
/// cannot be decoded should be named by the decoder.
fn is_image(head: &[u8]) -> bool {
    let is_binary = str::from_utf8(head).is_err() && image::guess_format(head).is_ok();
    let is_pnm = matches!(head, [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace());
    head.contains(&0) || is_binary || is_pnm
}

fn read_image(input: impl Read) -> Result<ImageSource> {
    let mut bytes = Vec::new();
    // One more, so that the decoder reports that there are too many.
    let mut input = input.take(MAX_FILE_BYTES + 1);
    (input.read_to_end(&mut bytes)).map_err(Error::io("standard input"))?;
    Ok(ImageSource::Bytes(bytes))
}

/// The files that `list` names, one per line. Ends after an error.
fn read_list(list: impl BufRead) -> impl Iterator<Item = Result<PathBuf>> {
    lines(list).filter_map(|line| match line {
        Ok(line) => match line.strip_suffix(b"\r").unwrap_or(&line) {
            [] => None,
            name => Some(Ok(path(name))),
        },
        Err(error) => Some(Err(error)),
    })
}

#[cfg(unix)]
fn path(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name).into()
}

/// A name that is not UTF-8 cannot exist here. It is reported as missing later.
#[cfg(not(unix))]
fn path(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

/// The images of a folder in order of their paths, with those of its subfolders where `recursive`.
fn images_in(folder: &Path, recursive: bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut has_folders = false;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let entry = entry.map_err(Error::io(&folder))?;
            let path = entry.path();
            // Links to folders are not followed: they may lead back.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                has_folders = true;
                folders.extend(recursive.then_some(path));
                continue;
            }
            // Other files in the folder are skipped without an error.
            let is_image = (path.extension().and_then(|e| e.to_str()))
                .is_some_and(|extension| EXTENSIONS.contains(&extension.to_lowercase().as_str()));
            if is_image && path.is_file() {
                found.push(path);
            }
        }
    }
    if found.is_empty() {
        let searched = match (recursive, has_folders) {
            (true, _) => "this folder and those in it, found none",
            (false, true) => "this folder, found none; --recursive searches the folders in it",
            (false, false) => "this folder, found none",
        };
        return Err(Error::file(
            folder,
            format!("expected images ({}) in {searched}", EXTENSIONS.join(", ")),
        ));
    }
    found.sort();
    Ok(found)
}

const EXTENSIONS: [&str; 13] = [
    "png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "ppm", "pgm", "pbm", "pam", "pnm",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_have_empty_lines_and_either_line_ending() {
        let list = b"a.png\r\n\n b c.png \nlast" as &[u8];
        let names: Vec<PathBuf> = read_list(list).map(Result::unwrap).collect();
        assert_eq!(names, ["a.png", " b c.png ", "last"].map(PathBuf::from));
    }

    #[test]
    fn a_read_error_is_reported_once() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let list = io::BufReader::new(io::Read::chain(b"a.png\n" as &[u8], Broken));
        let items: Vec<String> = read_list(list)
            .map(|item| match item {
                Ok(path) => path.display().to_string(),
                Err(error) => error.report().to_string(),
            })
            .collect();
        assert_eq!(
            items,
            ["a.png", "standard input: could not be read: broken"]
        );
    }

    #[test]
    fn images_are_told_from_lists() {
        for image in [
            &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
            b"\xff\xd8\xff\xe0\0\x10JFIF",
            b"GIF89a\x10\0",
            b"BM\x36\0\0\0",
            b"P6 2 1 255 ",
            b"II*\0",
            b"RIFF\x24\0\0\0WEBPVP8 ",
        ] {
            let head = head_of(&mut io::Cursor::new(image)).unwrap();
            assert!(is_image(&head), "{image:?}");
        }
        for list in ["", "BMW.jpg\nRIFF.png", "P6.ppm\n", "GIF89a.gif", "Ä.png"] {
            assert!(!is_image(list.as_bytes()), "{list}");
        }
        // Latin-1.
        assert!(!is_image(b"\xc4.png"));
    }

    #[test]
    fn no_more_than_the_first_line_of_a_list_is_waited_for() {
        /// Returns a byte at a time, and fails after the first line.
        struct Slow(&'static [u8]);
        impl Read for Slow {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                let [first, rest @ ..] = self.0 else {
                    return Err(io::Error::other("read too much"));
                };
                bytes[0] = *first;
                self.0 = rest;
                Ok(1)
            }
        }
        assert_eq!(head_of(&mut Slow(b"a.png\n")).unwrap(), b"a.png\n");
        assert!(head_of(&mut Slow(b"a.png")).is_err());
    }
}
