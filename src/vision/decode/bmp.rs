//! What the BMP decoder does not know: the long header of OS/2, and alpha that means nothing.

use std::borrow::Cow;

use image::DynamicImage;

/// Where the fields of a BMP with a header of 40 bytes or more are.
const PIXELS_AT: usize = 10;
const HEADER_SIZE_AT: usize = 14;
const BITS_AT: usize = 28;
const COMPRESSION_AT: usize = 30;

const WINDOWS_HEADER: u8 = 40;
const OS2_HEADER: u8 = 64;
/// The compressions that mean the same in both headers: none, and run lengths.
const LAST_COMMON_COMPRESSION: u8 = 2;

/// The file with a header of Windows instead of the one of OS/2 2.x, which is longer by 24 bytes that do not
/// concern the pixels.
pub fn with_known_header(bytes: &[u8]) -> Cow<'_, [u8]> {
    convert_header(bytes).map_or(Cow::Borrowed(bytes), Cow::Owned)
}

fn convert_header(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_os2 = long_at(bytes, HEADER_SIZE_AT)? == u32::from(OS2_HEADER);
    if !is_os2 || long_at(bytes, COMPRESSION_AT)? > u32::from(LAST_COMMON_COMPRESSION) {
        return None;
    }
    let surplus = OS2_HEADER.checked_sub(WINDOWS_HEADER)?;
    let pixels_at = long_at(bytes, PIXELS_AT)?.checked_sub(u32::from(surplus))?;
    let end = HEADER_SIZE_AT.checked_add(usize::from(OS2_HEADER))?;
    let kept = HEADER_SIZE_AT.checked_add(usize::from(WINDOWS_HEADER))?;
    let mut converted = bytes.get(..kept)?.to_vec();
    converted
        .get_mut(PIXELS_AT..HEADER_SIZE_AT)?
        .copy_from_slice(&pixels_at.to_le_bytes());
    *converted.get_mut(HEADER_SIZE_AT)? = WINDOWS_HEADER;
    converted.extend_from_slice(bytes.get(end..)?);
    Some(converted)
}

/// `image` without the alpha that other programs ignore: that of 16 bits per pixel, and one that is zero
/// throughout, which writers leave unset.
pub fn without_unset_alpha(bytes: &[u8], image: DynamicImage) -> DynamicImage {
    let has_16_bits = bytes.get(BITS_AT) == Some(&16);
    match image {
        DynamicImage::ImageRgba8(pixels)
            if has_16_bits || pixels.pixels().all(|pixel| pixel.0[3] == 0) =>
        {
            // The conversion drops alpha.
            DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(pixels).into_rgb8())
        }
        image => image,
    }
}

fn long_at(bytes: &[u8], at: usize) -> Option<u32> {
    let (long, _) = bytes.get(at..)?.split_first_chunk::<4>()?;
    Some(u32::from_le_bytes(*long))
}
