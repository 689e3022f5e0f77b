"""The networks of the comparison, read from `ncnn/*.param`: one source for ncnn, ONNX files and PyTorch. Shapes are
inferred here, so that no other script needs to know a network.
"""

import dataclasses
import json
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent / "ncnn"
NAMES = ["alexnet", "vgg16", "resnet18", "resnet50", "densenet121", "mobilenet_v2", "unet"]
# These have no .param file: `shadernet convert` writes their ONNX files, and only engines that read ONNX have them.
ONNX_ONLY = ["efficientnet_lite0"]


@dataclasses.dataclass
class Layer:
    """One line of a .param file. Keys are ncnn's parameter numbers."""

    kind: str
    name: str
    inputs: list
    outputs: list
    values: dict

    def get(self, key, default=0):
        return int(self.values.get(key, default))

    @property
    def activation(self):
        """`None`, `relu`, or `clip`, which is from 0 to 6 in all of these networks."""
        return {0: None, 1: "relu", 3: "clip"}[self.get("9")]

    @property
    def kernel(self):
        width = self.get("1")
        return self.get("11", width), width

    @property
    def stride(self):
        key = ("12", "2") if self.kind == "Pooling" else ("13", "3")
        width = self.get(key[1], 1)
        return self.get(key[0], width), width

    @property
    def padding(self):
        key = ("13", "3") if self.kind == "Pooling" else ("14", "4")
        width = self.get(key[1])
        return self.get(key[0], width), width

    @property
    def is_global(self):
        return self.kind == "Pooling" and self.get("4") == 1

    @property
    def is_max(self):
        return self.get("0") == 0


def side(name):
    """Height and width of the image."""
    return 256 if name == "unet" else 224


def param_file(name):
    if name in ONNX_ONLY:
        raise ValueError(f"there is no .param file of {name}")
    return FOLDER / f"{name}.ncnn.param"


def weight_bytes(name):
    """The number of bytes that ncnn reads of a weights file for the network."""
    return json.loads((FOLDER / "sizes.json").read_text())[name]


def layers(name):
    """The network's layers in order, without inputs and splits. The input is `in0`, the output `out0`."""
    alias = {}
    result = []
    for line in param_file(name).read_text().splitlines()[2:]:
        kind, layer, inputs, outputs, *rest = line.split()
        inputs, outputs = int(inputs), int(outputs)
        read, made = rest[:inputs], rest[inputs : inputs + outputs]
        values = dict(v.split("=", 1) for v in rest[inputs + outputs :])
        read = [alias.get(value, value) for value in read]
        if kind == "Input":
            continue
        if kind == "Split":
            alias.update({value: read[0] for value in made})
            continue
        result.append(Layer(kind, layer, read, made, values))
    return result


def shapes(name, batch=1):
    """The shape of every value: NCHW, or NC after a flatten."""
    found = {"in0": (batch, 3, side(name), side(name))}
    for layer in layers(name):
        read = [found[value] for value in layer.inputs]
        found[layer.outputs[0]] = output_shape(layer, read)
    return found


def output_shape(layer, read):
    first = read[0]
    if layer.kind in ("BatchNorm", "ReLU", "BinaryOp"):
        return first
    if layer.kind == "Concat":
        return (first[0], sum(shape[1] for shape in read), *first[2:])
    if layer.kind == "Flatten":
        return (first[0], first[1] * first[2] * first[3])
    if layer.kind == "InnerProduct":
        return (first[0], layer.get("0"))
    if layer.is_global:
        return (first[0], first[1], 1, 1)
    extents = []
    for size, kernel, stride, padding in zip(first[2:], layer.kernel, layer.stride, layer.padding):
        if layer.kind == "Deconvolution":
            extents.append((size - 1) * stride + kernel - 2 * padding)
        else:
            extents.append((size + 2 * padding - kernel) // stride + 1)
    channels = first[1] if layer.kind == "Pooling" else layer.get("0")
    return (first[0], channels, *extents)
