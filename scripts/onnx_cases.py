#!/usr/bin/env python3
"""Writes ONNX's own test cases into a folder, for tests/onnx_cases.rs.

    pip install onnx==1.23.2 safetensors numpy
    scripts/onnx_cases.py FOLDER
    SHADERNET_ONNX_CASES=FOLDER cargo test --test onnx_cases -- --ignored --nocapture

The cases are those of `onnx.backend.test.case.node`, and the `light_*` networks of the same package. Every case is
a folder with model.onnx, input.safetensors and expected.safetensors. In the cases, everything is an input of the
model: weights, shapes and axes, too. A network has those as constants, so all inputs but an operator's data
become initializers. All numbers and booleans that are inputs or outputs of the prepared model are written as float32,
as the engine has them. Cases with types that networks for images do not have are left out; skipped.txt says why.
"""

import collections
import pathlib
import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

# The inputs of these operators that are data; those of others are all of floating-point numbers.
DATA = {
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
INTEGER = {
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


def array(tensor):
    # Some cases have numbers where tensors of no dimensions are meant.
    tensor = np.asarray(tensor) if isinstance(tensor, np.generic) else tensor
    return numpy_helper.to_array(tensor) if isinstance(tensor, TensorProto) else tensor


def prepare(case):
    """The model with constants, its inputs and outputs; or why it is left out."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    inputs, outputs = case.data_sets[0]
    for info in [*graph.input, *graph.output]:
        if not info.type.HasField("tensor_type"):
            return "sequences, optional and sparse values"
    try:
        inputs, outputs = ([array(x) for x in values] for values in (inputs, outputs))
    except Exception as error:  # strings and 4-bit numbers
        return f"a type without an array: {type(error).__name__}"
    if not all(isinstance(x, np.ndarray) for x in [*inputs, *outputs]):
        return "sequences, optional and sparse values"
    domains = {node.domain for node in graph.node} - {"", "ai.onnx"}
    if domains:
        return f"domain {', '.join(sorted(domains))}"
    for what, values in [("an input", inputs), ("an output", outputs)]:
        if not values or any(x.dtype.kind not in "fiub" or x.dtype == np.float16 for x in values):
            return f"{what} that is not float32, float64, integer or bool"
    if any(x.dtype.kind in "iu" and np.abs(x.astype(np.float64)).max(initial=0) > EXACT for x in outputs):
        return "integers beyond 2^24"
    if any(x.size == 0 for x in [*inputs, *outputs]):
        return "empty values"
    first = next((node for node in graph.node if node.op_type != "Constant"), None)
    if first is None:
        return "constants only"
    single = len(graph.node) == 1
    data = {}
    names = [info.name for info in graph.input]
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
        return "no input of floating-point numbers or of booleans as data"
    for name, value in zip(names, inputs):
        if name not in data:
            graph.initializer.append(numpy_helper.from_array(value, name))
    for opset in model.opset_import:
        # The oldest that is read, where nothing has changed before it.
        if opset.version < 7 and onnx.defs.get_schema(first.op_type, 7).since_version <= opset.version:
            opset.version = 7
    kept = [info for info in graph.input if info.name in data]
    del graph.input[:]
    graph.input.extend(kept)
    return model, data, {info.name: value for info, value in zip(graph.output, outputs)}


def write(folder, model, inputs, outputs):
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    for name, tensors in [("input", inputs), ("expected", outputs)]:
        tensors = {key: np.array(value, np.float32, order="C") for key, value in tensors.items()}
        save_file(tensors, folder / f"{name}.safetensors")


def light(folder):
    data = pathlib.Path(onnx.__file__).parent / "backend/test/data/light"
    for path in sorted(data.glob("light_*.onnx")):
        model = onnx.load(path)
        known = {tensor.name for tensor in model.graph.initializer}
        [info] = [info for info in model.graph.input if info.name not in known]
        shape = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        # As onnx.backend.test.runner makes it.
        value = (np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32)
        tensor = onnx.load_tensor(path.with_name(path.stem + "_output_0.pb"))
        expected = {model.graph.output[0].name: numpy_helper.to_array(tensor)}
        write(folder / path.stem, model, {info.name: value}, expected)


def main():
    [folder] = map(pathlib.Path, sys.argv[1:])
    warnings.filterwarnings("ignore")
    from onnx.backend.test.case.node import collect_testcases

    skipped = collections.defaultdict(list)
    count = 0
    for case in collect_testcases(None):
        prepared = prepare(case)
        if isinstance(prepared, str):
            skipped[prepared].append(case.name)
            continue
        write(folder / case.name, *prepared)
        count += 1
    light(folder)
    with open(folder / "skipped.txt", "w") as file:
        for reason, names in sorted(skipped.items(), key=lambda item: -len(item[1])):
            print(f"{len(names)} with {reason}: {' '.join(names)}", file=file)
    total = sum(map(len, skipped.values()))
    print(f"{count} node cases and 9 networks written; {total} left out, see skipped.txt")


main()
