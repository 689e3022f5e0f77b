"""Serves a network on ncnn's Vulkan backend; see `serve.py`.

    pip install ncnn numpy
    python serve_ncnn.py NAME [--fp16]

Weights are zeros of the right size from a temporary file, which suffices for timing. ncnn's Vulkan backend takes one
image at a time.
"""

import sys
import tempfile
import time

import networks
import serve

START = time.perf_counter()
import ncnn
import numpy as np


def main():
    flags = {a for a in sys.argv[1:] if a.startswith("--")}
    name, = (a for a in sys.argv[1:] if not a.startswith("--"))
    serve.loaded(START)
    if ncnn.get_gpu_count() == 0:
        sys.exit("ncnn finds no Vulkan device")
    print(f"device {ncnn.get_gpu_info(0).device_name()}", flush=True)
    net = ncnn.Net()
    net.opt.use_vulkan_compute = True
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = "--fp16" in flags
    # Arithmetic in float32, as in the other engines.
    net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = net.opt.use_bf16_packed = False
    if net.load_param(str(networks.param_file(name))) != 0:
        sys.exit(f"ncnn cannot read {networks.param_file(name)}")
    with tempfile.NamedTemporaryFile(suffix=".bin") as weights:
        weights.truncate(networks.weight_bytes(name))
        if net.load_model(weights.name) != 0:
            sys.exit(f"{name}: ncnn does not take weights of that size")
    side = networks.side(name)
    image = np.random.default_rng(0).standard_normal((3, side, side), dtype=np.float32)
    image = ncnn.Mat(image)

    def forward():
        extractor = net.create_extractor()
        extractor.input("in0", image)
        code, _ = extractor.extract("out0")
        if code != 0:
            sys.exit(f"{name}: ncnn returned error {code}")

    serve.serve(forward)


if __name__ == "__main__":
    main()
