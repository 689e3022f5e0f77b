//! One dispatch, before buffers are bound to it.

use std::sync::Arc;

use super::{ConvAlgorithm, PackedWeight, SelectionReason};
use crate::gpu::PipelineKey;

/// One dispatch, complete but for its buffers.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub target: Target,
    pub key: PipelineKey,
    pub params: Vec<u8>,
    pub reads: Vec<Read>,
    pub workgroups: [u32; 3],
    /// The most loop iterations of an invocation, over all of its loops. Those with constant bounds, which
    /// compilers unroll, do not count.
    pub loop_iterations: u64,
    /// Multiplications and additions, where they are other than the node's.
    pub operations: Option<u64>,
    /// Of how many equal parts of the node's inputs and output it computes one.
    pub parts: u64,
    /// Multiply-adds of an invocation, padding included, where the kernel says so.
    pub products: Option<u64>,
    /// Taps of the window that these are for.
    pub taps: u64,
    /// The convolution algorithm that this is, or is a part of.
    pub algorithm: Option<ConvAlgorithm>,
    pub reason: SelectionReason,
}

/// What a dispatch writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Output,
    /// The node's workspace of this index.
    Workspace(usize),
}

/// What a dispatch reads.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    /// The node's input of this index.
    Input(usize),
    /// The node's workspace of this index.
    Workspace(usize),
    /// A weight, in the layout of the shader.
    Weight(Arc<PackedWeight>),
}

impl Dispatch {
    pub(super) fn into_target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Notes what was selected, and why.
    pub(super) fn selected(
        mut self,
        algorithm: Option<ConvAlgorithm>,
        reason: SelectionReason,
    ) -> Self {
        (self.algorithm, self.reason) = (algorithm, reason);
        self
    }

    pub(super) fn operations(mut self, operations: u64) -> Self {
        self.operations = Some(operations);
        self
    }

    pub(super) fn parts(mut self, parts: usize) -> Self {
        self.parts = parts as u64;
        self
    }

    pub(super) fn products(mut self, products: u64, taps: u64) -> Self {
        (self.products, self.taps) = (Some(products), taps);
        self
    }

    pub(super) fn constant(self, name: &'static str, value: u32) -> Self {
        self.constants(&[(name, value)])
    }

    pub(super) fn constants(mut self, constants: &[(&'static str, u32)]) -> Self {
        self.key.constants.extend(constants);
        self
    }
}
