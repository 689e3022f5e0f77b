//! The graph of a tile: what samples a map at positions that depend on the size of the whole map reads them from an
//! input, so that a tile is computed as a part of the whole.

use crate::graph::{
    Graph, GridSample, GridSampleMode, GridSamplePadding, Input, InputWindow, InputWindows, Op,
    Upsample, UpsampleMode, ValueId,
};
use crate::tensor::{Shape, Tensor};

/// A graph whose positions are inputs, after the image.
#[derive(Clone, Debug)]
pub(super) struct TileGraph {
    pub graph: Graph,
    /// One per input of positions, in their order.
    pub sampled: Vec<Sampled>,
}

/// A resized map, and where a tile's part of it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampled {
    /// The index of its node in the graph of the whole.
    pub node: usize,
    op: Upsample,
    rows: Resized,
    columns: Resized,
}

/// Resizing along one axis.
#[derive(Clone, Copy, Debug)]
struct Resized {
    /// Pixels of the input and of the output, of a tile and of the whole.
    tile: [usize; 2],
    whole: [usize; 2],
    /// Pixels of the network's input between pixels of the input and of the output.
    jumps: [f64; 2],
}

impl TileGraph {
    /// For tiles whose values have `shapes`. The whole has `beyond` more pixels, vertically and horizontally. `windows`
    /// are of the same graph.
    pub fn new(
        graph: &Graph,
        windows: &InputWindows,
        shapes: &[Shape],
        beyond: [usize; 2],
    ) -> Self {
        let mut sampled = Vec::new();
        let mut nodes = Vec::new();
        // The new index of every node.
        let mut moved: Vec<ValueId> = Vec::new();
        for (value, node) in graph.values() {
            let mut node = node.clone();
            for input in &mut node.inputs {
                *input = moved[input.index()];
            }
            if let Some(found) = sampled_by_position(graph, windows, shapes, beyond, value) {
                sampled.push(found);
                let mut positions = node.clone();
                positions.name = format!("{}.positions", node.name);
                positions.op = Op::Input(Input::new(&[None, Some(2), None, None]));
                positions.inputs.clear();
                node.op = found.operator().into();
                node.inputs.truncate(1);
                node.inputs.push(ValueId::new(nodes.len()));
                nodes.push(positions);
            }
            moved.push(ValueId::new(nodes.len()));
            nodes.push(node);
        }
        let outputs = graph.outputs().iter().map(|v| moved[v.index()]).collect();
        Self {
            graph: Graph::from_nodes(graph.name(), nodes, outputs),
            sampled,
        }
    }
}

/// The node of `value`, where it resizes a map by a scale that depends on the size of the map.
fn sampled_by_position(
    graph: &Graph,
    windows: &InputWindows,
    shapes: &[Shape],
    beyond: [usize; 2],
    value: ValueId,
) -> Option<Sampled> {
    let node = graph.node(value);
    let Op::Upsample(op) = node.op() else {
        return None;
    };
    let from = *node.inputs().first()?;
    let windows = [windows.of(from).ok()?, windows.of(value).ok()?];
    let sizes = [from, value].map(|value| {
        let [_, _, h, w] = shapes[value.index()].nchw();
        [h, w]
    });
    let axis = |axis: usize| {
        let jumps = windows.map(|window: [InputWindow; 2]| window[axis].jump);
        let tile = sizes.map(|size| size[axis]);
        let more = |i: usize| (beyond[axis] as f64 / jumps[i]).round() as usize;
        Resized {
            tile,
            whole: [tile[0] + more(0), tile[1] + more(1)],
            jumps,
        }
    };
    let sampled = Sampled {
        node: value.index(),
        op: *op,
        rows: axis(0),
        columns: axis(1),
    };
    let is_same = [sampled.rows, sampled.columns]
        .iter()
        .all(|axis| axis.scale(op, axis.tile) == axis.scale(op, axis.whole));
    (!is_same).then_some(sampled)
}

impl Resized {
    fn scale(&self, op: &Upsample, [from, to]: [usize; 2]) -> f64 {
        op.scale([from; 2], [to; 2])[0]
    }

    /// For each pixel of a tile's output, its position in the tile's input, from -1 to 1, for a tile at `origin`.
    fn positions(&self, op: &Upsample, origin: usize) -> Vec<f32> {
        let [before, before_output] = self
            .jumps
            .map(|jump| (origin as f64 / jump).round() as usize);
        let scale = self.scale(op, self.whole);
        let last = self.tile[0].saturating_sub(1).max(1) as f64;
        (0..self.tile[1])
            .map(|i| {
                let (first, second, part) = op.source(i + before_output, scale, self.whole[0]);
                let step = (second - first) as f64;
                let position = first as f64 + f64::from(part) * step - before as f64;
                (2.0 * position / last - 1.0) as f32
            })
            .collect()
    }
}

impl Sampled {
    fn operator(&self) -> GridSample {
        GridSample {
            mode: match self.op.mode {
                UpsampleMode::Nearest => GridSampleMode::Nearest,
                UpsampleMode::Bilinear { .. } => GridSampleMode::Bilinear,
            },
            padding: GridSamplePadding::Border,
            align_corners: true,
            volume: None,
        }
    }

    /// The shape of the positions: `[1, 2, height, width]`, columns first.
    pub fn shape(&self) -> Shape {
        Shape::from([1, 2, self.rows.tile[1], self.columns.tile[1]])
    }

    /// The positions of a tile whose first input pixel is in row and column `origin`.
    pub fn positions(&self, origin: [usize; 2]) -> Tensor {
        let rows = self.rows.positions(&self.op, origin[0]);
        let columns = self.columns.positions(&self.op, origin[1]);
        let (height, width) = (rows.len(), columns.len());
        Tensor::from_fn(self.shape(), |i| match i / (height * width) {
            0 => columns[i % width],
            _ => rows[i % (height * width) / width],
        })
    }
}
