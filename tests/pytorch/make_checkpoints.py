#!/usr/bin/env python3
"""Writes the checkpoints of tests/pytorch_checkpoints.rs beside itself.

    pip install torch==2.13.0 && tests/pytorch/make_checkpoints.py
"""

import collections
import pathlib
import zipfile

import torch

FOLDER = pathlib.Path(__file__).parent


def values(*shape):
    """Eighths in -4..4: exact in every type but float8."""
    count = torch.Size(shape).numel()
    return ((torch.arange(count) * 7 % 64 - 32) / 8).reshape(shape)


def state(prefix="", dtype=torch.float32):
    return collections.OrderedDict(
        [
            (f"{prefix}conv.weight", values(4, 3, 3, 3).to(dtype)),
            (f"{prefix}conv.bias", values(4).to(dtype)),
            (f"{prefix}norm.num_batches_tracked", torch.tensor(7)),
        ]
    )


def save(name, content, **options):
    torch.save(content, FOLDER / name, **options)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x)


def main():
    torch.manual_seed(0)
    save("plain.pth", state())
    net = Net()
    net.load_state_dict({"conv.weight": values(4, 3, 3, 3), "conv.bias": values(4)})
    save("compiled.pth", torch.compile(net).state_dict())
    optimizer = torch.optim.Adam(net.parameters())
    net(values(1, 3, 5, 5)).sum().backward()
    optimizer.step()
    save(
        "nested.pth",
        {"epoch": 3, "lr": 0.1, "name": "net", "state_dict": state("module."), "optimizer": optimizer.state_dict()},
    )
    zeros = {name: tensor * 0 for name, tensor in state().items()}
    save("average.pth", {"state_dict": zeros, "state_dict_ema": state()})
    save("parameters.pth", {name: torch.nn.Parameter(tensor, False) for name, tensor in state().items()})
    for name, dtype in [("float16", torch.float16), ("bfloat16", torch.bfloat16), ("float64", torch.float64)]:
        save(f"{name}.pth", state(dtype=dtype))
    save("float8.pth", {"a": torch.arange(16).to(torch.float8_e4m3fn), "b": torch.arange(16).to(torch.float8_e5m2)})
    base = values(4, 6)
    views = {"whole": base, "transposed": base.t(), "column": base[:, 1], "row": base[2], "steps": base[::2, ::3]}
    save("views.pth", views)
    # Refused.
    save("repeated.pth", {"a": values(1).expand(1000)})
    save("module.pth", net)
    save("old.pth", state(), _use_new_zipfile_serialization=False)
    torch.jit.script(net).save(FOLDER / "script.pt")
    with zipfile.ZipFile(FOLDER / "plain.pth") as source:
        with zipfile.ZipFile(FOLDER / "compressed.pth", "w", zipfile.ZIP_DEFLATED) as target:
            for name in source.namelist():
                target.writestr(name, source.read(name))


main()
