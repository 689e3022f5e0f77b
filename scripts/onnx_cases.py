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
from onnx import numpy_helper
from safetensors.numpy import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python/shadernet"))
from _onnx_inputs import EXACT, LeftOutError, as_array, check_model, check_values, with_constants  # noqa: E402


def prepare(case):
    """The model with constants, its inputs and outputs; or why it is left out."""
    inputs, outputs = case.data_sets[0]
    try:
        check_model(case.model)
        try:
            inputs, outputs = ([as_array(x) for x in values] for values in (inputs, outputs))
        except Exception as error:  # strings and 4-bit numbers
            return f"a type without an array: {type(error).__name__}"
        check_values("an input", inputs)
        check_values("an output", outputs)
        if any(x.dtype.kind in "iu" and np.abs(x.astype(np.float64)).max(initial=0) > EXACT for x in outputs):
            return "integers beyond 2^24"
        model, data = with_constants(case.model, inputs)
    except LeftOutError as error:
        return str(error)
    return model, data, {info.name: value for info, value in zip(model.graph.output, outputs)}


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
