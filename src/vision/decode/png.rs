//! EXIF and XMP of a PNG, wherever they are in the file. The decoder reads only what comes before the pixels.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::orientation::Metadata;

/// The most bytes of compressed text that are read: an orientation is in the first part of any XMP.
const MAX_TEXT_BYTES: u64 = 1 << 20;

const RAW_PROFILE: &[u8] = b"Raw profile type exif";
const XMP: &[u8] = b"XML:com.adobe.xmp";

/// Reads the metadata of a PNG. What is damaged is left out.
pub fn metadata(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    let mut profile = None;
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((kind, data, after)) = chunk(rest) {
        rest = after;
        match kind {
            b"eXIf" => metadata.exif = Some(data.to_vec()),
            b"iTXt" => {
                if let Some(text) = international_text(data, XMP) {
                    metadata.xmp = Some(text);
                }
            }
            b"zTXt" => {
                if let Some([0, text @ ..]) = text(data, RAW_PROFILE) {
                    profile = inflate(text).and_then(|text| raw_profile(&text));
                }
            }
            b"tEXt" => {
                if let Some(text) = text(data, RAW_PROFILE) {
                    profile = raw_profile(text);
                }
            }
            _ => {}
        }
    }
    metadata.exif = metadata.exif.or(profile);
    metadata
}

/// Whether the palette, if there is one, has whole colors, at most 256, and no more opacities than colors. The png
/// crate 0.18.1 relies on that.
pub fn has_valid_palette(bytes: &[u8]) -> bool {
    let (mut colors, mut opacities) = (0, 0);
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((kind, data, after)) = chunk(rest) {
        rest = after;
        match kind {
            b"PLTE" if !data.len().is_multiple_of(3) || data.len() > 768 => return false,
            b"PLTE" => colors = data.len() / 3,
            b"tRNS" => opacities = data.len(),
            _ => {}
        }
    }
    // Without a palette, the chunk has a color.
    colors == 0 || opacities <= colors
}

/// The type and data of the first chunk, and what follows its checksum.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let (data, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((kind, data, rest.get(4..).unwrap_or_default()))
}

/// What follows the keyword and its zero, if the keyword is `key`.
fn text<'a>(data: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    data.strip_prefix(key)?.strip_prefix(b"\0")
}

/// The text of an iTXt chunk with the keyword `key`.
fn international_text(data: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let [is_compressed, _method, rest @ ..] = text(data, key)? else {
        return None;
    };
    // The language and the translated keyword each end with a zero.
    let text = rest.splitn(3, |&byte| byte == 0).nth(2)?;
    if *is_compressed == 0 {
        Some(text.to_vec())
    } else {
        inflate(text)
    }
}

fn inflate(data: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let limited = ZlibDecoder::new(data)
        .take(MAX_TEXT_BYTES)
        .read_to_end(&mut text);
    limited.ok().map(|_| text)
}

/// The bytes of ImageMagick's text: a line break, a name, a length, and hexadecimal digits.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .splitn(4, |&byte| byte == b'\n')
        .nth(3)?
        .iter()
        .copied()
        .filter(u8::is_ascii_hexdigit)
        .collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palettes_have_whole_colors() {
        // Only the chunks that count: no decoder takes this for a PNG.
        let chunks = |lengths: &[(&[u8; 4], u8)]| {
            let mut bytes = vec![0; 8];
            for (kind, length) in lengths {
                bytes.extend([0, 0, 0, *length]);
                bytes.extend(*kind);
                bytes.extend(vec![0; usize::from(*length) + 4]);
            }
            has_valid_palette(&bytes)
        };
        assert!(chunks(&[]));
        assert!(chunks(&[(b"tRNS", 6)]));
        assert!(chunks(&[(b"PLTE", 6)]));
        assert!(chunks(&[(b"PLTE", 6), (b"tRNS", 2)]));
        assert!(!chunks(&[(b"PLTE", 7)]));
        assert!(!chunks(&[(b"PLTE", 6), (b"tRNS", 3)]));
    }
}
