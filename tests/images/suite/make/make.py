#!/usr/bin/env python3
"""Writes the suite: small files of every kind that a decoder may meet, and the pixels that Pillow decodes from them.

    pip install pillow==13.0.0 numpy
    python make.py

`suite.txt` has a line for each file: its name, and the width and height of its pixels, or why Pillow refuses it.
`expected.png` has these pixels one after another. Where Pillow's are not the right ones (16 bits cut off instead of
rounded, float clipped, alpha dropped), the generator gives its own to `write`; such lines end with `own`."""

import io
import struct
import warnings

import numpy as np
from PIL import Image, ImageOps

import bmps
import jpegs
import others
import pngs
import tiffs
from common import OUT, files


def pillow(name):
    image = ImageOps.exif_transpose(Image.open(OUT / name))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def main():
    for old in OUT.glob("*.*"):
        old.unlink()
    for module in jpegs, pngs, bmps, tiffs, others:
        module.make()
    warnings.simplefilter("ignore")
    lines, expected, own = [], b"", {}
    for name in sorted(files):
        right, end = files[name], " own"
        if right is None:
            end = ""
            try:
                right = pillow(name)
            except Exception as error:
                lines.append(f"{name} - {type(error).__name__}")
                continue
        else:
            try:
                read = pillow(name)
                own[name] = str(abs(read.astype(int) - right).max()) if read.shape == right.shape else str(read.shape)
            except Exception as error:
                own[name] = type(error).__name__
        lines.append(f"{name} {right.shape[1]} {right.shape[0]}{end}")
        expected += right.tobytes()
    side = 1024
    expected = expected.ljust(-(-len(expected) // (3 * side)) * 3 * side, b"\0")
    stream = io.BytesIO()
    Image.fromarray(np.frombuffer(expected, np.uint8).reshape(-1, side, 3)).save(stream, "PNG", optimize=True)
    (OUT / "expected.png").write_bytes(stream.getvalue())
    (OUT / "suite.txt").write_text("\n".join(lines) + "\n")
    for name, difference in own.items():
        print("own", name, difference)
    for line in lines:
        if " - " in line:
            print("Pillow", line)
    total = sum(path.stat().st_size for path in OUT.glob("*.*"))
    print(len(files), "files,", total, "bytes")


if __name__ == "__main__":
    main()
