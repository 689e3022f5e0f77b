"""Prints the table of docs/performance.md from the output of `compare.py --json`.

    python compare.py --json > compare.jsonl
    python table.py compare.jsonl [--shadernet target/release/shadernet] [--backend vulkan]

Measures the device's peaks (`shadernet bench peak`) and gets each network's operations and bytes
(`shadernet bench model`). The time that these take at the peaks is the lower bound; shadernet's time is given as a
multiple of it.
"""

import argparse
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("compared", type=pathlib.Path)
    parser.add_argument("--shadernet", default=ROOT / "target/release/shadernet", type=pathlib.Path)
    parser.add_argument("--backend", default="vulkan")
    given = parser.parse_args()

    def ask(*words):
        command = [given.shadernet, "bench", *words, f"--backend={given.backend}", "--json"]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    compared = [json.loads(line) for line in given.compared.read_text().splitlines()]
    peak = ask("peak")
    print(f"{peak['device']}, {peak['driver']}: {peak['gflop_per_second']:.0f} GFLOP/s, {peak['gbyte_per_second']:.1f} GB/s\n")
    # An engine may have failed on some networks only.
    named = [name for row in compared for name in (*row["engines"], *row["failed"])]
    others = [name for name in dict.fromkeys(named) if name != "shadernet"]
    head = ["network", "GFLOP", "MB", "arithmetic ms", "memory ms", "ours ms", "of the bound"]
    head += [f"{name} ms (ours/theirs)" for name in others]
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in compared:
        cost = ask("model", row["network"], "--rounds=1", f"--precision={row['precision']}")
        arithmetic = cost["gflop"] / peak["gflop_per_second"] * 1e3
        memory = cost["bytes"] / peak["gbyte_per_second"] / 1e6
        bound = max(arithmetic, memory)
        cells = [row["network"], f"{cost['gflop']:.2f}", f"{cost['bytes'] / 1e6:.0f}", f"{arithmetic:.2f}", f"{memory:.2f}"]
        own = row["engines"].get("shadernet")
        cells += [f"{own['median_ms']:.1f}", f"{own['median_ms'] / bound:.1f}"] if own else ["–"] * 2
        for name in others:
            engine = row["engines"].get(name)
            ratio = f" ({engine['ratio']:.2f})" if engine and "ratio" in engine else ""
            cells.append(f"{engine['median_ms']:.1f}{ratio}" if engine else "–")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
