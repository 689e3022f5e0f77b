use super::*;
use crate::vision::Preprocessing;

#[test]
fn unseen_regions_are_dark_gray() {
    let image = RgbImage::from_pixel(40, 20, Rgb([200, 100, 0]));
    let heat = HeatMap::new(2, 1, vec![0.0, 1.0]).unwrap();
    let preprocessing = Preprocessing {
        crop_pct: 1.0,
        ..Preprocessing::default()
    };
    let heat = heat.on_image(&preprocessing, 40, 20).unwrap();
    let over = heat.overlay(&image, 1.0).unwrap();
    assert_eq!(over.get_pixel(10, 5).0, [200, 100, 0], "cold");
    assert_eq!(over.get_pixel(29, 5).0, heat_color(1.0), "hot");
    let [r, g, b] = over.get_pixel(9, 5).0;
    assert!(r == g && g == b && r < 70, "outside: {r}");
    assert!(heat.overlay(&RgbImage::new(20, 40), 1.0).is_err());
}

#[test]
fn any_panels_make_a_figure() {
    let long = "word ".repeat(200) + &"杯".repeat(300);
    let titles = ["", "tabby 17.0 %", &long];
    for [w, h] in [[1, 1], [8, 8], [2, 5000], [5000, 2], [300, 200]] {
        for (title, value) in titles.into_iter().zip([0.0, 1e-30, -1e30]) {
            let image = RgbImage::new(w, h);
            let heat = HeatMap::new(1, 1, vec![value]).unwrap();
            let heat = heat.on_image(&Preprocessing::default(), w, h).unwrap();
            for opacity in [0.5, f32::NAN, -1.0, 7.0] {
                let panel = Panel::heat(title, &image, &heat, opacity).unwrap();
                let plain = Panel::plain(title, image.clone());
                let empty = Panel::plain(title, RgbImage::new(0, 0));
                let made = figure(&[plain, panel, empty]).unwrap();
                assert!(made.width() > 2 * w.max(300) && made.height() > h);
            }
        }
    }
    assert!(figure(&[]).is_err());
    let large = Panel::plain("large", RgbImage::new(16_000, 1000));
    let message = figure(&vec![large; 7]).unwrap_err().to_string();
    assert!(message.contains("draw fewer"), "{message}");
}

/// A figure of images of that size can be drawn, however long the text is.
#[test]
fn panels_of_the_size_given_fit() {
    let text = "word ".repeat(200);
    for (count, width, height, max_side) in [
        (1, 10_000, 10_000, u32::MAX),
        (3, 9_000, 2_000, u32::MAX),
        (40, 100, 16_384, u32::MAX),
        (200, 640, 480, 65_535),
        (2, 3, 2, u32::MAX),
    ] {
        let [height, width] = panel_size(count, width, height, max_side).unwrap();
        let image = RgbImage::from_pixel(width, height, Rgb([90; 3]));
        let heat = HeatMap::new(1, 1, vec![1.0]).unwrap();
        let panel = Panel {
            title: text.clone(),
            image,
            legend: Some(Legend {
                ends: ["0".into(), heat.statistics().max.to_string()],
                dimmed: true,
            }),
        };
        let drawn = figure(&vec![panel; count]).unwrap();
        assert!(drawn.width() <= max_side && drawn.height() <= max_side);
    }
    assert_eq!(panel_size(2, 640, 480, u32::MAX).unwrap(), [480, 640]);
    for (count, max_side) in [(1 << 40, u32::MAX), (1000, 65_535)] {
        let message = panel_size(count, 640, 480, max_side)
            .unwrap_err()
            .to_string();
        assert!(message.contains("draw fewer panels"), "{message}");
    }
}
