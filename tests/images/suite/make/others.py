"""GIF, WebP and PNM, and files of formats that are not read."""

import io
import struct

import numpy as np
from PIL import Image

from common import HEIGHT, WIDTH, alpha, exif, gray, indices, over_white, pack, palette, ramp, save, write, xmp


def gifs():
    for colors in 2, 4, 16, 200:
        picture = Image.fromarray(indices(colors), "P")
        picture.putpalette(palette(colors).tobytes())
        save(f"gif_{colors}.gif", picture, interlace=0)
        save(f"gif_{colors}_interlaced.gif", picture, interlace=1)
        save(f"gif_{colors}_transparent.gif", picture, interlace=0, transparency=1)
    save("gif_gray.gif", Image.fromarray(gray()))
    save("gif_animated.gif", Image.fromarray(ramp()).quantize(16), save_all=True, append_images=[Image.fromarray(255 - ramp())])
    # A frame smaller than the screen: the rest is transparent, as in browsers. Pillow gives it a color of the palette.
    # A frame beyond the screen is cut to it, as GIF89a says. Pillow enlarges the screen.
    pixels = palette(4)[indices(4)]
    around = lambda x, y: np.pad(pixels, ((y, 4 - y), (x, 5 - x), (0, 0)), constant_values=255)
    picture = Image.fromarray(indices(4), "P")
    picture.putpalette(palette(4).tobytes())
    stream = io.BytesIO()
    picture.save(stream, format="GIF", interlace=0)
    whole = bytearray(stream.getvalue())
    whole[6:10] = struct.pack("<HH", WIDTH + 5, HEIGHT + 4)
    at = whole.index(b"," + struct.pack("<HHHH", 0, 0, WIDTH, HEIGHT))
    whole[at + 1 : at + 5] = struct.pack("<HH", 3, 2)
    write("gif_small_frame.gif", bytes(whole), around(3, 2))
    whole[at + 1 : at + 5] = struct.pack("<HH", 0, 0)
    write("gif_small_frame_in_corner.gif", bytes(whole), around(0, 0))
    outside = bytearray(whole)
    outside[6:10] = struct.pack("<HH", WIDTH - 5, HEIGHT - 4)
    write("gif_frame_beyond_screen.gif", bytes(outside), pixels[: HEIGHT - 4, : WIDTH - 5])


def webps():
    rgb, rgba = Image.fromarray(ramp()), Image.fromarray(np.dstack([ramp(), alpha()]))
    for name, options in {
        "lossless": {"lossless": True},
        "lossy": {"quality": 90},
        "lossy_10": {"quality": 10},
        "slow": {"quality": 90, "method": 6},
        "exact": {"lossless": True, "exact": True},
    }.items():
        save(f"webp_{name}.webp", rgb, **options)
        save(f"webp_{name}_alpha.webp", rgba, **options)
    save("webp_palette.webp", Image.fromarray(ramp()).quantize(8).convert("RGB"), lossless=True)
    save("webp_gray.webp", Image.fromarray(gray()), lossless=True)
    save("webp_alpha_coarse.webp", rgba, quality=90, alpha_quality=20)
    for lossless in False, True:
        name = "lossless" if lossless else "lossy"
        options = {"save_all": True, "lossless": lossless, "quality": 90, "append_images": [Image.fromarray(255 - ramp())]}
        save(f"webp_animated_{name}.webp", rgb, **options)
    tiny = Image.fromarray(ramp(1, 1))
    save("webp_of_1x1.webp", tiny, quality=90)
    for name, kind in {"short": 3, "long": 4, "byte": 1}.items():
        for order, end in ("<", "little"), (">", "big"):
            save(f"orientation_webp_{name}_{end}.webp", rgb, lossless=True, exif=exif(6, kind, order))
    save("orientation_webp_exif_prefix.webp", rgb, lossless=True, exif=b"Exif\0\0" + exif(6))
    save("orientation_webp_xmp.webp", rgb, lossless=True, xmp=xmp(6))
    save("orientation_webp_both.webp", rgb, lossless=True, exif=exif(3), xmp=xmp(6))


def pnms():
    head = lambda kind, most=None: b"P%d\n# a comment\n%d %d\n" % (kind, WIDTH, HEIGHT) + (b"%d\n" % most if most else b"")
    text = lambda values: "\n".join(" ".join(map(str, row)) for row in values.reshape(HEIGHT, -1)).encode() + b"\n"
    bits = gray() >> 7
    write("pnm_1.pbm", head(1) + text(bits))
    write("pnm_4.pbm", head(4) + pack(bits, 1).tobytes())
    rgb, g = ramp().astype(int), gray().astype(int)
    for most in 1, 15, 100, 255, 1000, 65535:
        for kind, values in (2, g), (3, rgb), (5, g), (6, rgb):
            values = values * most // 255
            shown = np.minimum((values * 255 + most // 2) // most, 255).astype(np.uint8)
            shown = np.repeat(shown[..., None], 3, -1) if shown.ndim == 2 else shown
            data = text(values) if kind < 4 else values.astype(">u2" if most > 255 else np.uint8).tobytes()
            write(f"pnm_{kind}_{most}.{'pgm' if kind in (2, 5) else 'ppm'}", head(kind, most) + data, shown)
    for name, values, most in [
        ("BLACKANDWHITE", bits, 1),
        ("GRAYSCALE", gray(), 255),
        ("RGB", ramp(), 255),
        ("GRAYSCALE_ALPHA", np.dstack([gray(), alpha()]), 255),
        ("RGB_ALPHA", np.dstack([ramp(), alpha()]), 255),
    ]:
        depth = values.shape[2] if values.ndim == 3 else 1
        header = f"P7\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH {depth}\nMAXVAL {most}\nTUPLTYPE {name}\nENDHDR\n"
        color = np.repeat(gray()[..., None], 3, -1) if depth < 3 else ramp()
        right = np.repeat(bits[..., None] * 255, 3, -1) if most == 1 else over_white(color, alpha()) if "ALPHA" in name else color
        write(f"pnm_7_{name.lower()}.pam", header.encode() + values.tobytes(), right.astype(np.uint8))


def not_read():
    """The first bytes of formats that are not read, and that a message names."""
    box = lambda brand: struct.pack(">I", 24) + b"ftyp" + brand + b"\0\0\0\0mif1" + brand + bytes(64)
    heads = {
        "heic": box(b"heic"),
        "heif": box(b"mif1"),
        "avif": box(b"avif"),
        "cr3": box(b"crx "),
        "mp4": box(b"isom"),
        "mov": box(b"qt  "),
        "jxl": b"\xff\x0a" + bytes(64),
        "container.jxl": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(64),
        "jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64),
        "j2k": b"\xff\x4f\xff\x51" + bytes(64),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "declared.svg": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a drawing -->\n<svg/>',
        "html": b"<!DOCTYPE html><html></html>",
        "dcm": bytes(128) + b"DICM" + bytes(64),
        "pdf": b"%PDF-1.7\n" + bytes(64),
        "psd": b"8BPS\0\1" + bytes(64),
        "ico": b"\0\0\1\0\1\0" + bytes(64),
        "exr": b"v/1\x01" + bytes(64),
        "hdr": b"#?RADIANCE\n" + bytes(64),
        "qoi": b"qoif" + bytes(64),
        "dds": b"DDS " + bytes(124),
        "xcf": b"gimp xcf v011\0" + bytes(64),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(64),
        "raf": b"FUJIFILMCCD-RAW " + bytes(64),
        "npy": b"\x93NUMPY\1\0" + bytes(64),
        "h5": b"\x89HDF\r\n\x1a\n" + bytes(64),
        "fits": b"SIMPLE  =                    T" + bytes(64),
        "zip": b"PK\3\4" + bytes(64),
        "gz": b"\x1f\x8b\x08" + bytes(64),
    }
    for name, data in heads.items():
        write(f"format.{name}", data)


def make():
    gifs()
    webps()
    pnms()
    not_read()
