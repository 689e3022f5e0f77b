"""What the scripts that serve an engine have in common: the protocol of `shadernet bench model --serve`.

`import SECONDS`, what Python took to load the engine's package; `ready` after the first answer; then one
timed pass for every line on standard input, and its seconds.
"""

import sys
import time


def loaded(start):
    """To be called when the engine's package has been imported, which began at `start`."""
    print(f"import {time.perf_counter() - start:.6f}", flush=True)


def serve(forward):
    forward()
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        forward()
        print(f"{time.perf_counter() - begin:.6f}", flush=True)
