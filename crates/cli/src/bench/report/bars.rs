//! Bars: of what moves data and computes nothing, and of networks.

use maud::{Markup, html};

use super::number;
use crate::bench::results::{Kernel, Kernels, Model};

/// The kernels without arithmetic: GB/s, beside what memory gives.
pub fn movers(kernels: &Kernels) -> Markup {
    let rate = |kernel: &Kernel| kernel.gbyte_per_second.filter(|rate| rate.is_finite());
    let moves = |kernel: &&Kernel| kernel.operations == Some(0.0) && rate(kernel).is_some();
    let movers: Vec<&Kernel> = kernels.kernels.iter().filter(moves).collect();
    if movers.is_empty() {
        return html! {};
    }
    let memory = kernels.peak_gbyte_per_second.filter(|peak| *peak > 0.0);
    let rates = movers.iter().filter_map(|kernel| rate(kernel));
    let most = rates.chain(memory).fold(0.0, f64::max);
    html! {
        h3 { "Kernels that only move data: GB/s" }
        @if let Some(memory) = memory {
            p { "The line is at " (number(Some(memory))) " GB/s, what memory gave a large copy; beyond it a \
                cache helped." }
        }
        div.bars {
            @for kernel in movers {
                (bar(&name(kernel), rate(kernel).unwrap_or_default(), most, memory, &number(rate(kernel))))
            }
        }
    }
}

/// The case, and the kernel where that says more.
fn name(kernel: &Kernel) -> String {
    match kernel.case.starts_with(&kernel.kernel) {
        true => kernel.case.clone(),
        false => format!("{} ({})", kernel.case, kernel.kernel),
    }
}

/// The networks, one after the other: images a second on each device and setting.
pub fn networks(models: &[&Model]) -> Markup {
    let mut names: Vec<&str> = models.iter().map(|model| model.network.as_str()).collect();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    html! {
        p { "Images a second; the longest bar is the network's fastest. In brackets the median of a pass, \
            and how close together half of the passes are." }
        @for name in names {
            @let group = models.iter().filter(|model| model.network == name);
            @let most = group.clone().filter_map(|model| rate(model)).fold(0.0, f64::max);
            h3 { (if name.is_empty() { "All of a device" } else { name }) }
            div.bars {
                @for model in group {
                    @let value = match model.fault.told() {
                        Some((what, _)) => what.to_owned(),
                        None => told(model),
                    };
                    (bar(&place(model), rate(model).unwrap_or_default(), most, None, &value))
                }
            }
        }
    }
}

fn rate(model: &Model) -> Option<f64> {
    model.images_per_second.filter(|rate| rate.is_finite())
}

fn told(model: &Model) -> String {
    let (median, spread) = (model.time.median_ms, model.time.spread_percent);
    format!(
        "{} ({} ms, {} %)",
        number(model.images_per_second),
        number(median),
        number(spread)
    )
}

fn place(model: &Model) -> String {
    let place = &model.place;
    let setting = model.setting();
    let parts = [&place.backend, &place.precision, &setting, &place.device];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.cloned().collect::<Vec<_>>().join(", ")
}

fn bar(name: &str, value: f64, most: f64, mark: Option<f64>, told: &str) -> Markup {
    let percent = |value: f64| match most > 0.0 {
        true => format!("{:.2}%", (value / most).clamp(0.0, 1.0) * 100.0),
        false => "0".to_owned(),
    };
    html! {
        div.name { (name) }
        div.track {
            div.bar style={ "width:" (percent(value)) } {}
            @if let Some(mark) = mark { div.mark style={ "left:" (percent(mark)) } {} }
        }
        div.number { (told) }
    }
}
