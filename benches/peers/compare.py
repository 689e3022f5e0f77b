"""Times this engine and others in alternating rounds on one device, and prints the ratios of their times.

    python compare.py [NETWORK…] [--rounds 7] [--engines ncnn,onnxruntime] [--json]
    python compare.py [NETWORK…] --backend cpu [--threads 2] [--engines onnxruntime-cpu,tract,rten]

Every engine is a process that loads its network once and makes one pass per request (`serve.py`). A round requests
one pass of each engine, on the CPU several; the order rotates from round to round. Other load on the machine then
affects all engines alike: single times drift, but the ratios within a round do not.

See README.md for how to install the engines and select the device.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import networks

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OURS = "shadernet"
# Engines with a Rust program, built from the package in the folder of the same name.
CRATES = ["burn", "wonnx", "tract", "rten"]
THEIRS = ["ncnn", "ncnn-fp16", "onnxruntime", "onnxruntime-cpu", *CRATES]
ON_CPU = ["cpu", "reference"]
# On the CPU, an engine waits before its turn: the threads of the one before wait for work in a loop (ONNX Runtime's
# for 50 ms) and would slow it. Then it makes passes for some time without a pause between them, as a pass that begins
# while threads sleep, or finds other engines' weights in the caches, is slower.
CPU_PAUSE = 0.1
CPU_TURN = 0.25
CPU_PASSES = 3, 25
# Seconds that a process may take to exit.
EXIT_TIMEOUT = 10


class Engine:
    """An engine with one network, as a process."""

    def __init__(self, name, command, given):
        self.name = name
        self.limit = given.limit
        # Standard error is kept in case the engine fails.
        self.log = None if given.verbose else tempfile.TemporaryFile("w+", errors="replace")
        self.imports = 0.0
        self.device = None
        self.times = []
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=HERE
        )
        while (line := self.line()) != "ready":
            key, _, value = line.partition(" ")
            if key == "import":
                self.imports = float(value)
            elif key == "device":
                self.device = value
        # The time to import the Python package is not the engine's.
        self.first = time.perf_counter() - begin - self.imports

    def line(self):
        # Killing the process closes its output, which ends `readline`.
        alarm = threading.Timer(self.limit, self.process.kill)
        alarm.start()
        line = self.process.stdout.readline()
        in_time = alarm.is_alive()
        alarm.cancel()
        if not line and not in_time:
            raise EngineFailed(f"no response within {self.limit:g} s")
        if not line:
            raise EngineFailed(f"ended with exit code {self.process.wait()}{self.last_words()}")
        return line.strip()

    def last_words(self):
        if self.log is None:
            return ""
        self.log.seek(0)
        lines = [line.strip() for line in self.log if line.strip()]
        return f": {lines[-1]}" if lines else ""

    def time_passes(self, count):
        try:
            self.process.stdin.write("\n" * count)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return [float(self.line()) for _ in range(count)]

    def take_turn(self, on_cpu):
        count = 1
        if on_cpu:
            time.sleep(CPU_PAUSE)
            fewest, most = CPU_PASSES
            first, = self.time_passes(1)
            count = max(fewest, min(most, round(CPU_TURN / first)))
        self.times.append(statistics.median(self.time_passes(count)))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class EngineFailed(Exception):
    pass


def arguments():
    known = networks.NAMES + networks.ONNX_ONLY
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], epilog="See README.md in the folder of this script."
    )
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"some of {', '.join(known)} [default: all; on a GPU, those that all engines have]")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds [default: 7]")
    parser.add_argument("--warm-up", type=int, default=1, help="rounds before them, not counted [default: 1]")
    parser.add_argument("--engines", help=f"the other engines, some of {', '.join(THEIRS)} [default: ncnn,onnxruntime; on the CPU onnxruntime-cpu]")
    parser.add_argument("--limit", type=float, default=900, help="seconds that an engine may take for a response [default: 900]")
    parser.add_argument("--shadernet", default=ROOT / "target/release/shadernet", type=pathlib.Path, help="the command to time [default: target/release/shadernet]")
    parser.add_argument("--precision", default="f32", help="shadernet's precision: f32 or f16 [default: f32]")
    parser.add_argument("--backend", default="vulkan", help="shadernet's graphics API, or cpu [default: vulkan]")
    parser.add_argument("--threads", type=int, default=2, help="threads of each engine on the CPU [default: 2]")
    parser.add_argument("--adapter", help="a part of the name of shadernet's adapter")
    parser.add_argument("--baseline", type=pathlib.Path, help="a second shadernet command, to compare two builds")
    parser.add_argument("--verbose", action="store_true", help="show the engines' standard error")
    parser.add_argument("--json", action="store_true", help="print one JSON object per network, one per line")
    given = parser.parse_args()
    for name in given.networks:
        if name not in known:
            parser.error(f"unknown network '{name}'; known: {', '.join(known)}")
    given.on_cpu = given.backend in ON_CPU
    given.networks = given.networks or (known if given.on_cpu else networks.NAMES)
    if given.engines is None:
        given.engines = "onnxruntime-cpu" if given.on_cpu else "ncnn,onnxruntime"
    given.engines = [name for name in given.engines.split(",") if name]
    for name in given.engines:
        if name not in THEIRS:
            parser.error(f"unknown engine '{name}'")
    for command in filter(None, (given.shadernet, given.baseline)):
        if not command.is_file():
            parser.error(f"{command} does not exist; build it with cargo build --release")
    if min(given.rounds, given.threads) < 1 or given.warm_up < 0:
        parser.error("--rounds and --threads must be at least 1, and --warm-up at least 0")
    return given


def ours(command, network, given):
    """The command that serves `network` with a build of shadernet."""
    side = networks.side(network)
    words = [command.resolve(), "bench", "model", network, "--serve", "--input", f"3x{side}x{side}"]
    words += ["--backend", given.backend, "--precision", given.precision]
    # Builds without the option follow RAYON_NUM_THREADS.
    if given.on_cpu and "--threads" in subprocess.run([*words, "--help"], stdout=subprocess.PIPE, text=True).stdout:
        words += ["--threads", given.threads]
    return words + (["--adapter", given.adapter] if given.adapter else [])


def theirs(engine, network, onnx_file, threads):
    """The command that serves `network` with another engine."""
    if engine in ("ncnn", "ncnn-fp16"):
        flags = ["--fp16"] if engine == "ncnn-fp16" else []
        return [sys.executable, "serve_ncnn.py", network, *flags]
    if engine in CRATES:
        program = HERE / engine / "target/release" / f"serve_{engine}"
        if not program.exists():
            manifest = (HERE / engine / "Cargo.toml").relative_to(ROOT)
            raise EngineFailed(f"not built; run cargo build --release --manifest-path {manifest}")
        file = networks.param_file(network) if engine == "burn" else onnx_file(network, "--for-wonnx")
        return [program, file, networks.side(network), *([threads] if engine in ("tract", "rten") else [])]
    flags = ["--provider", "cpu", "--threads", threads] if engine == "onnxruntime-cpu" else []
    return [sys.executable, "serve_onnxruntime.py", onnx_file(network), *flags]


def measure(network, given, folder):
    """Times every engine with `network`. Returns the engines that succeeded, and the errors of the others."""

    def onnx_file(name, *flags):
        path = pathlib.Path(folder) / f"{name}{''.join(flags)}.onnx"
        if not path.exists():
            # In a process of its own, which frees its memory: it is as large as the weights.
            command = [sys.executable, "make_onnx.py", name, path, "--shadernet", given.shadernet.resolve(), *flags]
            subprocess.run(command, check=True, cwd=HERE)
        return path

    engines, failures = [], {}
    try:
        starts = [(OURS, lambda: ours(given.shadernet, network, given))]
        if given.baseline:
            starts.append(("baseline", lambda: ours(given.baseline, network, given)))
        starts += [(name, lambda name=name: theirs(name, network, onnx_file, given.threads)) for name in given.engines]
        for name, command in starts:
            try:
                engines.append(Engine(name, [str(word) for word in command()], given))
            except (EngineFailed, OSError, subprocess.CalledProcessError, ValueError) as error:
                failures[name] = str(error)
        order = collections.deque(engines)
        for _ in range(given.warm_up + given.rounds):
            for engine in list(order):
                try:
                    engine.take_turn(given.on_cpu)
                except (EngineFailed, ValueError) as error:
                    failures[engine.name] = str(error)
                    order.remove(engine)
            order.rotate(1)
        succeeded = list(order)
    finally:
        for engine in engines:
            engine.close()
    for engine in succeeded:
        engine.times = engine.times[given.warm_up :]
    succeeded.sort(key=lambda engine: [OURS, "baseline", *given.engines].index(engine.name))
    return succeeded, failures


def result(network, engines, failures, given):
    """The measurements as a JSON object."""
    own = next((engine.times for engine in engines if engine.name == OURS), None)
    measured = {}
    for engine in engines:
        row = {
            "median_ms": statistics.median(engine.times) * 1e3,
            "min_ms": min(engine.times) * 1e3,
            "first_ms": engine.first * 1e3,
            "times_ms": [seconds * 1e3 for seconds in engine.times],
        }
        if engine.device:
            row["device"] = engine.device
        if own and engine.name != OURS:
            pairs = [mine / other for mine, other in zip(own, engine.times)]
            # Below 1, shadernet is faster.
            row["ratio"] = statistics.median(pairs)
            row["min_ratio"] = min(own) / min(engine.times)
        measured[engine.name] = row
    return {
        "network": network,
        "batch": 1,
        "precision": given.precision,
        "rounds": given.rounds,
        **({"threads": given.threads} if given.on_cpu else {}),
        "engines": measured,
        "failed": failures,
    }


def show(found):
    threads = f", {found['threads']} threads" if "threads" in found else ""
    print(f"\n{found['network']}, batch 1, {found['rounds']} rounds{threads}")
    print(f"  {'engine':16}{'median ms':>12}{'min ms':>12}{'first ms':>12}{'ours/theirs':>14}{'minima':>12}")
    for name, row in found["engines"].items():
        ratios = ["", ""]
        if "ratio" in row:
            ratios = [f"{row['ratio']:.2f}", f"{row['min_ratio']:.2f}"]
        print(
            f"  {name:16}{row['median_ms']:12.1f}{row['min_ms']:12.1f}{row['first_ms']:12.0f}"
            f"{ratios[0]:>14}{ratios[1]:>12}"
        )
    for name, reason in found["failed"].items():
        print(f"  {name:16}failed: {reason}")


def main():
    given = arguments()
    if given.on_cpu:
        os.environ["RAYON_NUM_THREADS"] = str(given.threads)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for network in given.networks:
            engines, failures = measure(network, given, folder)
            found = result(network, engines, failures, given)
            failed |= bool(failures)
            if given.json:
                print(json.dumps(found), flush=True)
            else:
                show(found)
                sys.stdout.flush()
            for path in pathlib.Path(folder).iterdir():
                path.unlink()
    if failed and not given.verbose:
        print("--verbose shows the engines' standard error", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
