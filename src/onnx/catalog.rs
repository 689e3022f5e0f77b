//! All operators of ONNX, and which of them are supported.

use super::evaluate::can_evaluate;
use super::operators::OnnxSupport;
use super::ops::handler;

/// An operator of ONNX's own domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The name.
    pub name: &'static str,
    /// Where it is computed; `None` where it is not supported.
    pub support: Option<OnnxSupport>,
    /// What of it is not supported; empty where all is.
    pub limits: &'static str,
}

/// The operators of opsets 7 to 28.
#[rustfmt::skip]
const NAMES: [&str; 203] = [
    "Abs", "Acos", "Acosh", "Add", "AffineGrid", "And",
    "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh",
    "Attention", "AveragePool", "BatchNormalization", "Bernoulli", "BitCast", "BitShift",
    "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "BlackmanWindow", "Cast",
    "CastLike", "CausalConvWithState", "Ceil", "Celu", "CenterCropPad", "Clip",
    "Col2Im", "Compress", "Concat", "ConcatFromSequence", "Constant", "ConstantOfShape",
    "Conv", "ConvInteger", "ConvTranspose", "Cos", "Cosh", "CumProd",
    "CumSum", "DFT", "DeformConv", "DepthToSpace", "DequantizeLinear", "Det",
    "Div", "Dropout", "DynamicQuantizeLinear", "Einsum", "Elu", "Equal",
    "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor",
    "GRU", "Gather", "GatherElements", "GatherND", "Gelu", "Gemm",
    "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "GridSample",
    "GroupNormalization", "HammingWindow", "HannWindow", "HardSigmoid", "HardSwish", "Hardmax",
    "Identity", "If", "ImageDecoder", "InstanceNormalization", "IsInf", "IsNaN",
    "LRN", "LSTM", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual",
    "LinearAttention", "Log", "LogSoftmax", "Loop", "LpNormalization", "LpPool",
    "MatMul", "MatMulInteger", "Max", "MaxPool", "MaxRoiPool", "MaxUnpool",
    "Mean", "MeanVarianceNormalization", "MelWeightMatrix", "Min", "Mish", "Mod",
    "Mul", "Multinomial", "Neg", "NegativeLogLikelihoodLoss", "NonMaxSuppression", "NonZero",
    "Not", "OneHot", "Optional", "OptionalGetElement", "OptionalHasElement", "Or",
    "PRelu", "Pad", "Pow", "QLinearConv", "QLinearMatMul", "QuantizeLinear",
    "RMSNormalization", "RNN", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
    "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
    "RegexFullMatch", "Relu", "Reshape", "Resize", "ReverseSequence", "RoiAlign",
    "RotaryEmbedding", "Round", "STFT", "Scan", "Scatter", "ScatterElements",
    "ScatterND", "Selu", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase",
    "SequenceInsert", "SequenceLength", "SequenceMap", "Shape", "Shrink", "Sigmoid",
    "Sign", "Sin", "Sinh", "Size", "Slice", "Softmax",
    "SoftmaxCrossEntropyLoss", "Softplus", "Softsign", "SpaceToDepth", "Split", "SplitToSequence",
    "Sqrt", "Squeeze", "StringConcat", "StringNormalizer", "StringSplit", "Sub",
    "Sum", "SwiGLU", "Swish", "Tan", "Tanh", "TensorScatter",
    "TfIdfVectorizer", "ThresholdedRelu", "Tile", "TopK", "Transpose", "Trilu",
    "Unique", "Unsqueeze", "Upsample", "Where", "Xor",
];

/// All operators of ONNX's own domain, by name.
///
/// ```
/// use shadernet::onnx::{OnnxSupport, catalog};
///
/// let conv = catalog().into_iter().find(|entry| entry.name == "Conv").unwrap();
/// assert_eq!(conv.support, Some(OnnxSupport::Device));
/// ```
pub fn catalog() -> Vec<CatalogEntry> {
    let entry = |name| CatalogEntry {
        name,
        support: support(name),
        limits: limits(name),
    };
    NAMES.map(entry).to_vec()
}

/// Where the operator `name` is computed.
pub(super) fn support(name: &str) -> Option<OnnxSupport> {
    let on_device = handler(name).map(|_| OnnxSupport::Device);
    on_device.or_else(|| can_evaluate(name).then_some(OnnxSupport::Import))
}

/// What of a supported operator is not.
fn limits(name: &str) -> &'static str {
    match name {
        "Cast" | "CastLike" => "8-bit floating-point numbers; integers are exact up to 2^24",
        "Conv" => "weights that are computed from inputs",
        "ConvTranspose" => "three dimensions; weights that are computed from inputs",
        "DequantizeLinear" => "scales that are computed from inputs",
        "Dropout" => "training",
        "Gather" => {
            "indices that are computed from inputs, but for rows of a weight at token ids from 0 on"
        }
        "GatherElements" | "GatherND" | "Scatter" | "ScatterElements" | "ScatterND" => {
            "indices that are computed from inputs"
        }
        "If" => "conditions that are computed from inputs",
        "MaxPool" => "the indices of the maxima in one and three dimensions",
        "QuantizeLinear" => {
            "scales that are computed from inputs; types other than 8 and 16-bit integers"
        }
        "TopK" => "k that is computed from inputs",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_limits_are_of_supported_operators() {
        assert!(NAMES.is_sorted());
        for entry in catalog() {
            assert!(
                entry.limits.is_empty() || entry.support.is_some(),
                "{entry:?}"
            );
        }
    }
}
