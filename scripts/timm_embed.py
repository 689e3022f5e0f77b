#!/usr/bin/env python3
"""Compares `shadernet embed` with timm's features before the classifier, from folders that timm saves and ONNX files.

    pip install torch==2.13.0 timm==1.0.31 onnx==1.23.2 safetensors pillow
    scripts/timm_embed.py target/release/shadernet FOLDER [NAME…]

Vectors of photographs must equal `forward_head(forward_features(x), pre_logits=True)` within 1e-4, relative to their
largest value. Weights are random, from a fixed seed, with the norms' statistics of the photographs. Not run by the tests.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np
import timm
import torch
from PIL import Image
from safetensors import safe_open

from timm_folders import IMAGES, TOLERANCE, calibrate

# Features from pooling, from a convolution after the pooling, from a norm after it, and from a fully connected layer.
NETWORKS = ["resnet50", "mobilenetv3_large_100", "convnext_atto", "densenet121", "vgg11"]
# Decoded alike by all; decoders of JPEG round differently.
PHOTOGRAPHS = [IMAGES / name for name in ["chelsea.png", "astronaut.png", "coffee.png"]]


def embed(shadernet, model, out):
    command = [shadernet, "embed", "--quiet", "--batch", "2", "--model", model, "-o", out, *PHOTOGRAPHS]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with safe_open(out, "np") as file:
        return file.get_tensor("vectors")


def main():
    shadernet, folder, *names = sys.argv[1:]
    worst = 0.0
    for name in names or NETWORKS:
        torch.manual_seed(2)
        network = timm.create_model(name, pretrained=False)
        data = timm.data.resolve_data_config({}, model=network)
        transform = timm.data.create_transform(**data)
        inputs = torch.stack([transform(Image.open(path).convert("RGB")) for path in PHOTOGRAPHS])
        calibrate(network, inputs)
        with torch.no_grad():
            expected = network.forward_head(network.forward_features(inputs), pre_logits=True).numpy()
        model = pathlib.Path(folder) / name
        timm.models.save_for_hf(network, model, safe_serialization=True)
        onnx = model / "exported.onnx"
        onnx.with_suffix(".json").write_text(json.dumps(data))
        torch.onnx.export(network, (inputs[:1],), onnx, dynamo=False, opset_version=17, input_names=["pixels"])
        for kind, path in [("folder", model), ("ONNX", onnx)]:
            found = embed(shadernet, path, model.with_suffix(".vectors.safetensors"))
            assert found.shape == expected.shape, (found.shape, expected.shape)
            varied = np.abs(expected[0] - expected[1]).max() / np.abs(expected).max()
            assert varied > 1e-2, f"{name}: vectors hardly vary: {varied}"
            difference = float(np.abs(found - expected).max())
            relative = difference / float(np.abs(expected).max())
            print(f"{name} ({kind}): {found.shape[1]} values, {difference:.1e}, relative {relative:.1e}", flush=True)
            worst = max(worst, relative)
    print(f"largest difference {worst:.1e}")
    if worst > TOLERANCE:
        sys.exit(1)


if __name__ == "__main__":
    main()
