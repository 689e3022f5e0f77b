#!/usr/bin/env python3
"""Exports networks with both of PyTorch's exporters, for tests/onnx_cases.rs.

    pip install torch==2.13.0 torchvision timm==1.0.31 onnx==1.23.2 onnxscript onnxruntime==1.32.0 safetensors
    scripts/onnx_exports.py FOLDER [NAME…]
    SHADERNET_ONNX_CASES=FOLDER cargo test --test onnx_cases -- --ignored --nocapture

Every export is a folder with model.onnx, input.safetensors and expected.safetensors, which ONNX Runtime computes.
Weights are random, from a fixed seed. YOLOv8n is exported where the package ultralytics is installed.
"""

import pathlib
import sys
import warnings

import numpy as np
import onnxruntime
import torch
from safetensors.numpy import save_file


def timm(name):
    import timm as package

    return package.create_model(name), 224


def deeplab():
    from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

    network = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)

    class Main(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            return self.network(x)["out"]

    return Main(), 224


def torchvision(name):
    import torchvision as package

    return getattr(package.models, name)(weights=None), 224


def yolo():
    from ultralytics.nn.tasks import DetectionModel

    network = DetectionModel("yolov8n.yaml", verbose=False)
    network.model[-1].export = True
    network.model[-1].format = "onnx"
    return network, 320


NETWORKS = {
    "mobilenetv3_large": lambda: timm("mobilenetv3_large_100"),
    "efficientnet_b0": lambda: timm("efficientnet_b0"),
    "convnext_tiny": lambda: timm("convnext_tiny"),
    "shufflenet_v2": lambda: torchvision("shufflenet_v2_x1_0"),
    "regnety_004": lambda: timm("regnety_004"),
    "deeplabv3_mobilenet": deeplab,
    "yolov8n": yolo,
    "resnet50": lambda: timm("resnet50"),
    "densenet121": lambda: timm("densenet121"),
}


def randomize(network):
    """Statistics of batch normalizations other than 0 and 1, so that a mistake shows."""
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.8, 1.2)
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)


def export(name, dynamo, folder):
    torch.manual_seed(7)
    network, size = NETWORKS[name]()
    randomize(network)
    network.eval()
    image = torch.randn(1, 3, size, size)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    torch.onnx.export(
        network,
        (image,),
        path,
        dynamo=dynamo,
        input_names=["input"],
        # The classic exporter supports no newer version.
        opset_version=18 if dynamo else 17,
        external_data=False,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"input": image.numpy()})
    names = [output.name for output in session.get_outputs()]
    save_file({"input": image.numpy()}, folder / "input.safetensors")
    expected = {key: np.ascontiguousarray(value) for key, value in zip(names, outputs)}
    save_file(expected, folder / "expected.safetensors")


def main():
    folder = pathlib.Path(sys.argv[1])
    warnings.simplefilter("ignore")
    for name in sys.argv[2:] or NETWORKS:
        for kind in ["classic", "dynamo"]:
            try:
                export(name, kind == "dynamo", folder / f"{name}_{kind}")
                print(f"{name}, {kind}", flush=True)
            except ModuleNotFoundError as error:
                print(f"{name}, {kind}: not exported: {error}", flush=True)


main()
