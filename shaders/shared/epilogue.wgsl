// What is done to a sum (its bias added already) before it is stored: the residual is added and the
// activation applied. A shader that imports this has `epilogue: Epilogue` and `output: TensorView` in its
// uniform block, and bindings `residual: array<Element>` (where there is none, or it lies where the
// answer goes, any buffer) and `output: array<Element>`. The invocation that calls `finish` is the one
// that stores its answer: the residual may lie there.
#import shared/activation

const NO_RESIDUAL: u32 = 0u;
const BEFORE_ACTIVATION: u32 = 1u;
const AFTER_ACTIVATION: u32 = 2u;

override RESIDUAL: u32 = NO_RESIDUAL;
// Whether the residual lies where the answer goes.
override RESIDUAL_IN_PLACE: u32 = 0u;

struct Epilogue {
    residual: TensorView,
    // Filled up: what follows a struct in a uniform block begins at a multiple of 16 bytes.
    @size(16) slope: f32,
}

// The answer of a pixel (batch, row, column of the output), channels from `group * 4` on.
fn finish(sum: vec4<f32>, at: vec3<u32>, group: u32) -> vec4<f32> {
    var value = sum;
    if RESIDUAL == BEFORE_ACTIVATION {
        value += residual_at(at, group);
    }
    value = activate(value, params.epilogue.slope);
    if RESIDUAL == AFTER_ACTIVATION {
        value += residual_at(at, group);
    }
    return zero_unused_lanes(value, group, params.output.channels);
}

fn residual_at(at: vec3<u32>, group: u32) -> vec4<f32> {
    let element = element_at(params.epilogue.residual, at.x, at.y, at.z) + group;
    if RESIDUAL_IN_PLACE != 0u {
        return unpack_element(output[element]);
    }
    return unpack_element(residual[element]);
}
