#!/usr/bin/env python3
"""Time the package against the command, and against ONNX Runtime, in alternating rounds of one run.

    python/benches/compare.py command target/release/shadernet [--backend cpu]
    python/benches/compare.py onnxruntime resnet50.onnx [--provider cpu --threads 2] [--backend cpu]

`command` prints the time of MobileNetV2 as a ratio of the command's own pass, and what a call adds to a network of one
ReLU on 1x3x224x224, in microseconds. `onnxruntime` prints the ratio of times for a model on random input; install
`onnxruntime` or `onnxruntime-webgpu`. Ratios are medians over rounds, and each round has a turn of both.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy as np

import shadernet

# Threads of an engine wait in loops for the next pass: for up to 50 ms in ONNX Runtime, which slows another engine.
PAUSE = 0.1
# The length of a turn in seconds, and its most passes.
TURN = 0.25, 200


class Command:
    """`shadernet bench model`, which makes a pass for each line of its input and prints its seconds."""

    def __init__(self, command, network, backend):
        arguments = [command, "bench", "model", network, "--backend", backend, "--serve", "--quiet"]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while (line := self.process.stdout.readline()).strip() != "ready":
            if not line:
                raise SystemExit(f"{command} ended with exit code {self.process.wait()}")

    def __call__(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(run):
    """A pass of `run`, in seconds."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def turn(engine):
    """The median of a turn's passes; the first is not counted, since another engine's data was in the caches."""
    time.sleep(PAUSE)
    begin = time.perf_counter()
    engine()
    passes = [engine()]
    while time.perf_counter() - begin < TURN[0] and len(passes) < TURN[1]:
        passes.append(engine())
    return statistics.median(passes)


def rounds(ours, theirs, count):
    """The times of both in each round."""
    return [(turn(ours), turn(theirs)) if i % 2 else tuple(reversed((turn(theirs), turn(ours)))) for i in range(count)]


def summary(pairs):
    """Medians of both times, and of their ratios with the quartiles."""
    ratios = sorted(a / b for a, b in pairs)
    return {
        "ours_ms": 1e3 * statistics.median(a for a, _ in pairs),
        "theirs_ms": 1e3 * statistics.median(b for _, b in pairs),
        "added_us": 1e6 * statistics.median(a - b for a, b in pairs),
        "ratio": statistics.median(ratios),
        "quartiles": [ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]],
    }


def relu(folder):
    """The path of a network of one ReLU."""
    import onnx
    from onnx import TensorProto, helper

    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 224, 224]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", info[:1], info[1:])
    path = pathlib.Path(folder) / "relu.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def session_pass(session):
    """A pass of a session on a random image."""
    [value] = session.inputs
    shape = [extent if isinstance(extent, int) else 1 for extent in value.shape]
    if len(shape) == 4:
        shape[2:] = [extent if isinstance(given, int) else 224 for extent, given in zip(shape[2:], value.shape[2:])]
    inputs = {value.name: np.random.default_rng(0).standard_normal(shape, dtype=np.float32)}
    session.run(inputs)
    return inputs, lambda: timed(lambda: session.run(inputs))


def against_command(options):
    with tempfile.TemporaryDirectory() as folder:
        path = relu(folder)
        for name, session in [
            ("mobilenet_v2", shadernet.Session.from_arch("mobilenet_v2", device=options.backend)),
            (str(path), shadernet.Session.from_onnx(path, device=options.backend)),
        ]:
            theirs = Command(options.program, name, options.backend)
            _, ours = session_pass(session)
            yield pathlib.Path(name).stem, rounds(ours, theirs, options.rounds)
            theirs.close()


def against_onnxruntime(options):
    import onnxruntime

    provider = {"cpu": "CPUExecutionProvider", "webgpu": "WebGpuExecutionProvider"}[options.provider]
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.log_severity_level = 3
    theirs = onnxruntime.InferenceSession(options.model, settings, providers=[provider])
    if theirs.get_providers()[0] != provider:
        raise SystemExit(f"this ONNX Runtime ({onnxruntime.__version__}) has no {provider}")
    inputs, ours = session_pass(shadernet.Session.from_onnx(options.model, device=options.backend))
    expected = theirs.run(None, inputs)[0]
    found = next(iter(shadernet.Session.from_onnx(options.model, device=options.backend).run(inputs).values()))
    error = np.abs(found - expected).max() / np.abs(expected).max()
    if not error < 1e-3:
        raise SystemExit(f"the outputs differ by {error:.1e} of the largest")
    name = f"{pathlib.Path(options.model).stem} / onnxruntime {onnxruntime.__version__} {options.provider}"
    yield name, rounds(ours, lambda: timed(lambda: theirs.run(None, inputs)), options.rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    peers = parser.add_subparsers(required=True)
    command = peers.add_parser("command")
    command.add_argument("program", help="a release build of the command")
    command.add_argument("--backend", default="cpu")
    command.set_defaults(run=against_command)
    other = peers.add_parser("onnxruntime")
    other.add_argument("model", help="an ONNX file")
    other.add_argument("--provider", choices=["cpu", "webgpu"], default="cpu")
    other.add_argument("--threads", type=int, default=0, help="of ONNX Runtime [default: one per core]")
    other.add_argument("--backend", default="cpu", help="of this package")
    other.set_defaults(run=against_onnxruntime)
    options = parser.parse_args()
    for name, pairs in options.run(options):
        found = summary(pairs)
        if options.json:
            print(json.dumps({"name": name, **found}))
        else:
            low, high = found["quartiles"]
            print(
                f"{name}: {found['ours_ms']:.3f} ms / {found['theirs_ms']:.3f} ms = {found['ratio']:.3f} "
                f"({low:.3f} to {high:.3f}); {found['added_us']:+.0f} us a call"
            )


if __name__ == "__main__":
    main()
