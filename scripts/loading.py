#!/usr/bin/env python3
"""Compares how ResNet-50 loads from a PyTorch checkpoint, a safetensors file and an ONNX file: seconds and peak memory.

    pip install torch==2.13.0 torchvision onnx==1.23.2 safetensors
    scripts/loading.py target/release/shadernet [--backend vulkan] [--rounds 9]

In every round each file is loaded by a process of its own, in rotating order, so that other load on the machine affects
all alike. Times are what `run --json` gives as prepare_ms: reading the file, building the graph, compiling the shaders
and uploading the weights. Memory is the highest of the process, the driver's included.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time
import warnings

import torch
import torchvision
from safetensors.torch import save_file

KINDS = ["safetensors", "pth", "onnx"]


def make(folder):
    torch.manual_seed(0)
    network = torchvision.models.resnet50(weights=None).eval()
    image = torch.randn(1, 3, 224, 224)
    torch.save(network.state_dict(), folder / "network.pth")
    save_file(network.state_dict(), folder / "network.safetensors")
    save_file({"input": image}, folder / "input")
    torch.onnx.export(
        network, (image,), folder / "network.onnx", dynamo=False, opset_version=17, input_names=["input"]
    )


def load(command, backend, folder, kind):
    """Milliseconds to prepare, and the peak memory in MB."""
    path = folder / f"network.{kind}"
    model = ["--model", path] if kind == "onnx" else ["--arch", "resnet50", "--weights", path]
    files = ["--input", folder / "input", "--output", folder / "output"]
    process = subprocess.Popen(
        [command, "run", "--backend", backend, "--json", *model, *files], stdout=subprocess.PIPE
    )
    # `ru_maxrss` would count this process too, of which the other one is a copy at first.
    peak = 0
    while process.poll() is None:
        for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = max(peak, int(line.split()[1]))
        time.sleep(0.002)
    assert process.returncode == 0, process.returncode
    return json.loads(process.stdout.read())["prepare_ms"], peak * 1024 / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command")
    parser.add_argument("--backend", default="vulkan")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make(folder)
        measure = lambda kind: load(options.command, options.backend, folder, kind)
        # The driver's cache of compiled shaders is filled by a run that does not count.
        measure(KINDS[0])
        rounds = []
        for i in range(options.rounds):
            order = KINDS[i % 3 :] + KINDS[: i % 3]
            rounds.append({kind: measure(kind) for kind in order})
        print(f"{'file':12} {'MB':>7} {'ms':>7} {'ratio':>6} {'peak MB':>8}")
        for kind in KINDS:
            size = (folder / f"network.{kind}").stat().st_size / 1e6
            ms = statistics.median(r[kind][0] for r in rounds)
            ratio = statistics.median(r[kind][0] / r[KINDS[0]][0] for r in rounds)
            peak = max(r[kind][1] for r in rounds)
            print(f"{kind:12} {size:7.1f} {ms:7.0f} {ratio:6.2f} {peak:8.0f}")


main()
