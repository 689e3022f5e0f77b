use super::*;

#[test]
fn padding_is_black_and_borders_are_the_mean() {
    let white = RgbImage::from_pixel(8, 4, image::Rgb([255; 3]));
    let mut preprocessing = Preprocessing {
        input_size: [3, 8, 8],
        mean: vec![0.5, 0.25, 0.75],
        std: vec![0.5; 3],
        crop_pct: 1.0,
        crop_mode: CropMode::Border,
        ..Preprocessing::default()
    };
    let image = preprocessing.apply(&white).unwrap();
    let at = |image: &Tensor, c: usize, y: usize, x: usize| image.data()[(c * 8 + y) * 8 + x];
    // round(255 * 0.5) = 128, round(255 * 0.25) = 64, round(255 * 0.75) = 191
    for (c, (fill, mean)) in [(128.0, 0.5), (64.0, 0.25), (191.0, 0.75)]
        .iter()
        .enumerate()
    {
        assert_eq!(at(&image, c, 1, 3), (fill / 255.0 - mean) / 0.5);
        assert_eq!(at(&image, c, 2, 3), (1.0 - mean) / 0.5);
        assert_eq!(at(&image, c, 5, 3), (1.0 - mean) / 0.5);
        assert_eq!(at(&image, c, 6, 3), (fill / 255.0 - mean) / 0.5);
    }
    preprocessing.crop_mode = CropMode::Center;
    preprocessing.crop_pct = 2.0;
    let image = preprocessing.apply(&white).unwrap();
    assert_eq!(at(&image, 0, 1, 3), (0.0 - 0.5) / 0.5);
    assert_eq!(at(&image, 0, 2, 3), (1.0 - 0.5) / 0.5);
}

#[test]
fn one_channel_is_luma() {
    let red = RgbImage::from_pixel(4, 4, image::Rgb([255, 0, 0]));
    let preprocessing = Preprocessing {
        input_size: [1, 2, 2],
        mean: vec![0.0],
        std: vec![1.0],
        ..Preprocessing::default()
    };
    let image = preprocessing.apply(&red).unwrap();
    assert_eq!(image.shape().dims(), [1, 1, 2, 2]);
    assert!(image.data().iter().all(|&value| value == 76.0 / 255.0));
}

#[test]
fn invalid_values_are_named() {
    let message = |change: fn(&mut Preprocessing)| {
        let mut preprocessing = Preprocessing::default();
        change(&mut preprocessing);
        preprocessing
            .apply(&RgbImage::new(2, 2))
            .unwrap_err()
            .to_string()
    };
    assert!(message(|p| p.std[1] = 0.0).starts_with("std: numbers above zero"));
    assert!(message(|p| p.std[1] = f32::NAN).starts_with("std: finite"));
    assert!(message(|p| p.mean.truncate(2)).contains("3 numbers, one per channel"));
    assert!(message(|p| p.input_size[1] = 0).starts_with("input_size"));
    assert!(message(|p| p.crop_pct = f64::NAN).starts_with("crop_pct"));
    let message = message(|p| {
        p.input_size[0] = 2;
        p.mean.truncate(2);
        p.std.truncate(2);
    });
    assert!(message.contains("pass a tensor"), "{message}");
    let empty = Preprocessing::default().apply(&RgbImage::new(0, 3));
    assert!(empty.unwrap_err().to_string().contains("0x3"));
}

#[test]
fn channels_are_in_the_order_of_the_network() {
    let image = RgbImage::from_pixel(2, 2, image::Rgb([10, 20, 30]));
    let preprocessing = |channel_order| Preprocessing {
        input_size: [3, 1, 1],
        channel_order,
        mean: vec![0.0, 0.0, 0.0],
        std: vec![1.0 / 255.0, 1.0 / 510.0, 1.0 / 255.0],
        ..Preprocessing::default()
    };
    let values = |order| {
        let input = preprocessing(order).apply(&image).unwrap();
        input.data().iter().map(|x| x.round()).collect::<Vec<f32>>()
    };
    assert_eq!(values(ChannelOrder::Rgb), [10.0, 40.0, 30.0]);
    assert_eq!(values(ChannelOrder::Bgr), [30.0, 40.0, 10.0]);
}
