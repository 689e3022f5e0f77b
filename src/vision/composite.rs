//! Pixels with alpha before other pixels.

use image::{Rgb, RgbImage, RgbaImage};

/// `image` over white, as it looks on a page.
pub fn over_white(image: &RgbaImage) -> RgbImage {
    let mut opaque = RgbImage::new(image.width(), image.height());
    for (target, &image::Rgba([r, g, b, a])) in opaque.pixels_mut().zip(image.pixels()) {
        *target = Rgb([r, g, b].map(|value| over(value, u8::MAX, a)));
    }
    opaque
}

/// A color with an alpha, 255 for opaque, before another color, rounded to the nearest.
pub(super) fn over(front: u8, behind: u8, alpha: u8) -> u8 {
    // The most is 255^2, so that a sum of two fits.
    let product = |a: u8, b: u8| u32::from(a).saturating_mul(u32::from(b));
    let sum = product(front, alpha).saturating_add(product(behind, !alpha));
    let rounded = sum.saturating_add(127) / 255;
    u8::try_from(rounded).unwrap_or(u8::MAX)
}
