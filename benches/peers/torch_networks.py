"""The networks of `networks.py` in PyTorch; torchvision is not needed."""

import torch
from torch import nn

import networks


class Network(nn.Module):
    """Runs the layers in order. Weights have PyTorch's random initialization, which suffices for timing."""

    def __init__(self, name):
        super().__init__()
        shapes = networks.shapes(name)
        self.layers = networks.layers(name)
        self.steps = nn.ModuleList(module(layer, shapes[layer.inputs[0]]) for layer in self.layers)
        last = {value: i for i, layer in enumerate(self.layers) for value in layer.inputs}
        # Values that no later layer reads are freed, as in a hand-written network.
        self.done = [[v for v in layer.inputs if last[v] == i] for i, layer in enumerate(self.layers)]

    def forward(self, image):
        values = {"in0": image}
        for layer, step, done in zip(self.layers, self.steps, self.done):
            read = [values[value] for value in layer.inputs]
            for value in set(done):
                del values[value]
            values[layer.outputs[0]] = step(*read)
        return values["out0"]


class Add(nn.Module):
    def forward(self, a, b):
        return a + b


class Concat(nn.Module):
    def forward(self, *values):
        return torch.cat(values, 1)


def module(layer, read):
    """The layer as a module, including its activation."""
    kind = layer.kind
    window = {"kernel_size": layer.kernel, "stride": layer.stride, "padding": layer.padding} if windowed(layer) else {}
    out, bias = layer.get("0"), layer.get("5") == 1
    if kind in ("Convolution", "ConvolutionDepthWise"):
        groups = layer.get("7", 1) if kind == "ConvolutionDepthWise" else 1
        made = nn.Conv2d(read[1], out, groups=groups, bias=bias, **window)
    elif kind == "Deconvolution":
        made = nn.ConvTranspose2d(read[1], out, bias=bias, **window)
    elif kind == "InnerProduct":
        features = 1
        for extent in read[1:]:
            features *= extent
        made = nn.Sequential(nn.Flatten(), nn.Linear(features, out))
    elif kind == "Pooling" and layer.is_global:
        made = nn.AdaptiveAvgPool2d(1)
    elif kind == "Pooling":
        made = nn.MaxPool2d(**window) if layer.is_max else nn.AvgPool2d(**window)
    elif kind == "BatchNorm":
        made = nn.BatchNorm2d(out, eps=float(layer.values["1"]))
    else:
        made = {"ReLU": lambda: nn.ReLU(inplace=True), "BinaryOp": Add, "Concat": Concat, "Flatten": nn.Flatten}[kind]()
    activation = {"relu": nn.ReLU, "clip": nn.ReLU6}.get(layer.activation)
    # In place is safe: no other layer reads the value before the activation.
    return nn.Sequential(made, activation(inplace=True)) if activation else made


def windowed(layer):
    convolution = layer.kind in ("Convolution", "ConvolutionDepthWise", "Deconvolution")
    return convolution or (layer.kind == "Pooling" and not layer.is_global)
