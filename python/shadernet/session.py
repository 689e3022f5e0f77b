"""Any network, on arrays."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Type, TypeVar, Union

import numpy as np
import numpy.typing as npt

from . import _shadernet
from ._arguments import Path, count, path_text, text
from ._handles import Handle, Refused, usable
from .device import Device, _device
from .errors import ForkError, InputError, UnknownNameError

__all__ = ["Session", "Value"]

Arrays = Dict[str, "npt.NDArray[Any]"]
S = TypeVar("S", bound="Session")


@dataclass(frozen=True)
class Value:
    """An input or output of a network.

    Attributes
    ----------
    name : str
        Its name.
    shape : tuple or None
        Extents: an ``int`` where it is fixed, a ``str`` where the model has a name for it, else ``None``. ``None`` for
        the outputs of networks that are not ONNX models: they depend on the inputs.
    dtype : str
        NumPy's name of the type of its elements.
    """

    name: str
    shape: Optional[Tuple[Union[int, str, None], ...]]
    dtype: str


def _value(row: Tuple[str, Optional[Sequence[Union[int, str, None]]], str]) -> Value:
    name, shape, dtype = row
    return Value(name, None if shape is None else tuple(shape), dtype)


class Session(Handle):
    """A network ready to run on a device.

    Made by `from_onnx`, `from_folder` or `from_arch`. Threads may share a session. A pickled session is its recipe,
    the arguments of that call: it is made anew where it is unpickled, on the device of that process.

    Attributes
    ----------
    inputs, outputs : tuple of Value
        What it takes and returns.
    device : Device
        Where it runs.
    warning : str or None
        What runs otherwise than expected.
    device_bytes : int or None
        Bytes of device memory: weights, values, inputs and outputs. ``None`` before the first run of a network whose
        shapes are free, and on the reference backend.

    Examples
    --------
    >>> import numpy as np, shadernet
    >>> session = shadernet.Session.from_arch("resnet18", num_classes=10, device="cpu")
    >>> outputs = session.run({"input": np.zeros((1, 3, 64, 64), np.float32)})
    >>> {name: array.shape for name, array in outputs.items()}
    {'fc': (1, 10)}
    """

    device: Device
    inputs: Tuple[Value, ...]
    outputs: Tuple[Value, ...]
    _recipe: Tuple[str, Tuple[Any, ...], Device, str]
    _native: _shadernet.Session

    def __init__(self) -> None:
        raise TypeError("a session is made by Session.from_onnx, Session.from_folder or Session.from_arch")

    @classmethod
    def _make(
        cls: Type[S], how: str, arguments: Tuple[Any, ...], device: Union[Device, str, None], precision: str
    ) -> S:
        self = cls.__new__(cls)
        self.device = _device(device)
        self._recipe = (how, arguments, self.device, text("precision", precision))
        make = getattr(_shadernet.Session, how)
        self._native = make(usable(self.device._native), *arguments, precision)
        self.inputs = tuple(map(_value, self._native.inputs))
        self.outputs = tuple(map(_value, self._native.outputs))
        return self

    @classmethod
    def from_onnx(
        cls: Type[S],
        model: Union[Path, bytes],
        *,
        device: Union[Device, str, None] = None,
        precision: str = "float32",
    ) -> S:
        """Read an ONNX model.

        Parameters
        ----------
        model : path or bytes
            The file, or its content.
        device : Device or str, optional
            A device, or the name of a backend. By default the best GPU, or the CPU.
        precision : {"float32", "float16"}
            How values and weights are stored on the device. Arrays are the same for both.

        Returns
        -------
        Session

        Raises
        ------
        MissingFileError, FileError
            Where the file cannot be read.
        InvalidFileError
            Where it is not an ONNX model, or an operator is not supported.
        """
        if not isinstance(model, bytes):
            model = path_text("model", model)
        return cls._make("from_onnx", (model,), device, precision)

    @classmethod
    def from_folder(
        cls: Type[S],
        path: Path,
        *,
        device: Union[Device, str, None] = None,
        precision: str = "float32",
    ) -> S:
        """Open a model folder: ``config.json`` with weights beside it, as `shadernet` and timm write them.

        Parameters
        ----------
        path : path
            The folder, or the name of a model that ``shadernet models`` lists.
        device, precision
            As for `from_onnx`.

        Returns
        -------
        Session

        Raises
        ------
        MissingFileError, InvalidFileError, WeightsError, UnknownNameError
            Where the folder cannot be used.
        """
        return cls._make("from_folder", (path_text("path", path),), device, precision)

    @classmethod
    def from_arch(
        cls: Type[S],
        name: str,
        weights: Union[Path, Mapping[str, Any], None] = None,
        *,
        num_classes: Optional[int] = None,
        device: Union[Device, str, None] = None,
        precision: str = "float32",
    ) -> S:
        """Build a network of the zoo by its name in torchvision or timm.

        Parameters
        ----------
        name : str
            Such as ``"resnet50"``.
        weights : path or mapping, optional
            A checkpoint (safetensors, ``.pth``, ``.npz``), or arrays by name: a ``state_dict`` of tensors on the CPU.
            By default generated ones, which are good for timing only.
        num_classes : int, optional
            By default the architecture's own, or what the weights have.
        device, precision
            As for `from_onnx`.

        Returns
        -------
        Session

        Raises
        ------
        UnknownNameError
            For a network that is not in the zoo.
        InvalidFileError, WeightsError
            Where weights are missing, or have other names or shapes; the message lists them.
        """
        if isinstance(weights, Mapping):
            weights = {text("weights", key): _own(key, array) for key, array in weights.items()}
        elif weights is not None:
            weights = path_text("weights", weights)
        classes = None if num_classes is None else count("num_classes", num_classes, 0)
        return cls._make("from_arch", (text("name", name), weights, classes), device, precision)

    @property
    def warning(self) -> Optional[str]:
        return self._native.warning

    @property
    def device_bytes(self) -> Optional[int]:
        return self._native.device_bytes

    def prepare(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Make what runs for inputs of these shapes need, which the first such run would do.

        Parameters
        ----------
        shapes : mapping
            The shape of every input by name.

        Raises
        ------
        InputError, GraphError
            Where the network does not take these shapes.
        LimitError, DeviceMemoryError
            Where they are too large for the device.
        """
        missing = [value.name for value in self.inputs if value.name not in shapes]
        if missing:
            raise InputError(f"a shape for each input was expected, found none for {', '.join(missing)}")
        unknown = shapes.keys() - {value.name for value in self.inputs}
        if unknown:
            names = ", ".join(value.name for value in self.inputs)
            raise UnknownNameError(f"unknown input '{min(unknown)}' (known: {names})")
        every = [[count(f"shapes['{value.name}']", side) for side in shapes[value.name]] for value in self.inputs]
        self._native.prepare(every)

    def run(self, inputs: Mapping[str, Any], *, check_finite: bool = False) -> Arrays:
        """Run the network and wait for its outputs.

        Parameters
        ----------
        inputs : mapping
            Arrays by the inputs' names: NumPy arrays, or objects with ``__dlpack__`` on the CPU (PyTorch, JAX),
            of float32, float16 or uint8; of integers or booleans where the model declares these. Images are
            ``[N, C, H, W]``. C-contiguous float32 arrays are read without a copy; they must not be written to until
            this returns.
            A float64 array is taken where the model declares it.
        check_finite : bool
            Raise an `InputError` that names the first layer at fault where an output is NaN or infinite. By default
            such outputs are returned.

        Returns
        -------
        dict
            NumPy arrays by the outputs' names, of the types that the model declares. They share no memory with the
            session.

        Raises
        ------
        InputError
            For an input that is missing or of another type or shape, and for an output of integers of 2^24 or more,
            which float32 does not have exactly.
        UnknownNameError
            For a name that is no input.
        DeviceError, DeviceMemoryError, LimitError
            Where the device fails.

        Notes
        -----
        The interpreter's lock is not held while the network runs.
        """
        return self._native.run(_dict(inputs), check_finite)

    async def run_async(self, inputs: Mapping[str, Any], *, check_finite: bool = False) -> Arrays:
        """As `run`, for asyncio: other tasks run while the network does.

        Up to three runs of a session overlap on the device. The arrays must not be written to until this returns.

        Examples
        --------
        >>> import asyncio, numpy as np, shadernet
        >>> session = shadernet.Session.from_arch("mlp", device="cpu")
        >>> image = {"input": np.zeros((1, 1, 28, 28), np.float32)}
        >>> async def both():
        ...     return await asyncio.gather(session.run_async(image), session.run_async(image))
        >>> len(asyncio.run(both()))
        2
        """
        loop = asyncio.get_running_loop()
        # The dictionary is read later, by another thread.
        arrays = dict(_dict(inputs))
        return await loop.run_in_executor(None, self._native.run_overlapped, arrays, check_finite)

    def __repr__(self) -> str:
        how, arguments, device, _ = self._recipe
        model = "bytes" if isinstance(arguments[0], bytes) else arguments[0]
        return f"<shadernet.Session: {model} on {device.name}>"

    def __reduce__(self) -> Tuple[Any, ...]:
        return _remake, (type(self), *self._recipe)


def _remake(kind: Type[S], how: str, arguments: Tuple[Any, ...], device: Device, precision: str) -> S:
    try:
        return kind._make(how, arguments, device, precision)
    except ForkError as error:
        self = kind.__new__(kind)
        self.device, self._recipe = device, (how, arguments, device, precision)
        self._native = Refused(error)  # type: ignore[assignment]
        self.inputs = self.outputs = ()
        return self


def _own(name: str, array: Any) -> npt.NDArray[Any]:
    """A copy of a weight: the session reads it again for other shapes, and its pickled recipe has it."""
    if not isinstance(array, np.ndarray) and hasattr(array, "__dlpack__"):
        try:
            array = np.from_dlpack(array)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(f"{name}: its memory cannot be read through DLPack ({error})") from None
    return np.array(array)


def _dict(inputs: Mapping[str, Any]) -> Dict[str, Any]:
    if isinstance(inputs, Mapping):
        for name in inputs:
            text("the name of an input", name)
        return inputs if isinstance(inputs, dict) else dict(inputs)
    found = type(inputs).__name__
    raise InputError(f'inputs: a mapping of names to arrays was expected, such as {{"input": array}}, found {found}')

