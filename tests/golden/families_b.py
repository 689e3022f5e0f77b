"""Golden outputs of residual networks' variants, RegNet, RepVGG, Inception v3, ShuffleNetV2 and ConvNeXt.

Networks are those of timm or torchvision, with weights and an input made by the formula of
`shadernet::weights::generate`. Computed in float64.

    python families_b.py OUT_DIR [CASE ...]      # needs torch, torchvision, timm, safetensors
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from safetensors.numpy import save_file

MASK = (1 << 64) - 1


def draws(name, count):
    """Numbers in [0, 1): SplitMix64, seeded with the FNV-1a hash of the name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def values(name, shape, gain):
    """A parameter or a running statistic, in float32."""
    u = draws(name, math.prod(shape))
    if name.endswith("running_var") or len(shape) == 1 and name.endswith("weight"):
        result = np.float32(0.5) + u
    elif len(shape) <= 1:
        result = (u - np.float32(0.5)) * np.float32(0.2)
    else:
        bound = np.float32(gain * math.sqrt(3.0 / math.prod(shape[1:])))
        result = (u * np.float32(2) - np.float32(1)) * bound
    return torch.from_numpy(result.reshape(shape))


def network_input(shape):
    u = draws("input", math.prod(shape))
    bound = np.float32(math.sqrt(3.0))
    return torch.from_numpy(((u * np.float32(2) - np.float32(1)) * bound).reshape(shape))


def from_timm(name):
    return lambda: timm.create_model(name)


def from_torchvision(name, **arguments):
    return lambda: getattr(torchvision.models, name)(weights=None, **arguments)


HE = math.sqrt(2.0)

# The network, the height and width of the input, and the gain.
CASES = {
    "resnet26d": (from_timm("resnet26d"), 64, 1.0),
    "seresnet18": (from_timm("seresnet18"), 64, 1.0),
    "regnetx_002": (from_timm("regnetx_002"), 64, 1.0),
    "regnety_002": (from_timm("regnety_002"), 64, 1.0),
    "torchvision_regnet_y_400mf": (from_torchvision("regnet_y_400mf"), 64, 1.0),
    "repvgg_a0": (from_timm("repvgg_a0"), 64, 0.5),
    "inception_v3": (from_timm("inception_v3"), 96, HE),
    "shufflenet_v2_x0_5": (from_torchvision("shufflenet_v2_x0_5"), 64, 1.0),
    "convnext_tiny": (from_timm("convnext_tiny"), 64, 1.0),
    "torchvision_convnext_tiny": (from_torchvision("convnext_tiny"), 64, 1.0),
}


def run(case):
    make, size, gain = CASES[case]
    net = make().eval()
    shapes = {name: list(t.shape) for name, t in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    state = {name: values(name, shape, gain) for name, shape in shapes.items()}
    net.load_state_dict(state, strict=False)
    x = network_input([1, 3, size, size])
    with torch.no_grad():
        single = net(x)
        net, x = net.double(), x.double()
        exact = net(x)
        # Of another image, to see that outputs depend on it.
        change = (net(x.flip(3)) - exact).abs().max() / exact.abs().max()
    error = (single.double() - exact).abs().max() / exact.abs().max()
    info = {
        "case": case,
        "input": list(x.shape),
        "gain": gain,
        "parameters": sum(p.numel() for p in net.parameters()),
        "outputs": [list(exact.shape)],
        "output_std": [float(exact.std())],
        "float32_error": float(error),
        "tensors": shapes,
    }
    print(f"{case}: std {float(exact.std()):.2g}, error in float32 {float(error):.1e}, change {float(change):.2g}")
    return {"output.0": exact.numpy().astype(np.float32)}, info


def main(out_dir, cases):
    out_dir.mkdir(parents=True, exist_ok=True)
    for case in cases or CASES:
        outputs, info = run(case)
        save_file(outputs, out_dir / f"{case}.safetensors")
        (out_dir / f"{case}.json").write_text(json.dumps(info, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
