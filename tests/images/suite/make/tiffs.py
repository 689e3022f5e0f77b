"""TIFF of every compression, predictor, layout and kind of sample."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from common import HEIGHT, WIDTH, alpha, exif, gray, indices, over_white, pack, palette, ramp, save, write, xmp

SIZES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 12: "d", 13: "I", 16: "Q", 17: "q"}
REVERSED = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))


def packbits(data):
    """In PackBits without runs."""
    return b"".join(bytes([len(part) - 1]) + part for part in (data[i : i + 128] for i in range(0, len(data), 128)))


COMPRESS = {1: bytes, 8: zlib.compress, 32946: zlib.compress, 32773: packbits}


def predicted(rows, predictor, samples, order):
    """Rows of samples after the horizontal (2) or the floating-point (3) predictor."""
    if predictor == 2:
        if rows.dtype.kind == "f":  # differences of the bits
            return predicted(rows.view(np.uint32), 2, samples, order)
        before = np.concatenate([np.zeros_like(rows[:, :samples]), rows[:, :-samples]], 1)
        return rows - before
    if predictor == 3:
        parts = rows.astype(rows.dtype.newbyteorder(">")).view(np.uint8).reshape(len(rows), -1, rows.itemsize)
        return predicted(parts.transpose(0, 2, 1).reshape(len(rows), -1), 2, samples, order)
    return rows


def tiff(planes, bits, photometric, *, order="<", big=False, compression=1, predictor=1, planar=False, rows=None, tile=None, extra=(), fill=1, form=1, tags=(), omit=(), chunks=None):
    """`planes`: samples of shape (height, width, samples), of a numpy type where `bits` is that type's."""
    planes = planes if planes.ndim == 3 else planes[..., None]
    height, width, samples = planes.shape
    parts = [planes[..., c : c + 1] for c in range(samples)] if planar else [planes]
    encoded = []
    for part in parts:
        if tile:
            pieces = []
            for y in range(0, height, tile):
                for x in range(0, width, tile):
                    piece = part[y : y + tile, x : x + tile]
                    pad = ((0, tile - piece.shape[0]), (0, tile - piece.shape[1]), (0, 0))
                    pieces.append(np.pad(piece, pad, mode="edge"))
        else:
            step = rows or height
            pieces = [part[y : y + step] for y in range(0, height, step)]
        for piece in pieces:
            flat = np.ascontiguousarray(piece).reshape(len(piece), -1)
            if bits in (8, 16, 32, 64) and flat.itemsize * 8 == bits:
                data = predicted(flat, predictor, piece.shape[-1], order)
                data = data.astype(data.dtype.newbyteorder(order)).tobytes()
            else:
                data = pack(flat, bits).tobytes()
            data = COMPRESS[compression](data)
            encoded.append(data.translate(REVERSED) if fill == 2 else data)
    encoded = chunks or encoded
    entries = {
        256: (3, [width]),
        257: (3, [height]),
        258: (3, [bits] * samples),
        259: (3, [compression]),
        262: (3, [photometric]),
        277: (3, [samples]),
        284: (3, [2 if planar else 1]),
        325 if tile else 279: (4, [len(d) for d in encoded]),
    }
    entries.update({322: (3, [tile]), 323: (3, [tile])} if tile else {278: (3, [rows or height])})
    if predictor > 1:
        entries[317] = (3, [predictor])
    if extra:
        entries[338] = (3, list(extra))
    if fill != 1:
        entries[266] = (3, [fill])
    if form != 1:
        entries[339] = (3, [form] * samples)
    entries.update(dict(tags))
    for tag in omit:
        entries.pop(tag)
    base, field, step, inline = (16, "Q", 20, 8) if big else (8, "I", 12, 4)
    offsets, at = [], base
    for data in encoded:
        offsets.append(at)
        at += len(data) + len(data) % 2
    entries[324 if tile else 273] = (16 if big else 4, offsets)
    head = b"II" if order == "<" else b"MM"
    out = head + (struct.pack(order + "HHHQ", 43, 8, 0, at) if big else struct.pack(order + "HI", 42, at))
    out += b"".join(data + b"\0" * (len(data) % 2) for data in encoded)
    values_at = at + (8 if big else 2) + step * len(entries) + (8 if big else 4)
    ifd, values = struct.pack(order + ("Q" if big else "H"), len(entries)), b""
    for tag, (kind, value) in sorted(entries.items()):
        data = value if isinstance(value, bytes) else struct.pack(order + str(len(value)) + SIZES[kind], *value)
        count = len(value)
        if len(data) > inline:
            place = values_at + len(values)
            values += data + b"\0" * (len(data) % 2)
            data = struct.pack(order + field, place)
        ifd += struct.pack(order + "HH" + field, tag, kind, count) + data.ljust(inline, b"\0")
    return out + ifd + struct.pack(order + field, 0) + values


def color_map(colors, bits):
    table = np.zeros((2**bits, 3), int)
    table[:colors] = palette(colors).astype(int) * 257
    return [(320, (3, table.T.reshape(-1).tolist()))]


def gray3(values):
    return np.repeat(values[..., None], 3, -1)


def samples():
    g, rgb, a = gray(), ramp(), alpha()
    for order, end in ("<", "little"), (">", "big"):
        for big in False, True:
            name = f"{end}{'_bigtiff' if big else ''}.tif"
            options = {"order": order, "big": big}
            # Pillow 13 does not know the big-endian BigTIFF, and cuts 16 bits off or clips them.
            write(f"tiff_rgb_8_{name}", tiff(rgb, 8, 2, **options), rgb)
            write(f"tiff_palette_4_{name}", tiff(indices(16), 4, 3, tags=color_map(16, 4), **options), palette(16)[indices(16)])
            deep = g.astype(np.uint16) * 256 + 77
            rounded = gray3(((deep.astype(int) + 128) // 257).astype(np.uint8))
            write(f"tiff_gray_16_{name}", tiff(deep, 16, 1, **options), rounded)
            write(f"tiff_gray_float_{name}", tiff((g / 255).astype(np.float32), 32, 1, form=3, **options), gray3(g))
        options = {"order": order}
        name = f"{end}.tif"
        for bits in 1, 2, 4, 8:
            values = (g.astype(int) * (2**bits - 1) // 255).astype(np.uint8)
            write(f"tiff_gray_{bits}_{name}", tiff(values, bits, 1, **options))
            write(f"tiff_white_is_zero_{bits}_{name}", tiff(2**bits - 1 - values, bits, 0, **options))
        for bits in 1, 2, 8:
            colors = min(2**bits, 100)
            write(f"tiff_palette_{bits}_{name}", tiff(indices(colors), bits, 3, tags=color_map(colors, bits), **options))
        write(f"tiff_white_is_zero_16_{name}", tiff(65535 - deep, 16, 0, **options), rounded)
        write(f"tiff_gray_12_{name}", tiff(deep >> 4, 12, 1, **options), gray3(g))
        write(f"tiff_rgb_16_{name}", tiff(rgb.astype(np.uint16) * 257, 16, 2, **options), rgb)
        write(f"tiff_rgb_float_{name}", tiff((rgb / 255).astype(np.float32), 32, 2, form=3, **options), rgb)
        write(f"tiff_rgba_8_{name}", tiff(np.dstack([rgb, a]), 8, 2, extra=[2], **options))
        write(f"tiff_cmyk_8_{name}", tiff(np.dstack([255 - rgb, g // 4]), 8, 5, **options))
    more = {
        "gray_uint32": tiff(g.astype(np.uint32) << 24, 32, 1),
        "gray_int8": tiff(g // 2, 8, 1, form=2),
        "gray_int16": tiff(g.astype(np.uint16) * 100, 16, 1, form=2),
        "float_to_255": tiff(g.astype(np.float32), 32, 1, form=3),
        "float_nan": tiff(np.where(g > 100, np.nan, g / 255).astype(np.float32), 32, 1, form=3),
        "lab": tiff(rgb, 8, 8),
        "ycbcr": tiff(rgb, 8, 6, tags=[(530, (3, [1, 1]))]),
        "ycbcr_subsampled": tiff(rgb, 8, 6),
        "palette_float": tiff((g / 255).astype(np.float32), 32, 3, form=3, tags=color_map(100, 8)),
        "mask": tiff(g // 200, 1, 4),
    }
    for name, data in more.items():
        write(f"tiff_{name}.tif", data)
    write("tiff_gray_double.tif", tiff(g / 255, 64, 1, form=3), gray3(g))
    write("tiff_gray_half.tif", tiff((g / 255).astype(np.float16), 16, 1, form=3), gray3(g))
    write("tiff_rgb_4.tif", tiff(rgb >> 4, 4, 2), (rgb >> 4) * 17)
    write("tiff_rgb_12.tif", tiff(rgb.astype(np.uint16) << 4, 12, 2), rgb)
    write("tiff_rgb_12_tiles.tif", tiff(rgb.astype(np.uint16) << 4, 12, 2, tile=16, planar=True), rgb)
    write("tiff_gray_4_tiles.tif", tiff(g >> 4, 4, 1, tile=16, compression=8), gray3((g >> 4) * 17))
    half = gray3(g)
    write("tiff_no_bits_tag.tif", tiff(g >> 7, 1, 1, omit=[258, 277]))
    write("tiff_no_rows_tag.tif", tiff(g, 8, 1, omit=[278]))
    write("tiff_min_max_float.tif", tiff((g / 255).astype(np.float32), 32, 1, form=3, tags=[(340, (4, [0])), (341, (4, [1]))]), half)


def alphas():
    """Alpha that is premultiplied (1), plain (2), or of no stated meaning (0)."""
    g, rgb, a = gray(), ramp(), alpha()
    times = lambda x: ((x.astype(int) * (a if x.ndim == 2 else a[..., None]) + 127) // 255).astype(np.uint8)
    for kind, name in (1, "associated"), (2, "plain"), (0, "unstated"):
        for planar in False, True:
            end = f"{name}{'_planar' if planar else ''}.tif"
            color, shade = (times(rgb), times(g)) if kind == 1 else (rgb, g)
            shown = over_white(rgb, a) if kind else rgb
            shown_gray = over_white(gray3(g), a) if kind else gray3(g)
            write(f"tiff_rgba_{end}", tiff(np.dstack([color, a]), 8, 2, extra=[kind], planar=planar), shown)
            write(f"tiff_gray_alpha_{end}", tiff(np.dstack([shade, a]), 8, 1, extra=[kind], planar=planar), shown_gray)
            deep = lambda x: x.astype(np.uint16) * 257
            write(f"tiff_rgba_16_{end}", tiff(deep(np.dstack([color, a])), 16, 2, extra=[kind], planar=planar), shown)
            write(f"tiff_gray_alpha_16_{end}", tiff(deep(np.dstack([shade, a])), 16, 1, extra=[kind], planar=planar), shown_gray)
    write("tiff_rgba_without_extra_samples.tif", tiff(np.dstack([rgb, a]), 8, 2))
    write("tiff_rgba_float_plain.tif", tiff((np.dstack([rgb, a]) / 255).astype(np.float32), 32, 2, form=3, extra=[2]), over_white(rgb, a))
    write("tiff_rgba_float_associated.tif", tiff((np.dstack([times(rgb), a]) / 255).astype(np.float32), 32, 2, form=3, extra=[1]), over_white(rgb, a))
    write("tiff_palette_alpha.tif", tiff(np.dstack([indices(100), a]), 8, 3, extra=[2], tags=color_map(100, 8)), over_white(palette(100)[indices(100)], a))
    write("tiff_rgb_and_two_more.tif", tiff(np.dstack([rgb, a, g]), 8, 2, extra=[0, 0]))
    write("tiff_rgba_and_one_more.tif", tiff(np.dstack([rgb, a, g]), 8, 2, extra=[2, 0]), over_white(rgb, a))
    write("tiff_white_is_zero_alpha.tif", tiff(np.dstack([255 - g, a]), 8, 0, extra=[2]), over_white(gray3(g), a))
    cmyk = np.dstack([255 - rgb, g // 4])
    shown = (rgb.astype(int) * (255 - cmyk[..., 3:].astype(int)) // 255).astype(np.uint8)
    write("tiff_cmyk_alpha.tif", tiff(np.dstack([cmyk, a]), 8, 5, extra=[2]), over_white(shown, a))


def layouts():
    g, rgb = gray(), ramp()
    for compression in COMPRESS:
        for rows in None, 5:
            for planar in False, True:
                end = f"{compression}{'_strips' if rows else ''}{'_planar' if planar else ''}"
                options = {"compression": compression, "rows": rows, "planar": planar}
                write(f"tiff_layout_{end}.tif", tiff(rgb, 8, 2, **options))
    for name, values, bits, photometric, form, right in [
        ("gray", g, 8, 1, 1, None),
        ("rgb", rgb, 8, 2, 1, None),
        ("rgb_16", rgb.astype(np.uint16) * 257, 16, 2, 1, rgb),
        ("float", (rgb / 255).astype(np.float32), 32, 2, 3, rgb),
    ]:
        for order, end in ("<", "little"), (">", "big"):
            for predictor in (1, 2, 3) if form == 3 else (1, 2):
                # Pillow's library reads the floating-point predictor, and no other predictor of such samples.
                options = {"order": order, "compression": 8, "predictor": predictor, "form": form}
                write(f"tiff_predictor_{predictor}_{name}_{end}.tif", tiff(values, bits, photometric, **options), right)
                write(f"tiff_tiles_{predictor}_{name}_{end}.tif", tiff(values, bits, photometric, tile=16, **options), right)
    write("tiff_tiles_planar.tif", tiff(rgb, 8, 2, tile=16, planar=True))
    for bits in 1, 4:
        write(f"tiff_tiles_{bits}.tif", tiff((g.astype(int) * (2**bits - 1) // 255).astype(np.uint8), bits, 1, tile=16))
    write("tiff_tiles_of_32.tif", tiff(rgb, 8, 2, tile=32))
    write("tiff_cmyk_16.tif", tiff(np.dstack([255 - rgb, g // 4]).astype(np.uint16) * 257, 16, 5))
    write("tiff_cmyk_planar.tif", tiff(np.dstack([255 - rgb, g // 4]), 8, 5, planar=True))
    for compression in 1, 8, 32773:
        write(f"tiff_fill_order_2_{compression}_gray_1.tif", tiff(g >> 7, 1, 1, fill=2, compression=compression))
        write(f"tiff_fill_order_2_{compression}_rgb.tif", tiff(rgb, 8, 2, fill=2, compression=compression, rows=5))
    write("tiff_fill_order_2_bigtiff.tif", tiff(g >> 7, 1, 1, fill=2, big=True, order=">"), gray3((g >> 7) * 255))
    write("tiff_fill_order_3.tif", tiff(g >> 7, 1, 1, fill=3))


def libtiff():
    """Compressions that Pillow writes with libtiff."""
    pictures = {"gray": Image.fromarray(gray()), "rgb": Image.fromarray(ramp()), "bits": Image.fromarray(gray()).convert("1")}
    for compression in "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "zstd", "lzma":
        for name, picture in pictures.items():
            save(f"tiff_pillow_{compression}_{name}.tif", picture, compression=compression)
        for predictor in (2,) if compression not in ("packbits", "lzma") else ():
            for name in "gray", "rgb":
                info = {317: predictor}
                save(f"tiff_pillow_{compression}_{name}_predicted.tif", pictures[name], compression=compression, tiffinfo=info)
    for compression in "tiff_ccitt", "group3", "group4":
        save(f"tiff_pillow_{compression}.tif", pictures["bits"], compression=compression)
        save(f"tiff_pillow_{compression}_fill_2.tif", pictures["bits"], compression=compression, tiffinfo={266: 2})
    for name in "gray", "rgb":
        save(f"tiff_pillow_jpeg_{name}.tif", pictures[name], compression="jpeg", quality=95)
    save("tiff_pillow_jpeg_ycbcr.tif", pictures["rgb"].convert("YCbCr"), compression="jpeg", quality=95)
    save("tiff_pillow_jpeg_cmyk.tif", pictures["rgb"].convert("CMYK"), compression="jpeg", quality=95)
    big = Image.fromarray(ramp(64, 48))
    save("tiff_pillow_zstd_strips.tif", big, compression="zstd", tiffinfo={278: 16})
    save("tiff_pillow_lzw_strips.tif", big, compression="tiff_lzw", tiffinfo={278: 16})
    save("tiff_pillow_palette.tif", big.quantize(16))
    save("tiff_pillow_palette_zstd.tif", big.quantize(64), compression="zstd")
    save("tiff_pillow_gray_alpha.tif", Image.merge("LA", (pictures["gray"], Image.fromarray(alpha()))))
    save("tiff_pillow_palette_alpha.tif", Image.fromarray(ramp()).quantize(16).convert("PA"))
    save("tiff_pillow_float.tif", Image.fromarray((gray() / 255).astype(np.float32)), gray3(gray()))
    save("tiff_pillow_int32.tif", Image.fromarray(gray().astype(np.int32)))
    stream = io.BytesIO()
    pictures["rgb"].save(stream, format="TIFF", save_all=True, append_images=[pictures["gray"]])
    write("tiff_pages.tif", stream.getvalue())


def orientations():
    rgb = ramp()
    for value in range(10):
        write(f"orientation_tiff_{value}.tif", tiff(rgb, 8, 2, tags=[(274, (3, [value]))]))
    for name, kind in {"byte": 1, "long": 4, "sbyte": 6, "sshort": 8, "slong": 9}.items():
        for order, end in ("<", "little"), (">", "big"):
            write(f"orientation_tiff_{name}_{end}.tif", tiff(rgb, 8, 2, order=order, tags=[(274, (kind, [6]))]))
    write("orientation_tiff_long_bigtiff.tif", tiff(rgb, 8, 2, big=True, tags=[(274, (4, [6]))]))
    write("orientation_tiff_xmp.tif", tiff(rgb, 8, 2, tags=[(700, (1, xmp(6)))]))
    write("orientation_tiff_tag_and_xmp.tif", tiff(rgb, 8, 2, tags=[(274, (3, [3])), (700, (1, xmp(6)))]))


def make():
    samples()
    alphas()
    layouts()
    libtiff()
    orientations()
