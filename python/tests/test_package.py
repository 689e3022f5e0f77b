"""The package itself: its types, its documentation, and what it leaves behind."""

import importlib
import subprocess
import sys

import pytest

import shadernet
from conftest import ROOT

# numpydoc's checks that do not hold here: extended summaries, "see also", an example of each method, the place of the
# summary's first line, parameters that another item describes, and the mood of the verb of properties.
NOT_NEEDED = {"ES01", "EX01", "GL01", "PR01", "RT01", "RT03", "SA01", "SS05", "SS06", "YD01"}
MODULES = ["device", "errors", "onnx_backend", "results", "session", "tasks"]


def run_mypy(module, folder, *arguments):
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT / folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_types():
    run_mypy("mypy", "python", "--config-file", "pyproject.toml")


def test_stubs_are_those_of_the_module():
    run_mypy("mypy.stubtest", "python/tests", "shadernet._shadernet", "--ignore-missing-stub")


@pytest.mark.parametrize("name", MODULES)
def test_documentation(name):
    """Every public item has a numpydoc docstring."""
    validate = pytest.importorskip("numpydoc.validate").validate
    module = importlib.import_module(f"shadernet.{name}")
    assert module.__doc__
    for item in module.__all__:
        value = getattr(module, item)
        if not callable(value):
            continue
        names = [f"shadernet.{name}.{item}"]
        if isinstance(value, type):
            public = (key for key, member in vars(value).items() if callable(member) and not key.startswith("_"))
            names += [f"shadernet.{name}.{item}.{key}" for key in public]
        for full in names:
            found = [error for error in validate(full)["errors"] if error[0] not in NOT_NEEDED]
            assert not found, (full, found)


def test_version():
    from importlib.metadata import version

    assert shadernet.__version__ == version("shadernet")
