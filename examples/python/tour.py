#!/usr/bin/env python3
"""A tour of the Python package, cell by cell: editors that know `# %%` run each alone.

pip install shadernet pillow; run it in the repository's folder.
"""

# %% What is there to run on
import numpy as np
from PIL import Image

import shadernet

for info in shadernet.devices():
    print(f"{info.backend:10} {info.kind:10} {info.name}")

# %% Classes of a photograph
classifier = shadernet.Classifier("models/efficientnet_lite0")
print(classifier)
for found in classifier.classify("tests/images/chelsea.png", k=3):
    print(f"{100 * found.probability:5.1f} % {found.label}")

# %% Objects in it, from pixels
detector = shadernet.Detector("models/yolov3_tiny")
coffee = np.asarray(Image.open("tests/images/coffee.png"))
for found in detector.detect(coffee):
    print(f"{100 * found.score:5.1f} % {found.label} at {[round(side) for side in found.box]}")

# %% Why it is an espresso: where the heat is
explainer = shadernet.Explainer("models/efficientnet_lite0")
[espresso] = explainer.explain(coffee)
y, x = np.unravel_index(espresso.heat.argmax(), espresso.heat.shape)
print(f"{espresso.label}: most of it at ({x}, {y}), by layer {espresso.layer}")

# %% Which photographs are alike
embedder = shadernet.Embedder("models/efficientnet_lite0", normalize=True)
vectors = np.stack(embedder.embed_batch([f"tests/images/{name}.png" for name in ("chelsea", "coffee", "astronaut")]))
print(np.round(vectors @ vectors.T, 2))

# %% Any ONNX model, on arrays
session = shadernet.Session.from_onnx("tests/onnx/yunet_n_dynamic.onnx")
print([(value.name, value.shape) for value in session.inputs])
outputs = session.run({"input": np.zeros((1, 3, 64, 96), np.float32)})
print({name: array.shape for name, array in outputs.items()})
