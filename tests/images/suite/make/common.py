"""What the generators of the suite share: the picture, and where files go."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(__file__).resolve().parent.parent
ORIENTATION = 0x0112  # the EXIF tag
WIDTH, HEIGHT = 16, 12

# name -> None, where Pillow's pixels are right, or an array of the right ones.
files = {}


def write(name, data, right=None):
    """Adds a file to the suite. `right`: its pixels, where Pillow does not read them or reads them otherwise."""
    assert name not in files, name
    (OUT / name).write_bytes(data)
    files[name] = right


def save(name, image, right=None, **options):
    stream = io.BytesIO()
    image.save(stream, format={"tif": "TIFF", "jpg": "JPEG"}.get(name.rsplit(".")[-1]) or name.rsplit(".")[-1], **options)
    write(name, stream.getvalue(), right)


def ramp(width=WIDTH, height=HEIGHT):
    """Different in every corner, and smooth."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 240 // width, y * 250 // height, 220 - (x + y) * 90 // width], -1).astype(np.uint8)


def gray():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return (x * 9 + y * 10).astype(np.uint8)


def alpha():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return (255 - (x * 11 + y * 5)).astype(np.uint8)


def indices(colors):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return ((x + 3 * y) % colors).astype(np.uint8)


def palette(colors):
    i = np.arange(colors)
    return np.stack([i * 255 // max(colors - 1, 1), (i * 97 + 30) % 256, 255 - i * 200 // colors], -1).astype(np.uint8)


def over_white(rgb, a):
    """Exact compositing over white of 8-bit colors that are not premultiplied."""
    rgb, a = rgb.astype(int), a.astype(int)[..., None]
    return ((rgb * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


def pack(values, bits):
    """Rows of samples of `bits` bits, the most significant first; each row begins at a byte."""
    rows = values.reshape(values.shape[0], -1).astype(np.uint32)
    return np.packbits((rows[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(len(rows), -1), axis=1)


def exif(value=6, kind=3, order="<", count=1):
    """A block of EXIF with an orientation of the TIFF type `kind`."""
    size = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}[kind]
    data = struct.pack(order + size, value).ljust(4, b"\0")
    entry = struct.pack(order + "HHI", ORIENTATION, kind, count) + data[:4]
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return start + struct.pack(order + "H", 1) + entry + struct.pack(order + "I", 0)


def xmp(value=6, attribute=True):
    inner = f' tiff:Orientation="{value}"/>' if attribute else f"><tiff:Orientation>{value}</tiff:Orientation></rdf:Description>"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"{inner}</rdf:RDF></x:xmpmeta>'
    ).encode()
