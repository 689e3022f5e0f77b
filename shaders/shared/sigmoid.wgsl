fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    // exp(-x) overflows to infinity for very negative x; 1 / infinity is 0, which is the limit.
    return 1.0 / (1.0 + exp(-x));
}
