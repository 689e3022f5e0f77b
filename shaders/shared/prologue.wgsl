// What is done to an element as it is loaded: a norm, as one scale and one shift a channel, and an
// activation. A shader that imports this has `prologue_slope: f32` in its uniform block, and a
// binding `prologue: array<vec4<f32>>`, scale and shift of an element side by side; where there is
// no norm, any buffer. Zeros of a padding are not to go through it.
#import shared/activation

override PROLOGUE_NORM: u32 = 0u;
override PROLOGUE_ACTIVATION: u32 = IDENTITY;

// The element of channels from `group * 4` on.
fn enter(element: vec4<f32>, group: u32) -> vec4<f32> {
    var value = element;
    if PROLOGUE_NORM != 0u {
        value = value * prologue[group * 2u] + prologue[group * 2u + 1u];
    }
    return activate_as(PROLOGUE_ACTIVATION, value, params.prologue_slope);
}
