"""BMP of every header, bit depth and packing."""

import struct

import numpy as np

from common import HEIGHT, WIDTH, alpha, indices, over_white, pack, palette, ramp, write


def bmp(info, data, colors=b"", masks=b""):
    offset = 14 + len(info) + len(masks) + len(colors)
    head = b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset)
    return head + info + masks + colors + data


def info(bits, size, compression=0, colors=0, header=40, top_down=False, masks=()):
    height = -HEIGHT if top_down else HEIGHT
    text = struct.pack("<IiiHHIIiiII", header, WIDTH, height, 1, bits, compression, size, 2835, 2835, colors, 0)
    if header >= 52:
        text += struct.pack("<4I", *masks, *[0] * (4 - len(masks)))
    return (text + (b"BGRs" if header >= 108 else b"")).ljust(header, b"\0")[:header]


def rows(values, bits, top_down=False):
    """The rows, from the bottom, each of a multiple of four bytes."""
    packed = pack(values, bits) if bits <= 8 else values.reshape(HEIGHT, -1).view(np.uint8)
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4)))
    return (packed if top_down else packed[::-1]).tobytes()


def entries(colors, size=4):
    bgr = palette(colors)[:, ::-1]
    return (np.pad(bgr, ((0, 0), (0, 1))) if size == 4 else bgr).tobytes()


def words(masks, dtype, a=None):
    """Pixels packed by the masks of red, green and blue, and of `a`."""
    planes = [ramp()[..., c] for c in range(3)] + ([] if a is None else [a])
    out = np.zeros((HEIGHT, WIDTH), np.uint64)
    for plane, mask in zip(planes, masks):
        if mask:
            shift = (mask & -mask).bit_length() - 1
            out |= (plane.astype(np.uint64) * (mask >> shift) // 255) << np.uint64(shift)
    return out.astype(dtype)


def palettes():
    for bits, colors in (1, 2), (4, 16), (8, 200):
        data = rows(indices(colors), bits)
        core = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
        # OS/2's table has no count: it has as many colors as there are.
        table = entries(colors, 3).ljust(3 * 2**bits, b"\0")
        write(f"bmp_core_{bits}.bmp", bmp(core, data, table))
        for header in 40, 52, 56, 64, 108, 124:
            write(f"bmp_{header}_{bits}.bmp", bmp(info(bits, len(data), colors=colors, header=header), data, entries(colors)))
        down = rows(indices(colors), bits, True)
        write(f"bmp_top_down_{bits}.bmp", bmp(info(bits, len(data), colors=colors, top_down=True), down, entries(colors)))
    data = rows(indices(5), 8)
    write("bmp_5_colors.bmp", bmp(info(8, len(data), colors=5), data, entries(5)))
    write("bmp_16_header.bmp", bmp(info(8, 0, header=16), data, entries(256)))


def run_lengths():
    lines8, lines4 = b"", b""
    for y in range(HEIGHT - 1, -1, -1):
        row = indices(16)[y]
        # A run of two, and the rest as they are.
        lines8 += bytes([2, row[0], 0, WIDTH - 2]) + row[2:].tobytes() + b"\0\0"
        packed = [row[i] << 4 | row[i + 1] for i in range(4, WIDTH, 2)]
        lines4 += bytes([4, row[0] << 4 | row[1], 0, WIDTH - 4]) + bytes(packed) + b"\0\0"
    for name, bits, lines, kind in ("rle8", 8, lines8, 1), ("rle4", 4, lines4, 2):
        lines = lines[:-2] + b"\0\1"
        write(f"bmp_{name}.bmp", bmp(info(bits, len(lines), kind, 16), lines, entries(16)))


def true_colors():
    bgr = ramp()[..., ::-1]
    data24 = rows(np.ascontiguousarray(bgr), 24)
    core = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24)
    write("bmp_core_24.bmp", bmp(core, data24))
    down = rows(np.ascontiguousarray(bgr), 24, True)
    for header in 40, 64, 108, 124:
        write(f"bmp_{header}_24.bmp", bmp(info(24, len(data24), header=header), data24))
    write("bmp_top_down_24.bmp", bmp(info(24, len(down), top_down=True), down))
    plain = {16: (0x7C00, 0x3E0, 0x1F), 32: (0xFF0000, 0xFF00, 0xFF)}
    for bits, dtype in (16, "<u2"), (32, "<u4"):
        for top_down in False, True:
            data = rows(words(plain[bits], dtype), bits, top_down)
            end = "_top_down.bmp" if top_down else ".bmp"
            write(f"bmp_plain_{bits}{end}", bmp(info(bits, len(data), top_down=top_down), data))
    # The fourth byte of plain 32 bits is no alpha.
    data = rows(words((*plain[32], 0xFF000000), "<u4", alpha()), 32)
    write("bmp_plain_32_with_fourth.bmp", bmp(info(32, len(data)), data))


MASKS = {
    "565": (16, 0xF800, 0x7E0, 0x1F, 0),
    "555": (16, 0x7C00, 0x3E0, 0x1F, 0),
    "a1555": (16, 0x7C00, 0x3E0, 0x1F, 0x8000),
    "444": (16, 0xF00, 0xF0, 0xF, 0),
    "a4444": (16, 0xF00, 0xF0, 0xF, 0xF000),
    "xrgb": (32, 0xFF0000, 0xFF00, 0xFF, 0),
    "argb": (32, 0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    "xbgr": (32, 0xFF, 0xFF00, 0xFF0000, 0),
    "abgr": (32, 0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    "rgba": (32, 0xFF000000, 0xFF0000, 0xFF00, 0xFF),
    "bgrx": (32, 0xFF00, 0xFF0000, 0xFF000000, 0),
    "101010": (32, 0x3FF00000, 0xFFC00, 0x3FF, 0),
}


def masks():
    for name, (bits, *mask) in MASKS.items():
        dtype = "<u2" if bits == 16 else "<u4"
        # Alpha: of many values, and zero throughout, which no program shows as transparent.
        alphas = {"": alpha() if bits == 32 else indices(2) * 255, "_zero": alpha() * 0} if mask[3] else {"": None}
        for kind, a in alphas.items():
            data = rows(words(mask, dtype, a), bits)
            packed = words(mask, dtype).astype(int)
            level = lambda m: (packed & m) * 255 // m if m < 2**24 else (packed // (m & -m) * 255) // (m // (m & -m))
            shown = np.stack([level(m) for m in mask[:3]], -1).astype(np.uint8)
            if mask[3]:
                # Sixteen bits are opaque in Pillow and Windows.
                right = over_white(shown, a) if bits == 32 and a.any() else shown
            else:
                right = shown
            if not mask[3]:
                write(f"bmp_masks_40_{name}{kind}.bmp", bmp(info(bits, len(data), 3), data, masks=struct.pack("<3I", *mask[:3])), right)
            for header in (52,) * (not mask[3]) + (56, 108, 124):
                text = info(bits, len(data), 3, header=header, masks=mask[: 3 if header == 52 else 4])
                write(f"bmp_masks_{header}_{name}{kind}.bmp", bmp(text, data), right)


def make():
    palettes()
    run_lengths()
    true_colors()
    masks()
    for name, kind in ("jpeg", 4), ("png", 5):
        write(f"bmp_of_{name}.bmp", bmp(info(24, 8, kind), b"\0" * 64))
