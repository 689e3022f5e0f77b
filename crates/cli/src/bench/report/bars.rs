//! Bar charts: kernels without arithmetic, and networks.

use maud::{Markup, html};

use super::number;
use crate::bench::results::{Kernel, Kernels, Model};

/// The kernels without arithmetic: GB/s, with a mark at the memory's peak.
pub fn data_movement(kernels: &Kernels) -> Markup {
    let rate = |kernel: &Kernel| kernel.gbyte_per_second.filter(|rate| rate.is_finite());
    let moves = |kernel: &&Kernel| kernel.operations == Some(0.0) && rate(kernel).is_some();
    let kernels_shown: Vec<&Kernel> = kernels.kernels.iter().filter(moves).collect();
    if kernels_shown.is_empty() {
        return html! {};
    }
    let memory = kernels.peak_gbyte_per_second.filter(|peak| *peak > 0.0);
    let rates = kernels_shown.iter().filter_map(|kernel| rate(kernel));
    let largest = rates.chain(memory).fold(0.0, f64::max);
    html! {
        h3 { "Kernels that only move data: GB/s" }
        @if let Some(memory) = memory {
            p { "The line is at " (number(Some(memory))) " GB/s, the measured peak of memory. Kernels beyond it \
                read from a cache." }
        }
        div.bars {
            @for kernel in kernels_shown {
                (bar(&name(kernel), rate(kernel).unwrap_or_default(), largest, memory, &number(rate(kernel))))
            }
        }
    }
}

/// The case, and the kernel if its name differs from the operator's.
fn name(kernel: &Kernel) -> String {
    match kernel.case.starts_with(&kernel.kernel) {
        true => kernel.case.clone(),
        false => format!("{} ({})", kernel.case, kernel.kernel),
    }
}

/// For each network, images per second on each device and with each setting.
pub fn networks(models: &[&Model]) -> Markup {
    let mut names: Vec<&str> = models.iter().map(|model| model.network.as_str()).collect();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    html! {
        p { "Images per second. In parentheses: the median time of a pass, and the range of nine of ten passes \
            relative to it." }
        @for name in names {
            @let group = models.iter().filter(|model| model.network == name);
            @let largest = group.clone().filter_map(|model| rate(model)).fold(0.0, f64::max);
            h3 { (if name.is_empty() { "Devices that failed" } else { name }) }
            div.bars {
                @for model in group {
                    @let value = match model.fault.reason() {
                        Some((kind, _)) => kind.to_owned(),
                        None => value(model),
                    };
                    (bar(&setting(model), rate(model).unwrap_or_default(), largest, None, &value))
                }
            }
        }
    }
}

fn rate(model: &Model) -> Option<f64> {
    model.images_per_second.filter(|rate| rate.is_finite())
}

fn value(model: &Model) -> String {
    let (median, spread) = (model.time.median_ms, model.time.spread_percent);
    format!(
        "{} ({} ms, {} %)",
        number(model.images_per_second),
        number(median),
        number(spread)
    )
}

fn setting(model: &Model) -> String {
    let environment = &model.environment;
    let setting = model.setting();
    let parts = [
        &environment.backend,
        &environment.precision,
        &setting,
        &environment.device,
    ];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.cloned().collect::<Vec<_>>().join(", ")
}

/// A bar with its name and the text `label`. `largest` is the value of a full bar.
fn bar(name: &str, value: f64, largest: f64, mark: Option<f64>, label: &str) -> Markup {
    let percent = |value: f64| match largest > 0.0 {
        true => format!("{:.2}%", (value / largest).clamp(0.0, 1.0) * 100.0),
        false => "0".to_owned(),
    };
    html! {
        div.name { (name) }
        div.track {
            div.bar style={ "width:" (percent(value)) } {}
            @if let Some(mark) = mark { div.mark style={ "left:" (percent(mark)) } {} }
        }
        div.number { (label) }
    }
}
