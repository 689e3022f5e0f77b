"""The exceptions and the warning of this package.

Each is a :class:`ShadernetError`, and where Python has an exception for the same, that too: code that catches
``FileNotFoundError`` or ``ValueError`` works as with any other library. Messages name the file, the input or the
layer, what was expected, what was found, and what to do.

Examples
--------
>>> import shadernet
>>> try:
...     shadernet.Session.from_onnx("no/such/model.onnx")
... except shadernet.ShadernetError as error:
...     print(type(error).__name__, isinstance(error, FileNotFoundError))
MissingFileError True
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any, Optional, Tuple

__all__ = [
    "DeviceError",
    "DeviceLostError",
    "DeviceMemoryError",
    "FileError",
    "ForkError",
    "GraphError",
    "InexactError",
    "InputError",
    "InvalidFileError",
    "LimitError",
    "MissingFileError",
    "NoAdapterError",
    "ShadernetError",
    "ShadernetWarning",
    "UnknownNameError",
    "WeightsError",
]


class ShadernetError(Exception):
    """The base of all exceptions of this package."""


class FileError(ShadernetError, OSError):
    """The operating system could not read or write a file.

    Parameters
    ----------
    message : str
        What happened.
    errno : int, optional
        The operating system's number of the error.
    filename : str, optional
        The file.
    """

    def __init__(self, message: str, errno: Optional[int] = None, filename: Optional[str] = None) -> None:
        super().__init__(message)
        self.errno = errno
        self.filename = filename

    def __str__(self) -> str:
        # OSError's would leave the message out.
        return str(self.args[0])

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.args[0], self.errno, self.filename)


class MissingFileError(FileError, FileNotFoundError):
    """A file does not exist."""


class InvalidFileError(ShadernetError, ValueError):
    """The content of a file cannot be used: a model or an image that is damaged or of another format."""


class WeightsError(ShadernetError, ValueError):
    """Weights do not fit the network; the message lists the tensors."""


class GraphError(ShadernetError, ValueError):
    """A layer of a network has invalid parameters or inputs."""


class InputError(ShadernetError, ValueError):
    """An argument cannot be used: a type, a shape or a value. Also raised for outputs that are not numbers."""


class InexactError(InputError):
    """An output of integers is 2^24 or more, which networks, computing in float32, do not have exactly."""


class UnknownNameError(ShadernetError, LookupError):
    """A name is not known; the message has the most similar known ones."""


class NoAdapterError(ShadernetError, RuntimeError):
    """No adapter is as requested."""


class LimitError(ShadernetError, RuntimeError):
    """A limit of the device is exceeded."""


class DeviceError(ShadernetError, RuntimeError):
    """The device refused a call, or failed."""


class DeviceLostError(DeviceError):
    """The device is lost: reset by its driver, or unplugged. Open another, and make the sessions anew."""


class DeviceMemoryError(DeviceError, MemoryError):
    """The device is out of memory."""


class ForkError(ShadernetError, RuntimeError):
    """A device was used in a process that was forked after its first use."""


class ShadernetWarning(UserWarning):
    """What runs otherwise than expected: another device, weights that the network does not use."""


_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def _warn(message: str) -> None:
    """Warn at the line outside of this package that led here."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, ShadernetWarning, stacklevel=level)
