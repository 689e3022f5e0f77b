//! The roofline plot: the throughput of kernels below the measured peaks of the device.

use std::ops::Range;

use maud::{Markup, PreEscaped, html};
use plotters::coord::combinators::WithKeyPoints;
use plotters::prelude::*;

use super::label_layout::{DotLabel, LabelLayout, LineLabel, Rect};
use super::{DrawResult, family, number};
use crate::bench::results::{Kernel, Kernels};

const SIZE: (u32, u32) = (1200, 640);
/// Colors that are distinct on white, also for color-blind readers (Paul Tol's, darkened).
const COLORS: [&str; 10] = [
    "#0072b2", "#d55e00", "#009e73", "#aa3377", "#8c6d00", "#56a0d3", "#666666", "#332288",
    "#000000", "#882255",
];
const LINE: RGBColor = RGBColor(87, 96, 106);
/// At most this many dots are labeled, to keep the labels readable.
const MAX_LABELS: usize = 9;

struct Dot<'a> {
    kernel: &'a Kernel,
    x: f64,
    y: f64,
}

/// The device's peaks as far as known.
struct Peaks {
    /// GFLOP/s.
    arithmetic: Option<f64>,
    /// `memory` and `cache` with GB/s.
    slopes: Vec<(&'static str, f64)>,
}

/// A ceiling of the roofline.
struct Ceiling {
    name: String,
    from: (f64, f64),
    to: (f64, f64),
}

impl Peaks {
    fn new(kernels: &Kernels) -> Self {
        let memory = positive(kernels.peak_gbyte_per_second);
        // Only one line if both are nearly equal.
        let cache = positive(kernels.cached_gbyte_per_second)
            .filter(|cache| memory.is_none_or(|memory| *cache > memory * 1.05));
        let slopes = [
            memory.map(|slope| ("memory", slope)),
            cache.map(|slope| ("cache", slope)),
        ];
        Self {
            arithmetic: positive(kernels.peak_gflop_per_second),
            slopes: slopes.into_iter().flatten().collect(),
        }
    }

    /// The intensities above which arithmetic is the bottleneck.
    fn ridges(&self) -> impl Iterator<Item = f64> {
        self.slopes
            .iter()
            .filter_map(|(_, slope)| Some(self.arithmetic? / slope))
    }

    /// Whether the dot is more than 2 % above all ceilings.
    fn are_below(&self, dot: &Dot) -> bool {
        let slope = self.slopes.last().map(|(_, slope)| slope * dot.x);
        let ceilings = [self.arithmetic, slope].into_iter().flatten();
        ceilings.fold(f64::INFINITY, f64::min) * 1.02 < dot.y
    }

    /// The slopes up to their ridge, and the flat line from the first ridge.
    fn ceilings(&self, xs: &Range<f64>, ys: &Range<f64>) -> Vec<Ceiling> {
        let top = self.arithmetic.unwrap_or(ys.end);
        let slopes = self.slopes.iter().map(|(name, slope)| {
            let start = xs.start.max(ys.start / slope);
            let end = xs.end.min(top / slope);
            Ceiling {
                name: format!("{name}, {} GB/s", number(Some(*slope))),
                from: (start, start * slope),
                to: (end, end * slope),
            }
        });
        let flat = self.arithmetic.map(|peak| {
            let first = self.ridges().fold(f64::INFINITY, f64::min);
            let start = if first.is_finite() { first } else { xs.start };
            Ceiling {
                name: format!("arithmetic, {} GFLOP/s", number(Some(peak))),
                from: (start, peak),
                to: (xs.end, peak),
            }
        });
        // Slopes outside the plot are not drawn.
        slopes
            .chain(flat)
            .filter(|line| line.from.0 < line.to.0)
            .collect()
    }
}

fn positive(value: Option<f64>) -> Option<f64> {
    value.filter(|value| *value > 0.0 && value.is_finite())
}

/// The families of all kernels that are drawn as dots. A family has the same color in all plots of the page.
pub fn families<'a>(kernels: impl Iterator<Item = &'a Kernels>) -> Vec<&'a str> {
    let dots = kernels.flat_map(|kernels| kernels.kernels.iter().filter_map(Dot::new));
    let mut families = Vec::new();
    for name in dots.map(|dot| family(dot.kernel)) {
        if !families.contains(&name) {
            families.push(name);
        }
    }
    families
}

/// The plot with its legend; empty if no kernel has arithmetic.
pub fn figure(kernels: &Kernels, families: &[&str]) -> DrawResult<Markup> {
    let mut dots: Vec<Dot> = kernels.kernels.iter().filter_map(Dot::new).collect();
    // Selected kernels are drawn on top.
    dots.sort_by_key(|dot| dot.kernel.rule);
    if dots.is_empty() {
        return Ok(html! {});
    }
    let color = |name: &str| {
        let index = families.iter().position(|family| *family == name);
        COLORS[index.unwrap_or_default() % COLORS.len()]
    };
    let is_used = |name: &&&str| dots.iter().any(|dot| family(dot.kernel) == **name);
    let peaks = Peaks::new(kernels);
    let above = dots.iter().filter(|dot| peaks.are_below(dot)).count();
    Ok(html! {
        h3 { "Roofline" }
        figure {
            (plot(kernels, &dots, &color)?)
            ul.legend {
                @for name in families.iter().filter(is_used) {
                    li {
                        span.dot style={ "color:" (color(name)) } {}
                        (name)
                    }
                }
            }
            figcaption {
                "Each dot is a kernel on a case; it is filled if the heuristic selects the kernel. Hover over a dot for \
                 details. The lines are the measured peaks of this device, the upper bound for kernels."
                @if above > 0 {
                    " Dots above all lines: " (above) ". The device was busy when its peaks were measured, or a cache is faster than the measured one."
                }
            }
        }
    })
}

impl<'a> Dot<'a> {
    fn new(kernel: &'a Kernel) -> Option<Self> {
        positive(kernel.operations)?;
        Some(Self {
            kernel,
            x: positive(kernel.intensity)?,
            y: positive(kernel.gflop_per_second)?,
        })
    }

    /// The details shown on hover.
    fn title(&self) -> String {
        let kernel = self.kernel;
        format!(
            "{}: {}{}\n{} GFLOP/s, {} GB/s, {} FLOP/byte, {} ms",
            kernel.case,
            kernel.kernel,
            if kernel.rule {
                " (selected by the heuristic)"
            } else {
                ""
            },
            number(kernel.gflop_per_second),
            number(kernel.gbyte_per_second),
            number(kernel.intensity),
            number(kernel.time.min_ms),
        )
    }

    /// A short label: the kernel, and the operator's input and output channels.
    fn label(&self) -> String {
        let mut name = self.kernel.kernel.clone();
        let mut words = self.kernel.case.split_whitespace().skip(1);
        name.extend(words.next().map(|shape| format!(" {shape}")));
        name.extend(words.find_map(|word| Some(format!("→{}", word.strip_prefix("out=")?))));
        match name.char_indices().nth(44) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name,
        }
    }
}

fn plot(
    kernels: &Kernels,
    dots: &[Dot],
    color: &dyn Fn(&str) -> &'static str,
) -> DrawResult<Markup> {
    let peaks = Peaks::new(kernels);
    let xs = padded_range(dots.iter().map(|dot| dot.x).chain(peaks.ridges()));
    let ys = padded_range(dots.iter().map(|dot| dot.y).chain(peaks.arithmetic));
    let ceilings = peaks.ceilings(&xs, &ys);

    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin(8)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(axis(&xs), axis(&ys))?;
    let tick = |value: &f64| tick(*value);
    chart
        .configure_mesh()
        .x_desc("FLOP/byte")
        .y_desc("GFLOP/s")
        .x_label_formatter(&tick)
        .y_label_formatter(&tick)
        .bold_line_style(RGBColor(222, 226, 230))
        .light_line_style(RGBColor(244, 246, 248))
        .axis_style(LINE)
        .label_style(("sans-serif", 16, &RGBColor(27, 31, 36)))
        .draw()?;
    for ceiling in &ceilings {
        let ends = [ceiling.from, ceiling.to];
        chart.draw_series(LineSeries::new(ends, LINE.stroke_width(2)))?;
    }
    let pixel = |point: &(f64, f64)| {
        let (x, y) = chart.plotting_area().map_coordinate(point);
        (f64::from(x), f64::from(y))
    };
    let (across, down) = chart.plotting_area().get_pixel_range();
    let mut layout = LabelLayout::new(Rect {
        left: f64::from(across.start) + 2.0,
        top: f64::from(down.start) + 2.0,
        right: f64::from(across.end) - 2.0,
        bottom: f64::from(down.end) - 2.0,
    });
    let positions: Vec<(f64, f64)> = dots.iter().map(|dot| pixel(&(dot.x, dot.y))).collect();
    for position in &positions {
        layout.occupy(Rect::around(*position, 6.0));
    }
    for ceiling in &ceilings {
        layout.occupy_line(pixel(&ceiling.from), pixel(&ceiling.to));
    }
    let mut texts = Vec::new();
    for ceiling in &ceilings {
        let (from, to) = (pixel(&ceiling.from), pixel(&ceiling.to));
        let label = layout.place_along(from, to, &ceiling.name);
        texts.extend(label.map(|LineLabel { base, degrees }| {
            let (x, y) = base;
            let transform = format!("translate({x:.1} {y:.1}) rotate({degrees:.2})");
            html! {
                text.ceiling transform=(transform) dominant-baseline="central" { (ceiling.name) }
            }
        }));
    }
    root.present()?;
    drop(chart);
    drop(root);
    for (dot, label) in labeled(dots, &positions) {
        if let Some(DotLabel { base, leader }) = layout.place_near(dot, &label) {
            texts.push(html! {
                @if let Some(end) = leader {
                    line.leader x1=(pixels(dot.0)) y1=(pixels(dot.1)) x2=(pixels(end.0)) y2=(pixels(end.1)) {}
                }
                text.label x=(pixels(base.0)) y=(pixels(base.1)) { (label) }
            });
        }
    }
    // Elements with titles and classes, which the SVG backend cannot write.
    let overlay = html! {
        @for text in &texts { (text) }
        @for (dot, position) in dots.iter().zip(&positions) {
            @let color = color(family(dot.kernel));
            @let fill = if dot.kernel.rule { color } else { "#fff" };
            circle cx=(pixels(position.0)) cy=(pixels(position.1)) r="4.5" stroke=(color) stroke-width="1.5" fill=(fill) {
                title { (dot.title()) }
            }
        }
    };
    // Inline SVG in HTML needs no namespace.
    let svg = svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", " role=\"img\"");
    let svg = svg.trim_end().trim_end_matches("</svg>");
    Ok(html! { (PreEscaped(svg)) (overlay) (PreEscaped("</svg>")) })
}

/// The dots that get labels, the most interesting first: the fastest; of the selected kernels those with the
/// lowest and the highest utilization; the fastest of each family.
fn labeled(dots: &[Dot], positions: &[(f64, f64)]) -> Vec<((f64, f64), String)> {
    let all: Vec<usize> = (0..dots.len()).collect();
    let mut order: Vec<usize> = all.clone();
    order.sort_by(|a, b| dots[*b].y.total_cmp(&dots[*a].y));
    let utilization = |i: &usize| dots[*i].kernel.of_bound.unwrap_or(1.0);
    let selected = || all.iter().copied().filter(|i| dots[*i].kernel.rule);
    let worst = selected().min_by(|a, b| utilization(a).total_cmp(&utilization(b)));
    let best = selected().max_by(|a, b| utilization(a).total_cmp(&utilization(b)));
    let mut picked: Vec<usize> = order
        .first()
        .copied()
        .into_iter()
        .chain(worst)
        .chain(best)
        .collect();
    let mut families = Vec::new();
    for i in order {
        let family = family(dots[i].kernel);
        if !families.contains(&family) {
            families.push(family);
            picked.push(i);
        }
    }
    let mut seen = Vec::new();
    picked.retain(|i| {
        !seen.contains(i) && {
            seen.push(*i);
            true
        }
    });
    let label = |i: &usize| (positions[*i], dots[*i].label());
    picked.iter().take(MAX_LABELS).map(label).collect()
}

/// The range of the values with a margin for labels.
fn padded_range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (min, max) = values.fold((f64::INFINITY, 0.0_f64), |(min, max), value| {
        (min.min(value), max.max(value))
    });
    min / 1.8..max * 1.8
}

/// A logarithmic axis with numbers at the powers of ten, and more numbers if the range is small.
fn axis(range: &Range<f64>) -> WithKeyPoints<LogCoord<f64>> {
    let ticks = |steps: &[f64]| {
        let powers = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
        let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        all.filter(|tick| range.contains(tick)).collect::<Vec<_>>()
    };
    let bold = match range.end / range.start > 5e3 {
        true => ticks(&[1.0]),
        false => ticks(&[1.0, 2.0, 5.0]),
    };
    let light = ticks(&[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    let axis = range.clone().log_scale();
    axis.with_key_points(bold).with_light_points(light)
}

/// The text of a tick, without an exponent unless it is very small or large.
fn tick(value: f64) -> String {
    match (0.001..1e7).contains(&value) {
        // Removes the rounding error of the logarithm.
        true => format!("{}", (value * 1e6).round() / 1e6),
        false => format!("{value:e}"),
    }
}

fn pixels(value: f64) -> String {
    format!("{value:.1}")
}
