"""Serves a network on ONNX Runtime's WebGPU backend; see `serve.py`.

    pip install onnxruntime-webgpu numpy onnx
    python serve_onnxruntime.py FILE.onnx

`make_onnx.py` writes the files.
"""

import sys
import time

import serve

START = time.perf_counter()
import numpy as np
import onnxruntime

PROVIDER = "WebGpuExecutionProvider"


def main():
    path, = sys.argv[1:]
    serve.loaded(START)
    if PROVIDER not in onnxruntime.get_available_providers():
        sys.exit("this ONNX Runtime has no WebGPU backend; pip install onnxruntime-webgpu")
    options = onnxruntime.SessionOptions()
    # Errors only: it warns about nodes that run on the CPU, such as shape computations.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=[PROVIDER])
    if session.get_providers()[0] != PROVIDER:
        sys.exit("ONNX Runtime would run on the CPU: it finds no WebGPU device")
    image, = session.get_inputs()
    values = np.random.default_rng(0).standard_normal(image.shape, dtype=np.float32)
    serve.serve(lambda: session.run(None, {image.name: values}))


if __name__ == "__main__":
    main()
