//! Evidence without gradients: hide a place, and see what becomes of the score.

use image::{Rgb, RgbImage};

use super::explainer::{BATCH, Explainer, Targets};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::vision::HeatMap;

/// A map for each of `classes`, the whole picture's `scores` being known. Each pixel's heat is the mean of how far the score falls under the squares that hide it; 0 where hiding
/// it does not lower the score.
pub(super) fn occlusion(
    explainer: &mut Explainer,
    input: &Tensor,
    scores: &Tensor,
    classes: &[usize],
    window: usize,
    stride: usize,
) -> Result<Vec<HeatMap>> {
    let [channels, height, width] = explainer.runner.preprocessing.input_size;
    let grey = RgbImage::from_pixel(width as u32, height as u32, Rgb([128; 3]));
    let grey = explainer.runner.preprocessing.apply(&grey)?;
    let places: Vec<[usize; 2]> = (starts(height, window, stride).into_iter())
        .flat_map(|y| {
            starts(width, window, stride)
                .into_iter()
                .map(move |x| [y, x])
        })
        .collect();
    let (whole, count) = (scores.data(), scores.data().len());

    let mut falls = vec![vec![0.0_f64; height * width]; classes.len()];
    let mut hidden = vec![0.0_f64; height * width];
    for (batch, some) in places.chunks(BATCH).enumerate() {
        // Always so many rows, so that one plan serves all.
        let rows = BATCH.min(places.len());
        let mut data = input.data().repeat(rows);
        let pixels = |[top, left]: [usize; 2]| {
            (top..top + window).flat_map(move |y| (left..left + window).map(move |x| y * width + x))
        };
        for (image, &place) in data.chunks_mut(input.data().len()).zip(some) {
            for pixel in pixels(place) {
                for channel in 0..channels {
                    let at = channel * height * width + pixel;
                    image[at] = grey.data()[at];
                }
            }
        }
        let rows = Tensor::new(explainer.runner.shape(rows), data)?;
        let scores = explainer
            .run_rows(Targets::Scores, rows, None)?
            .swap_remove(0);
        for (scores, &place) in scores.data().chunks(count).zip(some) {
            for pixel in pixels(place) {
                hidden[pixel] += 1.0;
                for (fall, &class) in falls.iter_mut().zip(classes) {
                    fall[pixel] += f64::from(whole[class]) - f64::from(scores[class]);
                }
            }
        }
        explainer.tell((batch * BATCH + some.len()).min(places.len()), places.len());
    }
    (falls.iter())
        .map(|fall| {
            // Every pixel lies under a square. NaN stays.
            let mean = fall.iter().zip(&hidden).map(|(fall, count)| fall / count);
            let heat = mean.map(|x| if x < 0.0 { 0.0 } else { x as f32 });
            HeatMap::new(width, height, heat.collect())
        })
        .collect()
}

/// Where squares begin along a side, so that every pixel lies under one.
fn starts(size: usize, window: usize, stride: usize) -> Vec<usize> {
    let last = size - window;
    // Squares further apart than they are wide would leave pixels out.
    let mut starts: Vec<usize> = (0..last).step_by(stride.min(window)).collect();
    starts.push(last);
    starts
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn squares_leave_no_pixel_out() {
        for (size, window, stride) in [(224, 32, 16), (7, 7, 3), (10, 3, 4), (9, 1, 1), (5, 2, 9)] {
            let starts = starts(size, window, stride);
            let mut seen = vec![false; size];
            for start in starts {
                seen[start..start + window].fill(true);
            }
            assert!(!seen.contains(&false), "{size} {window} {stride}");
        }
    }
}
