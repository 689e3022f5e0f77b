//! Batch norms and layer scales as one multiplication and one addition per channel, and their folding into weights.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::Result;
use crate::graph::{Branch, ChannelAffine, Node, Norm};
use crate::weights::Weights;

/// `x * scale + shift` for each channel. In float64, since it is computed once and its rounding error
/// would be in every output.
pub(crate) struct Affine {
    pub scale: Vec<f64>,
    pub shift: Vec<f64>,
}

impl Affine {
    pub fn read(norm: &Norm, weights: &Weights) -> Result<Self> {
        let read = |suffix| weights.read(&norm.parameter_name(suffix));
        let op = match &norm.op {
            ChannelAffine::BatchNorm2d(op) => op,
            ChannelAffine::LayerScale(_) => {
                let gamma = read("gamma")?;
                return Ok(Self {
                    scale: gamma.iter().map(|gamma| f64::from(*gamma)).collect(),
                    shift: vec![0.0; gamma.len()],
                });
            }
        };
        let (weight, var) = (read("weight")?, read("running_var")?);
        let (bias, mean) = (read("bias")?, read("running_mean")?);
        let scale: Vec<f64> = (weight.iter().zip(var.iter()))
            .map(|(weight, var)| f64::from(*weight) / (f64::from(*var) + op.eps).sqrt())
            .collect();
        let shift = (scale.iter().zip(bias.iter().zip(mean.iter())))
            .map(|(scale, (bias, mean))| f64::from(*bias) - f64::from(*mean) * scale)
            .collect();
        Ok(Self { scale, shift })
    }
}

/// A node's bias and the norm that was folded into it. Weights of every layout are read through it, so
/// that no kernel has to deal with norms.
#[derive(Clone, Debug)]
pub(crate) struct Folding {
    norm: Option<Norm>,
    /// The bias's full name.
    bias: Option<String>,
    outputs: usize,
    branches: Vec<FoldedBranch>,
}

/// What is added to a convolution's output.
#[derive(Clone, Debug)]
struct FoldedBranch {
    /// The full name of the weight of a convolution of one tap; the identity without.
    weight: Option<String>,
    folding: Folding,
}

impl Folding {
    /// For a node with this number of output channels.
    pub fn new(node: &Node, outputs: usize, has_bias: bool) -> Self {
        Self {
            norm: node.fused.norm.clone(),
            bias: has_bias.then(|| node.parameter_name("bias")),
            outputs,
            branches: (node.fused.branches.iter())
                .map(|branch| FoldedBranch::new(branch, outputs))
                .collect(),
        }
    }

    /// Whether the bias is zero for all channels.
    pub fn has_no_bias(&self) -> bool {
        self.bias.is_none() && self.norm.is_none() && self.branches.is_empty()
    }

    /// Multiplies `values` by the norm's scale. They are the weights of the output channels `outputs` in
    /// order, the same number for each.
    pub fn scaled<'a>(
        &self,
        weights: &Weights,
        values: Cow<'a, [f32]>,
        outputs: Range<usize>,
    ) -> Result<Cow<'a, [f32]>> {
        let len = values.len() / outputs.len().max(1);
        self.scaled_by(weights, values, |i| outputs.start + i / len.max(1))
    }

    /// Multiplies each of `values` by the norm's scale for the output channel `output(index)`.
    pub fn scaled_by<'a>(
        &self,
        weights: &Weights,
        mut values: Cow<'a, [f32]>,
        output: impl Fn(usize) -> usize,
    ) -> Result<Cow<'a, [f32]>> {
        if let Some(norm) = &self.norm {
            let scale = Affine::read(norm, weights)?.scale;
            for (i, value) in values.to_mut().iter_mut().enumerate() {
                *value = (f64::from(*value) * scale[output(i)]) as f32;
            }
        }
        Ok(values)
    }

    /// Adds the branches to the kernels of the output channels `outputs` in order, of `taps` values each for every
    /// input channel of a group. They are read at the tap in the middle.
    pub fn add_branches<'a>(
        &self,
        weights: &Weights,
        mut kernels: Cow<'a, [f32]>,
        outputs: Range<usize>,
        taps: usize,
    ) -> Result<Cow<'a, [f32]>> {
        for branch in &self.branches {
            let inputs = kernels.len() / (outputs.len() * taps).max(1);
            let values = branch.values(weights, outputs.clone(), inputs)?;
            let centers = kernels.to_mut().iter_mut().skip(taps / 2).step_by(taps);
            for (center, value) in centers.zip(values.iter()) {
                *center += value;
            }
        }
        Ok(kernels)
    }

    /// The bias after the norm and with those of the branches, one value per channel; zeros where there is none.
    pub fn bias(&self, weights: &Weights) -> Result<Vec<f32>> {
        let mut sum = self.own_bias(weights)?;
        for branch in &self.branches {
            let bias = branch.folding.bias(weights)?;
            sum.iter_mut()
                .zip(bias)
                .for_each(|(sum, bias)| *sum += bias);
        }
        Ok(sum)
    }

    fn own_bias(&self, weights: &Weights) -> Result<Vec<f32>> {
        let bias = match &self.bias {
            Some(name) => weights.read(name)?.into_owned(),
            None => vec![0.0; self.outputs],
        };
        let Some(norm) = &self.norm else {
            return Ok(bias);
        };
        let affine = Affine::read(norm, weights)?;
        Ok((bias.iter().zip(affine.scale.iter().zip(&affine.shift)))
            .map(|(bias, (scale, shift))| (f64::from(*bias) * scale + shift) as f32)
            .collect())
    }
}

impl FoldedBranch {
    fn new(branch: &Branch, outputs: usize) -> Self {
        let parameter = |suffix: &str| {
            let (name, _) = branch.conv.as_ref()?;
            Some(format!("{name}.{suffix}"))
        };
        let has_bias = branch.conv.as_ref().is_some_and(|(_, conv)| conv.bias);
        Self {
            weight: parameter("weight"),
            folding: Folding {
                norm: branch.norm.clone(),
                bias: has_bias.then(|| parameter("bias")).flatten(),
                outputs,
                branches: Vec::new(),
            },
        }
    }

    /// The weights of the output channels `outputs`, one for each of the `inputs` input channels of a group.
    fn values<'a>(
        &self,
        weights: &'a Weights,
        outputs: Range<usize>,
        inputs: usize,
    ) -> Result<Cow<'a, [f32]>> {
        let values = match &self.weight {
            Some(name) => weights.read_range(name, outputs.start * inputs..outputs.end * inputs)?,
            // A group has as many input as output channels.
            None => (outputs.clone())
                .flat_map(|output| (0..inputs).map(move |input| input == output % inputs))
                .map(|is_same| f32::from(u8::from(is_same)))
                .collect(),
        };
        self.folding.scaled(weights, values, outputs)
    }
}
