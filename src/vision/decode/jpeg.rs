//! Reads a JPEG's headers, and decodes it with the decoder that is right for its kind, or refuses it.
//!
//! zune-jpeg (through the image crate) is the fast one. As of 0.5.15 it decodes wrongly, without an error,
//! separate scans of a baseline JPEG and colors that are finer than luma; jpeg-decoder decodes those.
//! `tests/images/suite` compares both with Pillow.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::{DynamicImage, ImageDecoder};
use jpeg_decoder::ColorTransform;

use super::fault::Fault;

/// What the headers say, up to the first scan.
#[derive(Debug)]
pub struct Header<'a> {
    /// The code of the marker SOFn.
    process: u8,
    bits: u8,
    pub width: u16,
    pub height: u16,
    components: Vec<Component>,
    /// The number of components in the first scan.
    first_scan: usize,
    has_jfif: bool,
    /// The color transform of Adobe's marker.
    adobe: Option<u8>,
    pub exif: Option<&'a [u8]>,
    pub xmp: Option<&'a [u8]>,
    /// The first scan's data and all that follows.
    data: &'a [u8],
}

#[derive(Debug, Clone, Copy)]
struct Component {
    id: u8,
    horizontal: u8,
    vertical: u8,
}

/// The decoder that is right for a JPEG.
#[derive(Debug, PartialEq)]
enum Codec {
    Fast,
    Exact(ColorTransform),
}

const BASELINE: u8 = 0xc0;
const EXTENDED: u8 = 0xc1;
const PROGRESSIVE: u8 = 0xc2;

impl<'a> Header<'a> {
    /// Reads the segments up to the first scan's data.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        const NO_FRAME: Fault = Fault::Truncated(Some("no scan"), None);
        let mut header = Self {
            process: 0,
            bits: 0,
            width: 0,
            height: 0,
            components: Vec::new(),
            first_scan: 0,
            has_jfif: false,
            adobe: None,
            exif: None,
            xmp: None,
            data: &[],
        };
        let mut rest = bytes.get(2..).ok_or(NO_FRAME)?; // past SOI
        loop {
            // Bytes that belong to no segment are skipped, as libjpeg does; FF may be repeated.
            let at = rest
                .array_windows()
                .position(|[first, second]| *first == 0xff && !matches!(second, 0 | 0xff))
                .ok_or(NO_FRAME)?;
            let (marker, after) = rest
                .get(at..)
                .and_then(|rest| rest.get(1..)?.split_first())
                .ok_or(NO_FRAME)?;
            rest = after;
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                continue; // no segment follows
            }
            let (segment, after) = segment(rest).ok_or(NO_FRAME)?;
            rest = after;
            match (marker, segment) {
                (0xc4 | 0xc8 | 0xcc, _) => {}
                // libjpeg refuses a second one. A decoder might take either.
                (0xc0..=0xcf, _) if header.process != 0 => return Err(Fault::Damaged(None)),
                (0xc0..=0xcf, _) => header.frame(*marker, segment)?,
                (0xda, [count, ..]) => {
                    if header.process == 0 {
                        return Err(Fault::Damaged(None));
                    }
                    header.first_scan = usize::from(*count);
                    header.data = rest;
                    return Ok(header);
                }
                (0xe0, _) if segment.starts_with(b"JFIF\0") => header.has_jfif = true,
                (0xe1, _) => {
                    if let Some(exif) = segment.strip_prefix(b"Exif\0\0") {
                        header.exif.get_or_insert(exif);
                    }
                    if let Some(xmp) = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                        header.xmp.get_or_insert(xmp);
                    }
                }
                (0xee, _) if segment.starts_with(b"Adobe") => {
                    header.adobe = segment.get(11).copied()
                }
                _ => {}
            }
        }
    }

    /// Reads the segment of a marker SOFn.
    fn frame(&mut self, process: u8, segment: &[u8]) -> Result<(), Fault> {
        let [bits, h0, h1, w0, w1, count, rest @ ..] = segment else {
            return Err(Fault::Damaged(None));
        };
        self.process = process;
        self.bits = *bits;
        self.height = u16::from_be_bytes([*h0, *h1]);
        self.width = u16::from_be_bytes([*w0, *w1]);
        self.components = (rest.as_chunks::<3>().0.iter())
            .take(usize::from(*count))
            .map(|&[id, factors, _]| Component {
                id,
                horizontal: factors >> 4,
                vertical: factors & 15,
            })
            .collect();
        let is_damaged = |component: &Component| {
            !(1..=4).contains(&component.horizontal) || !(1..=4).contains(&component.vertical)
        };
        if self.components.len() != usize::from(*count) || self.components.iter().any(is_damaged) {
            return Err(Fault::Damaged(None));
        }
        Ok(())
    }

    pub fn is_progressive(&self) -> bool {
        self.process == PROGRESSIVE
    }

    /// Whether zune-jpeg decodes it as it should.
    pub fn is_fast(&self) -> bool {
        matches!(self.codec(), Ok(Codec::Fast))
    }

    fn codec(&self) -> Result<Codec, Fault> {
        match self.process {
            BASELINE | EXTENDED | PROGRESSIVE => {}
            0xc3 => return Err(Fault::unsupported("lossless coding")),
            0xc5..=0xc7 => return Err(Fault::unsupported("hierarchical coding")),
            _ => return Err(Fault::unsupported("arithmetic coding")),
        }
        if self.bits != 8 {
            return Err(Fault::unsupported(format!("{} bits per sample", self.bits)));
        }
        let [luma, colors @ ..] = self.components.as_slice() else {
            return Err(Fault::unsupported("no components"));
        };
        if colors.is_empty() {
            return Ok(Codec::Fast);
        }
        if !matches!(colors.len(), 2 | 3) {
            return Err(Fault::unsupported("2 components, or more than 4"));
        }
        let (horizontal, vertical) = self.most();
        let is_whole = |c: &Component| {
            horizontal.is_multiple_of(c.horizontal) && vertical.is_multiple_of(c.vertical)
        };
        if !self.components.iter().all(is_whole) {
            return Err(Fault::unsupported(
                "components whose numbers of samples are no multiples",
            ));
        }
        let is_power =
            |c: &Component| c.horizontal.is_power_of_two() && c.vertical.is_power_of_two();
        let is_usual = (luma.horizontal, luma.vertical) == (horizontal, vertical)
            && self.components.iter().all(is_power);
        let is_separate = !self.is_progressive() && self.first_scan < self.components.len();
        // JFIF is YCbCr whatever the components are called.
        let is_called_rgb = self.has_jfif && self.has_ids(*b"RGB");
        if is_usual && !is_separate && !is_called_rgb {
            return Ok(Codec::Fast);
        }
        if colors.len() == 3 {
            return Err(Fault::unsupported(
                "four colors in separate scans, or of unusual sampling",
            ));
        }
        if (is_separate || self.is_progressive())
            && !self.components.iter().all(|c| self.has_exact_scan(c))
        {
            return Err(Fault::unsupported("this sampling in separate scans"));
        }
        Ok(Codec::Exact(self.color_transform()))
    }

    /// The largest sampling factors.
    fn most(&self) -> (u8, u8) {
        let most = |factor: fn(&Component) -> u8| self.components.iter().map(factor).max();
        (
            most(|c| c.horizontal).unwrap_or(1),
            most(|c| c.vertical).unwrap_or(1),
        )
    }

    /// Whether jpeg-decoder 0.3.2 reads as many blocks of a scan of `component` alone as there are: it takes
    /// those of whole MCUs, as long as they begin within the picture.
    fn has_exact_scan(&self, component: &Component) -> bool {
        let (horizontal, vertical) = self.most();
        let is_exact = |side: u16, factor: u8, most: u8| {
            let (side, factor, most) = (u32::from(side), u32::from(factor), u32::from(most));
            let samples = side.saturating_mul(factor).div_ceil(most);
            let padded = side.div_ceil(most.saturating_mul(8)).saturating_mul(factor);
            padded.min(side.div_ceil(8)) == samples.div_ceil(8)
        };
        is_exact(self.width, component.horizontal, horizontal)
            && is_exact(self.height, component.vertical, vertical)
    }

    fn has_ids(&self, ids: [u8; 3]) -> bool {
        self.components.iter().map(|component| component.id).eq(ids)
    }

    /// libjpeg's rules.
    fn color_transform(&self) -> ColorTransform {
        let is_rgb = match self.adobe {
            _ if self.has_jfif => false,
            Some(transform) => transform == 0,
            None => self.has_ids(*b"RGB"),
        };
        if is_rgb {
            ColorTransform::RGB
        } else {
            ColorTransform::YCbCr
        }
    }

    /// Refuses a file in which a decoder found other dimensions than this header's, for which there is memory.
    fn check_dimensions(&self, found: (u32, u32)) -> Result<(), Fault> {
        match found == (self.width.into(), self.height.into()) {
            true => Ok(()),
            false => Err(Fault::Damaged(None)),
        }
    }

    /// Whether the pixel data ends with the end marker (EOI).
    ///
    /// The decoder fills missing pixels with gray and reports success, so that half an image would be
    /// classified as if it were complete. Within pixel data a 0xFF is always followed by a stuffed zero, so
    /// that FF D9 after the first scan's header can only be the end. Before it, thumbnails may hold other
    /// end markers.
    fn has_end(&self) -> bool {
        self.data.windows(2).any(|pair| pair == [0xff, 0xd9])
    }
}

/// The payload of the segment whose length is first, and what follows it.
fn segment(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length).checked_sub(2)?);
    rest.split_at_checked(length)
}

/// Decodes a JPEG as it is stored. `most` is the number of bytes that the decoder may take.
pub fn decode(bytes: &[u8], header: &Header, most: u64) -> Result<DynamicImage, Fault> {
    let codec = header.codec()?;
    let image = match (turbo(bytes, header), codec) {
        (Some(image), _) => DynamicImage::ImageRgb8(image),
        (None, Codec::Fast) => {
            let decoder = JpegDecoder::new(Cursor::new(bytes))?;
            header.check_dimensions(decoder.dimensions())?;
            DynamicImage::from_decoder(decoder)?
        }
        (None, Codec::Exact(transform)) => {
            let mut decoder = jpeg_decoder::Decoder::new(bytes);
            decoder.set_color_transform(transform);
            decoder.set_max_decoding_buffer_size(usize::try_from(most).unwrap_or(usize::MAX));
            decoder.read_info()?;
            let info = decoder.info().ok_or(Fault::Damaged(None))?;
            header.check_dimensions((info.width.into(), info.height.into()))?;
            let pixels = decoder.decode()?;
            let (width, height) = (u32::from(header.width), u32::from(header.height));
            let image = image::RgbImage::from_raw(width, height, pixels);
            DynamicImage::ImageRgb8(image.ok_or(Fault::Damaged(None))?)
        }
    };
    if !header.has_end() {
        return Err(Fault::Truncated(Some("no end marker"), None));
    }
    Ok(image)
}

/// The pixels by libjpeg-turbo. `None` for four colors, and where it reports an error or a warning: what the other
/// decoders make of such a file is then the result.
#[cfg(feature = "libjpeg-turbo")]
fn turbo(bytes: &[u8], header: &Header) -> Option<image::RgbImage> {
    if header.components.len() > 3 {
        return None;
    }
    let mut decompressor = turbojpeg::Decompressor::new().ok()?;
    let found = decompressor.read_header(bytes).ok()?;
    let (width, height) = (usize::from(header.width), usize::from(header.height));
    if (found.width, found.height) != (width, height) {
        return None;
    }
    // The dimensions were checked: there is memory for them.
    let pitch = width.checked_mul(3)?;
    let mut pixels = vec![0; pitch.checked_mul(height)?];
    let output = turbojpeg::Image {
        pixels: &mut pixels[..],
        width,
        pitch,
        height,
        format: turbojpeg::PixelFormat::RGB,
    };
    decompressor.decompress(bytes, output).ok()?;
    image::RgbImage::from_raw(header.width.into(), header.height.into(), pixels)
}

#[cfg(not(feature = "libjpeg-turbo"))]
fn turbo(_: &[u8], _: &Header) -> Option<image::RgbImage> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of components with these sampling factors, in one scan.
    fn header(factors: &[(u8, u8)]) -> Header<'static> {
        Header {
            process: BASELINE,
            bits: 8,
            width: 37,
            height: 27,
            components: (1..)
                .zip(factors)
                .map(|(id, &(horizontal, vertical))| Component {
                    id,
                    horizontal,
                    vertical,
                })
                .collect(),
            first_scan: factors.len(),
            has_jfif: false,
            adobe: None,
            exif: None,
            xmp: None,
            data: &[],
        }
    }

    #[test]
    fn each_kind_has_its_decoder() {
        let codec = |header: &Header| header.codec().ok();
        let exact = Some(Codec::Exact(ColorTransform::YCbCr));
        let usual = header(&[(2, 2), (1, 1), (1, 1)]);
        assert_eq!(codec(&usual), Some(Codec::Fast));
        let separate = Header {
            first_scan: 1,
            ..header(&[(2, 2), (1, 1), (1, 1)])
        };
        assert_eq!(codec(&separate), exact);
        let progressive = Header {
            process: PROGRESSIVE,
            first_scan: 1,
            ..header(&[(2, 2), (1, 1), (1, 1)])
        };
        assert_eq!(codec(&progressive), Some(Codec::Fast));
        assert_eq!(codec(&header(&[(1, 1), (2, 2), (2, 2)])), exact);
        assert_eq!(codec(&header(&[(3, 1), (1, 1), (1, 1)])), exact);
        assert_eq!(codec(&header(&[(3, 1), (2, 1), (1, 1)])), None);
        assert_eq!(codec(&header(&[(1, 1); 4])), Some(Codec::Fast));
        assert_eq!(codec(&header(&[(1, 1); 2])), None);
    }

    /// Found by fuzzing: a small first frame passed the limit, and the decoder took the second.
    #[test]
    fn a_second_frame_is_refused() {
        let frame = |side: u8| {
            [
                &b"\xff\xc0\x00\x0b\x08\0"[..],
                &[side],
                b"\0\x01\x01\x01\x11\0",
            ]
            .concat()
        };
        let scan = b"\xff\xda\x00\x03\x01\x12\x34";
        let one = [&b"\xff\xd8"[..], &frame(1), scan].concat();
        let header = Header::read(&one).unwrap();
        header.check_dimensions((1, 1)).unwrap();
        assert!(header.check_dimensions((2, 1)).is_err());
        let two = [&b"\xff\xd8"[..], &frame(1), &frame(2), scan].concat();
        assert!(matches!(Header::read(&two), Err(Fault::Damaged(None))));
    }

    #[test]
    fn end_markers_in_headers_are_skipped() {
        // SOI, an APP1 segment with a thumbnail's end marker, a frame, a scan.
        let mut jpeg = b"\xff\xd8\xff\xe1\x00\x04\xff\xd9\xff\xc0\x00\x0b\x08\0\x01\0\x01\x01\x01\x11\0\xff\xda\x00\x03\x01\x12\x34".to_vec();
        assert!(!Header::read(&jpeg).unwrap().has_end());
        jpeg.extend(b"\xff\xd9trailing bytes");
        assert!(Header::read(&jpeg).unwrap().has_end());
        for length in 0..20 {
            assert!(Header::read(&jpeg[..length]).is_err());
        }
    }
}
