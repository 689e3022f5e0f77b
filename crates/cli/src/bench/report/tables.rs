//! Tables of all measurements.

use maud::{Markup, html};

use super::number;
use crate::bench::results::{Kernel, Kernels, Model};

pub fn kernels(kernels: &Kernels) -> Markup {
    html! {
        h3 { "All kernels" }
        p { "Times are those of the fastest round; the spread is the distance to the third fastest. Kernels that the \
            heuristic selects are bold with an asterisk. The error is the largest difference from the reference \
            backend's output, relative to its largest value." }
        div.scroll {
            table {
                thead { tr {
                    th { "kernel" }
                    @for name in ["ms", "spread", "GFLOP/s", "GB/s", "FLOP/byte"] {
                        th.number { (name) }
                    }
                    th { "bound" } th.number { "error" } th { "timed by" }
                } }
                @for case in kernels.kernels.chunk_by(|a, b| a.case == b.case) {
                    tbody {
                        tr { th.case colspan="10" { (case[0].case) } }
                        @for kernel in case { (row(kernel)) }
                    }
                }
            }
        }
    }
}

fn row(kernel: &Kernel) -> Markup {
    let time = &kernel.time;
    html! {
        tr {
            td.rule[kernel.rule] { (kernel.kernel) @if kernel.rule { " *" } }
            @if let Some((kind, reason)) = kernel.fault.reason() {
                td.fault colspan="8" { (kind) ": " (reason) }
            } @else {
                td.number { (number(time.min_ms)) }
                td.number { (percent(time.spread_percent)) }
                td.number { (number(kernel.gflop_per_second)) }
                td.number { (number(kernel.gbyte_per_second)) }
                td.number { (number(kernel.intensity)) }
                td { (percent(kernel.of_bound.map(|share| share * 100.0))) " " (kernel.bound) }
                td.number { (number(kernel.error)) }
                td { (kernel.method) }
            }
        }
    }
}

pub fn models(models: &[&Model]) -> Markup {
    html! {
        h3 { "All networks" }
        div.scroll {
            table {
                thead { tr {
                    @for name in ["network", "setting", "precision", "backend", "adapter"] { th { (name) } }
                    @for name in ["median ms", "p95", "min", "spread", "images/s", "first result ms"] {
                        th.number { (name) }
                    }
                } }
                tbody { @for model in models { (model_row(model)) } }
            }
        }
    }
}

fn model_row(model: &Model) -> Markup {
    let (environment, time) = (&model.environment, &model.time);
    html! {
        tr {
            td { (model.network) }
            td { (model.setting()) }
            td { (environment.precision) }
            td { (environment.backend) }
            td { (environment.device) }
            @if let Some((kind, reason)) = model.fault.reason() {
                td.fault colspan="6" { (kind) ": " (reason) }
            } @else {
                td.number { (number(time.median_ms)) }
                td.number { (number(time.p95_ms)) }
                td.number { (number(time.min_ms)) }
                td.number { (percent(time.spread_percent)) }
                td.number { (number(model.images_per_second)) }
                td.number { (number(model.first_ms)) }
            }
        }
    }
}

fn percent(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) => format!("{value:.1} %"),
        None => "–".to_owned(),
    }
}
