use super::*;

fn sigmoid64(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn yolo_v3_matches_hand_computed_boxes() {
    // Two of four anchors, two classes, a grid of 3 by 2 (width by height), an input of 96 by 64.
    let anchors = [[1.0, 1.0], [10.0, 20.0], [30.0, 5.0], [2.0, 2.0]];
    let head = Head::yolo_v3(&anchors, &[1, 2], 2);
    let mut map = Tensor::from_fn([1, 14, 2, 3], |_| -20.0);
    let mut set = |channel: usize, y: usize, x: usize, value: f32| {
        map.data_mut()[(channel * 2 + y) * 3 + x] = value;
    };
    // Second anchor, row 1, column 2.
    let raw = [0.5, -1.0, 0.25, -0.5, 2.0, 1.0, -3.0];
    for (i, value) in raw.into_iter().enumerate() {
        set(7 + i, 1, 2, value);
    }
    let boxes = head.decode(&map, [64, 96], 0.25).unwrap();
    let [found] = boxes[0][..] else {
        panic!("{boxes:?}");
    };
    assert_eq!(found.class, 0);
    let score = sigmoid64(2.0) * sigmoid64(1.0);
    assert!((f64::from(found.score) - score).abs() < 1e-6);
    let (x, y) = ((2.0 + sigmoid64(0.5)) / 3.0, (1.0 + sigmoid64(-1.0)) / 2.0);
    let (w, h) = (0.25_f64.exp() * 30.0 / 96.0, (-0.5_f64).exp() * 5.0 / 64.0);
    let expected = [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0];
    for (found, expected) in found.corners.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-6);
    }
    // Classes are not mutually exclusive: with a lower threshold both are returned.
    let both = head.decode(&map, [64, 96], 0.04).unwrap();
    assert_eq!(both[0].iter().map(|b| b.class).collect::<Vec<_>>(), [0, 1]);
}

/// `get_yolo_box` and `scal_add_cpu` of AlexeyAB's Darknet, with numbers by hand.
#[test]
fn later_versions_scale_centers_and_square_sizes() {
    let found = |scale_x_y, new_coords, raw: [f32; 6]| {
        let head = Head::Yolo {
            anchors: vec![[8.0, 4.0]],
            mask: vec![0],
            classes: 1,
            scale_x_y,
            new_coords,
        };
        let map = Tensor::new([1, 6, 1, 1], raw.to_vec()).unwrap();
        let boxes = head.decode(&map, [32, 16], 0.25).unwrap().remove(0);
        assert_eq!(boxes.len(), 1);
        (boxes[0].score, boxes[0].corners)
    };
    // Sigmoids of 0 and of a large number, scaled about the middle: 0.5, and 1 + 0.05.
    let (score, [left, top, right, bottom]) = found(1.1, false, [0.0, 50.0, 0.0, 0.0, 50.0, 50.0]);
    assert_eq!(score, 1.0);
    assert!((left - 0.25).abs() < 1e-6 && (right - 0.75).abs() < 1e-6);
    assert!((top - (1.05 - 0.0625)).abs() < 1e-6 && (bottom - (1.05 + 0.0625)).abs() < 1e-6);
    // No sigmoids: centers 2 x - 0.5, sizes 4 w w of the anchor's.
    let (score, corners) = found(2.0, true, [0.5, 0.25, 0.5, 1.0, 0.75, 0.5]);
    assert_eq!(score, 0.375);
    assert_eq!(corners, [0.25, -0.25, 0.75, 0.25]);
}

#[test]
fn yolo_v2_matches_hand_computed_boxes() {
    let head = Head::Region {
        anchors: vec![[1.5, 2.5]],
        classes: 2,
        softmax: true,
    };
    let raw = [0.0, 0.0, 0.5, 0.0, 3.0, 1.0, 0.0];
    let map = Tensor::new([1, 7, 1, 1], raw.to_vec()).unwrap();
    let boxes = head.decode(&map, [32, 32], 0.5).unwrap();
    let [found] = boxes[0][..] else {
        panic!("{boxes:?}");
    };
    // Anchors are in cells, and class scores add up to one.
    let w = 0.5_f64.exp() * 1.5;
    assert!((f64::from(found.corners[0]) - (0.5 - w / 2.0)).abs() < 1e-6);
    assert_eq!([found.corners[1], found.corners[3]], [-0.75, 1.75]);
    let score = sigmoid64(3.0) * sigmoid64(1.0);
    assert!((f64::from(found.score) - score).abs() < 1e-6);
}

#[test]
fn yolo_v1_matches_hand_computed_boxes() {
    // 2 x 2 cells, 2 boxes, 3 classes: 12 class scores, 8 confidences, 8 times 4 coordinates.
    let head = Head::Detection {
        side: 2,
        boxes: 2,
        classes: 3,
        sqrt: true,
        softmax: false,
    };
    let mut raw = vec![0.0_f32; 52];
    // Cell 3 (row 1, column 1), box 1.
    raw[3 * 3 + 2] = 0.9;
    raw[12 + 3 * 2 + 1] = 0.8;
    raw[20 + (3 * 2 + 1) * 4..][..4].copy_from_slice(&[0.5, 0.25, 0.5, 0.7]);
    let output = Tensor::new([1, 52], raw).unwrap();
    let boxes = head.decode(&output, [448, 448], 0.25).unwrap();
    let [found] = boxes[0][..] else {
        panic!("{boxes:?}");
    };
    assert_eq!(found.class, 2);
    assert!((found.score - 0.72).abs() < 1e-6);
    let expected = [0.75 - 0.125, 0.625 - 0.245, 0.75 + 0.125, 0.625 + 0.245];
    for (found, expected) in found.corners.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn output_shapes_match_the_papers() {
    let fits = |head: &Head, dims: &[usize]| head.check(&Shape::from(dims)).is_ok();
    let classes = 80;
    let first = Head::Detection {
        side: 7,
        boxes: 2,
        classes,
        sqrt: true,
        softmax: false,
    };
    assert!(fits(&first, &[1, 7 * 7 * 90]));
    let second = Head::Region {
        anchors: vec![[1.0; 2]; 5],
        classes,
        softmax: true,
    };
    assert!(fits(&second, &[1, 425, 13, 13]));
    let third = Head::yolo_v3(&[[1.0; 2]; 9], &[0, 1, 2], classes);
    assert!(fits(&third, &[1, 255, 52, 52]));
    let error = third.check(&Shape::from([1, 425, 13, 13])).unwrap_err();
    assert!(error.to_string().contains("[N, 255, H, W]"), "{error}");
}

#[test]
fn nan_values_make_no_boxes() {
    let head = Head::yolo_v3(&[[8.0; 2]], &[0], 3);
    for channel in 0..8 {
        let mut map = Tensor::from_fn([1, 8, 1, 1], |_| 5.0);
        map.data_mut()[channel] = f32::NAN;
        let boxes = head.decode(&map, [32, 32], 0.5).unwrap().remove(0);
        // A NaN class score drops only that class.
        assert_eq!(boxes.len(), if channel < 5 { 0 } else { 2 });
    }
    let huge = Tensor::from_fn([1, 8, 1, 1], |_| f32::INFINITY);
    assert_eq!(head.decode(&huge, [32, 32], 0.5).unwrap()[0].len(), 3);
}
