#!/usr/bin/env python3
"""Exports networks with both of PyTorch's exporters, for tests/onnx_cases.rs.

    pip install torch==2.13.0 torchvision timm==1.0.31 onnx==1.23.2 onnxscript onnxruntime==1.32.0 safetensors
    scripts/onnx_exports.py FOLDER [NAME…]
    SHADERNET_ONNX_CASES=FOLDER cargo test --test onnx_cases -- --ignored --nocapture

Every export is a folder with model.onnx, input.safetensors and expected.safetensors, which ONNX Runtime computes.
Weights are random, from a fixed seed. YOLOv8n is exported where the package ultralytics is installed. ResNet-50 is also
exported with its batch normalizations, in float16, and quantized to int8 (NAME: resnet50_forms).
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


def network_of(name):
    torch.manual_seed(7)
    network, size = NETWORKS[name]()
    randomize(network)
    return network.eval(), torch.randn(1, 3, size, size)


def export(name, dynamo, folder):
    network, image = network_of(name)
    # The classic exporter supports no newer version.
    write(network, image, folder, dynamo=dynamo, opset_version=18 if dynamo else 17)
    expect(folder, image)


def write(network, image, folder, **options):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    torch.onnx.export(
        network, (image,), path, input_names=["input"], external_data=False, verbose=False, **options
    )
    return path


def expect(folder, image, level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
    """What ONNX Runtime computes from the image."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    outputs = session.run(None, {"input": image.numpy()})
    names = [output.name for output in session.get_outputs()]
    save_file({"input": image.numpy()}, folder / "input.safetensors")
    expected = {key: np.ascontiguousarray(value) for key, value in zip(names, outputs)}
    save_file(expected, folder / "expected.safetensors")


def resnet50_forms(folder):
    """ResNet-50 as people have it: with batch normalizations, without them, in float16, and quantized to int8."""
    from onnxruntime import quantization

    network, image = network_of("resnet50")
    classic = {"dynamo": False, "opset_version": 17}
    preserve = torch.onnx.TrainingMode.PRESERVE
    write(network, image, folder / "resnet50_with_norms", training=preserve, do_constant_folding=False, **classic)
    expect(folder / "resnet50_with_norms", image)
    folded = write(network, image, folder / "resnet50_folded", **classic)
    expect(folder / "resnet50_folded", image)

    half = folder / "resnet50_float16"
    write(network.half(), image.half(), half, **classic)
    expect(half, image.half())

    class Calibration(quantization.CalibrationDataReader):
        images = iter([image, torch.randn_like(image), torch.randn_like(image)])

        def get_next(self):
            image = next(self.images, None)
            return None if image is None else {"input": image.numpy()}

    int8 = folder / "resnet50_int8"
    int8.mkdir(parents=True, exist_ok=True)
    quantization.quantize_static(
        folded,
        int8 / "model.onnx",
        Calibration(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        weight_type=quantization.QuantType.QInt8,
    )
    # Optimized, it rounds sums of whole numbers in other places than the graph says.
    expect(int8, image, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)


def main():
    folder = pathlib.Path(sys.argv[1])
    warnings.simplefilter("ignore")
    for name in sys.argv[2:] or [*NETWORKS, "resnet50_forms"]:
        if name == "resnet50_forms":
            resnet50_forms(folder)
            print(name, flush=True)
            continue
        for kind in ["classic", "dynamo"]:
            try:
                export(name, kind == "dynamo", folder / f"{name}_{kind}")
                print(f"{name}, {kind}", flush=True)
            except ModuleNotFoundError as error:
                print(f"{name}, {kind}: not exported: {error}", flush=True)


main()
