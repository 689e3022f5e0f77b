#!/usr/bin/env bash
# GridSample, cubic, padding_mode border, at a position less than a pixel beyond the map: the reference evaluator of
# onnx 1.23.2 moves the position to the edge first, and returns the pixel there. ONNX Runtime 1.32.0 (CPU) and PyTorch
# 2.13.0 keep the position, and move each of the four pixels: their cubic overshoots. The linear mode is the same in all.
# ONNX's own node tests have no cubic case with this padding, so that both pass them.
#
# Needs python3 with venv, and 1 GB of disk.
#
# Output seen (columns 0 1 2 3, align_corners, the position 0.45 pixels left of column 0):
#   linear  onnx 0.0000  onnxruntime 0.0000  torch 0.0000
#   cubic   onnx 0.0000  onnxruntime -0.1021  torch -0.1021
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 torch==2.13.0 numpy==2.3.5
cat >"$folder/sample.py" <<'PYTHON'
import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = np.tile(np.arange(4, dtype=np.float32), (4, 1)).reshape(1, 1, 4, 4)
grid = np.array([[[[-1.3, 0.0]]]], dtype=np.float32)
found = {}
for mode in ["linear", "cubic"]:
    node = helper.make_node("GridSample", ["x", "grid"], ["y"], mode=mode, padding_mode="border", align_corners=1)
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    inputs = [value("x", x.shape), value("grid", grid.shape)]
    graph = helper.make_graph([node], "sample", inputs, [value("y", [1, 1, 1, 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 9
    feed = {"x": x, "grid": grid}
    options = {"providers": ["CPUExecutionProvider"]}
    session = onnxruntime.InferenceSession(model.SerializeToString(), **options)
    theirs = torch.nn.functional.grid_sample(
        torch.from_numpy(x),
        torch.from_numpy(grid),
        mode={"linear": "bilinear", "cubic": "bicubic"}[mode],
        padding_mode="border",
        align_corners=True,
    )
    found[mode] = [
        float(ReferenceEvaluator(model).run(None, feed)[0].item()),
        float(session.run(None, feed)[0].item()),
        float(theirs.item()),
    ]
    text = "  ".join(f"{name} {y:.4f}" for name, y in zip(["onnx", "onnxruntime", "torch"], found[mode]))
    print(f"{mode:7} {text}")
assert max(map(abs, found["linear"])) < 1e-6, "linear samples differ"
evaluator, runtime, torchs = found["cubic"]
assert abs(evaluator) < 1e-6 and abs(runtime - torchs) < 1e-5 and runtime < -0.05, found
PYTHON
"$folder/venv/bin/python" "$folder/sample.py"
