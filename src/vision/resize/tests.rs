use super::*;

/// `resize_image` of Darknet's `src/image.c`, line by line, for one channel with values up to 255.
fn darknet_resize(image: &[f32], [im_w, im_h]: [usize; 2], [w, h]: [usize; 2]) -> Vec<f32> {
    let w_scale = (im_w - 1) as f32 / (w as f32 - 1.0);
    let h_scale = (im_h - 1) as f32 / (h as f32 - 1.0);
    let mut part = vec![0.0; w * im_h];
    for r in 0..im_h {
        for c in 0..w {
            part[r * w + c] = if c == w - 1 || im_w == 1 {
                image[r * im_w + im_w - 1]
            } else {
                let sx = c as f32 * w_scale;
                let (ix, dx) = (sx as usize, sx.fract());
                (1.0 - dx) * image[r * im_w + ix] + dx * image[r * im_w + ix + 1]
            };
        }
    }
    let mut resized = vec![0.0; w * h];
    for r in 0..h {
        let sy = r as f32 * h_scale;
        let (iy, dy) = (sy as usize, sy.fract());
        for c in 0..w {
            resized[r * w + c] = (1.0 - dy) * part[iy * w + c];
            if r != h - 1 && im_h != 1 {
                resized[r * w + c] += dy * part[(iy + 1) * w + c];
            }
        }
    }
    resized
}

#[test]
fn darknet_resizes_as_its_formula() {
    for (from, to) in [
        ([64, 48], [41, 30]),
        ([13, 7], [40, 29]),
        ([200, 3], [9, 12]),
        ([5, 5], [5, 5]),
        ([1, 9], [6, 4]),
        ([9, 1], [4, 6]),
    ] {
        let byte = |x: u32, y: u32| (x * 97 + y * 61 + x * y * 13) as u8;
        let image = RgbImage::from_fn(from[0], from[1], |x, y| image::Rgb([byte(x, y); 3]));
        let values: Vec<f32> = image.pixels().map(|pixel| pixel.0[0].into()).collect();
        let expected = darknet_resize(&values, from.map(|n| n as usize), to.map(|n| n as usize));
        let found = resize(&image, to[0], to[1], Interpolation::Darknet).unwrap();
        for (i, (found, expected)) in found.pixels().zip(&expected).enumerate() {
            // Half a byte for the rounding after each pass.
            let error = (f32::from(found.0[0]) - expected).abs();
            assert!(
                error < 1.02,
                "{from:?} to {to:?} at {i}: {found:?}, {expected}"
            );
        }
    }
    // A single pixel is the last one, as in Darknet's rows; its columns divide zero by zero.
    let image = RgbImage::from_fn(3, 3, |x, y| image::Rgb([(10 * x + y) as u8; 3]));
    let one = resize(&image, 1, 1, Interpolation::Darknet).unwrap();
    assert_eq!(one.get_pixel(0, 0).0, [22; 3]);
}
