//! A classifier of an image with a text: an example of a graph with two inputs.
//!
//! `input` is an image, `[N, C, H, W]`. `tokens` are the ids of the text's words, `[N, L]`: whole numbers
//! below [`VOCABULARY`] in float32. `L` must be large enough for three poolings. The image goes through a
//! DenseNet-121 (Huang et al. 2017, "Densely connected convolutional networks"). The ids go through an
//! embedding and dense blocks along the words, with kernels of 1x3 over a map that is one row high. Both
//! are pooled to one vector each, the vectors are concatenated (late fusion, Ngiam et al. 2011,
//! "Multimodal deep learning"), and two fully connected layers compute the class scores.
//!
//! Two inputs need no special support: a graph has all inputs that its builder adds, in that order.

use super::densenet::{DenseBlocks, DenseNet};
use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{Activation, Embedding, GraphBuilder, Input, Linear, ValueId};

pub(super) const ARCHITECTURES: &[Architecture] = &[Architecture {
    tokens: Some(64),
    ..Architecture::classifier(
        "densenet_multimodal",
        "DenseNet",
        "an image and a text through a DenseNet each, then concatenated (after Huang et al. 2017)",
        &Multimodal,
    )
}];

/// Rows of the embedding: the size of BERT's vocabulary of word pieces (Devlin et al. 2019).
const VOCABULARY: usize = 30_522;
/// Elements of a word's vector.
const WORD: usize = 128;
/// Neurons between the concatenated vector and the classes.
const HIDDEN: usize = 512;

const IMAGE: DenseNet = DenseNet::new(32, &[6, 12, 24, 16]);
const TEXT: DenseBlocks = DenseBlocks {
    growth: 32,
    depths: &[4, 4, 4],
    kernel: [1, 3],
    pool: [1, 2],
};

struct Multimodal;

impl Definition for Multimodal {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let (x, image_channels) = IMAGE.features(b, image, "image", settings.channels);
        let image_features = layers::global_pool(b, x, "image.avgpool", "image.flatten");

        let tokens = b.node("tokens", Input::ids(None), &[]);
        let table = Embedding {
            num_embeddings: VOCABULARY,
            dim: WORD,
        };
        let words = b.node("text.embedding", table, &[tokens]);
        let (x, text_channels) = TEXT.build(b, words, "text", WORD);
        let text_features = layers::global_pool(b, x, "text.avgpool", "text.flatten");

        let x = b.concat("fusion", &[image_features, text_features]);
        let hidden = Linear::new(image_channels + text_channels, HIDDEN);
        let x = b.linear("classifier.0", x, hidden);
        let x = b.activation("classifier.1", x, Activation::Relu);
        let x = b.dropout("classifier.2", x);
        let last = Linear::new(HIDDEN, settings.classes);
        Ok(vec![b.linear("classifier.3", x, last)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Reference;
    use crate::tensor::Tensor;
    use crate::weights::Weights;
    use crate::weights::generate::generated_input;
    use crate::zoo::ZooOptions;

    #[test]
    fn both_inputs_affect_the_output() {
        let graph = ARCHITECTURES[0].build(&ZooOptions::classes(5)).unwrap();
        let reference: Reference =
            Reference::new(&graph, &Weights::generated(&graph, 1.0)).unwrap();
        let run = |image: Tensor, first_token: usize| {
            let tokens = Tensor::from_fn([1, 9], |i| (first_token + 1000 * i) as f32);
            reference.run(&[image, tokens]).unwrap().swap_remove(0)
        };
        let image = generated_input([1, 3, 40, 48]);
        let base = run(image.clone(), 0);
        assert_eq!(base.shape().dims(), [1, 5]);
        assert!(base.data().iter().all(|x| x.is_finite()));
        assert_ne!(run(image.clone(), 1), base);
        assert_ne!(run(image.map(|x| -x), 0), base);
        assert_eq!(run(image, 0), base);
    }
}
