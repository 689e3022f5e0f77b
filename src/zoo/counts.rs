//! Infers the numbers of classes and channels from weights.

use super::{Architecture, ZooOptions};
use crate::graph::Parameter;
use crate::tensor::Shape;
use crate::weights::Weights;

/// Sets one of the counts of options.
type Set = fn(ZooOptions, usize) -> ZooOptions;

impl Architecture {
    /// `options` with the numbers of classes and channels that they leave open as in `weights`, where these tell:
    /// from the shapes of the parameters that differ between networks of two numbers.
    pub(super) fn counts_of(&self, weights: &Weights, options: &ZooOptions) -> ZooOptions {
        let mut inferred = *options;
        let with_classes: Set = |options, count| options.with_classes(count);
        let with_channels: Set = |options, count| options.with_channels(count);
        let open = [
            (options.num_classes, self.num_classes, with_classes),
            (options.in_channels, self.input_size[0], with_channels),
        ];
        for (given, default, set) in open {
            if given.is_none()
                && let Some(count) = self.count_in(weights, &inferred, default, set)
            {
                inferred = set(inferred, count);
            }
        }
        inferred
    }

    fn count_in(
        &self,
        weights: &Weights,
        options: &ZooOptions,
        default: usize,
        set: Set,
    ) -> Option<usize> {
        let graph = self.build(options).ok()?;
        let more = self.build(&set(*options, default + 1)).ok()?;
        let (here, more) = (graph.parameters(), more.parameters());
        let different = |(here, more): &(Parameter, Parameter)| here.shape != more.shape;
        let (here, more) = here.into_iter().zip(more).find(different)?;
        let weights = self.adapt(weights.headers(), &graph).ok()?;
        count(
            default,
            &here.shape,
            &more.shape,
            weights.shape(&here.name)?,
        )
    }
}

/// The count of a parameter of the shape `found`, which is `shape` for the count `default`, and `more` for one more.
fn count(default: usize, shape: &Shape, more: &Shape, found: &Shape) -> Option<usize> {
    if found.dims().len() != shape.dims().len() {
        return None;
    }
    let dims = shape.dims().iter().zip(more.dims()).zip(found.dims());
    let (here, step, found) = dims
        .filter_map(|((&here, &more), &found)| Some((here, more.checked_sub(here)?, found)))
        .find(|(_, step, _)| *step > 0)?;
    // The extent grows by `step` for each, such as the 3 anchors of a detector.
    let base = here.checked_sub(step.checked_mul(default)?)?;
    let grown = found.checked_sub(base)?;
    (grown % step == 0).then_some(grown / step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo;

    #[test]
    fn counts_are_those_of_the_weights() {
        for (name, classes, channels) in [
            ("resnet18", 10, 1),
            ("vgg11", 7, 3),
            ("mlp", 4, 3),
            ("densenet121", 1000, 4),
            ("mobilenet_v2", 3, 3),
            ("squeezenet1_1", 5, 3),
            ("unet", 6, 1),
            ("yolov3_tiny", 20, 3),
            ("yolov2_tiny", 3, 3),
        ] {
            let architecture = zoo::find(name).unwrap();
            let options = ZooOptions::classes(classes).with_channels(channels);
            let graph = architecture.build(&options).unwrap();
            let weights = Weights::generated(&graph, 1.0);
            let found = architecture.counts_of(&weights, &ZooOptions::default());
            assert_eq!(found, options, "{name}");
            // Given numbers are kept.
            let given = ZooOptions::classes(8).with_channels(2);
            assert_eq!(architecture.counts_of(&weights, &given), given);
        }
    }

    #[test]
    fn shapes_that_do_not_fit_tell_nothing() {
        let shape = |classes: usize| Shape::from([5 * (5 + classes), 8]);
        let count = |found: Shape| count(20, &shape(20), &shape(21), &found);
        assert_eq!(count(shape(3)), Some(3));
        assert_eq!(count(shape(0)), Some(0));
        for dims in [[26, 8], [20, 8], [0, 8]] {
            assert_eq!(count(Shape::from(dims)), None);
        }
        assert_eq!(count(Shape::from([5])), None);
    }
}
