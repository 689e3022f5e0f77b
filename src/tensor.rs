//! Shapes and host tensors: dense, row-major, NCHW as PyTorch lays them out.
//!
//! ```
//! use shadernet::tensor::{Shape, Tensor};
//!
//! let image = Tensor::new([1, 3, 2, 2], vec![0.5_f32; 12])?;
//! assert_eq!(image.shape(), &Shape::from([1, 3, 2, 2]));
//! assert!(Tensor::new([2, 2], vec![1.0_f32]).is_err());
//! # Ok::<(), shadernet::Error>(())
//! ```

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The dimensions of a tensor, outermost first: `[N, C, H, W]` for images, `[N, F]` for features.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements, or `None` where it does not fit in a `usize`.
    pub fn checked_len(&self) -> Option<usize> {
        self.0
            .iter()
            .try_fold(1_usize, |len, &dim| len.checked_mul(dim))
    }

    /// The number of elements; saturates where it does not fit in a `usize`.
    pub fn len(&self) -> usize {
        self.checked_len().unwrap_or(usize::MAX)
    }

    /// Whether any dimension is zero.
    pub fn is_empty(&self) -> bool {
        self.0.contains(&0)
    }

    /// The shape as `[N, C, H, W]`: missing trailing dimensions are 1, `[N, C, L]` is a feature map of one row,
    /// and all dimensions after the third are multiplied into the width, which saturates.
    pub fn nchw(&self) -> [usize; 4] {
        let at = |i: usize| self.0.get(i).copied().unwrap_or(1);
        match self.rank() {
            0..=2 => [at(0), at(1), 1, 1],
            3 => [at(0), at(1), 1, at(2)],
            _ => {
                let width = self.0.iter().skip(3).copied();
                [at(0), at(1), at(2), width.fold(1, usize::saturating_mul)]
            }
        }
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self(dims.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Self(dims)
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self(dims.to_vec())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A dense tensor in host memory, row-major. Of `f32` by default; the reference backend also computes in
/// `f64`.
///
/// A clone shares the elements until one of both is changed, so that handing a tensor to a run that outlives the call
/// copies nothing.
#[derive(Clone)]
pub struct Tensor<T = f32> {
    shape: Shape,
    data: Elements<T>,
}

/// Where the elements are.
enum Elements<T> {
    Own(Arc<Vec<T>>),
    /// In memory of the host.
    Host(Arc<dyn AsRef<[T]> + Send + Sync>),
}

impl<T> Clone for Elements<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Own(data) => Self::Own(data.clone()),
            Self::Host(owner) => Self::Host(owner.clone()),
        }
    }
}

impl<T> Elements<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::Own(data) => data,
            Self::Host(owner) => owner.as_ref().as_ref(),
        }
    }
}

impl<T: PartialEq> PartialEq for Tensor<T> {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.data() == other.data()
    }
}

impl<T> Tensor<T> {
    /// A tensor of `shape` over `data` in row-major order.
    ///
    /// # Errors
    /// [`Error::TensorLength`] where `data` does not have exactly as many elements as `shape`.
    pub fn new(shape: impl Into<Shape>, data: Vec<T>) -> Result<Self> {
        Ok(Self::of(checked(shape.into(), data.len())?, data))
    }

    fn of(shape: Shape, data: Vec<T>) -> Self {
        let data = Elements::Own(Arc::new(data));
        Self { shape, data }
    }

    /// A tensor of `shape` over memory of the host, which is not copied: an array of another language, or a mapped
    /// file. `owner` is dropped with the last clone, and has to return the same elements every time.
    ///
    /// ```
    /// use shadernet::Tensor;
    ///
    /// let pixels: &'static [f32] = &[0.0, 0.5, 1.0];
    /// let tensor = Tensor::from_owner([1, 3], pixels)?;
    /// assert_eq!(tensor.data().as_ptr(), pixels.as_ptr());
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_owner(
        shape: impl Into<Shape>,
        owner: impl AsRef<[T]> + Send + Sync + 'static,
    ) -> Result<Self> {
        let shape = checked(shape.into(), owner.as_ref().len())?;
        let data = Elements::Host(Arc::new(owner));
        Ok(Self { shape, data })
    }

    /// A tensor of `shape` whose element at row-major index `i` is `f(i)`.
    ///
    /// # Panics
    /// Where the elements do not fit in memory, as `Vec` does.
    pub fn from_fn(shape: impl Into<Shape>, f: impl FnMut(usize) -> T) -> Self {
        let shape = shape.into();
        let data = (0..shape.len()).map(f).collect();
        Self::of(shape, data)
    }

    /// The shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The elements in row-major order.
    pub fn data(&self) -> &[T] {
        self.data.as_slice()
    }

    /// The same elements with another shape.
    ///
    /// # Errors
    /// [`Error::TensorLength`] where the number of elements differs.
    pub fn reshape(self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = checked(shape.into(), self.data().len())?;
        Ok(Self { shape, ..self })
    }

    /// The tensor with each element converted by `f`.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Tensor<U> {
        Tensor::of(self.shape.clone(), self.data().iter().map(f).collect())
    }
}

/// `shape`, if it has `found` elements.
fn checked(shape: Shape, found: usize) -> Result<Shape> {
    let expected = shape.checked_len();
    if expected == Some(found) {
        return Ok(shape);
    }
    Err(Error::TensorLength {
        shape: shape.dims().to_vec(),
        expected,
        found,
    })
}

impl<T: Clone> Tensor<T> {
    /// The elements in row-major order, mutable. Copies them first where a clone shares them, or a host owns them.
    pub fn data_mut(&mut self) -> &mut [T] {
        if let Elements::Host(owner) = &self.data {
            self.data = Elements::Own(Arc::new(owner.as_ref().as_ref().to_vec()));
        }
        match &mut self.data {
            Elements::Own(data) => Arc::<Vec<T>>::make_mut(data),
            // Just replaced.
            Elements::Host(_) => unreachable!(),
        }
    }

    /// The images of a batch `[N, C, H, W]`, each as `[1, C, H, W]`.
    pub(crate) fn images(&self) -> impl Iterator<Item = Self> {
        let [_, channels, height, width] = self.shape.nchw();
        // Without elements, there is no image.
        let images = self.data().chunks((channels * height * width).max(1));
        images.map(move |image| Self::of(Shape::from([1, channels, height, width]), image.to_vec()))
    }

    /// The elements, without the shape. Copies them where a clone shares them, or a host owns them.
    pub fn into_data(self) -> Vec<T> {
        match self.data {
            Elements::Own(data) => Arc::unwrap_or_clone(data),
            Elements::Host(owner) => owner.as_ref().as_ref().to_vec(),
        }
    }
}

impl Tensor {
    /// Inputs `[1, C, H, W]` of one size as a batch `[N, C, H, W]`. A batch of one shares its elements.
    ///
    /// # Errors
    /// [`Error::Inputs`] where there are none; [`Error::TensorLength`] where sizes differ in all.
    pub fn stack<'a>(inputs: impl IntoIterator<Item = &'a Self>) -> Result<Self> {
        let inputs: Vec<&Self> = inputs.into_iter().collect();
        match inputs[..] {
            [only] => Ok(only.clone()),
            [first, ..] => {
                let [_, channels, height, width] = first.shape().nchw();
                let values: Vec<&[f32]> = inputs.iter().map(|input| input.data()).collect();
                Self::new([inputs.len(), channels, height, width], values.concat())
            }
            [] => Err(Error::Inputs(
                "a batch of at least one image was expected".to_owned(),
            )),
        }
    }
}

impl<T: Clone + Default> Tensor<T> {
    /// A tensor of `shape` filled with the type's default: zero for numbers.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let data = vec![T::default(); shape.len()];
        Self::of(shape, data)
    }
}

impl<T> fmt::Debug for Tensor<T> {
    /// Prints only the shape: a tensor has too many elements to print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor{}", self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_overflow_are_refused() {
        let huge = Shape::from([usize::MAX, 2]);
        assert_eq!(huge.checked_len(), None);
        assert!(Tensor::new(huge, vec![0.0_f32]).is_err());
    }

    #[test]
    fn clones_share_until_they_change() {
        let a = Tensor::from_fn([3], |i| i as f32);
        let mut b = a.clone();
        assert_eq!(a.data().as_ptr(), b.data().as_ptr());
        b.data_mut()[0] = 7.0;
        assert_eq!(
            (a.data(), b.data()),
            (&[0.0, 1.0, 2.0][..], &[7.0, 1.0, 2.0][..])
        );
        let (shared, at) = (a.clone(), a.data().as_ptr());
        // The last owner takes the elements as they are.
        drop(a);
        let data = shared.into_data();
        assert_eq!(data.as_ptr(), at);
    }

    #[test]
    fn elements_of_a_host_are_neither_copied_nor_changed() {
        struct Owner(Arc<Vec<f32>>);
        impl AsRef<[f32]> for Owner {
            fn as_ref(&self) -> &[f32] {
                &self.0
            }
        }
        let memory = Arc::new(vec![1.0, 2.0, 3.0]);
        let a = Tensor::from_owner([3], Owner(memory.clone())).unwrap();
        assert_eq!(a.data().as_ptr(), memory.as_ptr());
        let mut b = a.clone();
        b.data_mut()[0] = 7.0;
        assert_eq!(
            (&memory[..], b.data()),
            (&[1.0, 2.0, 3.0][..], &[7.0, 2.0, 3.0][..])
        );
        assert_eq!(a.clone().into_data(), *memory);
        drop(a);
        assert_eq!(Arc::strong_count(&memory), 1);
        assert!(Tensor::from_owner([4], Owner(memory)).is_err());
    }

    #[test]
    fn lower_ranks_are_feature_maps() {
        assert_eq!(Shape::from([2, 5]).nchw(), [2, 5, 1, 1]);
        assert_eq!(Shape::from([2, 5, 7]).nchw(), [2, 5, 1, 7]);
        assert_eq!(Shape::from([2, 5, 7, 9]).nchw(), [2, 5, 7, 9]);
    }
}
