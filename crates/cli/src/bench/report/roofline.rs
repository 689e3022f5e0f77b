//! The roofline: what kernels reach, under what the device was measured to give at most.

use std::ops::Range;

use maud::{Markup, PreEscaped, html};
use plotters::coord::combinators::WithKeyPoints;
use plotters::prelude::*;

use super::labels::{Along, Area, Label, Room};
use super::{Drawn, family, number};
use crate::bench::results::{Kernel, Kernels};

const SIZE: (u32, u32) = (1200, 640);
/// Colours that are told apart on white, by people who see few of them too (Paul Tol's, darkened).
const COLOURS: [&str; 10] = [
    "#0072b2", "#d55e00", "#009e73", "#aa3377", "#8c6d00", "#56a0d3", "#666666", "#332288",
    "#000000", "#882255",
];
const LINE: RGBColor = RGBColor(87, 96, 106);
/// Names beside dots: no more, for they are to be read.
const NAMES: usize = 9;

struct Dot<'a> {
    kernel: &'a Kernel,
    x: f64,
    y: f64,
}

/// What the device gives at most, in billions a second, where that is known.
struct Peaks {
    arithmetic: Option<f64>,
    /// Bytes, and of what.
    slopes: Vec<(&'static str, f64)>,
}

/// A ceiling in the plot.
struct Line {
    name: String,
    from: (f64, f64),
    to: (f64, f64),
}

impl Peaks {
    fn new(kernels: &Kernels) -> Self {
        let memory = positive(kernels.peak_gbyte_per_second);
        // One line where the two are the same.
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

    /// The intensities from which on arithmetic is the bound.
    fn ridges(&self) -> impl Iterator<Item = f64> {
        self.slopes
            .iter()
            .filter_map(|(_, slope)| Some(self.arithmetic? / slope))
    }

    /// Whether so many operations a second are beyond all of it, and not by a hair.
    fn are_below(&self, dot: &Dot) -> bool {
        let slope = self.slopes.last().map(|(_, slope)| slope * dot.x);
        let most = [self.arithmetic, slope].into_iter().flatten();
        most.fold(f64::INFINITY, f64::min) * 1.02 < dot.y
    }

    /// The slopes up to where they meet the peak, and the peak from there on.
    fn lines(&self, xs: &Range<f64>, ys: &Range<f64>) -> Vec<Line> {
        let top = self.arithmetic.unwrap_or(ys.end);
        let slopes = self.slopes.iter().map(|(name, slope)| {
            let start = xs.start.max(ys.start / slope);
            let end = xs.end.min(top / slope);
            Line {
                name: format!("{name}, {} GB/s", number(Some(*slope))),
                from: (start, start * slope),
                to: (end, end * slope),
            }
        });
        let flat = self.arithmetic.map(|peak| {
            let first = self.ridges().fold(f64::INFINITY, f64::min);
            let start = if first.is_finite() { first } else { xs.start };
            Line {
                name: format!("arithmetic, {} GFLOP/s", number(Some(peak))),
                from: (start, peak),
                to: (xs.end, peak),
            }
        });
        // A slope that is nowhere in the plot is not drawn.
        slopes
            .chain(flat)
            .filter(|line| line.from.0 < line.to.0)
            .collect()
    }
}

fn positive(value: Option<f64>) -> Option<f64> {
    value.filter(|value| *value > 0.0 && value.is_finite())
}

/// The families of the kernels that are dots, each of which has one colour on all of a page.
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

/// The plot with its legend; nothing where no kernel computes.
pub fn figure(kernels: &Kernels, families: &[&str]) -> Drawn<Markup> {
    let mut dots: Vec<Dot> = kernels.kernels.iter().filter_map(Dot::new).collect();
    // The rule's choices over the others.
    dots.sort_by_key(|dot| dot.kernel.rule);
    if dots.is_empty() {
        return Ok(html! {});
    }
    let colour = |name: &str| {
        let place = families.iter().position(|family| *family == name);
        COLOURS[place.unwrap_or_default() % COLOURS.len()]
    };
    let here = |name: &&&str| dots.iter().any(|dot| family(dot.kernel) == **name);
    let peaks = Peaks::new(kernels);
    let above = dots.iter().filter(|dot| peaks.are_below(dot)).count();
    Ok(html! {
        h3 { "Roofline" }
        figure {
            (plot(kernels, &dots, &colour)?)
            ul.legend {
                @for name in families.iter().filter(here) {
                    li {
                        span.dot style={ "color:" (colour(name)) } {}
                        (name)
                    }
                }
            }
            figcaption {
                "A dot is a kernel on a case, filled where the rule chooses it; pointing at it tells which. The \
                 lines are what was measured of this device: no kernel can be above them all."
                @if above > 0 {
                    " " (above) " are: the device was busy as its peaks were measured, or a cache helped that these do not know."
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

    /// All that is known of it.
    fn title(&self) -> String {
        let kernel = self.kernel;
        format!(
            "{}: {}{}\n{} GFLOP/s, {} GB/s, {} FLOP/byte, {} ms",
            kernel.case,
            kernel.kernel,
            if kernel.rule {
                " (the rule's choice)"
            } else {
                ""
            },
            number(kernel.gflop_per_second),
            number(kernel.gbyte_per_second),
            number(kernel.intensity),
            number(kernel.time.min_ms),
        )
    }

    /// As much of it as there is room for: the kernel, and the operator's input and output.
    fn name(&self) -> String {
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

fn plot(kernels: &Kernels, dots: &[Dot], colour: &dyn Fn(&str) -> &'static str) -> Drawn<Markup> {
    let peaks = Peaks::new(kernels);
    let xs = around(dots.iter().map(|dot| dot.x).chain(peaks.ridges()));
    let ys = around(dots.iter().map(|dot| dot.y).chain(peaks.arithmetic));
    let lines = peaks.lines(&xs, &ys);

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
    for line in &lines {
        let ends = [line.from, line.to];
        chart.draw_series(LineSeries::new(ends, LINE.stroke_width(2)))?;
    }
    let pixel = |point: &(f64, f64)| {
        let (x, y) = chart.plotting_area().map_coordinate(point);
        (f64::from(x), f64::from(y))
    };
    let (across, down) = chart.plotting_area().get_pixel_range();
    let mut room = Room::new(Area {
        left: f64::from(across.start) + 2.0,
        top: f64::from(down.start) + 2.0,
        right: f64::from(across.end) - 2.0,
        bottom: f64::from(down.end) - 2.0,
    });
    let places: Vec<(f64, f64)> = dots.iter().map(|dot| pixel(&(dot.x, dot.y))).collect();
    for place in &places {
        room.take(Area::around(*place, 6.0));
    }
    for line in &lines {
        room.take_line(pixel(&line.from), pixel(&line.to));
    }
    let mut texts = Vec::new();
    for line in &lines {
        let label = room.along(pixel(&line.from), pixel(&line.to), &line.name);
        texts.extend(label.map(|Along { base, degrees }| {
            let turn = format!(
                "translate({:.1} {:.1}) rotate({degrees:.2})",
                base.0, base.1
            );
            html! { text.ceiling transform=(turn) dominant-baseline="central" { (line.name) } }
        }));
    }
    root.present()?;
    drop(chart);
    drop(root);
    for (place, name) in named(dots, &places) {
        if let Some(Label { base, leader }) = room.beside(place, &name) {
            texts.push(html! {
                @if let Some(end) = leader {
                    line.leader x1=(pixels(place.0)) y1=(pixels(place.1)) x2=(pixels(end.0)) y2=(pixels(end.1)) {}
                }
                text.label x=(pixels(base.0)) y=(pixels(base.1)) { (name) }
            });
        }
    }
    // Over the plot: what has a title or a colour, which the backend does not write.
    let over = html! {
        @for text in &texts { (text) }
        @for (dot, place) in dots.iter().zip(&places) {
            @let colour = colour(family(dot.kernel));
            @let fill = if dot.kernel.rule { colour } else { "#fff" };
            circle cx=(pixels(place.0)) cy=(pixels(place.1)) r="4.5" stroke=(colour) stroke-width="1.5" fill=(fill) {
                title { (dot.title()) }
            }
        }
    };
    // In a page the name space is known without its address.
    let svg = svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", " role=\"img\"");
    let svg = svg.trim_end().trim_end_matches("</svg>");
    Ok(html! { (PreEscaped(svg)) (over) (PreEscaped("</svg>")) })
}

/// Which dots are named, the most telling first: the fastest, those of the rule's choices that are
/// farthest from and nearest to what bounds them, and the fastest of each family.
fn named(dots: &[Dot], places: &[(f64, f64)]) -> Vec<((f64, f64), String)> {
    let all: Vec<usize> = (0..dots.len()).collect();
    let mut order: Vec<usize> = all.clone();
    order.sort_by(|a, b| dots[*b].y.total_cmp(&dots[*a].y));
    let share = |i: &usize| dots[*i].kernel.of_bound.unwrap_or(1.0);
    let chosen = || all.iter().copied().filter(|i| dots[*i].kernel.rule);
    let worst = chosen().min_by(|a, b| share(a).total_cmp(&share(b)));
    let best = chosen().max_by(|a, b| share(a).total_cmp(&share(b)));
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
    let name = |i: &usize| (places[*i], dots[*i].name());
    picked.iter().take(NAMES).map(name).collect()
}

/// From below the least to above the largest, with room for names.
fn around(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    least / 1.8..most * 1.8
}

/// A logarithmic axis with numbers at the powers of ten, and between them where there are few.
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

/// A number on an axis: powers of ten as they are written.
fn tick(value: f64) -> String {
    match (0.001..1e7).contains(&value) {
        // Without what is left of a logarithm.
        true => format!("{}", (value * 1e6).round() / 1e6),
        false => format!("{value:e}"),
    }
}

fn pixels(value: f64) -> String {
    format!("{value:.1}")
}
