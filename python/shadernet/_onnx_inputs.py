"""Which inputs of an ONNX model are data, and which are weights, shapes and axes.

In a network, only data is an input; ONNX's own test cases have everything as inputs. This module imports neither
`shadernet` nor anything but ONNX and NumPy: `scripts/onnx_cases.py` uses it, too.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, numpy_helper

# The inputs of these operators that are data; those of others are all of floating-point numbers.
DATA: Dict[str, List[int]] = {
    "BatchNormalization": [0],
    "Clip": [0],
    "Conv": [0],
    "ConvTranspose": [0],
    "DequantizeLinear": [0],
    "Dropout": [0],
    "Gemm": [0],
    "GroupNormalization": [0],
    "InstanceNormalization": [0],
    "LayerNormalization": [0],
    "OneHot": [0],
    "Pad": [0],
    "PRelu": [0],
    "Resize": [0],
    "Upsample": [0],
}
# The operators that take booleans as data, and those that take integers, with the inputs that are data.
LOGICAL = ["And", "Cast", "Not", "Or", "Where", "Xor"]
PAIR = [0, 1]
INTEGER: Dict[str, List[int]] = {
    "CumSum": [0],
    "DequantizeLinear": [0],
    "Div": PAIR,
    "Equal": PAIR,
    "Greater": PAIR,
    "GreaterOrEqual": PAIR,
    "Less": PAIR,
    "LessOrEqual": PAIR,
    "Max": [0, 1, 2],
    "Min": [0, 1, 2],
    "Mod": PAIR,
    "TopK": [0],
    "Trilu": [0],
    "Where": [1, 2],
}
# The largest magnitude up to which all integers are float32 numbers.
EXACT = 2**24
UNUSUAL = "that is not float32, float64, integer or bool"
# The types of outputs.
OUTPUTS = {
    TensorProto.BOOL,
    TensorProto.DOUBLE,
    TensorProto.FLOAT,
    TensorProto.INT8,
    TensorProto.INT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.UINT8,
    TensorProto.UINT16,
    TensorProto.UINT32,
    TensorProto.UINT64,
}
# The oldest opset that is read.
OLDEST = 7


class LeftOutError(Exception):
    """A model of a kind that networks for images are not; the text says which."""


def as_array(value: Any) -> Any:
    """The array of a tensor; other values as they are."""
    # Some cases have numbers where tensors of no dimensions are meant.
    if isinstance(value, np.generic):
        return np.asarray(value)
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def check_values(what: str, values: Sequence[Any]) -> None:
    """Raise `LeftOutError` for values that networks do not have."""
    if not all(isinstance(x, np.ndarray) for x in values):
        raise LeftOutError("sequences, optional and sparse values")
    if not values or any(x.dtype.kind not in "fiub" or x.dtype == np.float16 for x in values):
        raise LeftOutError(f"{what} {UNUSUAL}")
    if any(x.size == 0 for x in values):
        raise LeftOutError("empty values")


def check_model(model: ModelProto) -> None:
    """Raise `LeftOutError` for a model that networks are not, whatever its inputs."""
    for info in [*model.graph.input, *model.graph.output]:
        if not info.type.HasField("tensor_type"):
            raise LeftOutError("sequences, optional and sparse values")
    if any(info.type.tensor_type.elem_type not in OUTPUTS for info in model.graph.output):
        raise LeftOutError(f"an output {UNUSUAL}")
    domains = {node.domain for node in model.graph.node} - {"", "ai.onnx"}
    if domains:
        raise LeftOutError(f"domain {', '.join(sorted(domains))}")
    if all(node.op_type == "Constant" for node in model.graph.node):
        raise LeftOutError("constants only")


def with_constants(model: ModelProto, inputs: Sequence[Any]) -> Tuple[ModelProto, Dict[str, Any]]:
    """Return the model whose inputs are data only, and the data by name.

    The values of other inputs become constants of the model. `inputs` are in the order of the model's inputs that are
    no initializers.
    """
    prepared = ModelProto()
    prepared.CopyFrom(model)
    graph = prepared.graph
    first = next(node for node in graph.node if node.op_type != "Constant")
    single = len(graph.node) == 1
    known = {tensor.name for tensor in graph.initializer}
    names = [info.name for info in graph.input if info.name not in known]
    data = {}
    for name, value in zip(names, inputs):
        position = list(first.input).index(name) if name in first.input else 0
        is_bool = value.dtype == np.bool_ and first.op_type in LOGICAL
        is_integer = value.dtype.kind in "iu" and position in INTEGER.get(first.op_type, [])
        is_data = (value.dtype.kind == "f" or is_bool or is_integer) and (
            not single or position in DATA.get(first.op_type, [position])
        )
        if is_data:
            data[name] = value
    if not data:
        raise LeftOutError("no input of floating-point numbers or of booleans as data")
    for name, value in zip(names, inputs):
        if name not in data:
            graph.initializer.append(numpy_helper.from_array(value, name))
    for opset in prepared.opset_import:
        # Where nothing has changed before it.
        if opset.version < OLDEST and onnx.defs.get_schema(first.op_type, OLDEST).since_version <= opset.version:
            opset.version = OLDEST
    kept = [info for info in graph.input if info.name in data]
    del graph.input[:]
    graph.input.extend(kept)
    return prepared, data
