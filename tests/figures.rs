//! Draws heat maps over a photograph and sheets of maps. The images are kept in `target/tmp/figures` for
//! inspection.
#![cfg(feature = "draw")]

#[path = "common/place.rs"]
mod place;

use std::path::{Path, PathBuf};

use shadernet::vision::{
    HeatMap, Panel, Preprocessing, RgbImage, SheetOptions, Tile, TilePixels, TileRange, decode,
    figure, sheet,
};

fn save(image: &RgbImage, name: &str) {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures");
    std::fs::create_dir_all(&folder).unwrap();
    image.save(folder.join(name)).unwrap();
}

/// A Gaussian around a point; the point and the width are in pixels of the map.
fn gaussian(side: usize, [x, y]: [f32; 2], width: f32) -> HeatMap {
    let at = |i: usize| {
        let (dx, dy) = ((i % side) as f32 + 0.5 - x, (i / side) as f32 + 0.5 - y);
        0.032 * (-(dx * dx + dy * dy) / (2.0 * width * width)).exp()
    };
    HeatMap::new(side, side, (0..side * side).map(at).collect()).unwrap()
}

#[test]
fn figures_hold_heat_maps_beside_the_photograph() {
    let chelsea = decode(place::repository().join("tests/images/chelsea.png")).unwrap();
    let (width, height) = chelsea.dimensions();
    let preprocessing = Preprocessing::default();
    let panel = |title: &str, heat: HeatMap| {
        let heat = heat.on_image(&preprocessing, width, height).unwrap();
        Panel::heat(title, &chelsea, &heat, 0.8).unwrap()
    };
    // The face, and an ear.
    let panels = [
        Panel::plain("chelsea.png", chelsea.clone()),
        panel(
            "tabby 17.0 %, Grad-CAM at features.18",
            gaussian(7, [3.5, 3.0], 1.2),
        ),
        panel(
            "Egyptian cat 12.3 %, Grad-CAM at features.18, with a title that is far too long for one \
             line",
            gaussian(7, [6.0, 0.7], 0.8),
        ),
    ];
    let all = figure(&panels).unwrap();
    assert!(all.width() > 3 * width && all.height() > height);
    save(&all, "panels.png");
    save(&figure(&panels[1..]).unwrap(), "two_panels.png");

    let small = shadernet::vision::resize(&chelsea, 32, 32, Default::default()).unwrap();
    let heat = gaussian(4, [2.0, 2.0], 0.8);
    let heat = heat.on_image(&preprocessing, 32, 32).unwrap();
    let small = Panel::heat("cat 99.0 %, Grad-CAM at stage 3", &small, &heat, 0.8).unwrap();
    save(&figure(&[small]).unwrap(), "small.png");
    save(
        &figure(&[Panel::plain("sliver", RgbImage::new(2, 400))]).unwrap(),
        "sliver.png",
    );
    let (width, height) = (3000, 2000);
    let large = shadernet::vision::resize(&chelsea, width, height, Default::default()).unwrap();
    let heat = gaussian(7, [3.5, 3.0], 1.2);
    let heat = heat.on_image(&preprocessing, width, height).unwrap();
    let large = Panel::heat("tabby 17.0 %, Grad-CAM at features.18", &large, &heat, 0.8).unwrap();
    save(&figure(&[large]).unwrap(), "large.png");
}

#[test]
fn sheets_of_channels_are_nearly_square() {
    let tile = |i: usize| {
        let at = |pixel: usize| ((pixel % 14) * i) as f32 + (pixel / 14) as f32;
        let values = HeatMap::new(14, 14, (0..196).map(at).collect()).unwrap();
        Tile {
            label: format!("#{i}  max {:.1}", values.statistics().max),
            pixels: TilePixels::Values(values),
        }
    };
    let tiles: Vec<Tile> = (0..30).map(tile).collect();
    let title = "features.4, tabby.jpg: 30 of 96 channels by their largest value";
    for (range, name) in [
        (TileRange::Own, "own.png"),
        (TileRange::Common, "common.png"),
    ] {
        let options = SheetOptions::default().range(range);
        let sheet = sheet(title, &tiles, &options).unwrap();
        let ratio = f64::from(sheet.width()) / f64::from(sheet.height());
        assert!((0.7..1.4).contains(&ratio), "{ratio}");
        save(&sheet, name);
    }
}

#[test]
fn sheets_hold_images_and_values_of_any_size() {
    let image = |w, h| {
        TilePixels::Image(RgbImage::from_fn(w, h, |x, y| {
            image::Rgb([(x * 255 / w) as u8, (y * 255 / h) as u8, 128])
        }))
    };
    let values = |w: usize, h: usize| {
        let values = (0..w * h).map(|i| (i % w) as f32 - 20.0).collect();
        TilePixels::Values(HeatMap::new(w, h, values).unwrap())
    };
    let pixels = [
        image(7, 7),
        image(300, 200),
        values(224, 224),
        values(30, 56),
        values(1, 1),
    ];
    let tiles: Vec<Tile> = (pixels.into_iter().enumerate())
        .map(|(i, pixels)| Tile {
            label: format!("features.{i}.conv.weight, of any size"),
            pixels,
        })
        .collect();
    let options = SheetOptions::default().range(TileRange::Common);
    save(&sheet("mixed", &tiles, &options).unwrap(), "mixed.png");
    save(
        &sheet("A single map", &tiles[..1], &options).unwrap(),
        "single.png",
    );
}
