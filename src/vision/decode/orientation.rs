//! Which way up a picture is shown, from its EXIF or its XMP, by Pillow's rules.

use image::metadata::Orientation;

use super::directory::Directory;

/// TIFF's and EXIF's tag of the orientation.
pub const TAG: u16 = 0x0112;

/// The blocks of a picture's metadata that may have its orientation.
#[derive(Debug, Default)]
pub struct Metadata {
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
}

/// The orientation of a picture with these blocks. XMP counts where EXIF has no orientation.
///
/// Without an orientation that is known, the picture is left as stored.
pub fn orientation(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    let in_exif = exif.and_then(|block| {
        let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        let directory = Directory::read(block)?;
        directory.has(TAG).then(|| directory.small(TAG))
    });
    from_values(in_exif, xmp)
}

/// The orientation of a TIFF, which has the tag in its own directory.
pub fn of_tiff(directory: &Directory) -> Orientation {
    const XMP: u16 = 700;
    let tag = directory.has(TAG).then(|| directory.small(TAG));
    from_values(tag, directory.bytes(XMP))
}

fn from_values(tag: Option<Option<u8>>, xmp: Option<&[u8]>) -> Orientation {
    tag.unwrap_or_else(|| xmp.and_then(in_xmp))
        .and_then(Orientation::from_exif)
        .unwrap_or(Orientation::NoTransforms)
}

/// The digit of `tiff:Orientation="6"` or `<tiff:Orientation>6`.
fn in_xmp(xmp: &[u8]) -> Option<u8> {
    const NAME: &[u8] = b"tiff:Orientation";
    xmp.windows(NAME.len())
        .enumerate()
        .filter(|(_, window)| *window == NAME)
        .find_map(|(at, _)| {
            let rest = xmp.get(at.checked_add(NAME.len())?..)?;
            let rest = rest
                .strip_prefix(b"=\"")
                .or_else(|| rest.strip_prefix(b">"))?;
            rest.first()
                .filter(|digit| digit.is_ascii_digit())?
                .checked_sub(b'0')
        })
}
