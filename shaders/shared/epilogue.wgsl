// Epilogue of a kernel, applied to a sum (bias included) before it is stored: adds the residual and applies
// the activation. A shader that imports this has `epilogue: EpilogueParams` and `output: TensorView` in its
// uniform block, and the bindings `residual: array<Element>` (any buffer where there is no residual or it
// is in place) and `output: array<Element>`. The invocation that calls `apply_epilogue` for an element must
// be the one that stores it, since an in-place residual is read from the same element.
#import shared/activation

const NO_RESIDUAL: u32 = 0u;
const BEFORE_ACTIVATION: u32 = 1u;
const AFTER_ACTIVATION: u32 = 2u;

override RESIDUAL: u32 = NO_RESIDUAL;
// 1 where the output already has a part of the sum, from an earlier dispatch.
override ACCUMULATE: u32 = 0u;
// 1 where the residual is stored in the output's memory.
override RESIDUAL_IN_PLACE: u32 = 0u;

struct EpilogueParams {
    residual: TensorView,
    // Padded: in a uniform block, the member after a struct begins at a multiple of 16 bytes.
    @size(16) slope: f32,
}

// The output of the pixel at `position` (batch, row, column), channels from `c4_index * 4` on.
fn apply_epilogue(sum: vec4<f32>, position: vec3<u32>, c4_index: u32) -> vec4<f32> {
    var value = sum;
    if ACCUMULATE != 0u {
        let element = element_at(params.output, position.x, position.y, position.z) + c4_index;
        value += unpack_element(output[element]);
    }
    if RESIDUAL == BEFORE_ACTIVATION {
        value += load_residual(position, c4_index);
    }
    value = activate(value, params.epilogue.slope);
    if RESIDUAL == AFTER_ACTIVATION {
        value += load_residual(position, c4_index);
    }
    return zero_unused_lanes(value, c4_index, params.output.channels);
}

fn load_residual(position: vec3<u32>, c4_index: u32) -> vec4<f32> {
    let element = element_at(params.epilogue.residual, position.x, position.y, position.z) + c4_index;
    if RESIDUAL_IN_PLACE != 0u {
        return unpack_element(output[element]);
    }
    return unpack_element(residual[element]);
}
