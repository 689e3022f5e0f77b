//! Channels of a layer, and their projections to pixels.

use shadernet::explain::FeatureMaps;
use shadernet::model_folder::default_model;
use shadernet::vision::decode;

use crate::gpu;

#[test]
fn channels_are_ranked_and_projected_to_pixels() {
    let image = decode("tests/images/coffee.png").unwrap();
    let folder = default_model().unwrap().open().unwrap();
    let mut maps = FeatureMaps::new(&gpu(), &folder, &Default::default()).unwrap();
    let stages = maps.stages().unwrap();
    assert_eq!(stages.len(), 5, "{stages:?}");
    let features = maps.channels(&image, &stages[2]).unwrap();
    let [_, count, height, width] = features.activation.shape().nchw();
    assert_eq!(features.channels.len(), count);
    let strongest = &features.channels[0];
    let [x, y] = strongest.peak;
    let at = (strongest.index * height + y) * width + x;
    assert_eq!(features.activation.data()[at], strongest.largest);
    assert!(
        features
            .channels
            .is_sorted_by(|a, b| a.largest >= b.largest)
    );

    let channels: Vec<usize> = features.channels.iter().take(9).map(|c| c.index).collect();
    let images = maps.projections(&image, &features, &channels).unwrap();
    assert_eq!(images.len(), 9);
    let [_, input_height, input_width] = maps.preprocessing().input_size;
    for (image, channel) in images.iter().zip(&features.channels) {
        // The projection is near the channel's peak, because its receptive field is a part of the input.
        let mut far = 0;
        let mut near = 0;
        for (px, py, pixel) in image.enumerate_pixels() {
            let colored = pixel.0.iter().any(|level| level.abs_diff(128) > 20);
            let offset = |at: u32, peak: usize, len: usize, input: usize| {
                (at as f64 - (peak as f64 + 0.5) * (input / len) as f64).abs()
            };
            let distance = offset(px, channel.peak[0], width, input_width).max(offset(
                py,
                channel.peak[1],
                height,
                input_height,
            ));
            match distance < 80.0 {
                true => near += usize::from(colored),
                false => far += usize::from(colored),
            }
        }
        assert!(
            near > 0 && far == 0,
            "channel {}: {near} near, {far} far",
            channel.index
        );
    }
    let error = maps
        .projections(&image, &features, &[count])
        .unwrap_err()
        .to_string();
    assert!(error.contains("no channel"), "{error}");
}
