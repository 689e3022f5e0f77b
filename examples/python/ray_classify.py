#!/usr/bin/env python3
"""Classify a folder of images with Ray Data, and write the classes as Parquet.

    pip install shadernet "ray[data]"
    examples/python/ray_classify.py PHOTOS CLASSES --model models/efficientnet_lite0 --workers 2

PHOTOS is a folder of image files, or of Parquet files with the columns `path` and `bytes`. Each worker is an actor that
opens the model once. Where one dies, Ray starts another and gives it the batches that were not finished.
"""

import argparse
import pathlib

import pyarrow as pa
import ray

import shadernet


class Classify:
    """A worker: a model on a device, for batches of images: of paths, or of bytes."""

    def __init__(self, model, backend, k, column):
        self.column = column
        self.classifier = shadernet.Classifier(model, device=backend)
        self.k = k

    def __call__(self, batch: pa.Table) -> pa.Table:
        images = batch.column(self.column).to_pylist()
        found = self.classifier.classify_batch(images, self.k, on_error="return")
        failed = [isinstance(item, Exception) for item in found]
        classes = [[] if bad else item for bad, item in zip(failed, found)]
        return pa.table(
            {
                "path": batch.column("path"),
                "labels": pa.array([[p.label for p in item] for item in classes], pa.list_(pa.string())),
                "probabilities": pa.array(
                    [[p.probability for p in item] for item in classes], pa.list_(pa.float32())
                ),
                "error": pa.array([str(item) if bad else None for bad, item in zip(failed, found)], pa.string()),
            }
        )


def classify(photos, classes, model, *, backend=None, workers=1, batch=256, k=5, parquet=False):
    """Classify the images of `photos` into Parquet files in the new folder `classes`."""
    if parquet:
        images, column = ray.data.read_parquet(str(photos), columns=["path", "bytes"]), "bytes"
    else:
        # Workers read the files themselves: on one machine, or from a file system that all of them see.
        paths = sorted(str(path) for path in photos.rglob("*") if path.is_file())
        images, column = ray.data.from_arrow(pa.table({"path": paths})), "path"
    found = images.map_batches(
        Classify,
        fn_constructor_args=(str(model), backend, k, column),
        batch_size=batch,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers),
        # A worker computes on all cores; what it leaves of the number that Ray counts is for reading and writing.
        num_cpus=0.5,
    )
    found.write_parquet(str(classes))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("classes", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--backend", help="a backend of shadernet.Device [default: the best GPU, or the CPU]")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256, help="images a call of a worker, which is done again where one dies")
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--parquet", action="store_true", help="PHOTOS holds Parquet files")
    options = parser.parse_args()
    if options.classes.exists():
        parser.error(f"{options.classes}: it exists; name a folder that does not, so that rows are not mixed")
    classify(
        options.photos.resolve(),
        options.classes.resolve(),
        options.model.resolve(),
        backend=options.backend,
        workers=options.workers,
        batch=options.batch,
        k=options.top,
        parquet=options.parquet,
    )


if __name__ == "__main__":
    main()
