use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use serde::Serialize;
use shadernet::vision::{EncodedImage, Interpolation, Preprocessing, decode, resize};

use super::*;
use crate::decode_ahead::decode_ahead;
use crate::image_paths::ImageSource;
use crate::result_format::Format;

/// A device that takes no time.
struct Instantly {
    /// Passes in flight, and the most that were.
    passes: [usize; 2],
}

impl<T> Predict<T> for &mut Instantly {
    type Pass = ();
    type Output = ();

    fn start(&mut self, _: &[T]) -> Result<()> {
        self.passes[0] += 1;
        self.passes[1] = self.passes[1].max(self.passes[0]);
        Ok(())
    }

    fn wait(&mut self, (): (), images: &[T]) -> Result<Vec<()>> {
        self.passes[0] -= 1;
        Ok(images.iter().map(|_| ()).collect())
    }

    fn in_flight(&self) -> usize {
        MAX_IN_FLIGHT
    }
}

#[derive(Serialize)]
struct Nothing {}

impl ImageResult for Nothing {
    const COLUMNS: &'static [&'static str] = &[];

    fn print(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn rows(&self) -> Vec<Vec<String>> {
        Vec::new()
    }
}

/// Photographs of 500x375 pixels, as those of ImageNet mostly are, in `folder`.
fn photographs(folder: &Path, count: usize) -> Vec<PathBuf> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/images");
    let sources = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"];
    let encoded = sources.map(|name| {
        let image = decode(images.join(name)).unwrap();
        let image = resize(&image, 500, 375, Interpolation::Bicubic).unwrap();
        let mut bytes = Vec::new();
        (image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 90))).unwrap();
        bytes
    });
    (encoded.iter().cycle().take(count).enumerate())
        .map(|(i, bytes)| {
            let path = folder.join(format!("{i}.jpg"));
            fs::write(&path, bytes).unwrap();
            path
        })
        .collect()
}

/// Runs `paths` through a device that takes no time. Returns the most passes that were in flight.
fn run(paths: &[PathBuf], results: &Path) -> usize {
    let mut device = Instantly { passes: [0; 2] };
    let preprocessing = Preprocessing::default();
    let decode = move |image: &EncodedImage| preprocessing.apply(&image.decode()?);
    let sources: Vec<_> = paths.iter().cloned().map(ImageSource::File).collect();
    let mut report = Report::new::<Nothing>(Format::Csv, Some(results), None)
        .ok()
        .unwrap();
    let done = decode_ahead(
        Box::new(sources.into_iter().map(Ok)),
        ahead(1),
        decode,
        |images| {
            let finish = |_: &Path, _, ()| Ok(Nothing {});
            run_batches_in_flight(images, 1, &mut report, &mut device, finish)
        },
    );
    assert!(done.is_ok());
    assert!(report.finish(done, &Device::Reference).is_ok());
    device.passes[1]
}

#[test]
fn passes_are_in_flight_together_where_their_images_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let paths = photographs(folder.path(), 64);
    let most = run(&paths, &folder.path().join("results"));
    assert!((1..=MAX_IN_FLIGHT).contains(&most), "{most}");
}

/// `cargo test --release -p shadernet-cli instant -- --ignored --nocapture`
#[test]
#[ignore = "measures times, on an idle machine"]
fn an_instant_device_has_images_as_fast_as_they_are_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let paths = photographs(folder.path(), 1000);
    let results = folder.path().join("results");
    let preprocessing = Preprocessing::default();
    let alone = || {
        let start = Instant::now();
        paths.par_iter().for_each(|path| {
            let image = EncodedImage::open(path).unwrap().decode().unwrap();
            assert!(preprocessing.apply(&image).is_ok());
        });
        start.elapsed().as_secs_f64()
    };
    let all = || {
        let start = Instant::now();
        run(&paths, &results);
        start.elapsed().as_secs_f64()
    };
    // The files are in memory from here on.
    alone();
    let mut ratios: Vec<f64> = (0..7)
        .map(|_| {
            let (alone, all) = (alone(), all());
            println!(
                "decoding alone: {:.0} images/s; with a device that takes no time: {:.0}",
                paths.len() as f64 / alone,
                paths.len() as f64 / all
            );
            alone / all
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!("median ratio: {:.3}", ratios[3]);
    assert!(ratios[3] >= 0.9);
}
