#!/usr/bin/env python3
"""Makes images/*.jpg from computed content, and images.txt: what Pillow and torchvision make of them.

Lines of images.txt; digests are XXH3-64 of the pixels (8 bits, interleaved) or of the float32 tensor:
  pixels NAME CHANNELS WIDTH HEIGHT DIGEST             Image.open(NAME).convert("RGB" or "L")
  tensor NAME CHANNELS RESIZE CROP INTERPOLATION DIGEST
  refused NAME                                         Pillow raises an error; for names that begin with "padded" it
                                                       pads with grey instead, which is refused here
  truncated NAME                                       Pillow refuses every cut: the first 0, 1 .. 99 % of the
                                                       bytes, and all but the last 1, 2 .. 16 bytes
"""
import io
import os

import numpy as np
from PIL import Image, ImageCms

from pillow_reference import Encoder, decode, digest, picture, tensor, versions

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "images")
TRUNCATED = ("ycc420-optimized", "ycc420-restart1", "ycc420-separate-scans", "progressive420", "gray", "cmyk", "exif-orientation6")


def with_pillow(pixels, **options):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", **options)
    return out.getvalue()


def srgb_profile():
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # the creation date would make each run's file another one
    return bytes(profile)


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def large(random):
    """8000 x 6000 flat boxes: few bytes, all pixels."""
    pixels = np.empty((6000, 8000, 3), np.uint8)
    pixels[:] = 90, 140, 200
    for _ in range(5):
        left, top = random.randint(0, 7000), random.randint(0, 5000)
        pixels[top:top + random.randint(500, 3000), left:left + random.randint(500, 4000)] = random.randint(0, 256, 3)
    return pixels


def kinds():
    """(name, bytes) of every image; the names say what is special."""
    encode = Encoder()
    seed = iter(range(1, 1000))

    def of(width, height, components=3, **options):
        return picture(np.random.RandomState(next(seed)), width, height, components, **options)

    sampling = {"444": "1x1", "422": "2x1", "420": "2x2", "411": "4x1", "440": "1x2", "410": "4x2", "441": "1x4"}
    for name, luma in sampling.items():
        yield f"ycc{name}", encode(of(113, 87), f"sampling={luma},1x1,1x1", "quality=85")
    yield "ycc-luma-subsampled", encode(of(61, 75), "sampling=1x1,2x2,1x2")
    yield "ycc420-q10", encode(of(150, 97), "quality=10")
    yield "ycc420-q100", encode(of(60, 50), "quality=100")
    yield "ycc420-optimized", encode(of(300, 225), "optimize")
    yield "ycc420-restart1", encode(of(130, 70), "restart=1")
    yield "ycc422-restart7", encode(of(131, 71), "sampling=2x1,1x1,1x1", "restart=7")
    yield "ycc420-separate-scans", encode(of(99, 64), "separate")
    yield "ycc420-no-jfif", encode(of(64, 99), "no-jfif")
    yield "rgb", encode(of(80, 60), "space=rgb")
    yield "progressive420", encode(of(257, 191), "progressive")
    yield "progressive444-restart", encode(of(90, 127), "progressive", "sampling=1x1,1x1,1x1", "restart=5")
    yield "gray", with_pillow(of(120, 90, 1)[:, :, 0], quality=90)
    yield "gray-progressive", encode(of(77, 121, 1), "progressive")
    yield "gray-sampling22", encode(of(45, 35, 1), "sampling=2x2")
    yield "gray28", with_pillow(of(28, 28, 1)[:, :, 0])
    yield "cmyk", encode(of(97, 71, 4), "space=cmyk")
    yield "cmyk-no-adobe", encode(of(71, 97, 4), "space=cmyk", "no-adobe")
    yield "ycck444", encode(of(88, 66, 4), "space=ycck", "sampling=1x1,1x1,1x1,1x1")
    yield "ycck420-progressive", encode(of(91, 63, 4), "space=ycck", "sampling=2x2,1x1,1x1,2x2", "progressive")
    yield "exif-orientation6", with_pillow(of(160, 100), exif=orientation(6))
    yield "icc-profile", with_pillow(of(100, 140), icc_profile=srgb_profile())
    for width, height in ((1, 1), (1, 37), (53, 1), (2, 3), (7, 9), (255, 257), (256, 256), (227, 400), (1000, 16)):
        yield f"size{width}x{height}", encode(of(width, height), "quality=80")
    yield "large8000x6000", encode(large(np.random.RandomState(99)), "progressive", "quality=60")

    plain = encode(of(70, 50))
    scan = plain.index(b"\xff\xda")
    middle = (scan + len(plain)) // 2
    yield "odd-bytes-before-marker", plain[:scan] + b"\x00\x17\x2a" + plain[scan:]
    yield "odd-fill-bytes", plain[:scan] + b"\xff\xff\xff" + plain[scan:]
    yield "odd-trailing-bytes", plain + b"trailing \xff\xda bytes"
    yield "bad-missing-end", plain[:-2]
    yield "padded-early-end", plain[:middle] + b"\xff\xd9"
    yield "odd-junk-before-end", plain[:-2] + b"\x12\x34" * 20 + plain[-2:]
    yield "bad-second-scan", plain[:-2] + plain[scan:]
    yield "bad-second-start", plain[:2] + plain
    yield "bad-two-components", encode(of(40, 30, 2), "space=unknown")
    yield "bad-12-bits", plain.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c")
    yield "bad-no-tables", plain[:2] + plain[plain.index(b"\xff\xc0"):]


def describe(name, data):
    """Lines of images.txt for one image."""
    if name.startswith("padded") or decode(data, 3) is None:
        yield f"refused {name}"
        return
    for channels in (3, 1):
        image = decode(data, channels)
        yield f"pixels {name} {channels} {image.width} {image.height} {digest(np.asarray(image))}"
        settings = [(256, 224, "bilinear"), (32, 28, "bicubic")] if channels == 3 else [(28, 28, "bilinear")]
        if channels == 3 and image.width * image.height < 100000:
            settings += [(232, 224, "bilinear"), (224, 299, "bicubic"), (0, 65, "bilinear"), (64, 64, "bicubic")]
        for resize, crop, interpolation in settings:
            value = digest(tensor(image, channels, resize, crop, interpolation))
            yield f"tensor {name} {channels} {resize} {crop} {interpolation} {value}"
    if name in TRUNCATED:
        sizes = [len(data) * percent // 100 for percent in range(100)]
        sizes += [len(data) - n for n in range(1, 17)]
        if all(decode(data[:size], 3) is None for size in sizes):
            yield f"truncated {name}"


def main():
    os.makedirs(FOLDER, exist_ok=True)
    lines = [f"# Made by make_images.py with {versions()}"]
    total = 0
    for name, data in kinds():
        with open(os.path.join(FOLDER, name + ".jpg"), "wb") as out:
            out.write(data)
        lines += describe(name, data)
        total += len(data)
    with open(os.path.join(HERE, "images.txt"), "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")
    print(f"{total} bytes of images, {len(lines)} lines")


if __name__ == "__main__":
    main()
