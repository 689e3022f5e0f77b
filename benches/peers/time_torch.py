"""Times networks in PyTorch with cuDNN, for `scripts/gpu-report`. Needs `torch` and CUDA.

    python time_torch.py [NETWORK…] [--batch 1] [--rounds 30] [--cpu]

Prints a JSON object for each network, precision and mode:

- `eager`: the model as written;
- `graph`: one CUDA graph, without the CPU's cost of kernel launches;
- `f32`: float32, NCHW, without TF32; `f16`: float16 weights, values and arithmetic, channels last.

A pass uploads the input from pinned memory, computes, and reads the output back, as in `shadernet bench model`.
cuDNN selects its algorithms by timing them (`cudnn.benchmark`). `--cpu` runs the script without CUDA, in float32 and
eager mode only.
"""

import argparse
import json
import statistics
import sys
import time

import networks


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--cpu", action="store_true")
    given = parser.parse_args()
    unknown = set(given.networks) - set(networks.NAMES)
    if unknown:
        parser.error(f"unknown network '{min(unknown)}'; known: {', '.join(networks.NAMES)}")
    return given


def timed(forward, rounds):
    begin = time.perf_counter()
    forward()
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    while time.perf_counter() - begin < 0.5:
        forward()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        forward()
        times.append(time.perf_counter() - begin)
    return {
        "median_ms": statistics.median(times) * 1e3,
        "min_ms": min(times) * 1e3,
        "first_run_ms": first * 1e3,
        "rounds": rounds,
    }


def passes(torch, network, batch, half, graph, device):
    """Returns a function that makes one pass."""
    side = networks.side(network.name)
    dtype = torch.float16 if half else torch.float32
    layout = torch.channels_last if half else torch.contiguous_format
    model = network.to(device=device, dtype=dtype, memory_format=layout)
    host = torch.randn(batch, 3, side, side)
    if device == "cpu":
        return lambda: model(host)
    host = host.pin_memory()
    image = torch.empty(host.shape, device=device, dtype=dtype).to(memory_format=layout)
    staged = torch.empty(host.shape, device=device)

    def upload():
        # Uploads float32 NCHW; the device converts type and layout.
        staged.copy_(host, non_blocking=True)
        image.copy_(staged)

    if not graph:

        def forward():
            upload()
            model(image).float().cpu()

        return forward

    side_stream = torch.cuda.Stream()
    side_stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side_stream):
        for _ in range(3):
            model(image)
    torch.cuda.current_stream().wait_stream(side_stream)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        output = model(image)

    def forward():
        upload()
        recorded.replay()
        output.float().cpu()

    return forward


def main():
    given = arguments()
    try:
        import torch
    except ImportError as error:
        sys.exit(f"PyTorch is not installed ({error}); pip install torch")
    if not torch.cuda.is_available() and not given.cpu:
        sys.exit("PyTorch finds no CUDA device")
    import torch_networks

    device = "cpu" if given.cpu else "cuda"
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    ways = [("f32", "eager")] if given.cpu else [(p, w) for p in ("f32", "f16") for w in ("eager", "graph")]
    for name in given.networks or networks.NAMES:
        for precision, way in ways:
            network = torch_networks.Network(name).eval()
            network.name = name
            row = {
                "network": name,
                "engine": "pytorch",
                "version": torch.__version__,
                "device": "cpu" if given.cpu else torch.cuda.get_device_name(),
                "precision": precision,
                "way": way,
                "batch": given.batch,
            }
            with torch.inference_mode():
                try:
                    forward = passes(torch, network, given.batch, precision == "f16", way == "graph", device)
                    row |= timed(forward, given.rounds)
                except RuntimeError as error:
                    # Probably out of memory; the next network may fit.
                    row["error"] = str(error).splitlines()[0]
            print(json.dumps(row), flush=True)
            del network
            if not given.cpu:
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
