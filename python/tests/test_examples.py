"""The examples, on a few images. Those for clusters run where Ray or Spark is installed."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from conftest import CHELSEA, CLASSIFIER, IMAGES, ROOT

EXAMPLES = ROOT / "examples/python"


def run(name, *arguments):
    command = [sys.executable, EXAMPLES / f"{name}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.fixture
def photos(tmp_path):
    """Forty photographs and one file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(40):
        source = CHELSEA if i % 2 else IMAGES / "coffee.png"
        shutil.copy(source, folder / f"{i:02}.png")
    (folder / "40.png").write_bytes(b"not an image")
    return folder


def as_parquet(photos, folder):
    """The photographs as rows of Parquet files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    paths = sorted(photos.iterdir())
    for i in range(0, len(paths), 20):
        part = paths[i : i + 20]
        rows = pa.table({"path": [str(path) for path in part], "bytes": [path.read_bytes() for path in part]})
        pq.write_table(rows, folder / f"{i}.parquet")
    return folder


def check(classes):
    """Every image has one row, with its class."""
    import pyarrow.parquet as pq

    rows = pq.read_table(classes).to_pylist()
    names = [pathlib.Path(row["path"]).name for row in rows]
    assert sorted(names) == [f"{i:02}.png" for i in range(41)]
    for name, row in zip(names, rows):
        number = int(name[:2])
        if number == 40:
            assert row["labels"] == [] and "image" in row["error"]
        else:
            assert row["error"] is None
            assert row["labels"][0] == ("tiger cat" if number % 2 else "espresso")
            assert len(row["labels"]) == len(row["probabilities"]) == 5


def kill_a_worker(words, parent, after):
    """Kill a process with one of these words in its command line, `after` seconds after it has opened its model."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().decode(errors="replace")
                maps = (folder / "maps").read_text()
            except OSError:
                continue
            is_worker = int(folder.name) != parent and any(word in command for word in words)
            if is_worker and "_shadernet" in maps:
                time.sleep(after)
                os.kill(int(folder.name), signal.SIGKILL)
                return True
        time.sleep(0.05)
    return False


def test_tour():
    done = run("tour")
    assert done.returncode == 0, done.stderr
    assert "tiger cat" in done.stdout and "espresso" in done.stdout and "cls_8" in done.stdout


def test_readme():
    """The README's example is what a newcomer runs first."""
    text = (ROOT / "python/README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "tiger cat" in done.stdout


def test_docstrings():
    """The examples of the documentation."""
    import doctest
    import warnings

    import shadernet
    import shadernet.onnx_backend

    old = os.getcwd()
    os.chdir(ROOT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", shadernet.ShadernetWarning)
            for module in [shadernet, *(getattr(shadernet, n) for n in ("device", "errors", "session", "tasks", "onnx_backend"))]:
                result = doctest.testmod(module)
                assert result.failed == 0
                assert result.attempted > 0, module.__name__
    finally:
        os.chdir(old)


def classify(name, words, killed, *arguments):
    """Run an example, whose script Ray and Spark send to their workers, and kill one of these."""
    command = [sys.executable, EXAMPLES / f"{name}.py", *map(str, arguments)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        if killed:
            assert kill_a_worker(words, child.pid, 0.2), "no worker was found"
        text, _ = child.communicate(timeout=300)
        assert child.returncode == 0, text
    finally:
        child.kill()


@pytest.mark.parametrize("case", ["files", "killed", "parquet"])
def test_ray(photos, tmp_path, case):
    pytest.importorskip("ray")
    pytest.importorskip("pyarrow")
    options = ["--parquet"] if case == "parquet" else []
    photos = as_parquet(photos, tmp_path / "parquet") if case == "parquet" else photos
    arguments = [photos, tmp_path / "classes", *options, "--model", CLASSIFIER, "--backend", "cpu", "--workers", 2, "--batch", 2]
    classify("ray_classify", ["ray::"], case == "killed", *arguments)
    check(tmp_path / "classes")


@pytest.mark.parametrize("case", ["files", "killed", "parquet"])
def test_spark(photos, tmp_path, case):
    pytest.importorskip("pyspark")
    pytest.importorskip("pandas")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    options = ["--parquet"] if case == "parquet" else []
    photos = as_parquet(photos, tmp_path / "parquet") if case == "parquet" else photos
    arguments = [photos, tmp_path / "classes", *options, "--model", CLASSIFIER, "--backend", "cpu", "--workers", 2]
    classify("spark_classify", ["pyspark.daemon"], case == "killed", *arguments)
    check(tmp_path / "classes")
