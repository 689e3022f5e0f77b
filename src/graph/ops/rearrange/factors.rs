//! Lists of factors: the digits of an element's index.

use super::Factor;

/// The same digits with as few factors as possible: those of extent 1 are left out, and a factor whose stride is
/// that of the next times its extent becomes one with it.
pub(crate) fn merged_factors(factors: impl IntoIterator<Item = Factor>) -> Vec<Factor> {
    let mut merged: Vec<Factor> = Vec::new();
    for factor in factors.into_iter().filter(|factor| factor.extent != 1) {
        if let Some(last) = merged.last_mut() {
            let whole = (isize::try_from(factor.extent).ok())
                .and_then(|extent| factor.stride.checked_mul(extent));
            let extent = last.extent.checked_mul(factor.extent);
            if let (Some(whole), Some(extent)) = (whole, extent)
                && whole == last.stride
            {
                *last = Factor {
                    extent,
                    stride: factor.stride,
                };
                continue;
            }
        }
        merged.push(factor);
    }
    merged
}

/// The factors that each dimension of `dims` consists of; `None` where a factor spans parts of several that are
/// no digits of it.
pub(crate) fn factors_by_dimension(factors: &[Factor], dims: &[usize]) -> Option<Vec<Vec<Factor>>> {
    let merged = merged_factors(factors.iter().copied());
    let mut factors = merged.into_iter().rev().collect::<Vec<_>>();
    let mut all = Vec::with_capacity(dims.len());
    for &dim in dims {
        let mut rest = dim;
        let mut own = Vec::new();
        while rest > 1 {
            let factor = factors.pop()?;
            if rest.checked_rem(factor.extent)? == 0 {
                rest = rest.checked_div(factor.extent)?;
                own.push(factor);
            } else if factor.extent.checked_rem(rest)? == 0 {
                let inner = factor.extent.checked_div(rest)?;
                let stride = isize::try_from(inner).ok()?.checked_mul(factor.stride)?;
                own.push(Factor {
                    extent: rest,
                    stride,
                });
                factors.push(Factor {
                    extent: inner,
                    stride: factor.stride,
                });
                rest = 1;
            } else {
                return None;
            }
        }
        all.push(own);
    }
    Some(all)
}
