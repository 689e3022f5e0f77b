// A box found by a detection head, before non-maximum suppression.
struct Candidate {
    // Left, top, right and bottom in units of the network's input.
    corners: vec4<f32>,
    score: f32,
    class_id: u32,
    // Index among all boxes, head after head, in the order of `Head::decode`. It breaks ties between
    // equal scores of a class.
    sequence: u32,
    unused: u32,
}
