"""What Pillow and torchvision make of a JPEG, and JPEGs of all kinds to ask them about."""
import ctypes
import io
import os
import subprocess
import tempfile

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, features
from torchvision import transforms

xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits.restype = ctypes.c_uint64
xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]

Image.MAX_IMAGE_PIXELS = 100_000_000  # Pillow refuses twice as many: our limit

MODES = {1: "L", 3: "RGB"}
# ImageNet's for colour, Fashion-MNIST's for gray.
MEAN = {1: (0.2860,), 3: (0.485, 0.456, 0.406)}
SD = {1: (0.3530,), 3: (0.229, 0.224, 0.225)}
INTERPOLATION = {"bilinear": transforms.InterpolationMode.BILINEAR,
                 "bicubic": transforms.InterpolationMode.BICUBIC}


def versions():
    return (f"Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}, "
            f"torch {torch.__version__}, torchvision {torchvision.__version__}, numpy {np.__version__}")


def digest(array):
    data = np.ascontiguousarray(array).tobytes()
    return f"{xxhash.XXH3_64bits(data, len(data)):016x}"


def decode(data, channels):
    """The image as torchvision's loader opens it, or None where Pillow refuses."""
    try:
        return Image.open(io.BytesIO(data)).convert(MODES[channels])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def tensor(image, channels, resize, crop, interpolation):
    steps = [transforms.Resize(resize, INTERPOLATION[interpolation])] if resize else []
    steps += [transforms.CenterCrop(crop), transforms.ToTensor(),
              transforms.Normalize(MEAN[channels], SD[channels])]
    return transforms.Compose(steps)(image).numpy()


def picture(random, width, height, components, noise=6.0):
    """Waves, boxes with sharp edges and a little noise: (height, width, components) uint8."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    planes = []
    for _ in range(components):
        a, b, phase = random.uniform(-0.15, 0.15, 2).tolist() + [random.uniform(0, 6.28)]
        plane = 128 + 80 * np.sin(a * x + b * y + phase) + 40 * x / width - 40 * y / height
        planes.append(plane)
    pixels = np.stack(planes, axis=2)
    for _ in range(5):
        left, top = random.randint(0, width), random.randint(0, height)
        box = pixels[top:top + random.randint(1, height + 1), left:left + random.randint(1, width + 1)]
        box[:] = random.uniform(0, 255, components)
    pixels += random.normal(0, noise, pixels.shape)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


class Encoder:
    """encode_jpeg.c, compiled into a temporary folder."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.program = os.path.join(self.folder.name, "encode_jpeg")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "encode_jpeg.c")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", source, "-o", self.program, "-ljpeg"], check=True)

    def __call__(self, pixels, *options):
        height, width, components = pixels.shape
        command = [self.program, str(width), str(height), str(components), *options]
        return subprocess.run(command, input=pixels.tobytes(), stdout=subprocess.PIPE, check=True).stdout
