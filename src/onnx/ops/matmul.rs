//! Products of matrices.

use super::elementwise::combine;
use super::layout::product;
use super::unary::apply;
use crate::graph::{Binary, Conv2d, Linear, MatMul, Unary};
use crate::onnx::host::{HostData, HostTensor, broadcast};
use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;
use crate::onnx::view::View;
use crate::onnx::weight::StoredWeight;

/// `alpha * A * B + beta * C`.
pub(super) fn gemm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let mut a = importer.view(node, 0)?;
    if node.flag("transA") {
        a = importer.reordered(&a, |view| view.transposed(&[1, 0]))?;
    }
    let (alpha, beta) = (node.float_or("alpha", 1.0), node.float_or("beta", 1.0));
    if let Value::Device(mut b) = importer.value(node, 1)? {
        if node.flag("transB") {
            b = importer.reordered(&b, |view| view.transposed(&[1, 0]))?;
        }
        let mut output = product_of_views(importer, &a, &b)?;
        if alpha != 1.0 {
            let scale = Unary::Affine {
                scale: alpha,
                offset: 0.0,
            };
            output = apply(importer, &output, scale)?;
        }
        let c = node.input(2).map(|_| importer.value(node, 2)).transpose()?;
        return Ok(vec![Value::Device(with_matrix(importer, output, c, beta)?)]);
    }
    let dims = importer.dims(node, 1)?;
    let (&[first, second], &[rows, features]) = (&dims[..], &a.dims[..]) else {
        return Err(format!(
            "matrices were expected, found {:?} and {dims:?}",
            a.dims
        ));
    };
    let is_transposed = node.flag("transB");
    let [out, inner] = if is_transposed {
        [first, second]
    } else {
        [second, first]
    };
    if inner != features {
        return Err(format!("{:?} and {dims:?} do not fit", a.dims));
    }
    let name = importer.unique_name();
    let shape = weight_shape(&a, inner, out);
    let b = importer.value(node, 1)?;
    let weight = match (is_transposed, alpha) {
        (true, 1.0) => StoredWeight::new(&b, &shape)?,
        _ => {
            let mut values = importer.host_value(&b)?.to_floats();
            if !is_transposed {
                values = transposed(&values, inner, out);
            }
            values.iter_mut().for_each(|value| *value *= alpha);
            StoredWeight::computed(values, &shape)?
        }
    };
    importer.weight(&name, "weight", weight);
    let c = node.input(2).map(|_| importer.value(node, 2)).transpose()?;
    // A bias, or a matrix that is added.
    let bias = match &c {
        Some(c) if c.is_constant() => bias(&*importer.host_value(c)?, out, beta),
        _ => None,
    };
    let has_bias = bias.is_some();
    if let Some(bias) = bias {
        importer.weight(&name, "bias", StoredWeight::computed(bias, &[out])?);
    }
    let output = layer(importer, name, &a, [rows, inner, out], has_bias)?;
    let c = c.filter(|_| !has_bias);
    Ok(vec![Value::Device(with_matrix(importer, output, c, beta)?)])
}

/// `product + beta * C`.
fn with_matrix<'m>(
    importer: &mut Importer<'m>,
    product: View,
    c: Option<Value<'m>>,
    beta: f32,
) -> Result<View, String> {
    let Some(c) = c else {
        return Ok(product);
    };
    let scaled = match beta {
        1.0 => c,
        beta => {
            let beta = HostTensor::new([], HostData::Float(vec![beta]));
            let beta = Value::Host(beta.ok_or("its beta is not a number")?.into());
            Value::Device(combine(importer, Binary::Mul, &c, &beta)?)
        }
    };
    combine(importer, Binary::Add, &Value::Device(product), &scaled)
}

/// `C` as one number per output feature, if it is the same in all rows.
fn bias(c: &HostTensor, out: usize, beta: f32) -> Option<Vec<f32>> {
    let mut values = c.to_floats();
    let is_row = match *c.dims() {
        [] | [1] | [1, 1] => {
            values = vec![values.first().copied()?; out];
            true
        }
        [n] | [1, n] => n == out,
        _ => false,
    };
    values.iter_mut().for_each(|value| *value *= beta);
    is_row.then_some(values)
}

/// The transpose of a matrix of `rows` rows.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut result = Vec::with_capacity(values.len());
    for column in 0..columns {
        let values = values.get(column..).unwrap_or_default();
        result.extend(values.iter().step_by(columns.max(1)).take(rows));
    }
    result
}

/// NumPy's `matmul`. One that is a constant matrix is a weight.
pub(super) fn matmul<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let (a, b) = (importer.value(node, 0)?, importer.value(node, 1)?);
    let output = match (&a, &b) {
        (Value::Device(a), constant) if constant.is_constant() && constant.dims()?.len() <= 2 => {
            let b = importer.host_value(constant)?;
            let (inner, out) = match *b.dims() {
                [inner] => (inner, 1),
                [inner, out] => (inner, out),
                _ => return Err("a number has no rows".to_owned()),
            };
            let weight = transposed(&b.to_floats(), inner, out);
            let mut output = rows(importer, a, weight, inner, out)?;
            if b.dims().len() == 1 {
                output.dims.pop();
            }
            output
        }
        (constant, Value::Device(b)) if constant.is_constant() && constant.dims()?.len() == 2 => {
            let a = importer.host_value(constant)?;
            let &[out, inner] = a.dims() else {
                return Err("a matrix was expected".to_owned());
            };
            // A * B is the transpose of B's transpose times A's.
            let order = swapped(b.dims.len());
            let columns = importer.reordered(b, |view| view.transposed(&order))?;
            let output = rows(importer, &columns, a.to_floats(), inner, out)?;
            let order = swapped(output.dims.len());
            importer.reordered(&output, |view| view.transposed(&order))?
        }
        _ => {
            let (a, b) = (importer.constant(a)?, importer.constant(b)?);
            product_of_views(importer, &a, &b)?
        }
    };
    Ok(vec![Value::Device(output)])
}

/// NumPy's `matmul` of two computed values.
fn product_of_views(importer: &mut Importer, a: &View, b: &View) -> Result<View, String> {
    let error = || format!("{:?} and {:?} do not fit", a.dims, b.dims);
    // A vector is a row of the first, and a column of the second.
    let (is_row, is_column) = (a.dims.len() == 1, b.dims.len() == 1);
    let (mut a, mut b) = (a.clone(), b.clone());
    if is_row {
        a.dims.insert(0, 1);
    }
    if is_column {
        b.dims.push(1);
    }
    let (&[ref batch_a @ .., m, k], &[ref batch_b @ .., rows, n]) = (&a.dims[..], &b.dims[..])
    else {
        return Err(error());
    };
    if k != rows {
        return Err(error());
    }
    let batch = broadcast(batch_a, batch_b).map_err(|_| error())?;
    let mut dims = batch.clone();
    dims.extend((!is_row).then_some(m));
    dims.extend((!is_column).then_some(n));
    let (count_a, count_b) = (product(batch_a), product(batch_b));
    let output = match (count_a, count_b) {
        // The rows of all matrices are those of one.
        (_, 1) => {
            let rows = count_a.saturating_mul(m);
            batches(importer, &a, [1, rows, k], &b, [1, k, n])?
        }
        (1, _) => batches(importer, &a, [1, m, k], &b, [count_b, k, n])?,
        _ => {
            let count = product(&batch);
            for (view, last) in [(&mut a, [m, k]), (&mut b, [k, n])] {
                let wide = [&batch[..], &last].concat();
                *view = importer.reordered(view, |view| view.broadcast_to(&wide))?;
            }
            batches(importer, &a, [count, m, k], &b, [count, k, n])?
        }
    };
    Ok(output.reshaped(dims))
}

/// Products of as many matrices, or of one with each of the other's, as `[B, M, N]`.
fn batches(
    importer: &mut Importer,
    a: &View,
    a_dims: [usize; 3],
    b: &View,
    b_dims: [usize; 3],
) -> Result<View, String> {
    let a = a.clone().reshaped(a_dims.to_vec());
    let b = b.clone().reshaped(b_dims.to_vec());
    // The product, or the transpose of it by the transposes of both: whichever has fewer elements to move. Of equal
    // ones the latter, whose rows are pixels, as further layers take them.
    let transposes = [&a, &b].map(|view| view.transposed(&[0, 2, 1]));
    if let [Some(a_transposed), Some(b_transposed)] = &transposes
        && moved(&[a_transposed, b_transposed]) <= moved(&[&a, &b])
    {
        let first = importer.in_order(b_transposed)?;
        let second = importer.in_order(a_transposed)?;
        let output = importer.node(MatMul, &[&first, &second])?;
        return importer.reordered(&output, |view| view.transposed(&[0, 2, 1]));
    }
    let (a, b) = (importer.in_order(&a)?, importer.in_order(&b)?);
    importer.node(MatMul, &[&a, &b])
}

/// The elements that have to be moved to have values in order.
fn moved(views: &[&View]) -> usize {
    let moved = views.iter().filter(|view| !view.rearrange().keeps_layout());
    moved.fold(0, |sum, view| sum.saturating_add(view.len()))
}

/// The dimensions with the last two swapped.
fn swapped(rank: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rank).collect();
    if let [.., a, b] = &mut order[..] {
        std::mem::swap(a, b);
    }
    order
}

/// Whether the last dimension is the channels of a map with pixels: a fully connected layer over it is a
/// convolution of the map, which the other operators of a network can be fused into.
fn is_pointwise(view: &View) -> bool {
    let [_, _, height, width] = view.base.nchw();
    let last = view.dims.len().checked_sub(1);
    view.base.rank() == 4 && (height, width) != (1, 1) && view.channel_axis() == last
}

/// The shape of the weight that [`layer`] reads.
fn weight_shape(view: &View, inner: usize, out: usize) -> Vec<usize> {
    match is_pointwise(view) {
        true => vec![out, inner, 1, 1],
        false => vec![out, inner],
    }
}

/// A fully connected layer over the last dimension, whose weights are those of `name`.
fn layer(
    importer: &mut Importer,
    name: String,
    view: &View,
    [count, inner, out]: [usize; 3],
    has_bias: bool,
) -> Result<View, String> {
    if is_pointwise(view) {
        let op = Conv2d::new(inner, out, 1).bias(has_bias);
        let output = importer.named_node(name, op, &[view])?;
        return view
            .with_channels(output.value, output.base)
            .ok_or_else(|| "its order of elements is not supported".to_owned());
    }
    let input = importer.shaped(view, &[count, inner])?;
    importer.named_node(name, Linear::new(inner, out).bias(has_bias), &[&input])
}

/// A fully connected layer over the last dimension.
fn rows(
    importer: &mut Importer,
    view: &View,
    weight: Vec<f32>,
    inner: usize,
    out: usize,
) -> Result<View, String> {
    let Some((&last, before)) = view.dims.split_last() else {
        return Err("a matrix was expected, found a number".to_owned());
    };
    if last != inner {
        return Err(format!(
            "{:?} does not fit a matrix of {inner} rows",
            view.dims
        ));
    }
    let count = before
        .iter()
        .fold(1_usize, |len, &dim| len.saturating_mul(dim));
    let name = importer.unique_name();
    let weight = StoredWeight::computed(weight, &weight_shape(view, inner, out))?;
    importer.weight(&name, "weight", weight);
    let output = layer(importer, name, view, [count, inner, out], false)?;
    Ok(output.reshaped([before, &[out]].concat()))
}
