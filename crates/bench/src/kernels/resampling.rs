//! The operators of cases that take pixels from elsewhere.

use shadernet::graph::{
    GridSample, GridSampleMode, GridSamplePadding, Resample, TapWindow, Taps, Upsample,
};
use shadernet::tensor::Shape;

/// Pixels that are enlarged, or interpolated.
pub(super) fn upsample(factor: usize, mode: Option<&str>) -> Result<Upsample, String> {
    let factor = factor as f64;
    match mode {
        None | Some("nearest") => Ok(Upsample::nearest(factor)),
        Some("bilinear") => Ok(Upsample::bilinear(factor, false)),
        Some(mode) => Err(format!(
            "mode: expected nearest or bilinear, found '{mode}'"
        )),
    }
}

/// Enlarging by a filter of `taps` pixels along each axis.
pub(super) fn resample(input: &Shape, factor: usize, taps: usize) -> Result<Resample, String> {
    let &[_, _, height, width] = input.dims() else {
        return Err(format!("a map was expected, found {input}"));
    };
    Ok(Resample {
        rows: enlarged(height, factor, taps)?,
        columns: enlarged(width, factor, taps)?,
        outside: 0.0,
    })
}

fn enlarged(size: usize, factor: usize, taps: usize) -> Result<Taps, String> {
    let last = (size.checked_sub(taps).filter(|_| taps > 0))
        .ok_or_else(|| format!("taps: expected 1 to {size}, found {taps}"))?;
    let count = size.saturating_mul(factor);
    if count.saturating_mul(taps) > Taps::MAX_WEIGHTS {
        return Err(format!(
            "factor: {count} pixels of {taps} taps are too many; {} weights are possible",
            Taps::MAX_WEIGHTS
        ));
    }
    let windows = (0..count).map(|i| TapWindow {
        first: i.checked_div(factor).unwrap_or(0).min(last),
        weights: vec![(taps as f32).recip(); taps],
    });
    Ok(Taps {
        input: size,
        windows: windows.collect(),
    })
}

/// Sampling by bilinear interpolation, with the shape of the positions of as many pixels as the input has.
pub(super) fn grid_sample(input: &Shape) -> Result<(GridSample, Shape), String> {
    let &[n, _, height, width] = input.dims() else {
        return Err(format!("a map was expected, found {input}"));
    };
    let op = GridSample {
        mode: GridSampleMode::Bilinear,
        padding: GridSamplePadding::Zeros,
        align_corners: false,
        volume: None,
    };
    Ok((op, Shape::from([n, 2, height, width])))
}
