#!/usr/bin/env python3
"""Writes fixtures/: small images of every kind that the decoder must support. fixtures/expected.json has their pixels
as Pillow decodes them, and checksums of Pillow's resizing of the photographs.

    pip install pillow numpy
    python make_fixtures.py
"""

import json
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
OUT = HERE / "fixtures"
ORIENTATION = 0x0112  # the EXIF tag
expected = {"pictures": {}, "resized": [], "cropped": []}


def base():
    """48x32, different in every corner, and smooth, so that JPEG keeps it."""
    y, x = np.mgrid[0:32, 0:48]
    pixels = np.stack([x * 5, y * 7, 220 - (x + y) * 2], axis=-1).astype(np.uint8)
    return Image.fromarray(pixels, "RGB")


def samples(image, step):
    """Every `step`-th pixel, from the middle of the first step on."""
    pixels = np.asarray(image.convert("RGB"))[step // 2 :: step, step // 2 :: step]
    return {"size": list(image.size), "step": step, "pixels": pixels.reshape(-1).tolist()}


def over_white(image):
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def expect(name, image=None, step=8):
    """Records the pixels that Pillow decodes from `name`, or those of `image` where our decoder differs from Pillow."""
    if image is None:
        image = over_white(ImageOps.exif_transpose(Image.open(OUT / name)))
    expected["pictures"][name] = samples(image, step)


def save(name, image, **options):
    image.save(OUT / name, **options)
    expect(name)


def png(name, width, height, depth, color_type, rows, extra=b""):
    """A PNG that Pillow cannot write. `rows` are the bytes of each row."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    (OUT / name).write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def jpegs(rgb):
    exact = {"quality": 95, "subsampling": 0}
    # The transpositions that undo each orientation.
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, operation in undo.items():
        stored = rgb if operation is None else rgb.transpose(operation)
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        save(f"orientation_{orientation}.jpg", stored, exif=exif, **exact)
    save("grey.jpg", rgb.convert("L"), quality=95)
    save("progressive.jpg", rgb, progressive=True, quality=95)
    save("subsampled.jpg", rgb, quality=90, subsampling=2)

    # Inks as in printing: black replaces a part of the colors.
    inks = 255 - np.asarray(rgb).astype(int)
    black = inks.min(axis=-1, keepdims=True) // 2
    cmyk = np.concatenate([(inks - black) * 255 // (255 - black), black], axis=-1).astype(np.uint8)
    save("cmyk.jpg", Image.fromarray(cmyk, "CMYK"), **exact)
    data = (OUT / "cmyk.jpg").read_bytes()
    at = data.index(b"Adobe") - 4  # FF EE, two bytes of length
    (OUT / "cmyk_without_adobe.jpg").write_bytes(data[:at] + data[at + 16 :])
    expect("cmyk_without_adobe.jpg")

    # YCCK: the file's C, M and Y are read as 255 - RGB, which is stored as YCbCr. Pillow cannot write it. It inverts
    # CMYK and stores the components as they are, so YCbCr can be passed as CMY, and the marker changed afterwards.
    stored = 255 - cmyk
    ycc = np.asarray(Image.fromarray(255 - stored[..., :3], "RGB").convert("YCbCr"))
    ycck = 255 - np.concatenate([ycc, stored[..., 3:]], axis=-1)
    Image.fromarray(ycck, "CMYK").save(OUT / "ycck.jpg", **exact)
    data = bytearray((OUT / "ycck.jpg").read_bytes())
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0
    data[transform] = 2
    (OUT / "ycck.jpg").write_bytes(data)
    expect("ycck.jpg")


def others(rgb):
    ramp = Image.fromarray(np.linspace(0, 255, 48 * 32).reshape(32, 48).astype(np.uint8), "L")
    rgba = rgb.copy()
    rgba.putalpha(ramp)
    save("rgba.png", rgba)
    save("grey_alpha.png", rgba.convert("LA"))
    save("grey.png", rgb.convert("L"))
    save("bits.png", rgb.convert("1"))
    palette = rgb.quantize(16)
    save("palette.png", palette)
    save("palette_alpha.png", palette, transparency=3)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    save("orientation_6.png", rgb.transpose(Image.Transpose.ROTATE_90), exif=exif)
    save("orientation_6.webp", rgb.transpose(Image.Transpose.ROTATE_90), exif=exif, lossless=True)
    save("deflated.tiff", rgb, compression="tiff_deflate")
    save("transparent.gif", palette, transparency=3)
    save("plain.bmp", rgb)
    save("plain.ppm", rgb)
    (OUT / "png_called.jpg").write_bytes((OUT / "grey.png").read_bytes())
    expect("png_called.jpg")

    # Pillow truncates 16 bits to 8 where our decoder rounds, and clips gray images.
    deep = np.asarray(rgb).astype(np.uint32) * 257 + np.arange(48)[None, :, None] * 5
    deep = np.minimum(deep, 65535)
    rounded = ((deep + 128) // 257).astype(np.uint8)
    png("rgb16.png", 48, 32, 16, 2, [row.astype(">u2").tobytes() for row in deep])
    expect("rgb16.png", Image.fromarray(rounded, "RGB"))
    png("grey16.png", 48, 32, 16, 0, [row[:, 1].astype(">u2").tobytes() for row in deep])
    expect("grey16.png", Image.fromarray(rounded[..., 1], "L"))

    png("huge.png", 60000, 60000, 8, 2, [b""])


def resized():
    """Checksums of Pillow's results, which ours must equal to the byte. Pillow 11 and 13 agree on all of them; 13
    swaps its passes where the height shrinks much more than the width."""
    filters = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
    for name, size in [
        ("chelsea.png", (384, 255)),
        ("chelsea.png", (902, 451)),
        ("coffee.png", (224, 224)),
        ("astronaut.png", (37, 1024)),
    ]:
        image = Image.open(HERE / name).convert("RGB")
        for f in filters:
            to = image.resize(size, Image.Resampling[f.upper()])
            checksum = zlib.adler32(to.tobytes())
            expected["resized"].append([name, list(size), f, checksum])


def timm_crop(image, size, crop_pct, mode, interpolation, mean):
    """timm's transforms_imagenet_eval up to the conversion to a tensor, reimplemented from timm 1.0 and torchvision
    0.29, which are not needed."""
    height, width = size
    scale = [math.floor(x / crop_pct) for x in size]
    resample = Image.Resampling[interpolation.upper()]
    w, h = image.size

    def keep_ratio(pick):
        ratio = pick(h / scale[0], w / scale[1])
        return round(w / ratio), round(h / ratio)

    fill = tuple(round(255 * mean) for _ in image.getbands()) if mode == "border" else 0
    if mode == "squash":
        to = (scale[1], scale[0])
    elif mode == "border":
        to = keep_ratio(max)
    elif scale[0] == scale[1]:
        short, long = min(w, h), max(w, h)
        longer = int(scale[0] * long / short)
        to = (scale[0], longer) if w <= h else (longer, scale[0])
    else:
        to = keep_ratio(min)
    image = image.resize(to, resample)

    w, h = image.size
    if width > w or height > h:
        left, top = max(width - w, 0) // 2, max(height - h, 0) // 2
        right, bottom = (max(width - w, 0) + 1) // 2, (max(height - h, 0) + 1) // 2
        image = ImageOps.expand(image, (left, top, right, bottom), fill=fill)
        w, h = image.size
    top, left = int(round((h - height) / 2.0)), int(round((w - width) / 2.0))
    return image.crop((left, top, left + width, top + height))


def cropped():
    for name, mode, size, crop_pct, interpolation, channels in [
        ("chelsea.png", "center", (224, 224), 0.875, "bicubic", 3),
        ("chelsea.png", "center", (225, 225), 0.95, "bilinear", 3),
        ("coffee.png", "center", (128, 255), 0.9, "bicubic", 3),
        ("coffee.png", "center", (224, 224), 1.15, "bicubic", 3),
        ("coffee.png", "squash", (192, 224), 0.965, "bicubic", 3),
        ("chelsea.png", "border", (224, 224), 1.0, "bicubic", 3),
        ("chelsea.png", "border", (161, 224), 0.9, "lanczos", 3),
        ("astronaut.png", "border", (97, 224), 1.0, "bilinear", 3),
        ("astronaut.png", "center", (32, 32), 1.0, "bicubic", 1),
        ("coffee.png", "border", (99, 99), 1.0, "nearest", 1),
    ]:
        image = Image.open(HERE / name).convert("RGB" if channels == 3 else "L")
        to = timm_crop(image, size, crop_pct, mode, interpolation, 0.4)
        assert to.size == (size[1], size[0])
        expected["cropped"].append(
            {
                "image": name,
                "crop_mode": mode,
                "input_size": [channels, *size],
                "crop_pct": crop_pct,
                "interpolation": interpolation,
                "mean": 0.4,
                "adler32": zlib.adler32(to.tobytes()),
            }
        )


def main():
    OUT.mkdir(exist_ok=True)
    rgb = base()
    jpegs(rgb)
    others(rgb)
    rocket = Image.open(HERE / "rocket.jpg")
    expected["pictures"]["../rocket.jpg"] = samples(rocket, 40)
    resized()
    cropped()
    text = json.dumps(expected, separators=(",", ":")).replace('},"', '},\n"').replace("],[\"", "],\n[\"")
    (OUT / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
