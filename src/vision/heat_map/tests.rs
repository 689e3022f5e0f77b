use super::*;
use crate::vision::CropMode;

#[test]
fn statistics_cover_all_values() {
    let heat = HeatMap::new(3, 2, vec![0.0, -1.0, 4.0, 2.0, 4.0, 0.0]).unwrap();
    let found = heat.statistics();
    assert_eq!((found.min, found.max, found.sum), (-1.0, 4.0, 9.0));
    assert_eq!((found.mean, found.peak), (1.5, [2, 0]));
    let normal = heat.normalized();
    assert_eq!(normal.values(), [0.0, 0.0, 1.0, 0.5, 1.0, 0.0]);
    for cold in [vec![0.0; 2], vec![-3.0, -1.0]] {
        let cold = HeatMap::new(2, 1, cold).unwrap();
        assert_eq!(cold.normalized().values(), [0.0; 2]);
        assert_eq!(cold.share_inside([0.0, 0.0, 2.0, 1.0]), 0.0);
    }
    let tiny = HeatMap::new(2, 1, vec![1e-45, 0.0]).unwrap();
    assert_eq!(tiny.normalized().values(), [1.0, 0.0]);
}

#[test]
fn shares_are_weighted_by_area() {
    let heat = HeatMap::new(2, 2, vec![1.0, 1.0, 2.0, -5.0]).unwrap();
    assert_eq!(heat.share_inside([0.0, 0.0, 2.0, 2.0]), 1.0);
    assert_eq!(heat.share_inside([-1e30, f32::NEG_INFINITY, 9.0, 9.0]), 1.0);
    assert_eq!(heat.share_inside([0.0, 1.0, 1.0, 2.0]), 0.5);
    assert_eq!(heat.share_inside([0.5, 0.5, 1.5, 1.5]), 0.25);
    assert_eq!(heat.share_inside([1.5, 0.0, 0.5, 2.0]), 0.0);
    assert_eq!(heat.share_inside([f32::NAN, 0.0, 2.0, 2.0]), 0.0);
}

#[test]
fn invalid_maps_are_refused() {
    let message = |w, h, values| HeatMap::new(w, h, values).unwrap_err().to_string();
    assert!(message(2, 2, vec![0.0; 3]).contains("2x2 and 3 values"));
    assert!(message(0, 7, vec![]).contains("0x7"));
    assert!(message(usize::MAX, 2, vec![0.0; 3]).contains("3 values"));
    let message = message(2, 2, vec![0.0, 0.0, f32::NAN, 0.0]);
    assert!(message.contains("returned NaN at column 0, row 1"));
    let heat = HeatMap::new(1, 1, vec![1.0]).unwrap();
    let refused = |p: Preprocessing, w, h| heat.on_image(&p, w, h).is_err();
    assert!(refused(Preprocessing::default(), 0, 3));
    assert!(refused(Preprocessing::default(), u32::MAX, u32::MAX));
    let input_size = [3, 0, 224];
    let other = Preprocessing::default();
    assert!(refused(
        Preprocessing {
            input_size,
            ..other
        },
        3,
        3
    ));
}

fn preprocessing(crop_mode: CropMode, crop_pct: f64) -> Preprocessing {
    Preprocessing {
        input_size: [3, 64, 64],
        crop_pct,
        crop_mode,
        ..Preprocessing::default()
    }
}

/// A map of 16 by 16 with one hot pixel, around 42, 22 of an input of 64 by 64.
fn peaked() -> HeatMap {
    let mut values = vec![0.0; 256];
    values[5 * 16 + 10] = 1.0;
    HeatMap::new(16, 16, values).unwrap()
}

#[test]
fn peaks_map_to_the_right_pixels() {
    use CropMode::{Border, Center, Letterbox, Squash};
    // Computed by hand: image pixels per input pixel, and the input's first pixel in the image.
    let cases = [
        // 400 x 200 is resized to 128 x 64, 32 columns are cropped: 3.125 per pixel, from 100 on.
        (Center, 1.0, [3.125, 3.125], [100.0, 0.0]),
        // Resized to 256 x 128; 96 columns and 32 rows are cropped.
        (Center, 0.5, [1.5625, 1.5625], [150.0, 50.0]),
        (Squash, 1.0, [6.25, 3.125], [0.0, 0.0]),
        // Resized to 64 x 32, with 16 rows of padding above.
        (Border, 1.0, [6.25, 6.25], [0.0, -100.0]),
        (Letterbox, 1.0, [6.25, 6.25], [0.0, -100.0]),
    ];
    for (mode, crop_pct, scale, first) in cases {
        let over = (peaked().on_image(&preprocessing(mode, crop_pct), 400, 200)).unwrap();
        let peak = over.statistics().peak;
        for (axis, at) in [42.0, 22.0].into_iter().enumerate() {
            let expected: f64 = first[axis] + at * scale[axis];
            let found = peak[axis] as f64 + 0.5;
            assert!(
                (found - expected).abs() <= 1.0,
                "{mode}: {found} {expected}"
            );
        }
        // Half of the heat lies on either side of the peak.
        let [x, y] = [0, 1].map(|i| (first[i] + [42.0, 22.0][i] * scale[i]) as f32);
        let left = over.share_inside([0.0, 0.0, x, 200.0]);
        let above = over.share_inside([0.0, 0.0, 400.0, y]);
        assert!((left - 0.5).abs() < 1e-3, "{mode}: {left}");
        assert!((above - 0.5).abs() < 1e-3, "{mode}: {above}");
    }
}

#[test]
fn unseen_regions_are_reported() {
    let even = HeatMap::new(1, 1, vec![2.0]).unwrap();
    let over = |mode, pct| even.on_image(&preprocessing(mode, pct), 400, 200).unwrap();
    let center = over(CropMode::Center, 1.0);
    assert_eq!(center.seen(), [100.0, 0.0, 300.0, 200.0]);
    for (i, value) in center.values().iter().enumerate() {
        let seen = (100..300).contains(&(i % 400));
        assert_eq!(*value, if seen { 2.0 } else { 0.0 });
    }
    for mode in [CropMode::Squash, CropMode::Border, CropMode::Letterbox] {
        assert_eq!(over(mode, 1.0).seen(), [0.0, 0.0, 400.0, 200.0]);
        assert!(over(mode, 1.0).values().iter().all(|&value| value == 2.0));
    }
}

#[test]
fn any_map_fits_any_image() {
    for (_, mode) in ["center", "squash", "border", "letterbox"].map(|n| (n, n.parse().unwrap())) {
        for map in [[1, 1], [7, 7], [1, 9], [300, 2]] {
            let heat = HeatMap::new(map[0], map[1], vec![1.0; map[0] * map[1]]).unwrap();
            for [w, h] in [[1, 1], [2, 1], [1, 16_384], [16_384, 1], [33, 65]] {
                for crop_pct in [0.01, 0.875, 100.0] {
                    let over = heat.on_image(&preprocessing(mode, crop_pct), w, h);
                    let [x0, y0, x1, y1] = over.unwrap().seen();
                    assert!(x0 <= x1 && y0 <= y1, "{mode} {w}x{h}");
                }
            }
        }
    }
}
