"""Complete tasks on images: classification, detection, segmentation, explanations and vectors.

Images are paths, the bytes of image files, arrays ``[height, width, 3]`` of uint8 (RGB; also ``[height, width]`` for gray
and ``[height, width, 4]`` with alpha) of NumPy or with ``__dlpack__``, or PIL images. Files are
turned upright by their EXIF orientation; a PIL image is taken as it is. Transparent pixels are composited over white.
"""

from __future__ import annotations

from collections.abc import Iterable as IterableABC
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Type, Union

import numpy as np
import numpy.typing as npt

from . import _shadernet
from ._arguments import Path, count, path_text, text
from ._handles import Handle, Refused, usable
from .device import Device, _device
from .errors import ForkError, InputError
from .results import Detection, Explanation, Mask, Prediction

__all__ = ["Classifier", "Detector", "Embedder", "Explainer", "Segmenter"]

Image = Any


def _several(images: Iterable[Image], on_error: str) -> Iterable[Image]:
    """Refuse what is iterable, but one image."""
    if on_error not in ("raise", "return"):
        raise InputError(f'on_error: "raise" or "return" was expected, found {on_error!r}')
    is_one = isinstance(images, (str, bytes, bytearray)) or getattr(images, "ndim", 4) < 4 or hasattr(images, "mode")
    if is_one or not isinstance(images, IterableABC):
        raise InputError(f"images: several were expected, such as a list, found one {type(images).__name__}")
    return images


def _raised(found: List[Any], on_error: str) -> List[Any]:
    if on_error == "raise":
        for item in found:
            if isinstance(item, Exception):
                raise item
    return found


class _Task(Handle):
    """What all tasks have: a device, and that they are pickled as the arguments that made them."""

    device: Device
    _native: Any
    _recipe: Tuple[str, Dict[str, Any]]

    def _open(self, model: Path, device: Union[Device, str, None], **options: Any) -> None:
        path = path_text("model", model)
        self.device = _device(device)
        self._recipe = (path, {"device": self.device, **options})
        make = getattr(_shadernet, self._kind())
        self._native = make(usable(self.device._native), path, *options.values())

    @classmethod
    def _kind(cls) -> str:
        """The name of the native class: that of this package's, whatever derives from it."""
        return next(base.__name__ for base in cls.__mro__ if base.__module__ == __name__)

    @property
    def input_size(self) -> Tuple[int, int, int]:
        size: Tuple[int, int, int] = self._native.input_size
        return size

    def __repr__(self) -> str:
        return f"<shadernet.{type(self).__name__}: {self._recipe[0]} on {self.device.name}>"

    def __reduce__(self) -> Tuple[Any, ...]:
        known = {"device", "_native", "_recipe"}
        return _remake, (type(self), *self._recipe), {k: v for k, v in vars(self).items() if k not in known}


def _remake(kind: Type[_Task], path: str, options: Dict[str, Any]) -> Any:
    self = kind.__new__(kind)
    try:
        self._open(path, **options)
    except ForkError as error:
        self.device, self._recipe, self._native = options["device"], (path, options), Refused(error)
    return self


class _NamingTask(_Task):
    """A task whose results are of named classes."""

    def __init__(self, model: Path, *, device: Union[Device, str, None] = None, precision: str = "float32") -> None:
        self._open(model, device, precision=text("precision", precision))

    @property
    def labels(self) -> List[str]:
        labels: List[str] = self._native.labels
        return labels


class Classifier(_NamingTask):
    """Find the classes of images.

    Parameters
    ----------
    model : path
        A model folder, an ONNX file, or the name of a model that ``shadernet models`` lists.
    device : Device or str, optional
        A device, or the name of a backend. By default the best GPU, or the CPU.
    precision : {"float32", "float16"}
        How values and weights are stored on the device.

    Attributes
    ----------
    labels : list of str
        The classes' names.
    input_size : tuple of int
        Channels, height and width of the network's input.
    device : Device
        Where it runs.

    Raises
    ------
    MissingFileError, InvalidFileError, WeightsError, UnknownNameError
        Where the model cannot be used.

    Examples
    --------
    >>> import shadernet
    >>> classifier = shadernet.Classifier("models/efficientnet_lite0", device="cpu")
    >>> classifier.classify("tests/images/chelsea.png", k=1)[0].label
    'tiger cat'
    """

    def classify(self, image: Image, k: int = 5) -> List[Prediction]:
        """Return the `k` most probable classes of an image, the most probable first.

        Raises
        ------
        MissingFileError, InvalidFileError, InputError
            For an image that cannot be used.
        InputError
            Where the network's outputs are not numbers.
        """
        found: List[Prediction] = self.classify_batch([image], k)[0]
        return found

    def classify_batch(
        self, images: Iterable[Image], k: int = 5, *, batch_size: int = 1, on_error: str = "raise"
    ) -> List[Any]:
        """Return the `k` most probable classes of every image.

        Images are decoded on all cores while the network runs.

        Parameters
        ----------
        images : iterable
            All of them are in memory at once, as they are given; pass a folder of a million files in parts.
        k : int
            How many classes.
        batch_size : int
            Images per pass.
        on_error : {"raise", "return"}
            What happens with images that cannot be used: the first raises, or each has its exception in its place.

        Returns
        -------
        list of list of Prediction
            In the order of the images.
        """
        images = _several(images, on_error)
        found = self._native.classify(images, count("k", k, 0), count("batch_size", batch_size))
        found = _raised(found, on_error)
        return [item if isinstance(item, Exception) else [Prediction(*row) for row in item] for item in found]

    def predict(self, batch: Any, k: int = 5) -> List[List[Prediction]]:
        """Return the `k` most probable classes of a batch that the caller has preprocessed.

        Parameters
        ----------
        batch : array
            ``[N, C, H, W]``, as `Session.run` takes it.
        k : int
            How many classes.

        Raises
        ------
        InputError
            For another type or shape, and where the network's outputs are not numbers, such as for NaN in the batch.
        """
        return [[Prediction(*row) for row in rows] for rows in self._native.predict(batch, count("k", k, 0))]


class Detector(_NamingTask):
    """Find objects in images.

    Parameters, attributes and errors are those of `Classifier`.

    Examples
    --------
    >>> import shadernet
    >>> detector = shadernet.Detector("models/yolov3_tiny", device="cpu")
    >>> [found.label for found in detector.detect("tests/images/coffee.png")][:1]
    ['cup']
    """

    def detect(self, image: Image, *, threshold: float = 0.25, iou: float = 0.45) -> List[Detection]:
        """Return the objects in an image, the highest score first.

        Parameters
        ----------
        image : image
            See the module.
        threshold : float
            Only objects with a score above this, between 0 and 1.
        iou : float
            The largest intersection over union that two boxes of one class may have.
        """
        found: List[Detection] = self.detect_batch([image], threshold=threshold, iou=iou)[0]
        return found

    def detect_batch(
        self,
        images: Iterable[Image],
        *,
        threshold: float = 0.25,
        iou: float = 0.45,
        batch_size: int = 1,
        on_error: str = "raise",
    ) -> List[Any]:
        """Return the objects in every image; see `detect` and `Classifier.classify_batch`."""
        images = _several(images, on_error)
        found = self._native.detect(images, float(threshold), float(iou), count("batch_size", batch_size))
        found = _raised(found, on_error)
        return [item if isinstance(item, Exception) else [Detection(*row) for row in item] for item in found]


class Segmenter(_NamingTask):
    """Find the class of every pixel of images.

    Parameters, attributes and errors are those of `Classifier`.
    """

    def segment(self, image: Image, *, size: str = "model") -> Mask:
        """Return the class of every pixel of an image.

        Parameters
        ----------
        image : image
            See the module.
        size : {"model", "image"}
            Whether the network sees the image resized to the model's size, or in its own.
        """
        found: Mask = self.segment_batch([image], size=size)[0]
        return found

    def segment_batch(
        self, images: Iterable[Image], *, size: str = "model", batch_size: int = 1, on_error: str = "raise"
    ) -> List[Any]:
        """Return the masks of all images; see `segment` and `Classifier.classify_batch`."""
        images = _several(images, on_error)
        found = self._native.segment(images, text("size", size), count("batch_size", batch_size))
        found = _raised(found, on_error)
        labels = tuple(self.labels)
        return [item if isinstance(item, Exception) else Mask(item[0], item[1], item[2], labels) for item in found]


class Embedder(_Task):
    """Turn images into vectors: a classifier's pooled features.

    Parameters
    ----------
    model : path
        As for `Classifier`.
    layer : str, optional
        Another layer than the last before the classifier. Of a map, the mean over its pixels is taken.
    normalize : bool
        Divide each vector by its length, so that products of vectors are cosines.
    device : Device or str, optional
        As for `Classifier`.
    precision : {"float32", "float16"}
        As for `Classifier`.

    Attributes
    ----------
    layer : str
        The layer that is taken.
    dimensions : int
        The length of a vector.
    input_size : tuple of int
        Channels, height and width of the network's input.
    device : Device
        Where it runs.
    """

    def __init__(
        self,
        model: Path,
        *,
        layer: Optional[str] = None,
        normalize: bool = False,
        device: Union[Device, str, None] = None,
        precision: str = "float32",
    ) -> None:
        layer = None if layer is None else text("layer", layer)
        self._open(model, device, layer=layer, normalize=bool(normalize), precision=text("precision", precision))

    @property
    def layer(self) -> str:
        layer: str = self._native.layer
        return layer

    @property
    def dimensions(self) -> int:
        dimensions: int = self._native.dimensions
        return dimensions

    def embed(self, image: Image) -> npt.NDArray[np.float32]:
        """Return the vector of an image, ``[dimensions]``."""
        found: npt.NDArray[np.float32] = self.embed_batch([image])[0]
        return found

    def embed_batch(self, images: Iterable[Image], *, batch_size: int = 1, on_error: str = "raise") -> List[Any]:
        """Return the vectors of all images; see `Classifier.classify_batch`."""
        images = _several(images, on_error)
        return _raised(self._native.embed(images, count("batch_size", batch_size)), on_error)


class Explainer(_NamingTask):
    """Find where in an image the evidence for a class lies.

    Parameters, attributes and errors are those of `Classifier`.

    Examples
    --------
    >>> import shadernet
    >>> explainer = shadernet.Explainer("models/efficientnet_lite0", device="cpu")
    >>> found = explainer.explain("tests/images/coffee.png")[0]
    >>> found.label, found.heat.shape
    ('espresso', (400, 600))
    """

    @property
    def layers(self) -> List[Tuple[str, str, List[int]]]:
        """The layers that may be explained: names, operators in PyTorch's terms, and shapes."""
        layers: List[Tuple[str, str, List[int]]] = self._native.layers
        return layers

    def explain(
        self,
        image: Image,
        classes: Sequence[int] = (),
        *,
        k: int = 1,
        method: str = "grad-cam",
        layer: Optional[str] = None,
    ) -> List[Explanation]:
        """Return the evidence for each of the classes.

        Parameters
        ----------
        image : image
            See the module.
        classes : sequence of int
            By default the `k` most probable ones.
        k : int
            How many.
        method : str
            ``"grad-cam"``, ``"grad-cam++"``, ``"guided-grad-cam"``, ``"saliency"``, ``"smooth-grad"``,
            ``"integrated-gradients"`` or ``"occlusion"``.
        layer : str, optional
            For methods that explain a layer; by default the last feature map.

        Raises
        ------
        UnknownNameError
            For a method or layer that is not known.
        KeyboardInterrupt
            Between two passes of a method of many.
        """
        wanted = [count("classes", number, 0) for number in classes]
        layer = None if layer is None else text("layer", layer)
        found = self._native.explain(image, wanted, count("k", k), text("method", method), layer)
        return [Explanation(*row) for row in found]
