//! The transforms of Winograd's convolution along one axis, and of kernels.
//!
//! A tile of 4x4 is interpolated at 0, ±3/4, ±3/2 and infinity. Measured with random values, rounding errors are a third
//! to a quarter of those with the usual 0, ±1, ±2, and all factors are exact in float32. (On the choice of points:
//! Barabasz et al. 2020, "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks".)

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

/// The points of a tile of 4x4 outputs, beside 0 and infinity, are these and their negatives; and their squares.
const A1: f32 = 0.75;
const B1: f32 = 1.5;
const A2: f32 = A1 * A1;
const B2: f32 = B1 * B1;

/// `B^T` times a line of 4 or 6.
#[inline(always)]
pub(super) fn input_line<I: Isa, const A: usize>(isa: I, d: [I::F32; A]) -> [I::F32; A] {
    let ops = isa.f32();
    let mut y = d;
    if A == 4 {
        y[0] = ops.sub(d[0], d[2]);
        y[1] = ops.add(d[1], d[2]);
        y[2] = ops.sub(d[2], d[1]);
        y[3] = ops.sub(d[1], d[3]);
        return y;
    }
    let [a, b, product, sum] = [A2, B2, A2 * B2, A2 + B2].map(|v| ops.splat(v));
    let ends =
        |first, middle, last| ops.mul_add(product, first, ops.sub(last, ops.mul(sum, middle)));
    y[0] = ends(d[0], d[2], d[4]);
    y[5] = ends(d[1], d[3], d[5]);
    // Terms that the lines of a point and its negative share are computed once.
    let even = ops.sub(d[4], ops.mul(b, d[2]));
    let odd = ops.mul(ops.splat(A1), ops.sub(d[3], ops.mul(b, d[1])));
    y[1] = ops.add(even, odd);
    y[2] = ops.sub(even, odd);
    let even = ops.sub(d[4], ops.mul(a, d[2]));
    let odd = ops.mul(ops.splat(B1), ops.sub(d[3], ops.mul(a, d[1])));
    y[3] = ops.add(even, odd);
    y[4] = ops.sub(even, odd);
    y
}

/// `A^T` times a line: M of M + 2.
#[inline(always)]
pub(super) fn output_line<I: Isa, const M: usize, const A: usize>(
    isa: I,
    m: [I::F32; A],
) -> [I::F32; M] {
    let ops = isa.f32();
    let mut y = [ops.zero(); M];
    let (sum, difference) = (ops.add(m[1], m[2]), ops.sub(m[1], m[2]));
    if A == 4 {
        y[0] = ops.add(m[0], sum);
        y[1] = ops.sub(difference, m[3]);
        return y;
    }
    let (far_sum, far_difference) = (ops.add(m[3], m[4]), ops.sub(m[3], m[4]));
    // Each point's power, of the sums or the differences.
    let line = |near: f32, far: f32, near_term, far_term| {
        ops.mul_add(
            ops.splat(near),
            near_term,
            ops.mul(ops.splat(far), far_term),
        )
    };
    y[0] = ops.add(m[0], ops.add(sum, far_sum));
    y[1] = line(A1, B1, difference, far_difference);
    y[2] = line(A2, B2, sum, far_sum);
    y[3] = ops.add(m[5], line(A1 * A2, B1 * B2, difference, far_difference));
    y
}

/// Points of a tile at most.
const MAX_POINTS: usize = 36;

/// `G` for tiles of 2x2 or 4x4 outputs. In float64, since kernels are transformed once.
pub(super) struct KernelTransform {
    lines: Vec<[f64; 3]>,
}

impl KernelTransform {
    pub fn new(tile: usize) -> Self {
        let lines = match tile {
            2 => vec![
                [1.0, 0.0, 0.0],
                [0.5, 0.5, 0.5],
                [0.5, -0.5, 0.5],
                [0.0, 0.0, 1.0],
            ],
            _ => {
                let [a, b] = [A1, B1].map(f64::from);
                let (a2, b2) = (a * a, b * b);
                // The powers of a point, divided by its differences from all others.
                let of_point = |p: f64, divisor: f64| [1.0, p, p * p].map(|power| power / divisor);
                let (near, far) = (2.0 * a2 * (a2 - b2), 2.0 * b2 * (b2 - a2));
                vec![
                    of_point(0.0, a2 * b2),
                    of_point(a, near),
                    of_point(-a, near),
                    of_point(b, far),
                    of_point(-b, far),
                    [0.0, 0.0, 1.0],
                ]
            }
        };
        Self { lines }
    }

    /// `G g G^T` of a kernel of 3x3 numbers: the first are its points.
    pub fn apply(&self, g: &[f32]) -> [f32; MAX_POINTS] {
        let mut points = [0.0; MAX_POINTS];
        let side = self.lines.len();
        let g: [f64; 9] = std::array::from_fn(|i| f64::from(g[i]));
        for (row, to) in self.lines.iter().zip(points.chunks_exact_mut(side)) {
            // A row of G g.
            let line: [f64; 3] =
                std::array::from_fn(|x| row[0] * g[x] + row[1] * g[3 + x] + row[2] * g[6 + x]);
            for (column, point) in self.lines.iter().zip(to) {
                *point = (line[0] * column[0] + line[1] * column[1] + line[2] * column[2]) as f32;
            }
        }
        points
    }
}
