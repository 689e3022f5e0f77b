use super::*;
use crate::vision::{CropMode, Interpolation, Preprocessing, RgbImage, resize};

fn image(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([x * 7 + y * 3, x * y, x * 2 + y * 11].map(|value| (value % 251) as u8))
    })
}

/// Normalized values are the pixels' bytes.
fn preprocessing(input: [usize; 2], crop_pct: f64) -> Preprocessing {
    Preprocessing {
        input_size: [3, input[0], input[1]],
        mean: vec![0.0; 3],
        std: vec![1.0 / 255.0; 3],
        crop_pct,
        ..Preprocessing::default()
    }
}

/// The crop of `resized` whose left upper corner is at `at`, as `[C, H, W]`.
fn cut(resized: &RgbImage, at: [u32; 2], input: [usize; 2]) -> Vec<f32> {
    let mut values = Vec::new();
    for channel in 0..3 {
        for y in 0..input[0] as u32 {
            for x in 0..input[1] as u32 {
                let byte = resized.get_pixel(at[0] + x, at[1] + y)[channel];
                values.push(f32::from(byte));
            }
        }
    }
    values
}

fn mirrored(view: &[f32], width: usize) -> Vec<f32> {
    let rows = view.chunks(width);
    rows.flat_map(|row| row.iter().rev().copied()).collect()
}

#[track_caller]
fn assert_views(views: &[f32], expected: &[Vec<f32>]) {
    assert_eq!(views.len(), expected.iter().map(Vec::len).sum::<usize>());
    for (i, (view, expected)) in views.chunks(expected[0].len()).zip(expected).enumerate() {
        let near = (view.iter().zip(expected)).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(near, "view {i}");
    }
}

#[test]
fn ten_crops_are_corners_center_and_their_mirror_images() {
    // 32 / 0.8 = 40; 40 * 61 / 43 = 56.7, rounded down.
    let preprocessing = preprocessing([32, 32], 0.8);
    let image = image(61, 43);
    let resized = resize(&image, 56, 40, Interpolation::Bicubic).unwrap();
    // Of the central square of 40x40.
    let corners = [[8, 0], [16, 0], [8, 8], [16, 8], [12, 4]];
    let mut expected: Vec<Vec<f32>> = corners
        .map(|at| cut(&resized, at, [32, 32]))
        .into_iter()
        .collect();
    let flipped: Vec<Vec<f32>> = expected.iter().map(|view| mirrored(view, 32)).collect();
    expected.extend(flipped);
    let views = preprocessing.apply_crops(&image, Crops::TEN).unwrap();
    assert_eq!(views.shape().dims(), [10, 3, 32, 32]);
    assert_views(views.data(), &expected);
    let five = preprocessing.apply_crops(&image, Crops::FIVE).unwrap();
    assert_eq!(five.data(), &views.data()[..five.data().len()]);
}

#[test]
fn a_grid_covers_the_resized_image_from_edge_to_edge() {
    // The window can move by 5 rows, in steps of 1.25, and by 14 columns, in steps of 3.5: halves are rounded to even.
    let preprocessing = preprocessing([20, 20], 0.8);
    let image = image(68, 50);
    let resized = resize(&image, 34, 25, Interpolation::Bicubic).unwrap();
    let mut expected = Vec::new();
    for y in [0, 1, 2, 4, 5] {
        for x in [0, 4, 7, 10, 14] {
            expected.push(cut(&resized, [x, y], [20, 20]));
        }
    }
    let views = preprocessing.apply_crops(&image, Crops::GRID).unwrap();
    assert_views(views.data(), &expected);
}

#[test]
fn one_crop_is_the_center_of_the_others_to_the_bit() {
    for mode in [CropMode::Center, CropMode::Squash, CropMode::Border] {
        for interpolation in [
            Interpolation::Bicubic,
            Interpolation::Nearest,
            Interpolation::Darknet,
        ] {
            for (input, size) in [
                ([24, 24], (61, 47)),
                ([24, 17], (47, 62)),
                ([15, 31], (3, 5)),
                // The crops of a panorama are resized separately.
                ([9, 9], (4000, 10)),
                ([9, 9], (1, 900)),
            ] {
                let preprocessing = Preprocessing {
                    crop_mode: mode,
                    interpolation,
                    ..preprocessing(input, 0.7)
                };
                let image = image(size.0, size.1);
                let single = preprocessing.apply(&image).unwrap();
                let one = preprocessing.apply_crops(&image, Crops::ONE).unwrap();
                assert_eq!(one, single, "{mode} {interpolation} {size:?}");
                let len = single.data().len();
                for (crops, center) in [(Crops::TEN, 4), (Crops::GRID.with_flip(), 12)] {
                    let views = preprocessing.apply_crops(&image, crops).unwrap();
                    let middle = &views.data()[center * len..][..len];
                    assert_eq!(middle, single.data(), "{crops} {mode} {size:?}");
                    let flipped = &views.data()[(center + crops.count() / 2) * len..][..len];
                    assert_eq!(flipped, mirrored(single.data(), input[1]), "{crops} {mode}");
                }
            }
        }
    }
}

#[test]
fn the_ends_of_a_panorama_are_seen() {
    let preprocessing = preprocessing([8, 8], 1.0);
    let image = image(4000, 8);
    let grid = preprocessing.apply_crops(&image, Crops::GRID).unwrap();
    let row = [0, 998, 1996, 2994, 3992].map(|x| cut(&image, [x, 0], [8, 8]));
    let expected: Vec<_> = row.iter().cycle().take(25).cloned().collect();
    assert_views(grid.data(), &expected);
}

#[test]
fn a_resized_image_that_is_smaller_than_the_input_has_one_place() {
    // 9 / 1.8 = 5: four rows and columns of padding.
    let preprocessing = Preprocessing {
        mean: vec![0.5; 3],
        ..preprocessing([9, 9], 1.8)
    };
    let image = image(10, 10);
    let single = preprocessing.apply(&image).unwrap();
    let grid = preprocessing.apply_crops(&image, Crops::GRID).unwrap();
    assert_eq!(grid.data(), single.data().repeat(25));
}

#[test]
fn grayscale_images_have_crops() {
    let preprocessing = Preprocessing {
        input_size: [1, 6, 6],
        mean: vec![0.0],
        std: vec![1.0],
        crop_pct: 0.5,
        ..Preprocessing::default()
    };
    let image = image(20, 16);
    let ten = preprocessing.apply_crops(&image, Crops::TEN).unwrap();
    assert_eq!(ten.shape().dims(), [10, 1, 6, 6]);
    let single = preprocessing.apply(&image).unwrap();
    assert_eq!(&ten.data()[4 * 36..][..36], single.data());
}

#[test]
fn several_crops_of_a_whole_image_are_refused() {
    let with = |crop_mode, crop_pct| Preprocessing {
        crop_mode,
        ..preprocessing([8, 8], crop_pct)
    };
    let image = image(9, 9);
    for preprocessing in [
        with(CropMode::Letterbox, 0.5),
        with(CropMode::Squash, 1.0),
        with(CropMode::Border, 1.1),
        with(CropMode::Center, 1.0),
    ] {
        let refused = preprocessing.apply_crops(&image, Crops::FIVE).unwrap_err();
        let message = refused.to_string();
        let mode = format!("crop_mode {}", preprocessing.crop_mode);
        assert!(message.starts_with("all crops of an image would be equal"));
        assert!(message.contains(&mode), "{message}");
        let flipped = preprocessing.apply_crops(&image, Crops::ONE.with_flip());
        assert_eq!(flipped.unwrap().shape().dims()[0], 2);
    }
    assert!(with(CropMode::Squash, 0.9).check_crops(Crops::GRID).is_ok());
    assert!(with(CropMode::Center, 1.0).check_crops(Crops::GRID).is_ok());
    let empty = with(CropMode::Center, 0.9).apply_crops(&RgbImage::new(0, 3), Crops::TEN);
    assert!(empty.unwrap_err().to_string().contains("0x3"));
}

#[test]
fn names_are_read_and_written() {
    for (name, crops) in Crops::NAMED {
        assert_eq!(name.parse::<Crops>().unwrap(), crops);
        assert_eq!(crops.to_string(), name);
        assert_eq!(crops.with_flip().with_flip(), crops.with_flip());
    }
    let counts = Crops::NAMED.map(|(_, crops)| crops.count());
    assert_eq!(counts, [1, 5, 10, 25]);
    assert_eq!(Crops::TEN.with_flip(), Crops::TEN);
    assert_eq!(Crops::ONE.with_flip().to_string(), "1 with mirror images");
    let error = "7".parse::<Crops>().unwrap_err().to_string();
    assert_eq!(error, "unknown crops '7' (known: 1, 5, 10, grid)");
}
