#!/usr/bin/env python3
"""Compares `shadernet classify` on the CPU with a plain script of Pillow and ONNX Runtime: images per second.

    pip install onnx==1.23.2 onnxruntime==1.32.0 pillow numpy
    pip install --no-deps scikit-learn==1.9.1
    scripts/cpu_pipeline.py target/release/shadernet FOLDER [--large 300] [--small 2000] [--rounds 3]

Makes photographs in FOLDER, of 4000x3000 and of 320x240 pixels: crops of the photographs in tests/images and in
scikit-learn. Both sides run the built-in classifier, one image per pass, in alternating rounds. shadernet's time is
that of the process, the script's begins after its imports. A network that only averages the pixels shows what decoding
and resizing cost shadernet. Prints medians, and fails if the classes differ in more than 3 % of the images: the two
crop at places that differ by less than a pixel, and many of the crops show nothing that the network knows.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import onnx
import onnxruntime
from PIL import Image

IMAGES = pathlib.Path(__file__).resolve().parent.parent / "tests/images"
SIZES = {"large": (4000, 3000), "small": (320, 240)}
# Enlarged pictures are smoother than a camera's, and decode faster. With noise of this deviation, a file has the 3 to
# 4 MB of a photograph of 12 megapixels.
NOISE = 6
AGREEMENT = 0.97


def make(folder, size, count):
    """Crops of 4:3 at random places, of half to all of a photograph's extent, half of them mirrored."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir())[count:]:
        path.unlink()
    # Not imported: it is installed without what it depends on.
    sklearn = pathlib.Path(find_spec("sklearn").origin).parent / "datasets/images"
    paths = [IMAGES / name for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")]
    sources = [Image.open(path).convert("RGB") for path in (*paths, sklearn / "china.jpg", sklearn / "flower.jpg")]
    noise = np.random.default_rng(0).normal(0, NOISE, (size[1], size[0], 1)).round().astype(np.int16)
    for i in range(count):
        path = folder / f"{i:04}.jpg"
        if path.exists():
            continue
        source, place = sources[i % len(sources)], random.Random(i)
        width = min(source.width, source.height * 4 / 3) * place.uniform(0.5, 1)
        x, y = place.uniform(0, source.width - width), place.uniform(0, source.height - width * 3 / 4)
        image = source.resize(size, Image.Resampling.BICUBIC, (x, y, x + width, y + width * 3 / 4))
        if i // len(sources) % 2:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if size == SIZES["large"]:
            values = np.asarray(image) + np.roll(noise, place.randrange(noise.size))
            image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
        image.save(path, quality=90)


def without_network(path, output):
    """The model with an average of the pixels and 1000 zeros instead of its network."""
    model = onnx.load(path)
    graph, node = model.graph, onnx.helper.make_node
    pool = node("GlobalAveragePool", [graph.input[0].name], ["mean"])
    rest = [node("Flatten", ["mean"], ["flat"]), node("Gemm", ["flat", "zeros"], [graph.output[0].name])]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend([pool, *rest])
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((3, 1000), np.float32), "zeros"))
    onnx.save(model, output)


def plain(model, folder):
    """What a short script does."""
    start = time.perf_counter()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    config = json.loads(session.get_modelmeta().custom_metadata_map["shadernet.config"])["pretrained_cfg"]
    mean, std = (np.array(config[key], np.float32) for key in ("mean", "std"))
    interpolation = Image.Resampling[config["interpolation"].upper()]
    side, name = config["input_size"][1], session.get_inputs()[0].name
    found = {"decoding": 0, "resizing": 0, "classes": {}}
    for path in sorted(folder.iterdir()):
        begin = time.perf_counter()
        image = Image.open(path).convert("RGB")
        decoded = time.perf_counter()
        factor = int(side / config["crop_pct"]) / min(image.size)
        image = image.resize([round(extent * factor) for extent in image.size], interpolation)
        x, y = ((extent - side) // 2 for extent in image.size)
        values = np.asarray(image.crop((x, y, x + side, y + side)), np.float32) / 255
        values = np.ascontiguousarray(((values - mean) / std).transpose(2, 0, 1)[None])
        found["resizing"] += time.perf_counter() - decoded
        found["decoding"] += decoded - begin
        found["classes"][path.name] = int(session.run(None, {name: values})[0].argmax())
    return {"seconds": time.perf_counter() - start, **found}


def script(model, folder):
    words = [sys.executable, __file__, "--plain", model, folder]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)


def classify(given, model, folder):
    """Seconds of the process, its seconds on all cores, and the classes."""
    words = [given.command, "classify", folder, "--model", model, "--json", "--top", "1", "--quiet"]
    start, before = time.perf_counter(), os.times()
    done = subprocess.run([*words, "--backend", given.backend], check=True, stdout=subprocess.PIPE, text=True)
    seconds, after = time.perf_counter() - start, os.times()
    cores = after.children_user + after.children_system - before.children_user - before.children_system
    rows = map(json.loads, done.stdout.splitlines())
    classes = {pathlib.Path(row["image"]).name: row["predictions"][0]["class"] for row in rows}
    return {"seconds": seconds, "cores": cores, "classes": classes}


def compare(given, kind, count):
    folder, models = given.folder / kind, [given.folder / name for name in ("model.onnx", "averages.onnx")]
    make(folder, SIZES[kind], count)
    size = sum(path.stat().st_size for path in folder.iterdir()) / count
    runs = {
        "shadernet": lambda: classify(given, models[0], folder),
        "decoding": lambda: classify(given, models[1], folder),
        "script": lambda: script(models[0], folder),
    }
    # Reads the files into memory.
    runs["decoding"]()
    found = {name: [] for name in runs}
    for i in range(given.rounds):
        for name in list(runs)[i % 3 :] + list(runs)[: i % 3]:
            found[name].append(runs[name]())
    median = lambda name, key="seconds": statistics.median(run[key] for run in found[name])
    ratio = statistics.median(a["seconds"] / b["seconds"] for a, b in zip(found["script"], found["shadernet"]))
    share = median("decoding", "cores") / median("shadernet", "cores")
    parts = [median("script", key) / median("script") for key in ("decoding", "resizing")]
    own, other = (found[name][0]["classes"] for name in ("shadernet", "script"))
    same = sum(own.get(name) == best for name, best in other.items())
    print(f"{count} images of {SIZES[kind][0]}x{SIZES[kind][1]}, {size / 1e3:.0f} kB each, {given.rounds} rounds")
    print(f"  shadernet        {count / median('shadernet'):7.1f} images/s; decoding and resizing are {share:.0%} of its time on all cores")
    print(f"  without network  {count / median('decoding'):7.1f} images/s")
    print(f"  script           {count / median('script'):7.1f} images/s; decoding {parts[0]:.0%}, resizing {parts[1]:.0%}")
    print(f"  shadernet: {ratio:.2f} times the script's images per second (median over the rounds)")
    print(f"  the same class for {same} of {count} images", flush=True)
    return same >= AGREEMENT * count


def main():
    if sys.argv[1:2] == ["--plain"]:
        print(json.dumps(plain(sys.argv[2], pathlib.Path(sys.argv[3]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("command", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--large", type=int, default=300)
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / "model.onnx"
    subprocess.run([given.command, "convert", "efficientnet_lite0", "-o", path], check=True, stdout=subprocess.DEVNULL)
    without_network(path, given.folder / "averages.onnx")
    counts = [(kind, count) for kind, count in (("large", given.large), ("small", given.small)) if count]
    sys.exit(not all([compare(given, kind, count) for kind, count in counts]))


main()
