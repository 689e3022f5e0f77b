// A box that a head has found, before non-maximum suppression.
struct Candidate {
    // Left, top, right and bottom in units of the network's input.
    corners: vec4<f32>,
    score: f32,
    id: u32,
    // Its place among the boxes of its class, head after head, in the order of `Head::decode`.
    sequence: u32,
    unused: u32,
}
