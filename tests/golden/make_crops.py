#!/usr/bin/env python3
"""Writes crops.txt: torchvision's RandomResizedCrop.get_params on given random numbers.

A line: the start of the generator, width, height, and the part taken: left, top, width, height. The generator is
augment_test.c's; torch's own is replaced by it. Made with torch 1.13.0 and torchvision 0.14.1.
"""
import pathlib

import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop

SIZES = [(224, 224), (500, 375), (375, 500), (28, 28), (32, 32), (1, 1), (2, 3), (1000, 10), (10, 1000), (3, 400), (7, 5)]


class Uniforms:
    """Four numbers a try, in the order area, ratio, top, left."""

    def __init__(self, start):
        self.state = start
        self.tries = []
        for _ in range(10):
            self.tries.append([self.word() / 2**32 for _ in range(4)])
        self.i_try = -1
        self.i_uniform = 0

    def word(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> 32

    def uniform(self, low, high):
        if self.i_uniform % 2 == 0:
            self.i_try += 1
        u = self.tries[self.i_try][self.i_uniform % 2]
        self.i_uniform += 1
        self.i_int = 2
        return torch.full((1,), float(low) + (float(high) - float(low)) * u, dtype=torch.float64)

    def integer(self, low, high):
        u = self.tries[self.i_try][self.i_int]
        self.i_int += 1
        return torch.tensor([low + int(u * (high - low))])


def main():
    lines = []
    for start in range(8):
        for width, height in SIZES:
            numbers = Uniforms(start)

            class Empty:
                def uniform_(self, low, high):
                    return numbers.uniform(low, high)

            empty, randint = torch.empty, torch.randint
            torch.empty = lambda *_: Empty()
            torch.randint = lambda low, high, size: numbers.integer(low, high)
            try:
                image = Image.new("L", (width, height))
                top, left, h, w = RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3])
            finally:
                torch.empty, torch.randint = empty, randint
            lines.append(f"{start} {width} {height} {left} {top} {w} {h}\n")
    pathlib.Path(__file__).with_name("crops.txt").write_text("".join(lines))


main()
