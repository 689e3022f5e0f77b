"""What tasks find in images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

import numpy as np
import numpy.typing as npt

__all__ = ["Detection", "Explanation", "Mask", "Prediction"]


@dataclass(frozen=True)
class Prediction:
    """A class of an image.

    Attributes
    ----------
    class_id : int
        The class's index.
    label : str
        The class's name.
    probability : float
        Between 0 and 1.
    """

    class_id: int
    label: str
    probability: float


@dataclass(frozen=True)
class Detection:
    """An object in an image.

    Attributes
    ----------
    class_id : int
        The class's index.
    label : str
        The class's name.
    score : float
        The confidence, between 0 and 1.
    box : tuple of float
        Left, top, right and bottom in pixels of the image.
    """

    class_id: int
    label: str
    score: float
    box: Tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Mask:
    """The class of every pixel of an image.

    Attributes
    ----------
    classes : ndarray of uint8, [height, width]
        The index of each pixel's class; 0 is the background for networks of one class.
    probabilities : ndarray of float32, [height, width]
        The probability of that class.
    foreground : ndarray of float32, [height, width]
        The probability that a pixel is not of class 0.
    labels : tuple of str
        The classes' names.
    """

    classes: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32]
    foreground: npt.NDArray[np.float32]
    labels: Tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where in an image the evidence for a class lies.

    Attributes
    ----------
    class_id : int
        The class's index.
    label : str
        The class's name.
    score : float
        The network's output for it, before any softmax.
    probability : float
        Between 0 and 1.
    heat : ndarray of float32, [height, width]
        The evidence at each pixel of the image, not normalized.
    layer : str or None
        The explained layer, for methods that explain one.
    """

    class_id: int
    label: str
    score: float
    probability: float
    heat: npt.NDArray[np.float32]
    layer: Optional[str]
