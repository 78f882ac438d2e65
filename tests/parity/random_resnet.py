#!/usr/bin/python3
"""Saves a torchvision ResNet with random weights of realistic scale, where the pretrained file is not at hand.

  random_resnet.py [--arch resnet18] [--seed 1] [--jpeg IMAGE.jpg] WEIGHTS.pth

He initialisation, batch norm off its defaults with running statistics calibrated on images with natural
spectra, and a last layer scaled so that logits are O(1..10) and differ from image to image. --jpeg also
writes such an image. Needs torch, torchvision, Pillow.
"""
import argparse

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn

ARCHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
         "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2")
MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LOGIT_SD = 3.0  # a top probability between a few per cent and nearly 1, as a trained network has


def natural_image(random, height, width):
    """uint8 (height, width, 3): 1/f noise whose channels go together, with a few flat patches for edges."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    falloff = 1 / np.maximum(np.hypot(fy, fx), 1 / max(height, width))

    def field():
        noise = np.fft.irfft2(np.fft.rfft2(random.standard_normal((height, width))) * falloff, (height, width))
        return (noise - noise.mean()) / noise.std()
    grey = field()
    image = np.stack([grey + 0.4 * field() for _ in range(3)], -1) * random.uniform(30, 65)
    image += random.uniform(80, 160) + random.normal(0, 15, 3)
    for _ in range(random.integers(2, 7)):
        top, left = random.integers(0, height - 8), random.integers(0, width - 8)
        h, w = random.integers(8, height // 2 + 8), random.integers(8, width // 2 + 8)
        patch = image[top:top + h, left:left + w]
        patch += random.uniform(0.3, 0.9) * (random.uniform(0, 255, 3) - patch)
    return np.clip(image, 0, 255).round().astype(np.uint8)


def batch(random, n):
    images = np.stack([natural_image(random, 224, 224) for _ in range(n)]).astype(np.float32) / 255
    return torch.from_numpy(((images - np.float32(MEAN)) / np.float32(SD)).transpose(0, 3, 1, 2).copy())


def make(arch, seed, n_images=16):
    """The network, in eval mode."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    net = getattr(torchvision.models, arch)()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            module.momentum = None  # running statistics: the plain average over the batches
    for block in net.modules():
        if isinstance(block, (torchvision.models.resnet.BasicBlock, torchvision.models.resnet.Bottleneck)):
            last = block.bn3 if hasattr(block, "bn3") else block.bn2
            last.weight.data.mul_(0.3)  # else deep networks magnify single images a hundredfold
    images = batch(random, n_images)
    with torch.no_grad():
        net.train()
        for part in images.split(8):
            net(part)
        net.eval()
        features = []
        hook = net.fc.register_forward_pre_hook(lambda module, inputs: features.append(inputs[0]))
        for part in images.split(8):
            net(part)
        hook.remove()
        features = torch.cat(features)
        centre = features.mean(0)
        net.fc.weight.normal_()
        net.fc.weight.mul_(LOGIT_SD / ((features - centre) @ net.fc.weight.T).std())
        net.fc.bias.copy_(torch.randn(net.fc.out_features) * 0.5 - net.fc.weight @ centre)
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights")
    parser.add_argument("--arch", default="resnet18", choices=ARCHS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jpeg", help="also write an image of natural spectrum")
    args = parser.parse_args()
    torch.save(make(args.arch, args.seed).state_dict(), args.weights)
    if args.jpeg:
        Image.fromarray(natural_image(np.random.default_rng(args.seed), 375, 500)).save(args.jpeg, quality=92)


if __name__ == "__main__":
    main()
