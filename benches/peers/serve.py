"""The protocol of the scripts that serve an engine, which is that of `shadernet bench model --serve`.

A script prints `import SECONDS`, the time to import the engine's package, and `ready` after the first result. Then
it makes one pass for every line on standard input, and prints its seconds.
"""

import sys
import time


def loaded(start):
    """Call this after importing the engine's package; the import began at `start`."""
    print(f"import {time.perf_counter() - start:.6f}", flush=True)


def serve(forward):
    forward()
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        forward()
        print(f"{time.perf_counter() - begin:.6f}", flush=True)
