"""Convolutional networks on any GPU that wgpu reaches, from NumPy arrays and images.

Examples
--------
>>> import shadernet
>>> classifier = shadernet.Classifier("models/efficientnet_lite0", device="cpu")
>>> for found in classifier.classify("tests/images/chelsea.png", k=1):
...     print(found.label)
tiger cat
"""

from ._shadernet import __version__
from .device import Device, DeviceInfo, devices
from .errors import *  # noqa: F403
from .errors import __all__ as _errors
from .results import Detection, Explanation, Mask, Prediction
from .session import Session, Value
from .tasks import Classifier, Detector, Embedder, Explainer, Segmenter

__all__ = [
    "Classifier",
    "Detection",
    "Detector",
    "Device",
    "DeviceInfo",
    "Embedder",
    "Explainer",
    "Explanation",
    "Mask",
    "Prediction",
    "Segmenter",
    "Session",
    "Value",
    "__version__",
    "devices",
    *_errors,
]
