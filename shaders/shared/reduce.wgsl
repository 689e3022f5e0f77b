// Sum, mean, maximum, minimum or product, lane by lane. The mean is summed here and divided by the caller.
#import shared/nan

const SUM: u32 = 0u;
const MEAN: u32 = 1u;
const MAX: u32 = 2u;
const MIN: u32 = 3u;
const PROD: u32 = 4u;

override OPERATION: u32 = SUM;

// Combines two partial results; NaN wins.
fn reduce(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    if OPERATION == MAX {
        return max_or_nan(a, b);
    }
    if OPERATION == MIN {
        return min_or_nan(a, b);
    }
    if OPERATION == PROD {
        return a * b;
    }
    return a + b;
}
