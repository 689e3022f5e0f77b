#!/usr/bin/env bash
# ONNX Runtime 1.32.0, CPU provider: auto_pad SAME_UPPER with dilations. The specification's formula has the dilated
# kernel, (kernel - 1) * dilation + 1. Conv refuses the combination when it runs. MaxPool accepts it, and pads as if
# dilations were 1: its output is smaller than its input, against the meaning of SAME and the shape that the same
# program infers (it only warns), and begins half a window later. A model that loads and runs is no proof here.
#
# Needs python3 with venv.
#
# Output seen (for 1 2 3 4 5 6, kernel 3, dilation 2, stride 1):
#   MaxPool, SAME_UPPER      4 5 6 5
#   MaxPool, pads by formula 3 4 5 6 5 6
#   Conv, SAME_UPPER: Dilation not supported for AutoPadType::SAME_UPPER or AutoPadType::SAME_LOWER.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.3.5
cat >"$folder/pool.py" <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

KERNEL, DILATION = 3, 2
x = np.arange(1, 7, dtype=np.float32).reshape(1, 1, 6)


def run(operator, **attributes):
    inputs = ["x", "w"] if operator == "Conv" else ["x"]
    node = helper.make_node(
        operator, inputs, ["y"], kernel_shape=[KERNEL], dilations=[DILATION], strides=[1], **attributes
    )
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, KERNEL], [1] * KERNEL)
    graph = helper.make_graph(
        [node],
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight] if operator == "Conv" else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    options = {"providers": ["CPUExecutionProvider"]}
    session = onnxruntime.InferenceSession(model.SerializeToString(), **options)
    return session.run(None, {"x": x})[0].ravel()


def text(values):
    return " ".join(f"{value:g}" for value in values)


total = (KERNEL - 1) * DILATION
pads = [total // 2, total - total // 2]
same = run("MaxPool", auto_pad="SAME_UPPER")
formula = run("MaxPool", pads=pads)
print("MaxPool, SAME_UPPER     ", text(same))
print("MaxPool, pads by formula", text(formula))
try:
    run("Conv", auto_pad="SAME_UPPER")
    raise SystemExit("the convolution is not refused")
except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument as error:
    print("Conv, SAME_UPPER:", str(error).split("Message: ")[-1])
assert same.shape != formula.shape, "the output is as large as the input"
PYTHON
"$folder/venv/bin/python" "$folder/pool.py"
