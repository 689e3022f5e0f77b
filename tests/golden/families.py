"""Golden outputs of networks that timm and torchvision define, and the names of their tensors.

Not run by the tests. With torch, torchvision, timm 1.0.31 and safetensors installed:

    python families.py OUT_DIR [CASE ...]

Weights and inputs are not stored. They are the functions of names and indices that README.md describes; the tests
compute them again. Outputs are computed in float64 and stored as float32.

Without a CASE, `families.tensors.json` is written too. It has, for every network of the tables, its number of
parameters and a hash of its tensors' names and shapes.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision.models as tv
from safetensors.numpy import save_file

MASK = 0xFFFFFFFFFFFFFFFF


def fnv1a(text):
    """The 64-bit FNV-1a hash."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def draws(name, count):
    """`count` draws in [0, 1) of SplitMix64, seeded with the hash of `name`: the upper 24 bits of each."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


def generated(name, shape, gain):
    """A parameter or a statistic."""
    u = draws(name, math.prod(shape))
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        values = np.float32(0.5) + u
    elif len(shape) <= 1:
        values = (u - np.float32(0.5)) * np.float32(0.2)
    else:
        bound = np.float32(gain * math.sqrt(3.0 / math.prod(shape[1:])))
        values = (u * np.float32(2) - np.float32(1)) * bound
    return torch.from_numpy(values.reshape(shape))


def generated_input(shape):
    u = draws("input", math.prod(shape))
    values = (u * np.float32(2) - np.float32(1)) * np.float32(math.sqrt(3.0))
    return torch.from_numpy(values.reshape(shape))


def from_timm(name):
    return lambda: timm.create_model(name, pretrained=False)


def from_torchvision(name):
    return lambda: tv.get_model(name, weights=None)


def segmenter(name):
    return lambda: tv.get_model(name, weights=None, weights_backbone=None, aux_loss=False)


# Case: constructor, input shape, gain, and what else its JSON has. The gain is such that outputs depend on the input
# and float16 can represent all values. `architecture` is the zoo's name, if it is not the case's: the tensors have
# another library's names. `every`: of that many rows and columns of the outputs, one is stored.
CASES = {
    "mobilenetv3_small_100": (from_timm("mobilenetv3_small_100"), (1, 3, 96, 80), 1.5, {}),
    "mobilenet_v3_large": (from_torchvision("mobilenet_v3_large"), (1, 3, 64, 96), 1.3, {}),
    "tf_mobilenetv3_large_075": (from_timm("tf_mobilenetv3_large_075"), (1, 3, 70, 64), 1.3, {}),
    "efficientnet_b0": (from_torchvision("efficientnet_b0"), (1, 3, 64, 80), 1.5, {}),
    "efficientnet_b0_timm": (
        from_timm("efficientnet_b0"), (1, 3, 64, 64), 1.55, {"architecture": "efficientnet_b0"},
    ),
    "tf_efficientnet_b0": (from_timm("tf_efficientnet_b0"), (1, 3, 66, 64), 1.55, {}),
    "tf_efficientnetv2_b0": (from_timm("tf_efficientnetv2_b0"), (1, 3, 66, 64), 1.3, {}),
    "efficientnetv2_rw_t": (from_timm("efficientnetv2_rw_t"), (1, 3, 64, 64), 1.15, {}),
    "mnasnet1_0": (from_torchvision("mnasnet1_0"), (1, 3, 64, 80), 1.2, {}),
    "mnasnet_100": (from_timm("mnasnet_100"), (1, 3, 64, 64), 1.2, {"architecture": "mnasnet1_0"}),
    "semnasnet_075": (from_timm("semnasnet_075"), (1, 3, 64, 64), 1.3, {}),
    "ghostnet_050": (from_timm("ghostnet_050"), (1, 3, 96, 64), 1.0, {}),
    # All dilations reach across a map of 3x38 pixels.
    "deeplabv3_mobilenet_v3_large": (
        segmenter("deeplabv3_mobilenet_v3_large"), (1, 3, 48, 608), 1.3, {"every": 8},
    ),
    "lraspp_mobilenet_v3_large": (segmenter("lraspp_mobilenet_v3_large"), (1, 3, 72, 100), 1.3, {"every": 4}),
    "resnet26d": (from_timm("resnet26d"), (1, 3, 64, 64), 1.2, {}),
    "seresnet18": (from_timm("seresnet18"), (1, 3, 64, 64), 1.0, {}),
    "regnetx_002": (from_timm("regnetx_002"), (1, 3, 64, 64), 1.0, {}),
    "regnety_002": (from_timm("regnety_002"), (1, 3, 64, 64), 1.0, {}),
    "torchvision_regnet_y_400mf": (
        from_torchvision("regnet_y_400mf"), (1, 3, 64, 64), 1.0, {"architecture": "regnet_y_400mf"},
    ),
    "repvgg_a0": (from_timm("repvgg_a0"), (1, 3, 64, 64), 0.5, {}),
    "inception_v3": (from_timm("inception_v3"), (1, 3, 96, 96), math.sqrt(2.0), {}),
    "shufflenet_v2_x0_5": (from_torchvision("shufflenet_v2_x0_5"), (1, 3, 64, 64), 1.2, {}),
    "convnext_tiny": (from_timm("convnext_tiny"), (1, 3, 64, 64), 1.0, {}),
    "torchvision_convnext_tiny": (
        from_torchvision("convnext_tiny"), (1, 3, 64, 64), 1.0, {"architecture": "convnext_tiny"},
    ),
}

# The zoo's names of all networks, and timm's where they differ.
TIMM = {name: name for name in """
    mobilenetv2_035 mobilenetv2_050 mobilenetv2_075 mobilenetv2_140 mobilenetv2_110d mobilenetv2_120d
    mobilenetv3_small_050 mobilenetv3_small_075 mobilenetv3_small_100 mobilenetv3_large_075 mobilenetv3_large_100
    mobilenetv3_large_150d tf_mobilenetv3_small_075 tf_mobilenetv3_small_100 tf_mobilenetv3_large_075
    tf_mobilenetv3_large_100 tf_mobilenetv3_small_minimal_100 tf_mobilenetv3_large_minimal_100
    tf_efficientnet_b0 tf_efficientnet_b1 tf_efficientnet_b2 tf_efficientnet_b3 tf_efficientnet_b4 tf_efficientnet_b5
    tf_efficientnet_b6 tf_efficientnet_b7 efficientnetv2_s efficientnetv2_m efficientnetv2_l efficientnetv2_xl
    efficientnetv2_rw_t efficientnetv2_rw_s efficientnetv2_rw_m tf_efficientnetv2_s tf_efficientnetv2_m
    tf_efficientnetv2_l tf_efficientnetv2_xl tf_efficientnetv2_b0 tf_efficientnetv2_b1 tf_efficientnetv2_b2
    tf_efficientnetv2_b3 tf_efficientnet_lite0 tf_efficientnet_lite1 tf_efficientnet_lite2 tf_efficientnet_lite3
    tf_efficientnet_lite4 mnasnet_140 mnasnet_small semnasnet_050 semnasnet_075 semnasnet_100 semnasnet_140
    ghostnet_050 ghostnet_100 ghostnet_130
""".split()} | {f"timm_{name}": name for name in """
    efficientnet_b5 efficientnet_b6 efficientnet_b7 efficientnet_lite0 efficientnet_lite1 efficientnet_lite2
    efficientnet_lite3 efficientnet_lite4
""".split()}
TORCHVISION = """
    mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3 efficientnet_b0
    efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7
    efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l
""".split()
SEGMENTERS = ["deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"]
# timm's names of networks that the zoo has in torchvision's.
SHARED = {
    "mobilenet_v2": "mobilenetv2_100",
    "mnasnet0_5": "mnasnet_050",
    "mnasnet0_75": "mnasnet_075",
    "mnasnet1_0": "mnasnet_100",
} | {name: name for name in (f"efficientnet_b{i}" for i in range(5))}


def tensors(net):
    """Shapes by name, of parameters and statistics."""
    state = net.state_dict()
    return {name: list(value.shape) for name, value in state.items() if not name.endswith("num_batches_tracked")}


def outputs_of(net, x):
    with torch.no_grad():
        y = net(x)
    y = y["out"] if isinstance(y, dict) else y
    return list(y) if isinstance(y, tuple) else [y]


def fill(net, gain):
    """Gives all parameters and statistics their generated values."""
    state = net.state_dict()
    for name, dims in tensors(net).items():
        state[name].copy_(generated(name, dims, gain))


def run(case, make, shape, gain, extra):
    """The outputs by name, and the content of the JSON."""
    net = make().eval()
    shapes = tensors(net)
    fill(net, gain)
    x = generated_input(shape)
    single = outputs_of(net, x)
    net = net.double()
    double = outputs_of(net, x.double())
    other = outputs_of(net, x.double().flip(3))
    for output, changed in zip(double, other):
        # Outputs that hardly depend on the input would hide errors of early layers: this is 250 times the tolerance.
        dependence = float((output - changed).std() / output.std())
        assert output.isfinite().all() and dependence > 0.05, f"{case}: {dependence}"
    every = extra.get("every", 1)
    stored = [y[..., ::every, ::every] if y.dim() == 4 else y for y in double]
    info = {
        "case": case,
        **extra,
        "input": list(shape),
        "gain": gain,
        "parameters": sum(value.numel() for value in net.parameters()),
        "outputs": [list(y.shape) for y in stored],
        "output_std": [float(y.std()) for y in double],
        "input_dependence": dependence,
        "float32_error": max(float((s - d).abs().max() / d.abs().max()) for s, d in zip(single, double)),
        "tensors": shapes,
    }
    return {f"output.{i}": y.float().contiguous().numpy() for i, y in enumerate(stored)}, info


def listing():
    """Of every network, the number of parameters, and the hash of its tensors' names and shapes."""
    makers = {name: from_timm(theirs) for name, theirs in TIMM.items()}
    makers |= {name: from_torchvision(name) for name in TORCHVISION}
    makers |= {name: segmenter(name) for name in SEGMENTERS}
    makers |= {f"timm:{name}": from_timm(theirs) for name, theirs in SHARED.items()}
    found = {}
    for name, make in makers.items():
        with torch.device("meta"):
            net = make()
        lines = sorted(f"{tensor} {dims}\n" for tensor, dims in tensors(net).items())
        count = sum(value.numel() for value in net.parameters())
        found[name] = [count, f"{fnv1a(''.join(lines)):016x}"]
    return found


def main(out_dir, cases):
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    for case in cases or CASES:
        outputs, info = run(case, *CASES[case])
        save_file(outputs, out / f"{case}.safetensors")
        (out / f"{case}.json").write_text(json.dumps(info) + "\n")
        keys = ["outputs", "output_std", "input_dependence", "float32_error"]
        print(case, {key: info[key] for key in keys}, flush=True)
    if not cases:
        rows = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in listing().items()]
        (out / "families.tensors.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
