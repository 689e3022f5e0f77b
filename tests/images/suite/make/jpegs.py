"""JPEG: samplings and layouts of scans that Pillow cannot write come from a small encoder of its own."""

import io
import struct

import numpy as np
from PIL import Image

from common import exif, gray, ramp, save, write, xmp

# The table of DC sizes of ITU-T T.81, annex K, and an AC table of "end of block" and one coefficient of 1 to 6 bits.
DC_LENGTHS = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
AC_LENGTHS = [1, 0, 3, 0, 0, 3] + [0] * 10
AC_SYMBOLS = [0, 1, 2, 3, 4, 5, 6]


def codes(lengths, symbols):
    table, code, symbols = {}, 0, iter(symbols)
    for length, count in enumerate(lengths, 1):
        for _ in range(count):
            table[next(symbols)] = (code, length)
            code += 1
        code <<= 1
    return table


DC, AC = codes(DC_LENGTHS, range(12)), codes(AC_LENGTHS, AC_SYMBOLS)


class Bits:
    def __init__(self):
        self.text = ""

    def put(self, value, length):
        self.text += format(value, f"0{length}b") if length else ""

    def signed(self, value, table):
        size = abs(value).bit_length()
        self.put(*table[size])
        self.put(value if value > 0 else value + (1 << size) - 1, size)

    def bytes(self):
        text = self.text + "1" * (-len(self.text) % 8)
        return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8)).replace(b"\xff", b"\xff\0")


def segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def encode(width, height, factors, scans=None, *, progressive=False, restart=0, sof=None, extra=b"", ids=None, steps=8):
    """A JPEG of blocks with a level and a slope. `factors`: (h, v) of each component; `scans`: lists of component
    numbers; one component alone is not interleaved (T.81, A.2). Progressive: levels, their last bit, then slopes."""
    number = len(factors)
    scans = scans or [list(range(number))]
    ids = ids or list(range(1, number + 1))
    hmax, vmax = max(f[0] for f in factors), max(f[1] for f in factors)
    mcux, mcuy = -(-width // (8 * hmax)), -(-height // (8 * vmax))
    levels, slopes = [], []
    for c, (h, v) in enumerate(factors):
        y, x = np.mgrid[0 : mcuy * v, 0 : mcux * h]
        levels.append(((x * 7 + y * 11 + 5 * c) % 40 - 20) * (1 if c else 3) * 8 // steps)
        slopes.append(((x * 5 + y * 3 + c) % 13 - 6) * 8 // steps)
    out = b"\xff\xd8" + extra + segment(0xDB, b"\0" + bytes([steps]) * 64)
    frame = b"".join(bytes([i, h << 4 | v, 0]) for i, (h, v) in zip(ids, factors))
    sof = sof or (0xC2 if progressive else 0xC0)
    out += segment(sof, struct.pack(">BHHB", 8, height, width, number) + frame)
    out += segment(0xC4, b"\0" + bytes(DC_LENGTHS) + bytes(range(12)))
    out += segment(0xC4, b"\x10" + bytes(AC_LENGTHS) + bytes(AC_SYMBOLS))
    if restart:
        out += segment(0xDD, struct.pack(">H", restart))

    def blocks(scan):
        """The MCUs of a scan: lists of (component, row, column)."""
        if len(scan) == 1:
            (c,) = scan
            h, v = factors[c] if number > 1 else (1, 1)
            high, wide = vmax if number > 1 else 1, hmax if number > 1 else 1
            rows, columns = (-(-(-(-size * f // most)) // 8) for size, f, most in ((height, v, high), (width, h, wide)))
            return [[(c, y, x)] for y in range(rows) for x in range(columns)]
        return [
            [(c, my * factors[c][1] + y, mx * factors[c][0] + x) for c in scan for y in range(factors[c][1]) for x in range(factors[c][0])]
            for my in range(mcuy)
            for mx in range(mcux)
        ]

    def scan_data(scan, what):
        data, bits, before = b"", Bits(), [0] * number
        for i, mcu in enumerate(blocks(scan)):
            if restart and i and i % restart == 0:
                data += bits.bytes() + bytes([0xFF, 0xD0 + (i // restart - 1) % 8])
                bits, before = Bits(), [0] * number
            for c, y, x in mcu:
                level, slope = int(levels[c][y, x]), int(slopes[c][y, x])
                if what == "last bit":
                    bits.put(level & 1, 1)
                    continue
                if what in ("all", "levels"):
                    level >>= what == "levels"
                    bits.signed(level - before[c], DC)
                    before[c] = level
                if what in ("all", "slopes"):
                    if slope:
                        bits.signed(slope, AC)
                    bits.put(*AC[0])
        return data + bits.bytes()

    def scan(components, what):
        band = {"all": b"\0\x3f\0", "levels": b"\0\0\x01", "last bit": b"\0\0\x10", "slopes": b"\x01\x3f\0"}[what]
        head = bytes([len(components)]) + b"".join(bytes([ids[c], 0]) for c in components)
        return segment(0xDA, head + band) + scan_data(components, what)

    if progressive:
        out += b"".join(scan(s, "levels") for s in scans)
        out += b"".join(scan([c], "slopes") for c in range(number))
        out += b"".join(scan(s, "last bit") for s in scans)
    else:
        out += b"".join(scan(s, "all") for s in scans)
    return out + b"\xff\xd9"


SAMPLINGS = {
    "444": "11 11 11",
    "422": "21 11 11",
    "440": "12 11 11",
    "420": "22 11 11",
    "411": "41 11 11",
    "410": "42 11 11",
    "441": "14 11 11",
    "2x4": "24 11 11",
    "all_2x1": "21 21 21",
    "all_1x2": "12 12 12",
    "all_2x2": "22 22 22",
    "chroma_2x1_of_2x2": "22 21 21",
    "chroma_1x2_of_2x2": "22 12 12",
    "chroma_unequal": "22 21 11",
    "chroma_crossed": "22 12 21",
    "red_full": "21 11 21",
    "blue_full": "22 22 11",
    "luma_coarser": "11 22 22",
    "luma_coarser_x": "11 21 21",
    "luma_coarser_y": "11 12 12",
    "luma_coarser_blue": "11 21 11",
    "luma_wide_chroma_high": "21 12 12",
    "4x1_2x1": "41 21 21",
    "2x2_of_4x2": "42 21 21",
    "3x1": "31 11 11",
    "1x3": "13 11 11",
    "3x1_2x1": "31 21 11",
    "all_3x1": "31 31 31",
}
SCANS = {"": None, "_separate": [[0], [1], [2]], "_reversed": [[2], [1], [0]], "_luma_alone": [[0], [1, 2]]}


def samplings():
    for name, text in SAMPLINGS.items():
        factors = [(int(f[0]), int(f[1])) for f in text.split()]
        for layout, scans in SCANS.items():
            if scans is None and sum(h * v for h, v in factors) > 10:
                continue
            # Sides that end within a block, and within an MCU.
            write(f"jpeg_{name}{layout}.jpg", encode(37, 27, factors, scans))
            write(f"jpeg_{name}{layout}_progressive.jpg", encode(37, 27, factors, scans, progressive=True))
    for name, size in {"1x1": (1, 1), "8x8": (8, 8), "9x17": (9, 17), "33x33": (33, 33)}.items():
        for sampling in "444", "420", "422", "440", "luma_coarser":
            factors = [(int(f[0]), int(f[1])) for f in SAMPLINGS[sampling].split()]
            write(f"jpeg_{sampling}_of_{name}.jpg", encode(*size, factors))
            write(f"jpeg_{sampling}_separate_of_{name}.jpg", encode(*size, factors, [[0], [1], [2]]))


def layouts():
    for name, factors in {"444": [(1, 1)] * 3, "420": [(2, 2), (1, 1), (1, 1)]}.items():
        for restart in 1, 2, 5:
            write(f"jpeg_{name}_restart_{restart}.jpg", encode(37, 27, factors, restart=restart))
            write(f"jpeg_{name}_separate_restart_{restart}.jpg", encode(37, 27, factors, [[0], [1], [2]], restart=restart))
            write(f"jpeg_{name}_progressive_restart_{restart}.jpg", encode(37, 27, factors, progressive=True, restart=restart))
    write("jpeg_extended.jpg", encode(37, 27, [(2, 2), (1, 1), (1, 1)], sof=0xC1))
    for factors in "11", "21", "22", "12", "14":
        f = [(int(factors[0]), int(factors[1]))]
        write(f"jpeg_gray_{factors}.jpg", encode(37, 27, f))
        write(f"jpeg_gray_{factors}_progressive.jpg", encode(37, 27, f, progressive=True))
    whole = encode(37, 27, [(1, 1)] * 3)
    at = whole.index(b"\xff\xc0")
    write("jpeg_fill_bytes.jpg", whole[:at] + b"\xff\xff\xff" + whole[at:])
    write("jpeg_trailing_bytes.jpg", whole + b"and more")
    write("jpeg_two_components.jpg", encode(37, 27, [(1, 1)] * 2))
    # Kinds that the decoder does not know. Their pixels do not matter here.
    for name, sof in {"arithmetic": 0xC9, "arithmetic_progressive": 0xCA, "lossless": 0xC3, "hierarchical": 0xC5}.items():
        write(f"jpeg_{name}.jpg", whole.replace(b"\xff\xc0", bytes([0xFF, sof]), 1))
    deep = bytearray(encode(37, 27, [(1, 1)] * 3, sof=0xC1))
    deep[deep.index(b"\xff\xc1") + 4] = 12
    write("jpeg_12_bits.jpg", bytes(deep))


def colors():
    adobe = lambda transform: segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))
    three, four = [(1, 1)] * 3, [(1, 1)] * 4
    write("jpeg_adobe_rgb.jpg", encode(37, 27, three, extra=adobe(0)))
    write("jpeg_adobe_ycc.jpg", encode(37, 27, three, extra=adobe(1)))
    write("jpeg_ids_rgb.jpg", encode(37, 27, three, ids=list(b"RGB")))
    write("jpeg_ids_0.jpg", encode(37, 27, three, ids=[0, 1, 2]))
    jfif = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    write("jpeg_jfif_ids_rgb.jpg", encode(37, 27, three, ids=list(b"RGB"), extra=jfif))
    write("jpeg_adobe_rgb_subsampled.jpg", encode(37, 27, [(2, 2), (1, 1), (1, 1)], extra=adobe(0)))
    write("jpeg_adobe_rgb_separate.jpg", encode(37, 27, [(2, 2), (1, 1), (1, 1)], [[0], [1], [2]], extra=adobe(0)))
    for name, extra in {"cmyk": adobe(0), "ycck": adobe(2), "cmyk_without_adobe": b""}.items():
        write(f"jpeg_{name}.jpg", encode(37, 27, four, extra=extra))
        write(f"jpeg_{name}_progressive.jpg", encode(37, 27, four, extra=extra, progressive=True))
        write(f"jpeg_{name}_subsampled.jpg", encode(37, 27, [(2, 2), (1, 1), (1, 1), (2, 2)], extra=extra))
        write(f"jpeg_{name}_separate.jpg", encode(37, 27, [(2, 2), (1, 1), (1, 1), (2, 2)], [[0], [1], [2], [3]], extra=extra))


def photographs():
    """What Pillow writes, with all coefficients."""
    picture = Image.fromarray(ramp())
    for subsampling in 0, 1, 2:
        for progressive in False, True:
            for quality in 75, 95:
                name = f"jpeg_pillow_{subsampling}_{quality}{'_progressive' if progressive else ''}.jpg"
                save(name, picture, quality=quality, subsampling=subsampling, progressive=progressive)
    save("jpeg_pillow_optimized.jpg", picture, quality=90, optimize=True)
    save("jpeg_pillow_gray.jpg", Image.fromarray(gray()), quality=90)
    save("jpeg_pillow_coarse.jpg", picture, quality=5)
    stream = io.BytesIO()
    picture.save(stream, format="MPO", save_all=True, append_images=[picture.rotate(180)])
    write("jpeg_mpo.jpg", stream.getvalue())


def orientations():
    whole = encode(37, 27, [(2, 2), (1, 1), (1, 1)])

    def with_app1(name, *payloads):
        write(f"orientation_jpeg_{name}.jpg", whole[:2] + b"".join(segment(0xE1, p) for p in payloads) + whole[2:])

    kinds = {"byte": 1, "ascii": 2, "short": 3, "long": 4, "sbyte": 6, "sshort": 8, "slong": 9, "ifd": 13}
    for name, kind in kinds.items():
        for order, end in ("<", "little"), (">", "big"):
            with_app1(f"{name}_{end}", b"Exif\0\0" + exif(6, kind, order))
    for value in 0, 1, 2, 3, 4, 5, 7, 8, 9:
        with_app1(f"{value}", b"Exif\0\0" + exif(value))
    space = b"http://ns.adobe.com/xap/1.0/\0"
    with_app1("xmp_attribute", space + xmp(6))
    with_app1("xmp_element", space + xmp(8, attribute=False))
    with_app1("exif_before_xmp", b"Exif\0\0" + exif(3), space + xmp(6))
    with_app1("xmp_before_exif", space + xmp(6), b"Exif\0\0" + exif(3))
    with_app1("exif_of_1_and_xmp", b"Exif\0\0" + exif(1), space + xmp(6))
    with_app1("short_of_two", b"Exif\0\0" + exif(6, 3, "<", 2))


def make():
    samplings()
    layouts()
    colors()
    photographs()
    orientations()
