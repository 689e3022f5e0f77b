"""ONNX's own test runner over the backend.

`SHADERNET_ONNX_BACKEND` names the backend (default: cpu). Cases that are left out are skipped, with the reason; the
counts are those of `scripts/onnx_cases.py` and `tests/onnx_cases.rs`.
"""

import os
import unittest

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
runner = pytest.importorskip("onnx.backend.test.runner")

import onnx.backend.test  # noqa: E402

from shadernet import onnx_backend  # noqa: E402

DEVICE = os.environ.get("SHADERNET_ONNX_BACKEND", "cpu")
# The runner's tolerance is for numbers of the size of 1; this one is a part of the largest, as in Rust.
TOLERANCE = 1e-4
# The runner's own.
DEFAULT = 1e-3
# The expected outputs of this case have four digits.
ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad": {"rtol": 2e-3}}


class SkipUnsupported(onnx_backend.ShadernetBackend):
    """The runner counts what a backend does not implement as passed; here it is skipped."""

    @classmethod
    def supports_device(cls, device):
        return device == "CPU"

    @classmethod
    def prepare(cls, model, device="CPU", **arguments):
        try:
            prepared = super().prepare(model, DEVICE)
        except onnx_backend.NotSupported as error:
            raise unittest.SkipTest(str(error)) from None
        run = prepared.run

        def run_or_skip(inputs):
            try:
                return run(inputs)
            except onnx_backend.NotSupported as error:
                raise unittest.SkipTest(str(error)) from None

        prepared.run = run_or_skip
        return prepared


class Backend(runner.Runner):
    """The runner with our tolerance."""

    @classmethod
    def assert_similar_outputs(cls, ref_outputs, outputs, rtol, atol, model_dir=None):
        assert len(outputs) == len(ref_outputs)
        for found, expected in zip(outputs, ref_outputs):
            assert found.dtype == expected.dtype and found.shape == expected.shape
            finite = expected[np.isfinite(expected)]
            largest = np.abs(finite.astype(np.float64)).max(initial=1e-6)
            limit = max(TOLERANCE, rtol if rtol > DEFAULT else 0) * largest
            np.testing.assert_allclose(found, expected, rtol=0, atol=limit)


tests = Backend(SkipUnsupported, __name__, test_kwargs=ROUNDED)
globals().update(tests.test_cases)
