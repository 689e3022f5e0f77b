//! What the pixels of a resized axis are made of, by ONNX's rules of positions and filters.

use crate::graph::{TapWindow, Taps};
use crate::onnx::node::OnnxNode;

/// Resize's settings that are the same for all axes.
pub(super) struct Filter {
    kernel: Kernel,
    coordinates: Coordinates,
    /// Whether pixels beyond the edges have no weight, instead of being those at the edges.
    exclude_outside: bool,
    /// Whether a kernel is as wide as an output pixel where that is larger than an input pixel.
    antialias: bool,
}

/// How a value is made of its neighbors.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kernel {
    Nearest(Rounding),
    Linear,
    /// Keys 1981, equation 4, with the coefficient `a`.
    Cubic(f64),
}

/// Which neighbor is the nearest, by the part of a pixel beyond the lower one.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Rounding {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
}

/// Where an output pixel is in the input.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    HalfPixelForNearest,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    CropAndResize,
}

/// The sizes of a resized axis.
pub(super) struct Axis {
    pub input: usize,
    pub output: usize,
    /// Output pixels per input pixel: not always `output / input`, which is a whole number of pixels.
    pub scale: f64,
    /// The part of the input that is resized, of `Coordinates::CropAndResize`.
    pub region: [f64; 2],
}

impl Filter {
    /// The settings of a node. `is_old` is a node from before there were any but `mode`.
    pub fn new(node: OnnxNode, is_old: bool) -> Result<Self, String> {
        let text = |name, default| match is_old {
            true => default,
            false => node.string_or(name, default),
        };
        let rounding = if is_old {
            "floor"
        } else {
            "round_prefer_floor"
        };
        let rounding = match text("nearest_mode", rounding) {
            "round_prefer_floor" => Rounding::PreferFloor,
            "round_prefer_ceil" => Rounding::PreferCeil,
            "floor" => Rounding::Floor,
            "ceil" => Rounding::Ceil,
            other => return Err(format!("its nearest_mode '{other}' is not supported")),
        };
        let kernel = match node.string_or("mode", "nearest") {
            "nearest" => Kernel::Nearest(rounding),
            "linear" | "bilinear" => Kernel::Linear,
            "cubic" => Kernel::Cubic(node.float_or("cubic_coeff_a", -0.75).into()),
            other => return Err(format!("its mode '{other}' is not supported")),
        };
        let default = if is_old { "asymmetric" } else { "half_pixel" };
        let coordinates = match text("coordinate_transformation_mode", default) {
            "half_pixel" => Coordinates::HalfPixel,
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "align_corners" => Coordinates::AlignCorners,
            "asymmetric" => Coordinates::Asymmetric,
            "tf_crop_and_resize" => Coordinates::CropAndResize,
            // Of opset 11 and 12.
            "tf_half_pixel_for_nn" => Coordinates::HalfPixelForNearest,
            other => {
                return Err(format!(
                    "its coordinate_transformation_mode '{other}' is not supported"
                ));
            }
        };
        Ok(Self {
            kernel,
            coordinates,
            exclude_outside: node.flag("exclude_outside"),
            antialias: node.flag("antialias") && !matches!(kernel, Kernel::Nearest(_)),
        })
    }

    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    pub fn coordinates(&self) -> Coordinates {
        self.coordinates
    }

    /// What the pixels of an axis are made of.
    pub fn taps(&self, axis: &Axis) -> Result<Taps, String> {
        let Axis {
            input,
            output,
            scale,
            ..
        } = *axis;
        let kernel_scale = if self.antialias { scale.min(1.0) } else { 1.0 };
        let radius = match self.kernel {
            Kernel::Nearest(_) | Kernel::Linear => 1.0,
            Kernel::Cubic(_) => 2.0,
        } / kernel_scale;
        let size = i64::try_from(input).map_err(|_| "its input is too large".to_owned())?;
        let weights = (2.0 * radius + 2.0) * output as f64;
        // Also where the scale is 0 or not a number.
        if size == 0 || !(scale > 0.0 && weights <= Taps::MAX_WEIGHTS as f64) {
            return Err(format!(
                "resizing {input} to {output} by {scale} is not possible"
            ));
        }
        let windows = (0..output).map(|i| {
            let x = axis.position(self.coordinates, i);
            // The extrapolated pixels.
            let last = size.saturating_sub(1);
            if self.coordinates == Coordinates::CropAndResize && !(0.0..=last as f64).contains(&x) {
                return TapWindow::default();
            }
            let neighbors = self.neighbors(x, radius, kernel_scale);
            window(neighbors, last, self.exclude_outside)
        });
        Ok(Taps {
            input,
            windows: windows.collect(),
        })
    }

    /// The pixels around `x` with their weights, whose sum is 1. Some may be beyond the edges.
    fn neighbors(&self, x: f64, radius: f64, scale: f64) -> Vec<(i64, f64)> {
        let weight = |distance: f64| {
            let d = distance.abs();
            match self.kernel {
                Kernel::Nearest(_) | Kernel::Linear => (1.0 - d).max(0.0),
                Kernel::Cubic(a) if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
                Kernel::Cubic(a) if d < 2.0 => ((d - 5.0) * d + 8.0) * d * a - 4.0 * a,
                Kernel::Cubic(_) => 0.0,
            }
        };
        if let Kernel::Nearest(rounding) = self.kernel {
            let part = x - x.floor();
            let is_upper = match rounding {
                Rounding::PreferFloor => part > 0.5,
                Rounding::PreferCeil => part >= 0.5,
                Rounding::Floor => false,
                Rounding::Ceil => part > 0.0,
            };
            let nearest = if is_upper { x.floor() + 1.0 } else { x.floor() };
            return vec![(index(nearest), 1.0)];
        }
        let pixels = index((x - radius).floor())..=index((x + radius).ceil());
        let pixels: Vec<(i64, f64)> = pixels
            .map(|i| (i, weight((i as f64 - x) * scale)))
            .collect();
        let sum: f64 = pixels.iter().map(|(_, weight)| weight).sum();
        pixels
            .into_iter()
            .map(|(i, weight)| (i, weight / sum))
            .collect()
    }
}

impl Axis {
    /// Where output pixel `i` is in the input.
    fn position(&self, coordinates: Coordinates, i: usize) -> f64 {
        let (input, i) = (self.input as f64, i as f64);
        // A fraction where it follows from a scale.
        let output = self.scale * input;
        let half_pixel = (i + 0.5) / self.scale - 0.5;
        match coordinates {
            Coordinates::HalfPixel => half_pixel,
            Coordinates::HalfPixelSymmetric => {
                input / 2.0 * (1.0 - self.output as f64 / output) + half_pixel
            }
            Coordinates::HalfPixelForNearest => half_pixel + 0.5,
            Coordinates::PytorchHalfPixel if self.output == 1 => 0.0,
            Coordinates::PytorchHalfPixel => half_pixel,
            Coordinates::AlignCorners if self.output == 1 => 0.0,
            Coordinates::AlignCorners => i * (input - 1.0) / (output - 1.0),
            Coordinates::Asymmetric => i / self.scale,
            Coordinates::CropAndResize => {
                let [start, end] = self.region;
                match self.output {
                    1 => 0.5 * (start + end) * (input - 1.0),
                    count => {
                        let step = (end - start) * (input - 1.0) / (count as f64 - 1.0);
                        start * (input - 1.0) + i * step
                    }
                }
            }
        }
    }
}

/// The pixels up to `last` with their weights: those beyond the edges are the ones at the edges, or are left out.
fn window(neighbors: Vec<(i64, f64)>, last: i64, exclude_outside: bool) -> TapWindow {
    let is_kept = |i: i64| !exclude_outside || (0..=last).contains(&i);
    let kept = neighbors.into_iter().filter(|(i, _)| is_kept(*i));
    let kept: Vec<(i64, f64)> = kept.map(|(i, weight)| (i.clamp(0, last), weight)).collect();
    let sum: f64 = match exclude_outside {
        true => kept.iter().map(|(_, weight)| weight).sum(),
        false => 1.0,
    };
    let (Some(&(first, _)), Some(&(end, _))) = (kept.first(), kept.last()) else {
        return nothing(0);
    };
    let place = |i: i64| usize::try_from(i.saturating_sub(first)).unwrap_or(0);
    let mut weights = vec![0.0; place(end).saturating_add(1)];
    for (i, weight) in kept {
        if let Some(total) = weights.get_mut(place(i)) {
            *total += if sum == 0.0 { weight } else { weight / sum };
        }
    }
    let first = usize::try_from(first).unwrap_or(0);
    let weights: Vec<f32> = weights.into_iter().map(narrowed).collect();
    // Pixels without weight are not read.
    let is_used = |weight: &f32| *weight != 0.0;
    let (Some(start), Some(stop)) = (
        weights.iter().position(is_used),
        weights.iter().rposition(is_used),
    ) else {
        return nothing(first);
    };
    TapWindow {
        first: first.saturating_add(start),
        weights: weights.get(start..=stop).unwrap_or_default().to_vec(),
    }
}

/// A pixel that is 0: one without taps would be extrapolated.
fn nothing(first: usize) -> TapWindow {
    TapWindow {
        first,
        weights: vec![0.0],
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
fn narrowed(weight: f64) -> f32 {
    weight as f32
}

/// A whole number as an integer; those beyond its range saturate.
#[expect(clippy::cast_possible_truncation, reason = "saturating is intended")]
fn index(x: f64) -> i64 {
    x as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(kernel: Kernel, coordinates: Coordinates) -> Filter {
        Filter {
            kernel,
            coordinates,
            exclude_outside: false,
            antialias: false,
        }
    }

    fn axis(input: usize, output: usize) -> Axis {
        Axis {
            input,
            output,
            scale: output as f64 / input as f64,
            region: [0.0, 1.0],
        }
    }

    #[test]
    fn halves_are_rounded_as_asked() {
        let sources = |rounding| {
            let filter = filter(Kernel::Nearest(rounding), Coordinates::Asymmetric);
            let taps = filter.taps(&axis(3, 6)).unwrap();
            let first = taps.windows.iter().map(|window| window.first);
            first.collect::<Vec<_>>()
        };
        // Positions 0, 0.5, 1, 1.5, 2 and 2.5.
        assert_eq!(sources(Rounding::PreferFloor), [0, 0, 1, 1, 2, 2]);
        assert_eq!(sources(Rounding::PreferCeil), [0, 1, 1, 2, 2, 2]);
        assert_eq!(sources(Rounding::Floor), [0, 0, 1, 1, 2, 2]);
        assert_eq!(sources(Rounding::Ceil), [0, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn weights_add_up_to_one() {
        let kernels = [
            Kernel::Nearest(Rounding::PreferFloor),
            Kernel::Linear,
            Kernel::Cubic(-0.75),
        ];
        for kernel in kernels {
            for (antialias, exclude_outside) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                for (input, output) in [(1, 5), (7, 3), (4, 9), (9, 1), (64, 5)] {
                    let filter = Filter {
                        antialias,
                        exclude_outside,
                        ..filter(kernel, Coordinates::HalfPixel)
                    };
                    let taps = filter.taps(&axis(input, output)).unwrap();
                    assert_eq!(taps.windows.len(), output);
                    for window in taps.windows {
                        let sum: f32 = window.weights.iter().sum();
                        assert!((sum - 1.0).abs() < 1e-5, "{window:?}");
                        assert!(window.first + window.weights.len() <= input);
                    }
                }
            }
        }
    }

    #[test]
    fn an_equal_size_is_the_identity() {
        for coordinates in [
            Coordinates::HalfPixel,
            Coordinates::AlignCorners,
            Coordinates::Asymmetric,
            Coordinates::CropAndResize,
        ] {
            let filter = filter(Kernel::Cubic(-0.5), coordinates);
            assert_eq!(filter.taps(&axis(5, 5)).unwrap(), Taps::identity(5));
        }
    }

    #[test]
    fn what_is_cropped_beyond_the_edges_has_no_taps() {
        let filter = filter(Kernel::Linear, Coordinates::CropAndResize);
        let beyond = Axis {
            region: [-0.5, 1.0],
            ..axis(3, 4)
        };
        // Positions -1, 0, 1 and 2.
        let taps = filter.taps(&beyond).unwrap();
        assert_eq!(taps.windows[0], TapWindow::default());
        assert_eq!(taps.windows[1..], Taps::identity(3).windows);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let filter = filter(Kernel::Linear, Coordinates::HalfPixel);
        for (input, output) in [(0, 3), (3, usize::MAX), (usize::MAX, 1)] {
            assert!(
                filter.taps(&axis(input, output)).is_err(),
                "{input} {output}"
            );
        }
        let scale = f64::NAN;
        assert!(
            filter
                .taps(&Axis {
                    scale,
                    ..axis(3, 3)
                })
                .is_err()
        );
    }
}
