#!/usr/bin/env python3
"""Writes the networks of the zoo as ONNX, and compares ONNX Runtime with shadernet on them.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy safetensors
    cargo build --release
    scripts/onnx_out.py [--shadernet PATH] [--backend reference|cpu|vulkan|…] [--half] [--keep FOLDER] [NAME…]
    SHADERNET_ONNX_OUT_CASES=FOLDER cargo test -p shadernet --lib onnx::export
    scripts/onnx_out.py --cases FOLDER

For each network: `convert NAME --generate-weights` writes it, onnx.checker checks it with shape inference, ONNX Runtime
and `shadernet run` of the written file compute it, and `shadernet plan` counts dispatches of the network and of the
file. Prints a table, and fails where a difference is above 1e-4 of an output's largest magnitude, or the dispatches
differ. Generated weights make some very deep networks chaotic: ONNX Runtime's own output changes completely with the last
digits of the input, and nothing can be compared. There the matrices in the file are made smaller, and the table says so. With --cases, ONNX Runtime computes the operators that the library's tests wrote, each in a file of its own.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file, save_file

TOLERANCE = 1e-4
# A change of the input by this part may change outputs by a tenth of the tolerance.
CHANGE = 1e-6
SMALLER = 0.7


def command(program, *args):
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, args))}: {done.stderr.strip()}")
    return done.stdout


def inputs_of(session, size):
    """Numbers of a standard deviation of 1, and token ids."""
    random = np.random.default_rng(7)
    inputs = {}
    for value in session.get_inputs():
        image = len(value.shape) == 4
        free = [1, size[0], size[1], size[2]] if image else [1, 64]
        shape = [f if isinstance(d, str) else d for d, f in zip(value.shape, free)]
        if value.type == "tensor(int64)":
            inputs[value.name] = random.integers(0, 30_000, shape)
        else:
            inputs[value.name] = random.standard_normal(shape).astype(np.float32)
    return inputs


def dispatches(program, network, size):
    options = [] if size is None else ["--input", "x".join(map(str, size))]
    plan = json.loads(command(program, "plan", network, "--limits", "default", "--json", *options))
    return len(plan["steps"])


def worst_difference(outputs, expected):
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(outputs, expected))


def shrink(path):
    """Makes the matrices of a file smaller."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if len(tensor.dims) > 1:
            values = onnx.numpy_helper.to_array(tensor)
            tensor.raw_data = (values * values.dtype.type(SMALLER)).tobytes()
    onnx.save(model, path)


def conditioned(path, size):
    """A session, inputs and outputs that do not depend on the last digits of the inputs; and the factor of matrices."""
    factor = 1.0
    while True:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        inputs = inputs_of(session, size)
        expected = session.run(None, inputs)
        is_float = lambda value: value.dtype == np.float32
        changed = {name: x * np.float32(1 + CHANGE) if is_float(x) else x for name, x in inputs.items()}
        if worst_difference(session.run(None, changed), expected) < TOLERANCE / 10:
            return session, inputs, expected, factor
        assert factor > 0.1, "it is chaotic with smaller matrices too"
        shrink(path)
        factor *= SMALLER


def check(args, row, folder):
    path = folder / f"{row['architecture']}.onnx"
    half = ["--half"] if args.half else []
    command(args.shadernet, "convert", row["architecture"], "--generate-weights", "-o", path, *half)
    onnx.checker.check_model(str(path), full_check=True)
    session, inputs, expected, factor = conditioned(path, row["input_size"])
    given, found = folder / "input.safetensors", folder / "output.safetensors"
    save_file({name: value.astype(np.float32) for name, value in inputs.items()}, given)
    run = ["run", "--model", path, "--input", given, "--output", found, "--backend", args.backend]
    command(args.shadernet, *run)
    found = load_file(found)
    found = [found[f"output.{i}"] for i in range(len(expected))]
    for own, value in zip(found, expected):
        assert own.shape == value.shape, f"{own.shape} instead of {value.shape}"
        assert np.isfinite(value).all(), "ONNX Runtime's output is not finite"
    worst = worst_difference(found, expected)
    counts = [0, 0]
    # `plan` knows the sizes of images only.
    if len(inputs) == 1:
        counts = [
            dispatches(args.shadernet, row["architecture"], None),
            dispatches(args.shadernet, path, row["input_size"]),
        ]
    size = path.stat().st_size
    if not args.keep:
        path.unlink()
    free = sum(isinstance(extent, str) for extent in session.get_inputs()[0].shape)
    return worst, counts, size, free, factor


def check_case(folder):
    path = str(folder / "model.onnx")
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = session.run(None, load_file(folder / "input.safetensors"))
    expected = load_file(folder / "expected.safetensors")
    for i, found in enumerate(outputs):
        own = expected[f"output.{i}"]
        assert own.shape == found.shape, f"{found.shape} instead of {own.shape}"
        scale = max(1e-3, np.abs(own[np.isfinite(own)]).max(initial=0))
        np.testing.assert_allclose(found, own, rtol=0, atol=TOLERANCE * scale)


def check_cases(folder):
    failures = 0
    cases = sorted(folder.iterdir())
    for case in cases:
        try:
            check_case(case)
        except Exception as error:  # The other cases are checked all the same.
            failures += 1
            model = onnx.load(case / "model.onnx", load_external_data=False)
            print(f"{model.metadata_props[0].value}: {error}", flush=True)
    print(f"{len(cases)} cases, {failures} failures")
    sys.exit(failures > 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shadernet", default="target/release/shadernet")
    parser.add_argument("--backend", default="reference")
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--cases", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    onnxruntime.set_default_logger_severity(3)
    if args.cases:
        check_cases(args.cases)
    listed = map(json.loads, command(args.shadernet, "models", "--json").splitlines())
    rows = [row for row in listed if "family" in row]
    rows = [row for row in rows if not args.names or row["architecture"] in args.names]
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for row in rows:
            try:
                worst, counts, size, free, factor = check(args, row, folder)
            except Exception as error:  # The other networks are checked all the same.
                failures += 1
                print(f"{row['architecture']:32} failed: {error}", flush=True)
                continue
            good = worst <= TOLERANCE and counts[0] == counts[1]
            failures += not good
            smaller = "" if factor == 1.0 else f"  matrices times {factor:.2f}"
            print(
                f"{row['architecture']:32} {size / 1e6:8.1f} MB  {free} free extents  difference {worst:.1e}  "
                f"dispatches {counts[0]} and {counts[1]}{smaller}{'' if good else '  WRONG'}",
                flush=True,
            )
    print(f"{len(rows)} networks, {failures} failures")
    sys.exit(failures > 0)


main()
