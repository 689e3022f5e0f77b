//! Tiles against the whole image, with small networks of every kind that matters.

use super::*;
use crate::graph::{
    Activation, AdaptiveAvgPool2d, CenterCropOrPad, Conv2d, ConvTranspose2d, Graph, GraphBuilder,
    Pool2d, Upsample, ValueId,
};
use crate::tasks::segmenter::whole_image;
use crate::tasks::{SegmentSize, Segmenter};
use crate::vision::{Mask, RgbRows};
use crate::weights::Weights;

/// A U-Net of two levels.
fn unet(
    padding: usize,
    skip: impl Fn(&mut GraphBuilder, ValueId, ValueId) -> ValueId,
    up: impl Fn(&mut GraphBuilder, ValueId, ValueId, usize) -> ValueId,
) -> Graph {
    let mut b = GraphBuilder::new("small U-Net");
    let mut x = b.image_input("input", 3);
    let (mut channels, mut skips) = (3, Vec::new());
    let convs = |b: &mut GraphBuilder, x, name: &str, from: usize, to: usize| {
        let conv = Conv2d::new(from, to, 3).padding(padding);
        let x = b.conv2d(format!("{name}.conv"), x, conv);
        b.activation(format!("{name}.relu"), x, Activation::Relu)
    };
    for level in 0..2 {
        x = convs(&mut b, x, &format!("down{level}"), channels, 8);
        channels = 8;
        skips.push(x);
        x = b.pool2d(format!("pool{level}"), x, Pool2d::max(2, 2));
    }
    x = convs(&mut b, x, "bottom", 8, 8);
    for (level, of) in skips.into_iter().enumerate().rev() {
        let y = up(&mut b, x, of, level);
        let y = skip(&mut b, of, y);
        x = convs(&mut b, y, &format!("up{level}"), 16, 8);
    }
    x = b.conv2d("output", x, Conv2d::new(8, 3, 1));
    b.output(x);
    b.build().unwrap()
}

fn transposed(b: &mut GraphBuilder, x: ValueId, _: ValueId, level: usize) -> ValueId {
    b.node(
        format!("grow{level}"),
        ConvTranspose2d::new(8, 8, 2, 2),
        &[x],
    )
}

/// The map is fitted to the skip.
fn fit_map(b: &mut GraphBuilder, skip: ValueId, x: ValueId) -> ValueId {
    let name = format!("fit{}", x.index());
    let x = b.node(name.clone(), CenterCropOrPad, &[x, skip]);
    b.concat(format!("{name}.concat"), &[skip, x])
}

/// The skip is cropped to the map.
fn crop_skip(b: &mut GraphBuilder, skip: ValueId, x: ValueId) -> ValueId {
    let name = format!("crop{}", x.index());
    let skip = b.node(name.clone(), CenterCropOrPad, &[skip, x]);
    b.concat(format!("{name}.concat"), &[skip, x])
}

fn join(b: &mut GraphBuilder, skip: ValueId, x: ValueId) -> ValueId {
    b.concat(format!("join{}", x.index()), &[skip, x])
}

/// Both segmenters of a network with generated weights.
fn segmenters(graph: &Graph, device: &Device) -> (Segmenter, TiledSegmenter) {
    let weights = Arc::new(Weights::generated(graph, 1.0));
    let graph = graph.clone();
    let network = SegmentationNetwork {
        source: Arc::new(NetworkSource::Graph(Network { graph, weights })),
        unused_weights: None,
        preprocessing: whole_image(&Preprocessing {
            input_size: [3, 48, 52],
            ..Preprocessing::default()
        }),
        labels: Labels::default(),
    };
    let options = SessionOptions::default();
    let whole = Segmenter::from_network(device, network.clone(), &options);
    let tiled = TiledSegmenter::from_network(device, network, &options);
    (whole.unwrap(), tiled.unwrap())
}

/// An image with structure at all scales.
fn image(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |scale: f32, phase: f32| {
            let (x, y) = (x as f32 / scale, y as f32 / scale);
            ((x + phase).sin() * (y * 1.3 - phase).cos() * 127.0 + 128.0) as u8
        };
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 7;
        image::Rgb([wave(3.0, 0.0), wave(17.0, 1.0), noise as u8])
    })
}

/// The mask of tiles, put together.
struct Tiled {
    classes: Vec<u8>,
    probabilities: Vec<f32>,
    plan: TilePlan,
    progress: Vec<(usize, usize)>,
}

fn in_tiles(segmenter: &mut TiledSegmenter, image: &RgbImage, side: usize) -> Result<Tiled> {
    let (mut classes, mut probabilities, mut pixels) = (Vec::new(), Vec::new(), Vec::new());
    let (mut found, mut progress) = (None, Vec::new());
    let options = TileOptions::new().side(side);
    segmenter.segment(RgbRows::new(image), &options, |event| {
        match event {
            TileEvent::Plan(plan) => found = Some(plan.clone()),
            TileEvent::Progress { completed, total } => progress.push((completed, total)),
            TileEvent::Rows(rows) => {
                assert_eq!(rows.top * rows.width, classes.len());
                classes.extend_from_slice(rows.classes);
                probabilities.extend_from_slice(rows.probabilities);
                pixels.extend_from_slice(rows.image);
            }
        }
        Ok(())
    })?;
    assert!(pixels == *image.as_raw(), "the image's rows");
    Ok(Tiled {
        classes,
        probabilities,
        plan: found.unwrap(),
        progress,
    })
}

/// Compares tiles of `side` with the whole image.
#[track_caller]
fn compare(graph: &Graph, device: &Device, (width, height): (u32, u32), side: usize) -> TilePlan {
    let (mut whole, mut tiled) = segmenters(graph, device);
    let image = image(width, height);
    let mask = whole.segment(&image, SegmentSize::Image).unwrap();
    let tiles = in_tiles(&mut tiled, &image, side).unwrap();
    let total = tiles.plan.tiles[0] * tiles.plan.tiles[1];
    assert_eq!(tiles.progress.len(), total);
    assert_eq!(tiles.progress.last(), Some(&(total, total)));
    same(&mask, &tiles);
    tiles.plan
}

#[track_caller]
fn same(mask: &Mask, tiles: &Tiled) {
    assert_eq!(mask.classes().len(), tiles.classes.len());
    // The network distinguishes something.
    let first = mask.classes()[0];
    assert!(mask.classes().iter().any(|class| *class != first));
    let pixels = mask.classes().iter().zip(mask.probabilities());
    let found = tiles.classes.iter().zip(&tiles.probabilities);
    for (at, ((class, p), (other, q))) in pixels.zip(found).enumerate() {
        let [x, y] = [at % mask.width() as usize, at / mask.width() as usize];
        assert!((p - q).abs() < 1e-4, "{p} and {q} at {x}, {y}");
        assert!(class == other || (p - q).abs() < 1e-4, "at {x}, {y}");
    }
}

#[test]
fn padded_networks() {
    let graph = unet(1, fit_map, transposed);
    for size in [(150, 120), (151, 117), (64, 200)] {
        let plan = compare(&graph, &Device::cpu(), size, 64);
        assert_eq!(plan.inexact, None);
        assert!(plan.tiles[0] > 1 && plan.tile[0] <= 64, "{plan:?}");
    }
}

#[test]
fn unpadded_networks_whose_image_is_mirrored() {
    let graph = unet(0, crop_skip, transposed);
    for size in [(150, 120), (151, 117)] {
        let plan = compare(&graph, &Device::cpu(), size, 70);
        assert_eq!(plan.inexact, None);
        assert!(plan.tiles[0] > 1 && plan.tiles[1] > 1, "{plan:?}");
    }
}

#[test]
fn maps_that_are_resized_by_a_scale_of_the_whole_map() {
    let corners = |b: &mut GraphBuilder, x, _, level| {
        b.node(format!("grow{level}"), Upsample::bilinear(2.0, true), &[x])
    };
    let fitted = |op: Upsample| {
        move |b: &mut GraphBuilder, x, skip, level| {
            let op = op.to_size_of_second_input();
            b.node(format!("grow{level}"), op, &[x, skip])
        }
    };
    for size in [(150, 120), (151, 117)] {
        let graph = unet(1, fit_map, corners);
        assert_eq!(compare(&graph, &Device::cpu(), size, 72).inexact, None);
        for op in [
            Upsample::nearest(2.0),
            Upsample::bilinear(2.0, false),
            Upsample::bilinear(2.0, true),
        ] {
            let graph = unet(1, join, fitted(op));
            let plan = compare(&graph, &Device::cpu(), size, 72);
            assert_eq!(plan.inexact, None);
            assert!(plan.tiles[0] > 1 && plan.tiles[1] > 1, "{plan:?}");
        }
    }
}

/// A network with a gate that depends on the whole image.
fn gated() -> Graph {
    let mut b = GraphBuilder::new("gated");
    let x = b.image_input("input", 3);
    let x = b.conv2d("a", x, Conv2d::new(3, 8, 3).padding(1));
    let pooled = b.adaptive_avg_pool2d("pool", x, AdaptiveAvgPool2d::new(1, 1));
    let gate = b.activation("gate", pooled, Activation::Sigmoid);
    let x = b.mul("scale", x, gate);
    let x = b.conv2d("b", x, Conv2d::new(8, 3, 3).padding(1));
    b.output(x);
    b.build().unwrap()
}

#[test]
fn networks_that_see_the_whole_image_are_blended() {
    let (mut whole, mut tiled) = segmenters(&gated(), &Device::cpu());
    let image = image(211, 170);
    let mask = whole.segment(&image, SegmentSize::Image).unwrap();
    let tiles = in_tiles(&mut tiled, &image, 90).unwrap();
    let reason = tiles.plan.inexact.clone().unwrap();
    assert!(reason.contains("'pool' (AdaptiveAvgPool2d)"), "{reason}");
    assert!(tiles.plan.tiles[0] > 2 && tiles.plan.tiles[1] > 2);
    let pixels = mask.classes().iter().zip(&tiles.classes);
    let different = pixels.filter(|(a, b)| a != b).count();
    assert!(
        different > 0 && different * 20 < mask.classes().len(),
        "{different}"
    );
    // An image of one tile is whole.
    let (mut whole, mut tiled) = segmenters(&gated(), &Device::cpu());
    let small = super::tests::image(80, 61);
    let tiles = in_tiles(&mut tiled, &small, 90).unwrap();
    assert_eq!(tiles.plan.inexact, None);
    same(&whole.segment(&small, SegmentSize::Image).unwrap(), &tiles);
}

#[test]
fn an_image_of_one_color_has_no_seams() {
    // Whatever the tiles, every pixel far from the edges is the same.
    let (_, mut tiled) = segmenters(&gated(), &Device::cpu());
    let image = RgbImage::from_pixel(200, 200, image::Rgb([200, 30, 90]));
    let tiles = in_tiles(&mut tiled, &image, 90).unwrap();
    let inner = |at: usize| (8..192).contains(&(at % 200)) && (8..192).contains(&(at / 200));
    let probabilities = tiles.probabilities.iter().enumerate();
    let inner: Vec<f32> = probabilities
        .filter(|(at, _)| inner(*at))
        .map(|(_, p)| *p)
        .collect();
    assert!(inner.iter().all(|p| (p - inner[0]).abs() < 1e-3));
}

#[test]
fn the_default_tile_is_whole_for_small_images_which_may_be_of_any_size() {
    let (mut whole, mut tiled) = segmenters(&unet(1, fit_map, transposed), &Device::cpu());
    for size in [(40, 30), (97, 5), (33, 80)] {
        let image = image(size.0, size.1);
        let mask = whole.segment(&image, SegmentSize::Image).unwrap();
        let mut classes = Vec::new();
        let rows = RgbRows::new(&image);
        let report = |event: TileEvent| {
            match event {
                TileEvent::Plan(plan) => assert_eq!(plan.tiles, [1, 1]),
                TileEvent::Rows(rows) => classes.extend_from_slice(rows.classes),
                TileEvent::Progress { .. } => {}
            }
            Ok(())
        };
        tiled
            .segment(rows, &TileOptions::default(), report)
            .unwrap();
        assert!(classes == mask.classes());
    }
}

#[test]
fn tiles_within_the_margin_are_errors() {
    let (_, mut tiled) = segmenters(&unet(1, fit_map, transposed), &Device::cpu());
    let error = in_tiles(&mut tiled, &image(150, 120), 24)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("tiles of 24 pixels per side"), "{error}");
    let (_, needed) = error.split_once("pixels); ").unwrap();
    let needed: usize = needed.split(' ').next().unwrap().parse().unwrap();
    // What it says is the least that works.
    assert!(in_tiles(&mut tiled, &image(150, 120), needed).is_ok());
    assert!(in_tiles(&mut tiled, &image(150, 120), needed - 1).is_err());
}

#[test]
fn errors_of_rows_and_of_the_host_end_the_work() {
    struct Broken;
    impl RowSource for Broken {
        fn dimensions(&self) -> (u32, u32) {
            (100, 100)
        }
        fn read_row(&mut self, _: &mut [u8]) -> Result<()> {
            Err(Error::file("broken.png", "truncated"))
        }
    }
    let (_, mut tiled) = segmenters(&unet(1, fit_map, transposed), &Device::cpu());
    let options = TileOptions::new().side(64);
    let error = tiled.segment(Broken, &options, |_| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "broken.png: truncated");
    let image = image(150, 120);
    let mut tiles = 0;
    let stop = |event: TileEvent| match event {
        TileEvent::Progress { completed, .. } => {
            tiles = completed;
            Err(Error::Inputs("stop".to_owned()))
        }
        _ => Ok(()),
    };
    let error = tiled
        .segment(RgbRows::new(&image), &options, stop)
        .unwrap_err();
    assert_eq!((error.to_string().as_str(), tiles), ("stop", 1));
}
