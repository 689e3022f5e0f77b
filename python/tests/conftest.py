"""What tests share: the repository's models and images, and small ONNX models."""

import pathlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGES = ROOT / "tests/images"
CLASSIFIER = ROOT / "models/efficientnet_lite0"
DETECTOR = ROOT / "models/yolov3_tiny"
YUNET = ROOT / "tests/onnx/yunet_n_dynamic.onnx"
CHELSEA = IMAGES / "chelsea.png"


def model_bytes(op, inputs, outputs=None, **attributes):
    """A model of one node, whose inputs and outputs have these types and shapes."""
    outputs = outputs or {"y": inputs[next(iter(inputs))]}
    info = lambda values: [helper.make_tensor_value_info(name, *value) for name, value in values.items()]
    node = helper.make_node(op, list(inputs), list(outputs), **attributes)
    graph = helper.make_graph([node], "one", info(inputs), info(outputs))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@pytest.fixture
def relu():
    """ReLU of `[N, 3, 4, 5]`, for any N."""
    return model_bytes("Relu", {"x": (TensorProto.FLOAT, ["N", 3, 4, 5])})


@pytest.fixture
def array():
    return np.random.default_rng(7).standard_normal((2, 3, 4, 5), dtype=np.float32)


def devices():
    """The backends that run here, with the reference backend."""
    import shadernet

    found = {info.backend for info in shadernet.devices()}
    return ["reference", *sorted(found)]
