//! The names of Darknet's layers in PyTorch implementations of YOLOv3, which read the same configuration files.

use crate::graph::{Graph, Op};
use crate::weights::Dialect;

/// The dialects of a graph that [`build_layers`](super::build_layers) built: of PyTorch-YOLOv3 (Erik
/// Linder-Norén), of the archived branch of Ultralytics' yolov3, and of pytorch-yolo2 and its descendants (such
/// as pytorch-YOLOv4), which count the convolutions from 1.
pub(crate) fn dialects(graph: &Graph) -> Vec<Dialect> {
    let mut names: [Vec<(String, String)>; 3] = Default::default();
    let mut convolutions = 0_usize;
    for node in graph.nodes() {
        let mut parts = node.name().split('.');
        let (Some("layers"), Some(layer), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let theirs = match node.op() {
            Op::Conv2d(_) => {
                convolutions = convolutions.saturating_add(1);
                [
                    format!("module_list.{layer}.conv_{layer}"),
                    format!("module_list.{layer}.Conv2d"),
                    format!("models.{layer}.conv{convolutions}"),
                ]
            }
            // It follows the convolution of its layer.
            Op::BatchNorm2d(_) => [
                format!("module_list.{layer}.batch_norm_{layer}"),
                format!("module_list.{layer}.BatchNorm2d"),
                format!("models.{layer}.bn{convolutions}"),
            ],
            _ => continue,
        };
        for (names, theirs) in names.iter_mut().zip(theirs) {
            names.push((node.name().to_owned(), theirs));
        }
    }
    let libraries = ["PyTorch-YOLOv3", "Ultralytics", "pytorch-yolo2"];
    (libraries.into_iter().zip(names))
        .map(|(library, names)| Dialect::new(library, names))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::tensor::Tensor;
    use crate::weights::Weights;
    use crate::zoo::{self, ZooOptions};

    #[test]
    fn pytorchs_names_are_read() {
        let architecture = zoo::find("yolov3_tiny").unwrap();
        let graph = architecture.build(&ZooOptions::classes(2)).unwrap();
        let generated = Weights::generated(&graph, 1.0);
        // The layers of the convolutions; the eighth is the first without a norm but those of the heads.
        let layers = [0, 2, 4, 6, 8, 10, 12, 13, 14, 15, 18, 21, 22];
        let number = |layer: &str| {
            let layer = layer.parse::<usize>().unwrap();
            1 + layers.iter().position(|&l| l == layer).unwrap()
        };
        type Rename<'a> = &'a dyn Fn(&str, &str) -> String;
        let renames: [Rename; 3] = [
            &|layer, part| match part {
                "conv" => format!("module_list.{layer}.conv_{layer}"),
                _ => format!("module_list.{layer}.batch_norm_{layer}"),
            },
            &|layer, part| match part {
                "conv" => format!("module.module_list.{layer}.Conv2d"),
                _ => format!("module.module_list.{layer}.BatchNorm2d"),
            },
            &|layer, part| format!("models.{layer}.{part}{}", number(layer)),
        ];
        for rename in renames {
            let tensors = generated.names().map(|name| {
                let parts: Vec<&str> = name.split('.').collect();
                let [_, layer, part, suffix] = parts[..] else {
                    panic!("{name}")
                };
                let data = generated.read(name).unwrap().into_owned();
                let tensor = Tensor::new(generated.shape(name).unwrap().clone(), data).unwrap();
                (format!("{}.{suffix}", rename(layer, part)), tensor)
            });
            let mut tensors: Vec<(String, Tensor)> = tensors.collect();
            tensors.push((
                "module_list.16.yolo_16.anchors".to_owned(),
                Tensor::zeros([3, 2]),
            ));
            let theirs = Weights::from_tensors("theirs", tensors);
            let adapted = architecture.adapt(theirs, &graph).unwrap();
            let unused = adapted.check(&graph).unwrap().unused;
            assert_eq!(unused, ["module_list.16.yolo_16.anchors"]);
            for name in generated.names() {
                assert_eq!(adapted.read(name).unwrap(), generated.read(name).unwrap());
            }
        }
    }
}
