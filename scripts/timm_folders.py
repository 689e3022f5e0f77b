#!/usr/bin/env python3
"""Compares `shadernet classify` with timm and torchvision on folders that they save.

    pip install torch==2.13.0 torchvision timm==1.0.31 safetensors pillow
    scripts/timm_folders.py target/release/shadernet FOLDER [--all] [NAME…]

For each case, a folder is made with `timm.models.save_for_hf`. Probabilities of a photograph under timm's own transform
must agree within 1e-4. Not run by the tests.

Weights are random, from a fixed seed. So that probabilities depend on every layer, norms get the statistics of some
photographs, and the classifier is scaled.
"""

import json
import pathlib
import subprocess
import sys

import timm
import torch
import torchvision
from PIL import Image, ImageOps
from safetensors.torch import save_file

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
IMAGES = REPOSITORY / "tests" / "images"
PHOTOGRAPH = IMAGES / "chelsea.png"
TOLERANCE = 1e-4

# One network of every family, and what may differ between checkpoints: names in timm, and arguments of `create_model`.
CASES = [
    ("mobilenetv3_small_100", {"num_classes": 7}),
    ("mobilenetv3_large_100", {"num_classes": 10, "in_chans": 1}),
    ("mobilenetv3_small_100", {"num_classes": 5, "act_layer": "silu", "bn_eps": 1e-3}),
    ("mobilenetv3_small_100", {"num_classes": 5, "global_pool": "catavgmax"}),
    ("mobilenetv3_small_075", {"num_classes": 5, "global_pool": "max", "pad_type": "same"}),
    ("tf_mobilenetv3_large_minimal_100", {"num_classes": 12}),
    ("tf_mobilenetv3_small_100", {"num_classes": 1000, "act_layer": "relu"}),
    ("efficientnet_b0", {"num_classes": 7, "in_chans": 1}),
    ("efficientnet_b0", {"num_classes": 7, "act_layer": "mish", "bn_eps": 1e-3, "pad_type": "same"}),
    ("efficientnet_b0", {"num_classes": 7, "output_stride": 8, "global_pool": "avgmax"}),
    ("efficientnet_b5", {"num_classes": 3}),
    ("tf_efficientnet_b1", {"num_classes": 11}),
    ("efficientnetv2_rw_t", {"num_classes": 7, "in_chans": 1}),
    ("efficientnetv2_s", {"num_classes": 7, "output_stride": 16}),
    ("tf_efficientnetv2_b0", {"num_classes": 9, "global_pool": "catavgmax"}),
    ("mnasnet_100", {"num_classes": 7, "in_chans": 1}),
    ("mnasnet_small", {"num_classes": 7, "output_stride": 16}),
    ("semnasnet_075", {"num_classes": 8, "act_layer": "hard_swish"}),
    ("ghostnet_100", {"num_classes": 7, "in_chans": 1}),
    ("ghostnet_050", {"num_classes": 7, "global_pool": "avgmax"}),
    ("mobilenetv2_110d", {"num_classes": 7}),
    ("mobilenetv2_100", {"num_classes": 7, "in_chans": 1}),
    ("efficientnet_lite0", {"num_classes": 7}),
    ("resnet26d", {"num_classes": 7, "in_chans": 1}),
    ("resnet50d", {"num_classes": 12, "global_pool": "avgmax"}),
    ("seresnet18", {"num_classes": 7, "in_chans": 1}),
    ("seresnet50", {"num_classes": 5, "act_layer": "silu"}),
    ("regnetx_004", {"num_classes": 7, "in_chans": 1}),
    ("regnety_004", {"num_classes": 9, "output_stride": 8}),
    ("convnext_tiny", {"num_classes": 7, "in_chans": 1}),
    ("convnext_atto", {"num_classes": 7, "global_pool": "max", "norm_eps": 1e-5}),
    ("repvgg_a0", {"num_classes": 7, "in_chans": 1}),
    ("inception_v3", {"num_classes": 7, "in_chans": 1}),
]

# Networks of these families that the zoo has: all, or those of them that are not too large.
ALL = """
    mobilenetv2_035 mobilenetv2_050 mobilenetv2_075 mobilenetv2_100 mobilenetv2_140 mobilenetv2_110d mobilenetv2_120d
    mobilenetv3_small_050 mobilenetv3_small_075 mobilenetv3_small_100 mobilenetv3_large_075 mobilenetv3_large_100
    mobilenetv3_large_150d tf_mobilenetv3_small_075 tf_mobilenetv3_small_100 tf_mobilenetv3_large_075
    tf_mobilenetv3_large_100 tf_mobilenetv3_small_minimal_100 tf_mobilenetv3_large_minimal_100
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6
    efficientnet_b7 tf_efficientnet_b0 tf_efficientnet_b1 tf_efficientnet_b2 tf_efficientnet_b3 tf_efficientnet_b4
    tf_efficientnet_b5 tf_efficientnet_b6 tf_efficientnet_b7 efficientnetv2_s efficientnetv2_m efficientnetv2_l
    efficientnetv2_xl efficientnetv2_rw_t efficientnetv2_rw_s efficientnetv2_rw_m tf_efficientnetv2_s
    tf_efficientnetv2_m tf_efficientnetv2_l tf_efficientnetv2_xl tf_efficientnetv2_b0 tf_efficientnetv2_b1
    tf_efficientnetv2_b2 tf_efficientnetv2_b3 tf_efficientnet_lite0 tf_efficientnet_lite1 tf_efficientnet_lite2
    tf_efficientnet_lite3 tf_efficientnet_lite4 efficientnet_lite0 efficientnet_lite1 efficientnet_lite2
    efficientnet_lite3 efficientnet_lite4 mnasnet_050 mnasnet_075 mnasnet_100 mnasnet_140 mnasnet_small semnasnet_050
    semnasnet_075 semnasnet_100 semnasnet_140 ghostnet_050 ghostnet_100 ghostnet_130
    resnet18d resnet26d resnet34d resnet50d resnet101d resnet26 resnet26t seresnet18 seresnet34 seresnet50
    seresnext50_32x4d regnetx_002 regnetx_004 regnetx_008 regnetx_016 regnetx_032 regnety_002 regnety_004 regnety_008
    regnety_016 regnety_032 convnext_atto convnext_femto convnext_pico convnext_nano convnext_tiny convnext_small
    repvgg_a0 repvgg_a1 repvgg_a2 repvgg_b0 repvgg_b1g4 inception_v3
""".split()
# Names in torchvision of networks that are not timm's, or that timm has under other names.
TORCHVISION = """
    mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3 efficientnet_b0
    efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7
    efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l regnet_x_400mf regnet_y_400mf convnext_tiny
    shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0
""".split()
SIZE = 128
"""Of images, for networks without arguments: shorter than their own."""


def calibrate(net, inputs):
    """Sets the statistics of norms to those of `inputs`, and scales the last layer."""
    norms = [m for m in net.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
        torch.nn.init.uniform_(norm.weight, 0.8, 1.2)
        torch.nn.init.uniform_(norm.bias, -0.2, 0.2)
    with torch.no_grad():
        if norms:
            net.train()
            for module in net.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
            net(inputs)
        net.eval()
        logits = net(inputs)
        last = [m for m in net.modules() if isinstance(m, torch.nn.Linear)][-1]
        # So that logits of different photographs differ by about 2.
        scale = 2.0 / (logits - logits.mean(0)).std()
        last.weight *= scale
        last.bias.copy_(-logits.mean(0) * scale)


def compare(shadernet, folder, net, transform, channels):
    """The largest difference of probabilities."""
    mode = "L" if channels == 1 else "RGB"
    read = lambda path: Image.open(path).convert(mode)
    photographs = [read(IMAGES / name) for name in ["chelsea.png", "astronaut.png", "coffee.png", "rocket.jpg"]]
    photographs += [ImageOps.mirror(photograph) for photograph in photographs]
    inputs = torch.stack([transform(photograph) for photograph in photographs])
    torch.manual_seed(3)
    calibrate(net, inputs)
    yield
    with torch.no_grad():
        expected = net(inputs).softmax(1)
    classes = expected.shape[1]
    varied = float((expected[0] - expected[1]).abs().max()), float(expected[0].max() - expected[0].min())
    assert min(varied) > 1e-2, f"probabilities hardly vary: {varied}"
    command = [shadernet, "classify", "--json", "--model", folder, "--top", str(classes), PHOTOGRAPH]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{folder}: {done.stderr}")
    found = torch.zeros(classes)
    for row in json.loads(done.stdout.splitlines()[0])["predictions"]:
        found[row["class"]] = row["probability"]
    yield float((found - expected[0]).abs().max())


def timm_case(shadernet, folder, name, arguments, size=None):
    torch.manual_seed(2)
    net = timm.create_model(name, pretrained=False, **arguments)
    data = timm.data.resolve_data_config({"input_size": (3, size, size)} if size else {}, model=net)
    channels = arguments.get("in_chans", 3)
    data["input_size"] = (channels, *data["input_size"][1:])
    if channels == 1:
        data["mean"], data["std"] = ((sum(data[key]) / len(data[key]),) for key in ("mean", "std"))
    transform = timm.data.create_transform(**data)
    steps = compare(shadernet, folder, net, transform, channels)
    next(steps)
    data_config = {"input_size": data["input_size"], "mean": data["mean"], "std": data["std"]}
    timm.models.save_for_hf(net, folder, model_args=arguments, safe_serialization=True, data_config=data_config)
    return next(steps)


def torchvision_case(shadernet, folder, name):
    torch.manual_seed(2)
    net = torchvision.models.get_model(name, weights=None, num_classes=7)
    config = {
        "input_size": (3, SIZE, SIZE),
        "interpolation": "bilinear",
        "crop_pct": 0.875,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }
    transform = timm.data.create_transform(**config)
    steps = compare(shadernet, folder, net, transform, 3)
    next(steps)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), folder / "model.safetensors")
    config = {"architecture": name, "num_classes": 7, "pretrained_cfg": config}
    (folder / "config.json").write_text(json.dumps(config))
    return next(steps)


def main():
    shadernet, folder, *names = sys.argv[1:]
    every = "--all" in names
    names = [name for name in names if name != "--all"]
    folder = pathlib.Path(folder)
    cases = [(f"{name}-{i}", lambda f, n=name, a=arguments: timm_case(shadernet, f, n, a))
             for i, (name, arguments) in enumerate(CASES)]
    if every:
        seven = {"num_classes": 7}
        cases += [(name, lambda f, n=name: timm_case(shadernet, f, n, seven, SIZE)) for name in ALL]
        cases += [(f"torchvision-{name}", lambda f, n=name: torchvision_case(shadernet, f, n)) for name in TORCHVISION]
    worst = 0.0
    for label, case in cases:
        if names and not any(name in label for name in names):
            continue
        difference = case(folder / label)
        print(f"{label}: {difference:.1e}", flush=True)
        (folder / label / "model.safetensors").unlink()
        worst = max(worst, difference)
    print(f"largest difference {worst:.1e}")
    if worst > TOLERANCE:
        sys.exit(1)


if __name__ == "__main__":
    main()
