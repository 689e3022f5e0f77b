#!/usr/bin/env bash
# ONNX Runtime 1.32.0, CPU provider, x86-64: Sigmoid in float32 has an error of about 2e-7 everywhere, not one
# relative to the value. Below -10 nothing of a probability's digits is right: it is 17 % too large at -15, larger at
# -17 than at -16, and exactly 0 from -18 on, where float32 could hold it down to -87. Comparing an engine with
# recorded outputs of ONNX Runtime by relative difference then finds fault with the engine that is right, and the
# logarithm of such a probability is minus infinity.
#
# Needs python3 with venv.
#
# Output seen (input, ONNX Runtime, exact):
#   -4 1.7986e-02 1.7986e-02
#   -10 4.5389e-05 4.5398e-05
#   -13 2.2352e-06 2.2603e-06
#   -15 3.5763e-07 3.0590e-07
#   -16 5.9605e-08 1.1254e-07
#   -17 8.9407e-08 4.1399e-08
#   -18 0.0000e+00 1.5230e-08
#   largest difference from -30 to 30: 1.7e-07
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.3.5
cat >"$folder/sigmoid.py" <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

graph = helper.make_graph(
    [helper.make_node("Sigmoid", ["x"], ["y"])],
    "sigmoid",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
model.ir_version = 8
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def both(x):
    x = np.array(x, np.float32)
    found = session.run(None, {"x": x})[0].astype(np.float64)
    return found, 1 / (1 + np.exp(-x.astype(np.float64)))


inputs = [-4, -10, -13, -15, -16, -17, -18]
found, exact = both(inputs)
for x, a, b in zip(inputs, found, exact):
    print(f"{x} {a:.4e} {b:.4e}")
all_found, all_exact = both(np.linspace(-30, 30, 60001))
largest = np.abs(all_found - all_exact).max()
print(f"largest difference from -30 to 30: {largest:.1e}")
assert largest < 1e-6
assert abs(found[3] / exact[3] - 1) > 0.05, "the value at -15 is right"
assert found[6] == 0, "the value at -18 is not 0"
PYTHON
"$folder/venv/bin/python" "$folder/sigmoid.py"
