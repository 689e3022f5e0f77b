//! An image and a text judged together: the example of a graph with two inputs.
//!
//! `input` is an image, `[N, C, H, W]`; `tokens` are the ids of the words said of it, `[N, L]`, whole
//! numbers below [`VOCABULARY`] in float32, of any length that three poolings leave something of. The
//! image goes through a DenseNet-121 (Huang et al. 2017, "Densely connected convolutional networks");
//! the ids become vectors (an embedding), and these go through dense blocks too, along the words:
//! their kernels are 1x3, the map being one row high. Both are pooled to one vector, the vectors are
//! joined (late fusion, Ngiam et al. 2011, "Multimodal deep learning"), and two fully connected
//! layers tell the class.
//!
//! Nothing here is particular to two inputs: a graph takes as many as its builder was asked for, in
//! that order, and `shadernet run` reads each by its name from the input file.

use super::densenet::{DenseBlocks, DenseNet};
use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{Activation, Embedding, GraphBuilder, Input, Linear, ValueId};

pub(super) const ARCHITECTURES: &[Architecture] = &[Architecture {
    tokens: Some(64),
    ..Architecture::classifier(
        "densenet_multimodal",
        "DenseNet",
        "an image and a text, joined after a DenseNet each (after Huang et al. 2017)",
        &Multimodal,
    )
}];

/// Rows of the embedding: the word pieces of BERT (Devlin et al. 2019), a common vocabulary.
const VOCABULARY: usize = 30_522;
/// Numbers a word.
const WORD: usize = 128;
/// Neurons between the fused vector and the classes.
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
        let seen = layers::global_pool(b, x, "image.avgpool", "image.flatten");

        let tokens = b.node("tokens", Input::ids(None), &[]);
        let table = Embedding {
            num_embeddings: VOCABULARY,
            dim: WORD,
        };
        let words = b.node("text.embedding", table, &[tokens]);
        let (x, text_channels) = TEXT.build(b, words, "text", WORD);
        let read = layers::global_pool(b, x, "text.avgpool", "text.flatten");

        let x = b.concat("fusion", &[seen, read]);
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
    fn both_inputs_count() {
        let graph = ARCHITECTURES[0].build(&ZooOptions::classes(5)).unwrap();
        let twin: Reference = Reference::new(&graph, &Weights::generated(&graph, 1.0)).unwrap();
        let answer = |image: Tensor, first: usize| {
            let tokens = Tensor::from_fn([1, 9], |i| (first + 1000 * i) as f32);
            twin.run(&[image, tokens]).unwrap().swap_remove(0)
        };
        let image = generated_input([1, 3, 40, 48]);
        let base = answer(image.clone(), 0);
        assert_eq!(base.shape().dims(), [1, 5]);
        assert!(base.data().iter().all(|x| x.is_finite()));
        assert_ne!(answer(image.clone(), 1), base);
        assert_ne!(answer(image.map(|x| -x), 0), base);
        assert_eq!(answer(image, 0), base);
    }
}
