//! Grad-CAM against class activation maps computed from the network's weights.

use std::sync::Arc;

use shadernet::explain::{ExplainMethod, Explainer};
use shadernet::session::Session;
use shadernet::vision::{Labels, Preprocessing, decode};
use shadernet::weights::Weights;
use shadernet::zoo::{self, ZooOptions};

use crate::devices::all_devices;
use crate::{options, tolerance};

/// For networks that end in global average pooling and one fully connected layer, Grad-CAM is class activation
/// mapping (Zhou et al. 2016): the channels of the last map, weighted by the layer's weights of the class.
#[test]
fn grad_cam_equals_class_activation_mapping() {
    let image = decode("tests/images/chelsea.png").unwrap();
    let root2 = 2.0_f64.sqrt();
    for (name, last, classifier, gain) in [
        ("resnet18", "layer4.1.relu", "fc", 1.0),
        ("mobilenet_v2", "features.18.2", "classifier.1", root2),
    ] {
        let graph = zoo::build(name, &ZooOptions::default()).unwrap();
        // The gains of the golden cases.
        let weights = Arc::new(Weights::generated(&graph, gain));
        let preprocessing = Preprocessing::default();
        let weight = weights.read(&format!("{classifier}.weight")).unwrap();
        for (device_name, device) in all_devices() {
            let with_last = graph.with_intermediate_outputs(&[last]).unwrap();
            let input = preprocessing.apply(&image).unwrap();
            let shapes = [input.shape().clone()];
            let session_options = Default::default();
            let mut session = Session::new(
                &device,
                &with_last,
                weights.clone(),
                &session_options,
                &shapes,
            )
            .unwrap();
            let map = session.run(&[input]).unwrap().swap_remove(1);
            let [_, channels, height, width] = map.shape().nchw();

            let labels = Labels::unnamed(1000);
            let mut explainer = Explainer::from_graph(
                &device,
                &graph,
                weights.clone(),
                &preprocessing,
                labels,
                &session_options,
            )
            .unwrap();
            let classes = [281, 7, 999];
            let found = explainer
                .explain(&image, &options(ExplainMethod::GradCam, &classes))
                .unwrap();
            let mut compared = 0;
            for (class, found) in classes.into_iter().zip(&found) {
                assert_eq!((found.class, found.layer.as_deref()), (class, Some(last)));
                let cam = |pixel: usize| -> f64 {
                    let weights = &weight[class * channels..][..channels];
                    let values = map.data()[pixel..].iter().step_by(height * width);
                    let pairs = weights.iter().zip(values);
                    pairs.map(|(w, v)| f64::from(*w) * f64::from(*v)).sum()
                };
                let cam: Vec<f64> = (0..height * width)
                    .map(|pixel| cam(pixel).max(0.0))
                    .collect();
                let largest = cam.iter().fold(0.0_f64, |most, x| most.max(*x));
                // Average pooling divides the gradient by the number of pixels.
                let pixels = (height * width) as f64;
                let pairs = found.heat.values().iter().zip(&cam);
                let error = pairs.fold(0.0_f64, |most, (heat, cam)| {
                    most.max((f64::from(*heat) * pixels - cam).abs())
                });
                if largest > 0.0 {
                    compared += 1;
                    println!(
                        "{name} on {device_name}, class {class}: {:.1e}",
                        error / largest
                    );
                    assert!(
                        error / largest < tolerance::CLASS_ACTIVATION_MAP,
                        "{name} on {device_name}: {}",
                        error / largest
                    );
                }
            }
            assert!(compared > 0, "{name}: no class has evidence");
        }
    }
}
