"""PNG of every color type, bit depth and interlacing, and where orientation is found."""

import struct
import zlib

import numpy as np

from common import HEIGHT, WIDTH, alpha, exif, gray, indices, over_white, pack, palette, ramp, write, xmp

PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def scanlines(values, depth):
    """The rows of a picture of shape (height, width, channels), each after its filter type."""
    return b"".join(b"\0" + row.tobytes() for row in pack(values, depth))


def png(values, depth, color_type, interlaced=False, before=b"", after=b""):
    height, width, _ = values.shape
    if interlaced:
        parts = [values[y::dy, x::dx] for x, y, dx, dy in PASSES]
        rows = b"".join(scanlines(part, depth) for part in parts if part.size)
    else:
        rows = scanlines(values, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlaced)
    data = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + data + after + chunk(b"IEND", b"")


def kinds():
    rgb, g, a = ramp(), gray(), alpha()
    for interlaced in False, True:
        end = "_interlaced.png" if interlaced else ".png"
        for depth in 1, 2, 4, 8:
            most = 2**depth - 1
            values = (g.astype(int) * most // 255)[..., None]
            shade = (values * 255 // most).astype(np.uint8)
            write(f"png_gray_{depth}{end}", png(values, depth, 0, interlaced))
            key = chunk(b"tRNS", struct.pack(">H", most // 2))
            clear = np.where(values[..., 0] == most // 2, 0, 255)
            right = over_white(np.repeat(shade, 3, -1), clear)
            write(f"png_gray_{depth}_key{end}", png(values, depth, 0, interlaced, key), right)
            colors = min(2**depth, 200)
            plte = chunk(b"PLTE", palette(colors).tobytes())
            index = indices(colors)[..., None]
            write(f"png_palette_{depth}{end}", png(index, depth, 3, interlaced, plte))
            trns = chunk(b"tRNS", bytes(i * 37 % 256 for i in range(colors // 2 + 1)))
            write(f"png_palette_{depth}_alpha{end}", png(index, depth, 3, interlaced, plte + trns))
        write(f"png_rgb_8{end}", png(rgb, 8, 2, interlaced))
        key = chunk(b"tRNS", struct.pack(">HHH", *map(int, rgb[5, 7])))
        write(f"png_rgb_8_key{end}", png(rgb, 8, 2, interlaced, key))
        write(f"png_gray_alpha_8{end}", png(np.stack([g, a], -1), 8, 4, interlaced))
        write(f"png_rgba_8{end}", png(np.dstack([rgb, a]), 8, 6, interlaced))
        # Pillow cuts 16 bits off to 8 where they are rounded here, and clips gray.
        deep = lambda x: x.astype(np.uint32) * 257 + 40
        wide, deep_a = np.minimum(deep(rgb), 65535), np.minimum(deep(a), 65535)
        deep_g = deep(g)[..., None]
        round8 = lambda x: ((x + 128) // 257).astype(np.uint8)
        gray3 = np.repeat(round8(deep_g), 3, -1)
        write(f"png_gray_16{end}", png(deep_g, 16, 0, interlaced), gray3)
        write(f"png_rgb_16{end}", png(wide, 16, 2, interlaced), round8(wide))
        right = over_white(gray3, round8(deep_a))
        write(f"png_gray_alpha_16{end}", png(np.dstack([deep_g, deep_a]), 16, 4, interlaced), right)
        right = over_white(round8(wide), round8(deep_a))
        write(f"png_rgba_16{end}", png(np.dstack([wide, deep_a]), 16, 6, interlaced), right)


def filters():
    """Each filter of rows, and pictures of an animation."""
    rgb = ramp().astype(int)
    up = np.concatenate([np.zeros_like(rgb[:1]), rgb[:-1]])
    left = np.concatenate([np.zeros_like(rgb[:, :1]), rgb[:, :-1]], 1)
    corner = np.concatenate([np.zeros_like(left[:1]), left[:-1]])
    guess = left + up - corner
    far = [abs(guess - x) for x in (left, up, corner)]
    paeth = np.where((far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], up, corner))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0))
    for kind, guess in enumerate([0, left, up, (left + up) // 2, paeth]):
        rows = ((rgb - guess) % 256).astype(np.uint8).reshape(HEIGHT, -1)
        data = zlib.compress(b"".join(bytes([kind]) + row.tobytes() for row in rows), 9)
        half = len(data) // 2
        idat = chunk(b"IDAT", data[:half]) + chunk(b"IDAT", data[half:])
        write(f"png_filter_{kind}.png", b"\x89PNG\r\n\x1a\n" + header + idat + chunk(b"IEND", b""))
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    frame = lambda n: chunk(b"fcTL", struct.pack(">IIIIIHHBB", n, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0))
    second = chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(scanlines(255 - ramp(), 8)))
    write("png_animated.png", png(ramp(), 8, 2, before=control + frame(0), after=frame(1) + second))
    gamma = chunk(b"gAMA", struct.pack(">I", 100000))
    write("png_gamma.png", png(ramp(), 8, 2, before=gamma))


def orientations():
    rgb = ramp()

    def with_chunks(name, *chunks):
        data = b"".join(chunk(kind, data) for kind, data in chunks)
        write(f"orientation_png_{name}.png", png(rgb, 8, 2, before=data))
        write(f"orientation_png_{name}_after.png", png(rgb, 8, 2, after=data))

    for name, kind in {"byte": 1, "short": 3, "long": 4, "slong": 9}.items():
        for order, end in ("<", "little"), (">", "big"):
            with_chunks(f"{name}_{end}", (b"eXIf", exif(6, kind, order)))
    text = b"XML:com.adobe.xmp\0%c\0\0\0%b"
    with_chunks("xmp", (b"iTXt", text % (0, xmp(6))))
    with_chunks("xmp_compressed", (b"iTXt", text % (1, zlib.compress(xmp(8, attribute=False)))))
    with_chunks("exif_and_xmp", (b"eXIf", exif(3)), (b"iTXt", text % (0, xmp(6))))
    hexadecimal = (b"Exif\0\0" + exif(6)).hex()
    profile = f"\nexif\n{len(hexadecimal) // 2:8}\n{hexadecimal}\n".encode()
    with_chunks("raw_profile", (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile)))
    with_chunks("raw_profile_text", (b"tEXt", b"Raw profile type exif\0" + profile))


def make():
    kinds()
    filters()
    orientations()
