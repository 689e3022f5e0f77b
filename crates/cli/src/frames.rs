//! Frames of a video on standard input, as `ffmpeg -f rawvideo -pix_fmt rgb24 -` writes them: pixels alone, without
//! headers.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use clap::Args;
use shadernet::vision::{MAX_PIXELS, MAX_SIDE};
use shadernet::{Error, Result};

use super::Failure;
use super::image_id::ImageId;
use super::image_paths::{ImageArgs, ImagePaths, ImageSource, STANDARD_INPUT};
use super::result_format::{Format, FormatArgs};

/// Bytes of a pixel.
const CHANNELS: usize = 3;

/// Whether standard input is a video.
#[derive(Args)]
pub struct FrameArgs {
    /// Read frames of a video from standard input (the image -): raw RGB, 8 bits per channel, of this width and height,
    /// as ffmpeg's -s has them (other sizes are height and width). Results are one JSON object per frame, with its
    /// number and time, unless --format says otherwise
    #[arg(long, value_name = "WxH")]
    frames: Option<FrameSize>,

    /// Frames per second of the video, such as 25 or 30000/1001: a frame's time is then that in the video, and else the
    /// seconds since the first frame was read
    #[arg(long, value_name = "RATE", requires = "frames")]
    fps: Option<FrameRate>,
}

impl FrameArgs {
    /// The format of results that are written to `path`, or to standard output.
    pub fn format(&self, format: &FormatArgs, path: Option<&Path>) -> Format {
        match self.frames {
            Some(_) => format.format_or(Format::Json, path),
            None => format.format(path),
        }
    }

    /// The images of a command.
    ///
    /// # Errors
    /// [`Failure::Usage`] where frames are to be read from anything but standard input, and those of
    /// [`ImagePaths::new`].
    pub fn images(&self, images: &ImageArgs) -> Result<ImagePaths, Failure> {
        let Some(size) = self.frames else {
            return Ok(ImagePaths::new(&images.images, images.recursive)?);
        };
        if images.images != [PathBuf::from(STANDARD_INPUT)] {
            return Err(Failure::Usage(
                "--frames: frames are read from standard input; expected - as the only image"
                    .to_owned(),
            ));
        }
        Ok(ImagePaths {
            sources: Box::new(read_frames(io::stdin(), size, self.fps).map(Ok)),
            count: None,
            is_single: false,
            are_frames: true,
        })
    }
}

/// The width and height of a frame.
#[derive(Clone, Copy, Debug)]
struct FrameSize {
    width: u32,
    height: u32,
}

impl FrameSize {
    fn bytes(self) -> usize {
        // At most `MAX_PIXELS` pixels.
        self.width as usize * self.height as usize * CHANNELS
    }
}

impl FromStr for FrameSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text.split_once('x');
        let sides = sides.and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
        match sides {
            Some((width, height))
                if (1..=MAX_SIDE).contains(&width)
                    && (1..=MAX_SIDE).contains(&height)
                    && u64::from(width) * u64::from(height) <= MAX_PIXELS =>
            {
                Ok(Self { width, height })
            }
            _ => Err(format!(
                "expected a width and height such as 640x480, of at most {MAX_SIDE} pixels per side and {} million in \
                 total",
                MAX_PIXELS / 1_000_000
            )),
        }
    }
}

/// Frames per second.
#[derive(Clone, Copy, Debug)]
struct FrameRate(f64);

impl FromStr for FrameRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (frames, seconds) = text.split_once('/').unwrap_or((text, "1"));
        let rate = match (frames.parse::<f64>(), seconds.parse::<f64>()) {
            (Ok(frames), Ok(seconds)) => frames / seconds,
            _ => f64::NAN,
        };
        match rate > 0.0 && rate.is_finite() {
            true => Ok(Self(rate)),
            false => Err("expected frames per second, such as 25 or 30000/1001".to_owned()),
        }
    }
}

/// The frames of `video`, each with the header of a PPM, whose pixels are laid out as a frame's. Ends with an error
/// where the last one is not whole.
fn read_frames(
    mut video: impl Read + Send,
    size: FrameSize,
    rate: Option<FrameRate>,
) -> impl Iterator<Item = ImageSource> + Send {
    let header = format!("P6 {} {} 255\n", size.width, size.height).into_bytes();
    let mut first = None;
    let mut frames = 0..;
    let mut has_ended = false;
    std::iter::from_fn(move || {
        if has_ended {
            return None;
        }
        let frame: u64 = frames.next()?;
        let mut image = Vec::with_capacity(header.len() + size.bytes());
        image.extend(&header);
        let read = video
            .by_ref()
            .take(size.bytes() as u64)
            .read_to_end(&mut image);
        let seconds = first
            .get_or_insert_with(Instant::now)
            .elapsed()
            .as_secs_f64();
        let seconds = rate.map_or(seconds, |FrameRate(rate)| frame as f64 / rate);
        let id = ImageId::Frame {
            frame,
            // Microseconds.
            time: (seconds * 1e6).round() / 1e6,
        };
        let image = match read {
            Ok(0) => return None,
            Ok(found) if found == size.bytes() => Ok(image),
            Ok(found) => Err(Error::file(
                format!("frame {frame}"),
                format!(
                    "{} bytes ({} x {} pixels of {CHANNELS}) were expected, found {found} and the end of standard \
                     input: the video was cut off, or has frames of another size or pixel format",
                    size.bytes(),
                    size.width,
                    size.height,
                ),
            )),
            Err(error) => Err(Error::io("standard input")(error)),
        };
        has_ended = image.is_err();
        Some(ImageSource::Frame(id, image))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers, times and last bytes of the frames that `bytes` hold, or why there is none.
    fn frames(
        bytes: &[u8],
        size: &str,
        rate: Option<&str>,
    ) -> Vec<(u64, f64, Result<Vec<u8>, String>)> {
        let rate = rate.map(|rate| rate.parse().unwrap());
        read_frames(bytes, size.parse().unwrap(), rate)
            .map(|source| match source {
                ImageSource::Frame(ImageId::Frame { frame, time }, image) => {
                    (frame, time, image.map_err(|error| error.to_string()))
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn frames_are_images_of_the_size() {
        let found = frames(
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
            "2x1",
            Some("30000/1001"),
        );
        let image = |pixels: [u8; 6]| [b"P6 2 1 255\n", &pixels[..]].concat();
        assert_eq!(
            found,
            [
                (0, 0.0, Ok(image([0, 1, 2, 3, 4, 5]))),
                (1, 0.033367, Ok(image([6, 7, 8, 9, 10, 11]))),
            ]
        );
        assert_eq!(frames(&[], "2x1", None), []);
    }

    #[test]
    fn a_frame_that_is_cut_off_is_the_last() {
        let found = frames(&[0; 6 + 4], "2x1", None);
        assert_eq!(found.len(), 2);
        assert!(found[0].2.is_ok());
        let message = found[1].2.as_ref().unwrap_err();
        let expected = "frame 1: 6 bytes (2 x 1 pixels of 3) were expected, found 4 and the end of standard input";
        assert!(message.starts_with(expected), "{message}");
    }

    #[test]
    fn sizes_and_rates_are_checked() {
        for text in [
            "",
            "640",
            "640x",
            "0x1",
            "1x0",
            "1x2x3",
            "-1x2",
            "70000x70000",
            "640:480",
        ] {
            assert!(text.parse::<FrameSize>().is_err(), "{text}");
        }
        for text in ["", "0", "-1", "1/0", "a", "inf", "NaN"] {
            assert!(text.parse::<FrameRate>().is_err(), "{text}");
        }
    }
}
