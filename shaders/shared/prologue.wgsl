// Prologue of a kernel, applied to an input element as it is loaded: a normalization, as one scale and one
// shift per channel, and an activation. A shader that imports this has `prologue_slope: f32` in its uniform
// block, and a binding `prologue: array<vec4<f32>>` with each element's scale and shift side by side, or any
// buffer where there is no normalization. The zeros of padding must not go through the prologue.
#import shared/activation

override PROLOGUE_NORM: u32 = 0u;
override PROLOGUE_ACTIVATION: u32 = IDENTITY;

// The normalization of an element's channels; 1 and 0 without one.
struct Scales {
    scale: vec4<f32>,
    shift: vec4<f32>,
}

// Those of the channels from `c4_index * 4` on.
fn load_scales(c4_index: u32) -> Scales {
    if PROLOGUE_NORM == 0u {
        return Scales(vec4<f32>(1.0), vec4<f32>());
    }
    return Scales(prologue[c4_index * 2u], prologue[c4_index * 2u + 1u]);
}

// The prologue of an element with these scales, or zeros where it is not inside the input.
fn apply_scales(element: vec4<f32>, scales: Scales, inside: bool) -> vec4<f32> {
    var value = element;
    if PROLOGUE_NORM != 0u {
        value = value * scales.scale + scales.shift;
    }
    if PROLOGUE_ACTIVATION == RELU {
        return relu_or_zero(value, inside);
    }
    return select(vec4<f32>(), activate_as(PROLOGUE_ACTIVATION, value, params.prologue_slope), inside);
}

// `element` holds the channels from `c4_index * 4` on.
fn apply_prologue(element: vec4<f32>, c4_index: u32) -> vec4<f32> {
    return apply_scales(element, load_scales(c4_index), true);
}
