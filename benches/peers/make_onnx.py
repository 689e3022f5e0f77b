"""Writes the networks of `networks.py` as ONNX files, for ONNX Runtime and wonnx. Needs `onnx` and `numpy`.

    python make_onnx.py NAME FILE [BATCH] [--for-wonnx] [--shadernet COMMAND]

Weights are random with a fixed seed, which suffices for timing. wonnx does not infer shapes and cannot multiply by a
transposed matrix: with --for-wonnx, the file has the shape of every value and transposed matrices. Networks without a
.param file are written by shadernet; their matrices stay as they are.
"""

import argparse
import subprocess

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import networks


class Writer:
    def __init__(self, shapes, for_wonnx):
        self.shapes = shapes
        self.for_wonnx = for_wonnx
        self.nodes = []
        self.tensors = []
        self.random = np.random.default_rng(0)

    def weight(self, name, shape):
        fan_in = max(int(np.prod(shape[1:])), 1)
        values = self.random.standard_normal(shape, dtype=np.float32) / np.float32(fan_in**0.5)
        return self.tensor(name, values)

    def tensor(self, name, values):
        self.tensors.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def add(self, layer):
        name, kind, output = layer.name, layer.kind, layer.outputs[0]
        read = self.shapes[layer.inputs[0]]
        # With an activation, the layer's value before it has another name.
        value = f"{output}.linear" if layer.activation else output
        if kind in ("Convolution", "ConvolutionDepthWise"):
            groups = layer.get("7", 1) if kind == "ConvolutionDepthWise" else 1
            weight = self.weight(f"{name}.weight", (layer.get("0"), read[1] // groups, *layer.kernel))
            self.node("Conv", [layer.inputs[0], weight, *self.bias(layer)], value, group=groups, **window(layer))
        elif kind == "Deconvolution":
            weight = self.weight(f"{name}.weight", (read[1], layer.get("0"), *layer.kernel))
            self.node("ConvTranspose", [layer.inputs[0], weight, *self.bias(layer)], value, **window(layer))
        elif kind == "InnerProduct":
            inputs = layer.inputs[0]
            if len(read) == 4:
                self.node("Flatten", [inputs], f"{inputs}.flat")
                inputs = f"{inputs}.flat"
            extents = (layer.get("0"), int(np.prod(read[1:])))
            weight = self.weight(f"{name}.weight", extents[::-1] if self.for_wonnx else extents)
            flags = {} if self.for_wonnx else {"transB": 1}
            self.node("Gemm", [inputs, weight, self.weight(f"{name}.bias", (layer.get("0"),))], value, **flags)
        elif kind == "Pooling" and layer.is_global:
            self.node("GlobalAveragePool", layer.inputs, value)
        elif kind == "Pooling":
            self.node("MaxPool" if layer.is_max else "AveragePool", layer.inputs, value, **window(layer))
        elif kind == "BatchNorm":
            channels = np.ones(layer.get("0"))
            parts = [("scale", 1), ("bias", 0), ("mean", 0), ("variance", 1)]
            inputs = [self.tensor(f"{name}.{part}", factor * channels) for part, factor in parts]
            self.node("BatchNormalization", [*layer.inputs, *inputs], value, epsilon=float(layer.values["1"]))
        elif kind == "BinaryOp":
            assert layer.get("0") == 0, "an addition"
            self.node("Add", layer.inputs, value)
        elif kind == "Concat":
            self.node("Concat", layer.inputs, value, axis=1)
        elif kind in ("ReLU", "Flatten"):
            self.node({"ReLU": "Relu"}.get(kind, kind), layer.inputs, value)
        else:
            raise ValueError(f"{name}: unsupported layer {kind}")
        if layer.activation == "relu":
            self.node("Relu", [value], output)
        elif layer.activation == "clip":
            bounds = [self.tensor(f"{name}.{bound}", np.array(bound)) for bound in (0.0, 6.0)]
            self.node("Clip", [value, *bounds], output)

    def bias(self, layer):
        return [self.weight(f"{layer.name}.bias", (layer.get("0"),))] if layer.get("5") else []


def window(layer):
    return {
        "kernel_shape": layer.kernel,
        "strides": layer.stride,
        "pads": [*layer.padding, *layer.padding],
    }


def made(name, batch, for_wonnx):
    """A network of a .param file."""
    shapes = networks.shapes(name, batch)
    writer = Writer(shapes, for_wonnx)
    for layer in networks.layers(name):
        writer.add(layer)
    edge = lambda value: helper.make_tensor_value_info(value, TensorProto.FLOAT, shapes[value])
    graph = helper.make_graph(writer.nodes, name, [edge("in0")], [edge("out0")], writer.tensors)
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="shadernet")


def written_by(shadernet, name, path, batch):
    """A network that shadernet writes, for images of any size, with fixed sizes as in the other files."""
    subprocess.run([shadernet, "convert", name, "--generate-weights", "-o", path], check=True, stdout=subprocess.DEVNULL)
    model = onnx.load(path)
    extents = {"batch": batch, "height": networks.side(name), "width": networks.side(name)}
    for value in (*model.graph.input, *model.graph.output):
        for extent in value.type.tensor_type.shape.dim:
            if extent.dim_param:
                extent.dim_value = extents[extent.dim_param]
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name")
    parser.add_argument("path")
    parser.add_argument("batch", nargs="?", type=int, default=1)
    parser.add_argument("--for-wonnx", action="store_true")
    parser.add_argument("--shadernet", default="shadernet")
    given = parser.parse_args()
    if given.name in networks.ONNX_ONLY:
        model = written_by(given.shadernet, given.name, given.path, given.batch)
    else:
        model = made(given.name, given.batch, given.for_wonnx)
    if given.for_wonnx:
        model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model)
    onnx.save(model, given.path)


if __name__ == "__main__":
    main()
