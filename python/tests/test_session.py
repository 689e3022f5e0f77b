"""Sessions: arrays in, arrays out."""

import asyncio
import copy
import pickle
import threading
import time

import numpy as np
import pytest
from onnx import TensorProto

import shadernet
from conftest import CLASSIFIER, YUNET, devices, model_bytes


@pytest.mark.parametrize("backend", devices())
def test_outputs_on_every_backend(backend, relu, array):
    session = shadernet.Session.from_onnx(relu, device=backend)
    assert session.device.backend == backend
    assert session.inputs == (shadernet.Value("x", ("N", 3, 4, 5), "float32"),)
    outputs = session.run({"x": array})
    assert list(outputs) == ["y"]
    np.testing.assert_array_equal(outputs["y"], np.maximum(array, 0))
    assert outputs["y"].dtype == np.float32 and outputs["y"].flags.writeable


def test_types_of_inputs(relu, array):
    session = shadernet.Session.from_onnx(relu, device="cpu")
    half = array.astype(np.float16)
    np.testing.assert_array_equal(session.run({"x": half})["y"], np.maximum(half, 0).astype(np.float32))
    bytes_ = np.arange(60, dtype=np.uint8).reshape(1, 3, 4, 5)
    np.testing.assert_array_equal(session.run({"x": bytes_})["y"], bytes_.astype(np.float32))


def test_arrays_of_any_layout(relu, array):
    session = shadernet.Session.from_onnx(relu, device="cpu")
    expected = np.maximum(array, 0)
    strided = np.zeros((2, 3, 8, 5), np.float32)
    strided[:, :, ::2] = array
    read_only = array.copy()
    read_only.flags.writeable = False
    misaligned = np.frombuffer(b"\0" + array.tobytes(), np.float32, offset=1).reshape(array.shape)
    layouts = {
        "strided": strided[:, :, ::2],
        "fortran": np.asfortranarray(array),
        "reversed": np.ascontiguousarray(array[::-1])[::-1],
        "read-only": read_only,
        "misaligned": misaligned,
        "channels last": np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    }
    for name, layout in layouts.items():
        np.testing.assert_array_equal(layout, array, err_msg=name)
        np.testing.assert_array_equal(session.run({"x": layout})["y"], expected, err_msg=name)


def test_inputs_are_not_kept(relu, array):
    """A session that kept an input would see what is written later, and keep its memory."""
    import sys

    session = shadernet.Session.from_onnx(relu, device="cpu")
    before = sys.getrefcount(array)
    first = session.run({"x": array})["y"]
    assert sys.getrefcount(array) == before
    kept = first.copy()
    array[:] = 1
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(session.run({"x": array})["y"], array)


class OnlyDlpack:
    """A tensor of a library that is not NumPy."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_dlpack_in_and_out(relu, array):
    session = shadernet.Session.from_onnx(relu, device="cpu")
    output = session.run({"x": OnlyDlpack(array)})["y"]
    np.testing.assert_array_equal(np.from_dlpack(OnlyDlpack(output)), np.maximum(array, 0))


def test_torch(relu, array):
    torch = pytest.importorskip("torch")
    session = shadernet.Session.from_onnx(relu, device="cpu")
    tensor = torch.from_numpy(array)
    output = torch.from_dlpack(session.run({"x": tensor})["y"])
    assert torch.equal(output, tensor.relu())
    with pytest.raises(shadernet.InputError, match="detached"):
        session.run({"x": tensor.requires_grad_()})


def test_jax(relu, array):
    jax = pytest.importorskip("jax")
    session = shadernet.Session.from_onnx(relu, device="cpu")
    output = session.run({"x": jax.numpy.asarray(array)})["y"]
    assert (jax.numpy.from_dlpack(output) == np.maximum(array, 0)).all()


def test_other_threads_run_meanwhile():
    """The interpreter's lock is released: a thread counts while the reference backend computes."""
    session = shadernet.Session.from_arch("resnet18", num_classes=2, device="reference")
    image = {"input": np.zeros((1, 3, 64, 64), np.float32)}
    session.prepare({"input": [1, 3, 64, 64]})
    counts, stop = [0], threading.Event()

    def work():
        while not stop.is_set():
            counts[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    before, begin = counts[0], time.monotonic()
    session.run(image)
    seconds, counted = time.monotonic() - begin, counts[0] - before
    stop.set()
    thread.join()
    # Of about 900 a second; with the lock, none.
    assert counted > 20 * seconds, (counted, seconds)


def test_declared_types():
    """Integers and booleans, in and out, where the model declares them."""
    bytes_ = model_bytes(
        "Less",
        {"a": (TensorProto.INT64, [4]), "b": (TensorProto.INT64, [4])},
        {"y": (TensorProto.BOOL, [4])},
    )
    session = shadernet.Session.from_onnx(bytes_, device="cpu")
    a, b = np.array([1, 2, 3, -4]), np.array([2, 2, 2, 2], np.int32)
    output = session.run({"a": a, "b": b})["y"]
    assert output.dtype == np.bool_
    np.testing.assert_array_equal(output, a < b)
    for wrong in [np.array([1, 2, 3, 2**40]), np.array([1, 2, 3, 2**64 - 1], np.uint64)]:
        with pytest.raises(shadernet.InputError, match="16777216"):
            session.run({"a": wrong, "b": b})
    for wrong in [a.astype(np.float32), a.astype(np.bool_)]:
        with pytest.raises(shadernet.InputError, match="integers"):
            session.run({"a": wrong, "b": b})


def cast(source, target):
    return model_bytes("Cast", {"x": (source, [3])}, {"y": (target, [3])}, to=target)


def test_values_beyond_the_declared_type():
    session = shadernet.Session.from_onnx(cast(TensorProto.UINT8, TensorProto.FLOAT), device="cpu")
    np.testing.assert_array_equal(session.run({"x": np.array([0, 7, 255])})["y"], [0, 7, 255])
    with pytest.raises(shadernet.InputError, match="from 0 to 255"):
        session.run({"x": np.array([0, 7, 256])})
    session = shadernet.Session.from_onnx(cast(TensorProto.BOOL, TensorProto.FLOAT), device="cpu")
    with pytest.raises(shadernet.InputError, match="bool"):
        session.run({"x": np.array([0, 1, 7], np.uint8)})
    session = shadernet.Session.from_onnx(cast(TensorProto.DOUBLE, TensorProto.FLOAT), device="cpu")
    np.testing.assert_array_equal(session.run({"x": np.array([0.5, 1, 2])})["y"], [0.5, 1, 2])


def test_outputs_beyond_their_type():
    session = shadernet.Session.from_onnx(cast(TensorProto.FLOAT, TensorProto.INT64), device="cpu")
    with pytest.raises(shadernet.InexactError, match="16777216"):
        session.run({"x": np.array([1, 2, 2**24], np.float32)})
    session = shadernet.Session.from_onnx(cast(TensorProto.FLOAT, TensorProto.FLOAT16), device="cpu")
    large = {"x": np.array([1, 2, 1e6], np.float32)}
    with np.errstate(all="raise"):
        output = session.run(large)["y"]
    assert output.dtype == np.float16 and np.isinf(output[2])
    with pytest.raises(shadernet.InputError, match="float16"):
        session.run(large, check_finite=True)


def test_subclasses_that_copy_as_they_like(relu, array):
    class Odd(np.ndarray):
        def copy(self, order="C"):
            return np.arange(8, dtype=np.float32)[::-1]

    session = shadernet.Session.from_onnx(relu, device="cpu")
    misaligned = np.frombuffer(b"\0" + array.tobytes(), np.float32, offset=1).reshape(array.shape).view(Odd)
    np.testing.assert_array_equal(session.run({"x": misaligned})["y"], np.maximum(array, 0))
    np.testing.assert_array_equal(session.run({"x": np.ma.masked_array(array)})["y"], np.maximum(array, 0))


def test_shapes_may_change():
    session = shadernet.Session.from_onnx(YUNET, device="cpu")
    for shape in [(1, 3, 64, 96), (2, 3, 96, 64), (1, 3, 64, 96)]:
        output = session.run({"input": np.zeros(shape, np.float32)})["cls_8"]
        assert output.shape == (shape[0], shape[2] * shape[3] // 64, 1)
    assert session.device_bytes > 0


def test_folder_and_architecture():
    session = shadernet.Session.from_folder(CLASSIFIER, device="cpu")
    image = np.random.default_rng(1).random((1, 3, 224, 224), np.float32)
    [name] = [value.name for value in session.outputs]
    assert session.run({"input": image})[name].shape == (1, 1000)


def test_run_async(relu, array):
    session = shadernet.Session.from_onnx(relu, device="cpu")

    async def many():
        return await asyncio.gather(*(session.run_async({"x": array * i}) for i in range(20)))

    for i, outputs in enumerate(asyncio.run(many())):
        np.testing.assert_array_equal(outputs["y"], np.maximum(array * i, 0))

    async def changed():
        inputs = {"x": array}
        runs = [asyncio.ensure_future(session.run_async(inputs)) for _ in range(12)]
        await asyncio.sleep(0)
        inputs["x"] = array * 2
        inputs.clear()
        return await asyncio.gather(*runs)

    for outputs in asyncio.run(changed()):
        np.testing.assert_array_equal(outputs["y"], np.maximum(array, 0))


@pytest.mark.parametrize("backend", devices())
def test_threads_share_a_session(backend, relu, array):
    session = shadernet.Session.from_onnx(relu, device=backend)
    wrong = []

    def work(number):
        for i in range(20):
            x = array * (number + i)
            if not np.array_equal(session.run({"x": x})["y"], np.maximum(x, 0)):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_pickling(relu, array):
    session = shadernet.Session.from_onnx(relu, device=shadernet.Device("cpu", threads=1))
    again = pickle.loads(pickle.dumps(session))
    np.testing.assert_array_equal(again.run({"x": array})["y"], np.maximum(array, 0))
    twice = pickle.loads(pickle.dumps(session))
    assert twice.device is again.device, "sessions of one process share a device"
    assert copy.copy(session) is session and copy.deepcopy(session) is session

    class Ours(shadernet.Session):
        pass

    globals()["Ours"] = Ours
    Ours.__qualname__ = "Ours"
    assert type(pickle.loads(pickle.dumps(Ours.from_onnx(relu, device="cpu")))) is Ours


def test_nan_is_returned_unless_it_is_checked_for(relu, array):
    session = shadernet.Session.from_onnx(relu, device="cpu")
    array[0, 0, 0, 0] = np.inf
    assert np.isinf(session.run({"x": array})["y"][0, 0, 0, 0])
    with pytest.raises(shadernet.InputError, match="not numbers"):
        session.run({"x": array}, check_finite=True)
