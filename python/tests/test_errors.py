"""Bad input: a message that says what to do, and an exception that is also Python's own."""

import multiprocessing
import os
import pickle
import warnings

import numpy as np
import pytest

import shadernet
from conftest import CHELSEA, CLASSIFIER, DETECTOR, model_bytes


def raises(kind, own, *words):
    """An exception of class `kind`, which is also one of `own`, with these words."""
    class Check:
        def __enter__(self):
            return self

        def __exit__(self, found, error, _):
            assert found is not None, f"{kind.__name__} was expected"
            assert found is kind, error
            assert issubclass(found, shadernet.ShadernetError) and issubclass(found, own), found
            for word in words:
                assert word in str(error), str(error)
            return True

    return Check()


@pytest.fixture
def session(relu):
    return shadernet.Session.from_onnx(relu, device="cpu")


def test_inputs(session, array):
    with raises(shadernet.InputError, ValueError, "input 'x'", "float64", "astype"):
        session.run({"x": array.astype(np.float64)})
    with raises(shadernet.InputError, ValueError, "input 'x'", ">f4"):
        session.run({"x": array.astype(">f4")})
    with raises(shadernet.InputError, ValueError, "input 'x'", "int64"):
        session.run({"x": array.astype(np.int64)})
    with raises(shadernet.InputError, ValueError, "input 'x'", "list"):
        session.run({"x": array.tolist()})
    with raises(shadernet.InputError, ValueError, "input 'x'", "object"):
        session.run({"x": np.array([None])})
    with raises(shadernet.InputError, ValueError, "input 'x'", "[N, 3, 4, 5]", "[3, 4, 5]"):
        session.run({"x": array[0]})
    with raises(shadernet.InputError, ValueError, "input 'x'", "[N, 3, 4, 5]", "[2, 3, 4, 4]"):
        session.run({"x": array[..., :4]})
    with raises(shadernet.InputError, ValueError, "'x' is missing"):
        session.run({})
    with raises(shadernet.UnknownNameError, LookupError, "'z'", "x"):
        session.run({"x": array, "z": array})
    with raises(shadernet.InputError, ValueError, "mapping", "ndarray"):
        session.run(array)
    with raises(shadernet.InputError, ValueError, "input 'x'", "at least one", "[0, 3, 4, 5]"):
        session.run({"x": array[:0]})


def test_models(tmp_path):
    missing = tmp_path / "no.onnx"
    with raises(shadernet.MissingFileError, FileNotFoundError, str(missing)):
        shadernet.Session.from_onnx(str(missing))
    try:
        shadernet.Session.from_onnx(missing)
    except FileNotFoundError as error:
        assert error.filename == str(missing) and error.errno == 2
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error) and again.filename == error.filename
        assert "could not be read" in str(error)
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"\x08\x07\xff\xff\xff")
    with raises(shadernet.InvalidFileError, ValueError, str(damaged), "ONNX"):
        shadernet.Session.from_onnx(damaged)
    with raises(shadernet.InvalidFileError, ValueError, "model.onnx", "empty"):
        shadernet.Session.from_onnx(b"")
    with raises(shadernet.UnknownNameError, LookupError, "resnet50"):
        shadernet.Session.from_arch("resnet5")
    with raises(shadernet.MissingFileError, FileNotFoundError, "no/such/folder"):
        shadernet.Classifier("no/such/folder")
    with raises(shadernet.InvalidFileError, ValueError, "bn1.weight"):
        shadernet.Session.from_arch("resnet18", {"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)}, device="cpu")
    with pytest.raises(TypeError, match="from_onnx"):
        shadernet.Session()


def test_arguments():
    """A message names the argument."""
    classifier = shadernet.Classifier(CLASSIFIER, device="cpu")
    with raises(shadernet.InputError, ValueError, "k:", "-1"):
        classifier.classify(CHELSEA, k=-1)
    with raises(shadernet.InputError, ValueError, "batch_size:", "1.5"):
        classifier.classify_batch([CHELSEA], batch_size=1.5)
    with raises(shadernet.InputError, ValueError, "threads:", "-1"):
        shadernet.Device("cpu", threads=-1)
    with raises(shadernet.InputError, ValueError, "device:", "[]"):
        shadernet.Session.from_arch("mlp", device=[])
    with raises(shadernet.InputError, ValueError, "name:", "udc80"):
        shadernet.Session.from_arch("\udc80", device="cpu")
    with raises(shadernet.InputError, ValueError, "model:", "udfff"):
        shadernet.Session.from_onnx("/tmp/\udfff", device="cpu")
    session = shadernet.Session.from_arch("mlp", device="cpu")
    with raises(shadernet.InputError, ValueError, "name of an input", "7"):
        session.run({7: np.zeros((1, 1, 28, 28), np.float32)})
    with raises(shadernet.InputError, ValueError, "shapes['input']", "-1"):
        session.prepare({"input": [1, 1, -1, 28]})
    with raises(shadernet.UnknownNameError, LookupError, "typo", "input"):
        session.prepare({"input": [1, 1, 28, 28], "typo": [1]})


def test_models_of_other_values_are_refused_at_once():
    from onnx import TensorProto

    text = model_bytes("Identity", {"x": (TensorProto.STRING, [3])})
    with raises(shadernet.InvalidFileError, ValueError, "'x'", "string"):
        shadernet.Session.from_onnx(text, device="cpu")
    unknown = model_bytes("Det", {"x": (TensorProto.FLOAT, ["N", 3, 3])}, {"y": (TensorProto.FLOAT, ["N"])})
    with raises(shadernet.InvalidFileError, ValueError, "Det", "not supported"):
        shadernet.Session.from_onnx(unknown, device="cpu")
    any_rank = model_bytes("Relu", {"x": (TensorProto.FLOAT, None)})
    with raises(shadernet.InputError, ValueError, "32 dimensions", "33"):
        shadernet.Session.from_onnx(any_rank, device="cpu").run({"x": many_dimensions(33)})


def many_dimensions(rank):
    if int(np.__version__.split(".")[0]) < 2:
        pytest.skip("NumPy 1 has at most 32 dimensions")
    return np.ones((1,) * rank, np.float32)


def test_devices():
    with raises(shadernet.UnknownNameError, LookupError, "vulcan", "vulkan"):
        shadernet.Device("vulcan")
    with raises(shadernet.NoAdapterError, RuntimeError, "no such adapter"):
        shadernet.Device(adapter="no such adapter")
    with raises(shadernet.UnknownNameError, LookupError, "float17"):
        shadernet.Session.from_arch("mlp", device="cpu", precision="float17")


def test_images(tmp_path):
    classifier = shadernet.Classifier(CLASSIFIER, device="cpu")
    with raises(shadernet.MissingFileError, FileNotFoundError, "no.png"):
        classifier.classify(tmp_path / "no.png")
    with raises(shadernet.InvalidFileError, ValueError, "image 0"):
        classifier.classify(b"not an image")
    with raises(shadernet.InputError, ValueError, "float32", "[4, 4, 3]"):
        classifier.classify(np.zeros((4, 4, 3), np.float32))
    with raises(shadernet.InputError, ValueError, "[4, 4, 5]"):
        classifier.classify(np.zeros((4, 4, 5), np.uint8))
    with raises(shadernet.InputError, ValueError, "pixels", "[0, 4, 3]"):
        classifier.classify(np.zeros((0, 4, 3), np.uint8))
    with raises(shadernet.InputError, ValueError, "was expected", "image 0", "int"):
        classifier.classify(7)
    with raises(shadernet.InputError, ValueError, "batch_size"):
        classifier.classify_batch([CHELSEA], batch_size=0)
    with raises(shadernet.InputError, ValueError, "on_error"):
        classifier.classify_batch([CHELSEA], on_error="ignore")
    for one in [np.zeros((4, 4, 3), np.uint8), str(CHELSEA), CHELSEA.read_bytes(), CHELSEA]:
        with raises(shadernet.InputError, ValueError, "several"):
            classifier.classify_batch(one)
    with raises(shadernet.InputError, ValueError, "sides", "1048576"):
        classifier.classify(np.broadcast_to(np.uint8(1), (2**20, 2**20, 3)))
    images = [CHELSEA, tmp_path / "no.png", CHELSEA, None, np.zeros((4, 4, 2), np.uint8), "\udfff", CHELSEA]
    found = classifier.classify_batch(images, batch_size=2, on_error="return")
    errors = [shadernet.MissingFileError, *[shadernet.InputError] * 2]
    kinds = [type(item) for item in found]
    assert kinds[:5] == [list, errors[0], list, *errors[1:]] and kinds[6] is list
    assert isinstance(found[5], shadernet.ShadernetError)
    assert "image 3" in str(found[3]) and "image 4" in str(found[4])
    assert found[0] == found[2] == found[6]


def test_not_a_number():
    classifier = shadernet.Classifier(CLASSIFIER, device="cpu")
    batch = np.zeros((1, 3, 224, 224), np.float32)
    batch[0, 1, 5, 7] = np.nan
    with raises(shadernet.InputError, ValueError, "not numbers", "NaN"):
        classifier.predict(batch)
    with raises(shadernet.InputError, ValueError, "batch", "[N, C, H, W]"):
        classifier.predict(batch[0])


def test_detector_options():
    detector = shadernet.Detector(DETECTOR, device="cpu")
    with raises(shadernet.InputError, ValueError, "threshold"):
        detector.detect(CHELSEA, threshold=2.0)
    with raises(shadernet.InvalidFileError, ValueError, "classif"):
        shadernet.Classifier(DETECTOR, device="cpu")


def test_warnings_are_pythons():
    """What the library warns of can be filtered, and turned into errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(shadernet.ShadernetWarning, match="float32"):
            shadernet.Session.from_folder(CLASSIFIER, device="cpu", precision="float16").prepare(
                {"input": [1, 3, 224, 224]}
            )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_are_refused(session, array):
    session.run({"x": array})
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            session.run({"x": array})
            text = "it ran"
        except shadernet.ForkError as error:
            text = str(error)
        except BaseException as error:  # noqa: BLE001
            text = repr(error)
        try:
            shadernet.Session.from_arch("mlp", device="cpu")
            text = "it opened a session"
        except shadernet.ForkError:
            pass
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0 and "spawn" in text, text


def _run(session):
    return session.run({"x": np.zeros((2, 3, 4, 5), np.float32)})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_pool_of_forked_processes_says_so(session, array):
    """An exception while a task is unpickled would end the worker, and the pool would wait for ever."""
    session.run({"x": array})
    with multiprocessing.get_context("fork").Pool(1) as pool:
        with pytest.raises(shadernet.ForkError, match="spawn"):
            pool.apply_async(_run, (session,)).get(timeout=60)
