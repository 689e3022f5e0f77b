//! EXIF and XMP of a WebP. The image crate allocates as much for them as the file announces, whatever it has.

use super::orientation::Metadata;

/// Reads the metadata of a WebP, of which the first of each kind counts. What the file does not hold completely is
/// left out.
pub fn metadata(bytes: &[u8]) -> Metadata {
    let mut metadata = Metadata::default();
    // After "RIFF", its length and "WEBP".
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((kind, data, after)) = chunk(rest) {
        rest = after;
        let block = match kind {
            b"EXIF" => &mut metadata.exif,
            b"XMP " => &mut metadata.xmp,
            _ => continue,
        };
        block.get_or_insert_with(|| data.to_vec());
    }
    metadata
}

/// The name and data of the first chunk, and what follows it and its padding to an even length.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (data, rest) = rest.split_at_checked(length)?;
    let padding = length % 2;
    Some((kind, data, rest.get(padding..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_that_announce_more_than_there_is_are_left_out() {
        let file = |exif: &[u8], announced: u32| {
            let mut bytes = b"RIFF\0\0\0\0WEBPVP8X\x01\0\0\0\x08\0".to_vec();
            bytes.extend(b"EXIF");
            bytes.extend(announced.to_le_bytes());
            bytes.extend(exif);
            bytes
        };
        let read = |bytes: &[u8]| metadata(bytes).exif;
        assert_eq!(read(&file(b"abc", 3)), Some(b"abc".to_vec()));
        assert_eq!(read(&file(b"abc", 4)), None);
        assert_eq!(read(&file(b"abc", u32::MAX)), None);
        let two = [file(b"ab", 2), b"EXIF\x01\0\0\0xzXMP \x01\0\0\0y".to_vec()].concat();
        let found = metadata(&two);
        assert_eq!(found.exif, Some(b"ab".to_vec()));
        assert_eq!(found.xmp, Some(b"y".to_vec()));
    }
}
