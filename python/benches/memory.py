#!/usr/bin/env python3
"""Watch the memory of this process over many sessions and many runs: both have to stay flat.

    python/benches/memory.py [--sessions 1000] [--runs 100000] [--backend cpu]
"""

import argparse
import gc
import os

import numpy as np

import shadernet


def resident():
    """The process's resident memory in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--backend", default="cpu")
    options = parser.parse_args()
    device = shadernet.Device(options.backend)
    image = {"input": np.random.default_rng(0).random((1, 1, 28, 28), np.float32)}

    def watch(what, count, work):
        marks = []
        for i in range(count):
            work()
            if i == count // 10 or i == count - 1:
                gc.collect()
                marks.append(resident())
        grown = marks[-1] - marks[0]
        print(f"{count} {what}: {marks[0]:.1f} MB after a tenth, {marks[-1]:.1f} MB at the end, {grown:+.1f} MB")
        return grown

    def one_session():
        shadernet.Session.from_arch("mlp", device=device).run(image)

    grown = watch("sessions", options.sessions, one_session)
    session = shadernet.Session.from_arch("mlp", device=device)
    grown = max(grown, watch("runs", options.runs, lambda: session.run(image)))
    if grown > 10:
        raise SystemExit("memory grows")


if __name__ == "__main__":
    main()
