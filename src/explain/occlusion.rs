//! Occlusion (Zeiler and Fergus 2014): how far the score falls where a part of the image is hidden. It needs no
//! gradients.

use image::{Rgb, RgbImage};

use super::probe::{BATCH, Probe, Targets};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::vision::HeatMap;

/// A map for each of `classes`. `scores` are those of the whole image. Each pixel's heat is the mean fall of
/// the score over the gray windows that hide the pixel; 0 where hiding it does not lower the score.
pub(super) fn occlusion(
    probe: &mut Probe,
    input: &Tensor,
    scores: &Tensor,
    classes: &[usize],
    window: usize,
    stride: usize,
) -> Result<Vec<HeatMap>> {
    let [channels, height, width] = probe.model.preprocessing.input_size;
    let gray = RgbImage::from_pixel(width as u32, height as u32, Rgb([128; 3]));
    let gray = probe.model.preprocessing.apply(&gray)?;
    let windows: Vec<[usize; 2]> = (starts(height, window, stride).into_iter())
        .flat_map(|y| {
            starts(width, window, stride)
                .into_iter()
                .map(move |x| [y, x])
        })
        .collect();
    let (whole, count) = (scores.data(), scores.data().len());

    let mut falls = vec![vec![0.0_f64; height * width]; classes.len()];
    let mut hidden = vec![0.0_f64; height * width];
    for (batch, chunk) in windows.chunks(BATCH).enumerate() {
        // Always the same number of rows, so that one plan serves all batches.
        let rows = BATCH.min(windows.len());
        let mut data = input.data().repeat(rows);
        let pixels = |[top, left]: [usize; 2]| {
            (top..top + window).flat_map(move |y| (left..left + window).map(move |x| y * width + x))
        };
        for (image, &origin) in data.chunks_mut(input.data().len()).zip(chunk) {
            for pixel in pixels(origin) {
                for channel in 0..channels {
                    let at = channel * height * width + pixel;
                    image[at] = gray.data()[at];
                }
            }
        }
        let rows = Tensor::new(probe.model.shape(rows), data)?;
        let scores = probe.run(Targets::Scores, rows, None)?.swap_remove(0);
        for (scores, &origin) in scores.data().chunks(count).zip(chunk) {
            for pixel in pixels(origin) {
                hidden[pixel] += 1.0;
                for (fall, &class) in falls.iter_mut().zip(classes) {
                    fall[pixel] += f64::from(whole[class]) - f64::from(scores[class]);
                }
            }
        }
        probe.report_progress(
            (batch * BATCH + chunk.len()).min(windows.len()),
            windows.len(),
        )?;
    }
    (falls.iter())
        .map(|fall| {
            // Every pixel lies under a window. NaN is kept.
            let mean = fall.iter().zip(&hidden).map(|(fall, count)| fall / count);
            let heat = mean.map(|x| if x < 0.0 { 0.0 } else { x as f32 });
            HeatMap::new(width, height, heat.collect())
        })
        .collect()
}

/// Where windows begin along a side, so that every pixel lies under one.
fn starts(size: usize, window: usize, stride: usize) -> Vec<usize> {
    let last = size - window;
    // Windows further apart than they are wide would leave pixels out.
    let mut starts: Vec<usize> = (0..last).step_by(stride.min(window)).collect();
    starts.push(last);
    starts
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn windows_cover_every_pixel() {
        for (size, window, stride) in [(224, 32, 16), (7, 7, 3), (10, 3, 4), (9, 1, 1), (5, 2, 9)] {
            let starts = starts(size, window, stride);
            let mut covered = vec![false; size];
            for start in starts {
                covered[start..start + window].fill(true);
            }
            assert!(!covered.contains(&false), "{size} {window} {stride}");
        }
    }
}
