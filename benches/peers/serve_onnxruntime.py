"""Serves a network on ONNX Runtime's WebGPU or CPU backend; see `serve.py`.

    pip install onnxruntime-webgpu numpy onnx
    python serve_onnxruntime.py FILE.onnx
    pip install onnxruntime numpy onnx
    python serve_onnxruntime.py FILE.onnx --provider cpu --threads 2

`make_onnx.py` writes the files.
"""

import argparse
import sys
import time

import serve

START = time.perf_counter()
import numpy as np
import onnxruntime

PROVIDERS = {"webgpu": "WebGpuExecutionProvider", "cpu": "CPUExecutionProvider"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("path")
    parser.add_argument("--provider", default="webgpu", choices=PROVIDERS)
    parser.add_argument("--threads", type=int, default=0, help="threads of an operator on the CPU [default: one per core]")
    given = parser.parse_args()
    serve.loaded(START)
    provider = PROVIDERS[given.provider]
    if provider not in onnxruntime.get_available_providers():
        package = {"webgpu": "onnxruntime-webgpu", "cpu": "onnxruntime"}[given.provider]
        sys.exit(f"this ONNX Runtime has no {provider}; pip install {package}")
    options = onnxruntime.SessionOptions()
    # Errors only: it warns about nodes that run on the CPU, such as shape computations.
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = given.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(given.path, options, providers=[provider])
    if session.get_providers()[0] != provider:
        sys.exit("ONNX Runtime would run on the CPU: it finds no WebGPU device")
    image, = session.get_inputs()
    values = np.random.default_rng(0).standard_normal(image.shape, dtype=np.float32)
    serve.serve(lambda: session.run(None, {image.name: values}))


if __name__ == "__main__":
    main()
