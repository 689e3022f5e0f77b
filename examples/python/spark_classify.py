#!/usr/bin/env python3
"""Classify a folder of images with Spark, and write the classes as Parquet.

    pip install shadernet "pyspark[sql]"
    examples/python/spark_classify.py PHOTOS CLASSES --model models/efficientnet_lite0 --workers 2

PHOTOS is a folder of image files, or of Parquet files with the columns `path` and `bytes`. Each task opens the
model once. Where its worker dies, Spark runs it again, and only finished tasks' files stay.
"""

import argparse
import functools
import os
import pathlib
import sys

import pandas as pd
from pyspark.sql import SparkSession

import shadernet

SCHEMA = "path string, labels array<string>, probabilities array<float>, error string"
# Of a call of the classifier: it decodes some while others run.
IMAGES = 256


def classify_rows(batches, model, backend, k):
    """Classify the rows of a partition, for `mapInPandas`. The model is opened once for all of them."""
    classifier = shadernet.Classifier(model, device=backend)
    for batch in batches:
        images = list(batch["bytes" if "bytes" in batch else "path"])
        found = classifier.classify_batch(images, k, on_error="return")
        failed = [isinstance(item, Exception) for item in found]
        classes = [[] if bad else item for bad, item in zip(failed, found)]
        yield pd.DataFrame(
            {
                "path": batch["path"],
                "labels": [[p.label for p in item] for item in classes],
                "probabilities": [[p.probability for p in item] for item in classes],
                "error": [str(item) if bad else None for bad, item in zip(failed, found)],
            }
        )


def session(workers):
    """A Spark on this machine, which runs a failed task up to four times."""
    # Otherwise workers are run by the `python3` of the path, which may be another than this.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return (
        SparkSession.builder.master(f"local[{workers},4]")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", IMAGES)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )


def classify(spark, photos, classes, model, *, backend=None, partitions=8, k=5, parquet=False):
    """Classify the images of `photos` into Parquet files in the new folder `classes`."""
    if parquet:
        images = spark.read.parquet(str(photos)).select("path", "bytes")
    else:
        # Workers read the files themselves: on one machine, or from a file system that all of them see.
        paths = sorted(str(path) for path in photos.rglob("*") if path.is_file())
        images = spark.createDataFrame(pd.DataFrame({"path": paths}))
    rows = functools.partial(classify_rows, model=str(model), backend=backend, k=k)
    images.repartition(partitions).mapInPandas(rows, SCHEMA).write.parquet(str(classes))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("classes", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--backend", help="a backend of shadernet.Device [default: the best GPU, or the CPU]")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--partitions", type=int, default=8, help="tasks: what is done again where a worker dies")
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--parquet", action="store_true", help="PHOTOS holds Parquet files")
    options = parser.parse_args()
    if options.classes.exists():
        parser.error(f"{options.classes}: it exists; name a folder that does not, so that rows are not mixed")
    classify(
        session(options.workers),
        options.photos.resolve(),
        options.classes.resolve(),
        options.model.resolve(),
        backend=options.backend,
        partitions=options.partitions,
        k=options.top,
        parquet=options.parquet,
    )


if __name__ == "__main__":
    main()
