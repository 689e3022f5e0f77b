#!/usr/bin/env python3
"""Images per second of `shadernet classify` over many files, against another build and a plain script.

    pip install onnx==1.23.2 onnxruntime==1.32.0 pillow numpy
    pip install --no-deps scikit-learn==1.9.1
    scripts/pipeline.py target/release/shadernet FOLDER [--baseline COMMAND] [--script] [--backend vulkan]
        [--count 2000] [--size 500x375] [--batch 1] [--network efficientnet_lite0] [--rounds 3]

Makes photographs of a size (width x height) in FOLDER: crops of the photographs in tests/images and in scikit-learn.
Everything runs in alternating rounds, one image per pass: the network, a network that only averages the pixels, which
shows what decoding and resizing cost, both of them with the command of --baseline, and with --script a plain script of
Pillow and ONNX Runtime. Times are those of the processes, the script's begins after its imports. Prints medians, the
seconds of all cores, and how long the device was busy, as the command says. Fails if the classes differ in more than
3 % of the images from the script's: the two crop at places that differ by less than a pixel, and many of the crops show
nothing that the network knows.

How fast images are decoded for a device that takes no time:
    cargo test --release -p shadernet-cli instant -- --ignored --nocapture
"""

import argparse
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import onnx
from PIL import Image

IMAGES = pathlib.Path(__file__).resolve().parent.parent / "tests/images"
# Enlarged pictures are smoother than a camera's, and decode faster. With noise of this deviation, a file has the 3 to
# 4 MB of a photograph of 12 megapixels.
NOISE, LARGE = 6, 2000
AGREEMENT = 0.97


def make(folder, size, count):
    """Crops of a size's shape at random places, of half to all of a photograph's extent, half of them mirrored."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir())[count:]:
        path.unlink()
    # Not imported: it is installed without what it depends on.
    sklearn = pathlib.Path(find_spec("sklearn").origin).parent / "datasets/images"
    paths = [IMAGES / name for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")]
    sources = [Image.open(path).convert("RGB") for path in (*paths, sklearn / "china.jpg", sklearn / "flower.jpg")]
    noise = np.random.default_rng(0).normal(0, NOISE, (size[1], size[0], 1)).round().astype(np.int16)
    aspect = size[0] / size[1]
    for i in range(count):
        path = folder / f"{i:04}.jpg"
        if path.exists():
            continue
        source, place = sources[i % len(sources)], random.Random(i)
        width = min(source.width, source.height * aspect) * place.uniform(0.5, 1)
        x, y = place.uniform(0, source.width - width), place.uniform(0, source.height - width / aspect)
        image = source.resize(size, Image.Resampling.BICUBIC, (x, y, x + width, y + width / aspect))
        if i // len(sources) % 2:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if size[0] > LARGE:
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
    import onnxruntime

    start = time.perf_counter()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    config = json.loads(session.get_modelmeta().custom_metadata_map["shadernet.config"])["pretrained_cfg"]
    mean, std = (np.array(config[key], np.float32) for key in ("mean", "std"))
    interpolation = Image.Resampling[config["interpolation"].upper()]
    side, name = config["input_size"][1], session.get_inputs()[0].name
    classes = {}
    for path in sorted(folder.iterdir()):
        image = Image.open(path).convert("RGB")
        factor = int(side / config["crop_pct"]) / min(image.size)
        image = image.resize([round(extent * factor) for extent in image.size], interpolation)
        x, y = ((extent - side) // 2 for extent in image.size)
        values = np.asarray(image.crop((x, y, x + side, y + side)), np.float32) / 255
        values = np.ascontiguousarray(((values - mean) / std).transpose(2, 0, 1)[None])
        classes[path.name] = int(session.run(None, {name: values})[0].argmax())
    return {"seconds": time.perf_counter() - start, "classes": classes}


def timed(words):
    """A process, its seconds, and its seconds on all cores."""
    start, before = time.perf_counter(), os.times()
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    seconds, after = time.perf_counter() - start, os.times()
    cores = after.children_user + after.children_system - before.children_user - before.children_system
    return done, {"seconds": seconds, "cores": cores}


def script(model, folder):
    done, found = timed([sys.executable, __file__, "--plain", model, folder])
    return {**found, **json.loads(done.stdout)}


def classify(command, given, model, folder):
    words = [command, "classify", folder, "--model", model, "--json", "--top", "1"]
    done, found = timed([*words, "--backend", given.backend, "--batch", str(given.batch)])
    rows = map(json.loads, done.stdout.splitlines())
    classes = {pathlib.Path(row["image"]).name: row["predictions"][0]["class"] for row in rows}
    busy = re.search(r"device was busy .*", done.stderr)
    return {**found, "classes": classes, "busy": busy and busy[0]}


def compare(given, folder, models):
    commands = {"": given.command, " (baseline)": given.baseline}
    runs = {
        kind + name: lambda command=command, model=model: classify(command, given, model, folder)
        for name, command in commands.items()
        if command
        for kind, model in models.items()
    }
    if given.script:
        runs["script"] = lambda: script(models["network"], folder)
    # Reads the files into memory.
    runs["averages"]()
    found = {name: [] for name in runs}
    for i in range(given.rounds):
        at = i % len(runs)
        for name in list(runs)[at:] + list(runs)[:at]:
            found[name].append(runs[name]())
    size = sum(path.stat().st_size for path in folder.iterdir()) / given.count
    print(f"{given.count} images of {given.size}, {size / 1e3:.0f} kB each, {given.rounds} rounds, {given.backend}")
    for name, rounds in found.items():
        seconds, cores = (statistics.median(run[key] for run in rounds) for key in ("seconds", "cores"))
        print(f"  {name:20} {given.count / seconds:8.1f} images/s, {1e3 * cores / given.count:7.2f} ms of all cores each")
        if rounds[0].get("busy"):
            print(f"  {'':20} {rounds[-1]['busy']}")
    for name, other in (("network", "network (baseline)"), ("averages", "averages (baseline)"), ("network", "script")):
        if other in found:
            pairs = list(zip(found[other], found[name]))
            wall, cores = (statistics.median(a[key] / b[key] for a, b in pairs) for key in ("seconds", "cores"))
            print(f"  {name}: {wall:.2f} times the images per second of {other}; {cores:.2f} times per second of all cores")
    own, other = (found[name][0]["classes"] for name in ("network", "script" if given.script else "network"))
    same = sum(own.get(name) == best for name, best in other.items())
    if given.script:
        print(f"  the same class as the script for {same} of {given.count} images")
    return same >= AGREEMENT * given.count


def main():
    if sys.argv[1:2] == ["--plain"]:
        print(json.dumps(plain(sys.argv[2], pathlib.Path(sys.argv[3]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    command = lambda path: pathlib.Path(path).resolve()
    parser.add_argument("command", type=command)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--baseline", type=command)
    parser.add_argument("--script", action="store_true")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--size", default="500x375")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    folder = given.folder / given.size
    make(folder, tuple(map(int, given.size.split("x"))), given.count)
    models = {"network": given.folder / "network.onnx", "averages": given.folder / "averages.onnx"}
    words = [given.command, "convert", given.network, "-o", models["network"]]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    without_network(models["network"], models["averages"])
    sys.exit(not compare(given, folder, models))


main()
