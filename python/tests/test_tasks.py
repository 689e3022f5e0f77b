"""Tasks on images in every form."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from PIL import Image

import shadernet
from conftest import CHELSEA, CLASSIFIER, DETECTOR, IMAGES


@pytest.fixture(scope="module")
def classifier():
    return shadernet.Classifier(CLASSIFIER, device="cpu")


def test_images_in_every_form(classifier):
    """A path, its bytes, its pixels and a PIL image are the same image."""
    picture = Image.open(CHELSEA)
    pixels = np.asarray(picture)
    channels_first = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    arrays = [pixels, pixels[:, ::-1][:, ::-1], np.asfortranarray(pixels), channels_first.transpose(1, 2, 0)]
    forms = [CHELSEA, str(CHELSEA), CHELSEA.read_bytes(), picture, *arrays]
    found = classifier.classify_batch(forms, k=3, batch_size=4)
    assert all(item == found[0] for item in found)
    assert [type(item) for item in found[0]] == [shadernet.Prediction] * 3
    assert found[0][0].label == "tiger cat"
    assert found == [classifier.classify(form, k=3) for form in forms]


def test_transparency_and_gray_as_in_files(classifier, tmp_path):
    """What PIL has in memory is read as what it has written."""
    rng = np.random.default_rng(3)
    rgba = Image.fromarray(rng.integers(0, 256, (40, 30, 4), np.uint8), "RGBA")
    palette = Image.open(CHELSEA).quantize(16)
    for name, picture in [("rgba", rgba), ("gray", rgba.convert("L")), ("la", rgba.convert("LA")), ("p", palette)]:
        path = tmp_path / f"{name}.png"
        picture.save(path)
        assert classifier.classify(picture) == classifier.classify(path), name
    with pytest.raises(shadernet.InputError, match="I;16"):
        classifier.classify(Image.fromarray(np.zeros((4, 4), np.uint16)))


def test_as_the_command(classifier):
    """The labels and the input size that the model has."""
    assert len(classifier.labels) == 1000 and classifier.labels[281] == "tabby cat"
    assert classifier.input_size == (3, 224, 224)
    assert classifier.device.backend == "cpu"


def test_detector():
    detector = shadernet.Detector(DETECTOR, device="cpu")
    found = detector.detect(IMAGES / "coffee.png")
    assert found[0].label == "cup" and found[0].score > 0.5
    left, top, right, bottom = found[0].box
    assert 0 <= left < right <= 600 and 0 <= top < bottom <= 400


def test_segmenter(tmp_path):
    """A network whose mask is known: where there is more red than ImageNet's mean."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.zeros((2, 3, 1, 1), np.float32)
    weight[1, 0] = 10
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight"], ["map"])],
        "red",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 32, 48])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, ["N", 2, 32, 48])],
        [numpy_helper.from_array(weight, "weight")],
    )
    path = tmp_path / "red.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    with pytest.warns(shadernet.ShadernetWarning, match="assumed"):
        segmenter = shadernet.Segmenter(path, device="cpu")
    assert len(segmenter.labels) == 2
    images = np.random.default_rng(5).integers(0, 256, (3, 32, 48, 3), np.uint8)
    masks = segmenter.segment_batch(list(images), batch_size=2)
    for image, mask in zip(images, masks):
        logit = 10 * (image[:, :, 0] / 255 - 0.485) / 0.229
        foreground = 1 / (1 + np.exp(-logit))
        np.testing.assert_array_equal(mask.classes, logit > 0)
        np.testing.assert_allclose(mask.foreground, foreground, atol=1e-5)
        np.testing.assert_allclose(mask.probabilities, np.maximum(foreground, 1 - foreground), atol=1e-5)
        assert mask.classes.dtype == np.uint8
    with pytest.raises(shadernet.UnknownNameError, match="picture"):
        segmenter.segment(images[0], size="picture")
    with pytest.raises(shadernet.InputError, match="batch_size"):
        segmenter.segment_batch(list(images), size="image", batch_size=2)


def test_embedder():
    embedder = shadernet.Embedder(CLASSIFIER, normalize=True, device="cpu")
    a, b = embedder.embed_batch([CHELSEA, IMAGES / "coffee.png"], batch_size=2)
    assert a.shape == (embedder.dimensions,) == (1280,)
    np.testing.assert_allclose([a @ a, b @ b], 1, atol=1e-5)
    np.testing.assert_array_equal(a, embedder.embed(CHELSEA))
    assert a @ b < 0.5


def test_explainer():
    explainer = shadernet.Explainer(CLASSIFIER, device="cpu")
    found = explainer.explain(IMAGES / "coffee.png")[0]
    assert found.label == "espresso" and found.heat.shape == (400, 600)
    y, x = np.unravel_index(found.heat.argmax(), found.heat.shape)
    assert 200 < x < 420 and 60 < y < 330
    assert found.layer in [name for name, _, _ in explainer.layers]
    two = explainer.explain(IMAGES / "coffee.png", [504, 967], method="saliency")
    assert [item.class_id for item in two] == [504, 967]


def test_tasks_are_pickled_as_their_recipe(classifier):
    again = pickle.loads(pickle.dumps(classifier))
    assert again.classify(CHELSEA) == classifier.classify(CHELSEA)


def _label(classifier):
    return classifier.classify(CHELSEA, k=1)[0].label


def test_a_spawned_process(classifier):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_label, (classifier,)) == "tiger cat"


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    "work",
    [
        f"shadernet.Explainer({str(CLASSIFIER)!r}, device='cpu').explain({str(CHELSEA)!r}, method='occlusion')",
        f"shadernet.Classifier({str(CLASSIFIER)!r}, device='cpu').classify_batch([{str(CHELSEA)!r}] * 5000)",
        f"shadernet.Classifier({str(CLASSIFIER)!r}, device='cpu').classify_batch([b'x'] * 5000000, on_error='return')",
    ],
)
def test_an_interrupt_ends_a_long_run(work):
    script = textwrap.dedent(
        f"""
        import shadernet
        try:
            print("begins", flush=True)
            {work}
            print("ended by itself")
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "begins\n"
    time.sleep(2)
    sent = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert child.stdout.read() == "interrupted\n"
    assert child.wait() == 0 and time.monotonic() - sent < 10


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_handler_that_explains_what_it_interrupts():
    script = textwrap.dedent(
        f"""
        import signal, shadernet
        explainer = shadernet.Explainer({str(CLASSIFIER)!r}, device="cpu")
        def handler(*_):
            signal.alarm(0)
            explainer.explain({str(CHELSEA)!r})
        signal.signal(signal.SIGALRM, handler)
        signal.alarm(1)
        try:
            explainer.explain({str(CHELSEA)!r}, method="occlusion")
        except shadernet.InputError as error:
            print("refused" if "handler" in str(error) else error)
        print(explainer.explain({str(CHELSEA)!r})[0].label)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "refused\ntiger cat\n", done
