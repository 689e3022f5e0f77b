//! Explanations of the bundled classifier's predictions for photographs.

use shadernet::explain::{ExplainMethod, Explainer, Explanation};
use shadernet::vision::{HeatMap, RgbImage, decode};

use crate::devices::all_devices;
use crate::{bundled, gpu, options, tolerance};

/// The heat in pixels of the photograph.
fn heat_on_image(image: &RgbImage, explainer: &Explainer, found: &Explanation) -> HeatMap {
    let (width, height) = image.dimensions();
    (found
        .heat
        .on_image(explainer.preprocessing(), width, height))
    .unwrap()
}

fn is_within([x, y]: [usize; 2], [left, top, right, bottom]: [f32; 4]) -> bool {
    (left..right).contains(&(x as f32)) && (top..bottom).contains(&(y as f32))
}

/// The cat in `chelsea.png`, 451 by 300 pixels: all but the left edge.
const CAT: [f32; 4] = [100.0, 0.0, 451.0, 300.0];
/// The cat's head.
const CAT_HEAD: [f32; 4] = [110.0, 10.0, 320.0, 260.0];
/// The cup and its saucer in `coffee.png`, 600 by 400 pixels.
const CUP: [f32; 4] = [165.0, 35.0, 440.0, 355.0];
const TABBY: usize = 281;
const ESPRESSO: usize = 967;

#[test]
fn heat_for_tabby_is_on_the_cat() {
    let image = decode("tests/images/chelsea.png").unwrap();
    for (name, device) in all_devices() {
        let mut explainer = bundled(&device);
        let found = explainer
            .explain(&image, &options(ExplainMethod::GradCam, &[TABBY]))
            .unwrap();
        assert!(found[0].label.contains("tabby"), "{}", found[0].label);
        let heat = heat_on_image(&image, &explainer, &found[0]);
        let (share, peak) = (heat.share_inside(CAT), heat.statistics().peak);
        println!(
            "{name}: {:.1} % of the heat on the cat, peak at {peak:?}",
            100.0 * share
        );
        assert!(share >= 0.8, "{name}: {share}");
        assert!(is_within(peak, CAT_HEAD), "{name}: {peak:?}");
    }
}

#[test]
fn heat_for_espresso_peaks_on_the_cup() {
    let image = decode("tests/images/coffee.png").unwrap();
    for (name, device) in all_devices() {
        let mut explainer = bundled(&device);
        let found = explainer
            .explain(&image, &options(ExplainMethod::GradCam, &[]))
            .unwrap();
        assert_eq!(
            (found[0].class, &found[0].label[..]),
            (ESPRESSO, "espresso")
        );
        let peak = heat_on_image(&image, &explainer, &found[0])
            .statistics()
            .peak;
        println!("{name}: peak at {peak:?}");
        assert!(is_within(peak, CUP), "{name}: {peak:?}");
    }
}

/// Independent methods find the same region.
#[test]
fn methods_agree_on_the_cup() {
    let image = decode("tests/images/coffee.png").unwrap();
    let mut explainer = bundled(&gpu());
    for method in ExplainMethod::ALL {
        let method = match method {
            ExplainMethod::SmoothGrad { noise, .. } => {
                ExplainMethod::SmoothGrad { samples: 3, noise }
            }
            ExplainMethod::IntegratedGradients { .. } => {
                ExplainMethod::IntegratedGradients { steps: Some(8) }
            }
            ExplainMethod::Occlusion { .. } => ExplainMethod::Occlusion {
                window: 56,
                stride: 28,
            },
            method => method,
        };
        let found = explainer.explain(&image, &options(method, &[])).unwrap();
        assert_eq!(found[0].class, ESPRESSO, "{method}");
        let heat = heat_on_image(&image, &explainer, &found[0]);
        // The box is 37 % of the image region that the network sees.
        let (share, peak) = (heat.share_inside(CUP), heat.statistics().peak);
        println!(
            "{method}: {:.0} % of the heat on the cup, peak at {peak:?}",
            100.0 * share
        );
        assert!(share > 0.5, "{method}: {share}");
        assert!(is_within(peak, CUP), "{method}: {peak:?}");
    }
}

#[test]
fn integrated_gradients_sum_to_the_change_of_the_score() {
    for (file, class) in [("chelsea", TABBY), ("coffee", ESPRESSO)] {
        let image = decode(format!("tests/images/{file}.png")).unwrap();
        let mut explainer = bundled(&gpu());
        let method = ExplainMethod::IntegratedGradients { steps: None };
        let found = explainer
            .explain(&image, &options(method, &[class]))
            .unwrap();
        let completeness = found[0].completeness.unwrap();
        println!(
            "{file}: {completeness:?}, off by {:.2} %",
            100.0 * completeness.error()
        );
        assert!(
            completeness.error() <= tolerance::COMPLETENESS,
            "{file}: {completeness:?}"
        );
        assert!(
            completeness.difference.abs() > 1.0,
            "{file}: {completeness:?}"
        );
    }
}

/// Several classes, here more than one batch holds, have the same explanations as one at a time.
#[test]
fn explanations_of_several_classes_equal_those_of_each() {
    let image = decode("tests/images/coffee.png").unwrap();
    let mut explainer = bundled(&gpu());
    let classes: Vec<usize> = (0..10).map(|i| (i * 97 + 967) % 1000).collect();
    for method in [
        ExplainMethod::GradCam,
        ExplainMethod::GuidedGradCam,
        ExplainMethod::Saliency,
    ] {
        let together = explainer
            .explain(&image, &options(method, &classes))
            .unwrap();
        // One of the second batch, too.
        for (&class, together) in classes.iter().zip(&together).step_by(3) {
            let alone = explainer
                .explain(&image, &options(method, &[class]))
                .unwrap()
                .swap_remove(0);
            assert_eq!((together.class, alone.class), (class, class));
            let error = (together.score - alone.score).abs();
            assert!(error < tolerance::EXPLANATION_BATCH, "{method}");
            let largest = alone.heat.statistics().max;
            let pairs = together.heat.values().iter().zip(alone.heat.values());
            let error = pairs.fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(
                error <= tolerance::EXPLANATION_BATCH * largest,
                "{method}, class {class}: {error} of {largest}"
            );
        }
    }
}
