"""ONNX's backend interface over this package, as ``onnx.backend.base`` defines it.

ONNX's own test runner drives it, and code that takes any backend. Values that are weights, shapes or axes may be inputs
of a model; they become constants when it runs. Needs the package ``onnx``.

Examples
--------
>>> import numpy as np, onnx
>>> from onnx import helper
>>> from shadernet import onnx_backend
>>> node = helper.make_node("Relu", ["x"], ["y"])
>>> onnx_backend.run_node(node, [np.array([-1, 2], np.float32)])[0]
array([0., 2.], dtype=float32)
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper
from onnx.backend.base import Backend, BackendRep, namedtupledict
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

from ._onnx_inputs import LeftOutError, as_array, check_model, check_values, with_constants
from .device import Device, _device
from .errors import InexactError, InputError, InvalidFileError, ShadernetError, UnknownNameError
from .session import Session

__all__ = ["NotSupported", "ShadernetBackend", "ShadernetRep", "prepare", "run_model", "run_node", "supports_device"]


class NotSupported(ShadernetError, BackendIsNotSupposedToImplementIt):
    """A model that networks for images are not, or with an operator that is not supported. The text says which."""


class ShadernetRep(BackendRep):
    """A model that is ready to run.

    Parameters
    ----------
    model : ModelProto
        The model.
    device : Device
        Where it runs.
    """

    def __init__(self, model: ModelProto, device: Device) -> None:
        self._model = model
        self._device = device
        # By the values of the inputs that became constants.
        self._sessions: Dict[Tuple[Any, ...], Session] = {}

    def run(self, inputs: Union[Sequence[Any], Dict[str, Any]], **kwargs: Any) -> Tuple[Any, ...]:
        """Run the model.

        Parameters
        ----------
        inputs : sequence or dict
            Arrays in the order of the model's inputs, or by name.
        **kwargs
            Ignored; the interface has it.

        Returns
        -------
        namedtuple
            The outputs, also by name.
        """
        known = {tensor.name for tensor in self._model.graph.initializer}
        names = [info.name for info in self._model.graph.input if info.name not in known]
        if isinstance(inputs, dict):
            inputs = [inputs[name] for name in names if name in inputs]
        if isinstance(inputs, np.ndarray) or len(inputs) != len(names):
            count = "one array" if isinstance(inputs, np.ndarray) else len(inputs)
            raise InputError(f"inputs: a list with an array for each of {', '.join(names)} was expected, found {count}")
        try:
            values = [as_array(value) for value in inputs]
            check_values("an input", values)
            model, data = with_constants(self._model, values)
        except LeftOutError as error:
            raise NotSupported(str(error)) from None
        constants = [value for name, value in zip(names, values) if name not in data]
        key = tuple((value.dtype.str, value.shape, value.tobytes()) for value in constants)
        try:
            if key not in self._sessions:
                self._sessions = {key: Session.from_onnx(model.SerializeToString(), device=self._device)}
            session = self._sessions[key]
            # What the engine computes in is float32.
            data = {name: value.astype(np.float32) if value.dtype == np.float64 else value for name, value in data.items()}
            found = session.run(data)
        except InvalidFileError as error:
            raise NotSupported(str(error)) from None
        except InexactError:
            raise NotSupported("integers beyond 2^24") from None
        outputs = [found[info.name] for info in self._model.graph.output]
        return namedtupledict("Outputs", [info.name for info in self._model.graph.output])(*outputs)


class ShadernetBackend(Backend):
    """The backend; its functions are this module's, too."""

    @classmethod
    def is_compatible(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Return whether a model is of the kind that is supported; its operators are checked when it runs."""
        try:
            check_model(model)
        except LeftOutError:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> ShadernetRep:
        """Prepare a model.

        Parameters
        ----------
        model : ModelProto
            The model.
        device : str
            ``"CPU"``, or the name of another backend of `shadernet.Device`.
        **kwargs
            Ignored; the interface has it.

        Returns
        -------
        ShadernetRep
            The model, whose ``run`` may be called any number of times.

        Raises
        ------
        NotSupported
            For a model that networks for images are not.
        """
        try:
            check_model(model)
        except LeftOutError as error:
            raise NotSupported(str(error)) from None
        return ShadernetRep(model, _device(_backend(device)))

    @classmethod
    def run_model(cls, model: ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> Tuple[Any, ...]:
        """Prepare a model and run it once; see `prepare`."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Optional[Sequence[Tuple[Any, Tuple[int, ...]]]] = None,
        **kwargs: Any,
    ) -> Tuple[Any, ...]:
        """Run a single node.

        Parameters
        ----------
        node : NodeProto
            The node.
        inputs : sequence of ndarray
            Its inputs.
        device : str
            As for `prepare`.
        outputs_info : sequence, optional
            The types and shapes of the outputs; without it, they are of the type of the first input.
        **kwargs
            ``opset_version`` is the opset of the node; by default the latest that ONNX has and this package reads.

        Returns
        -------
        namedtuple
            The outputs, also by name.
        """
        values = [as_array(value) for value in inputs]
        names = [name for name in node.input if name]
        if len(values) != len(names) or not values:
            raise InputError(f"inputs: an array for each of {', '.join(names)} was expected, found {len(values)}")
        element = helper.np_dtype_to_tensor_dtype
        infos = [
            helper.make_tensor_value_info(name, element(value.dtype), value.shape) for name, value in zip(names, values)
        ]
        types: List[Any] = [(values[0].dtype, None)] * len(node.output)
        if outputs_info is not None:
            types = list(outputs_info)
        outputs = [
            helper.make_tensor_value_info(name, element(np.dtype(dtype)), shape)
            for name, (dtype, shape) in zip(node.output, types)
        ]
        graph = helper.make_graph([node], "node", infos, outputs)
        opset = kwargs.get("opset_version", min(onnx.defs.onnx_opset_version(), NEWEST_OPSET))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        return cls.run_model(model, values, device)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Return whether `device`, ``"CPU"`` or the name of another backend, can be opened here."""
        from . import devices

        try:
            name = _backend(device)
            return name == "reference" or any(info.backend == name for info in devices(name))
        except UnknownNameError:
            return False


# As the library reads them.
NEWEST_OPSET = 28


def _backend(device: str) -> str:
    return device.split(":")[0].lower()


is_compatible = ShadernetBackend.is_compatible
prepare = ShadernetBackend.prepare
run_model = ShadernetBackend.run_model
run_node = ShadernetBackend.run_node
supports_device = ShadernetBackend.supports_device
