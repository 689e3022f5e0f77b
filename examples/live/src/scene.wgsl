// A photograph seen through a window that moves over it, or two photographs while one fades into the other.

struct Uniforms {
    /// Left, top, width and height of each window, as shares of its photograph.
    from_window: vec4<f32>,
    to_window: vec4<f32>,
    /// 0 shows the first, 1 the second.
    mixed: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var filtering: sampler;
@group(0) @binding(2) var from_photograph: texture_2d<f32>;
@group(0) @binding(3) var to_photograph: texture_2d<f32>;

struct Vertex {
    @builtin(position) position: vec4<f32>,
    @location(0) at: vec2<f32>,
}

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> Vertex {
    // One triangle that covers the target.
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return Vertex(vec4<f32>(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0), corner);
}

@fragment
fn fragment(v: Vertex) -> @location(0) vec4<f32> {
    let before = textureSample(from_photograph, filtering, u.from_window.xy + v.at * u.from_window.zw);
    let after = textureSample(to_photograph, filtering, u.to_window.xy + v.at * u.to_window.zw);
    return vec4<f32>(mix(before.rgb, after.rgb, u.mixed), 1.0);
}
