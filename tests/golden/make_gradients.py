#!/usr/bin/python3
"""Golden gradients of bayesian-torch by torch's autograd: writes tests/golden/bayes/gradients.{txt,bin}.

Needs what make_bayes.py needs, and its output: the network "tiny", its images and its eps.
Cases: <estimator>/<loss>/<mode of batch norm>. bayesian-torch draws flipout's signs from torch's generator; here they are
Credence's, from Philox (seed 17, draw 3, images 0 and 1), one a channel or one a pixel.
Values: CASE/loss. Tensors: CASE/<name in the state dict>: the gradient's norm, then every 7th of its elements;
for batch norm in training also running_mean and running_var, which are the batch's own (momentum 1). targets: of mse.
"""
import contextlib
import sys
from importlib import metadata

import h5py
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import make_bayes
from make_bayes import OUT, bayesian_layers, convert, make_tiny, patched, replayed

SEED, DRAW, STRIDE = 17, 3, 7
SIGN_IN, SIGN_OUT = 2, 3
MASK = 0xFFFFFFFF
LABELS = [1, 4]


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011)."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & MASK, (p0 >> 32) ^ c[3] ^ k[1], p0 & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def signs(shape, tensor, purpose, per_pixel):
    """-1 where the top bit of an element's word is set; include/credence/rng.h has its address."""
    result = np.empty(shape, np.float32)
    for image in range(shape[0]):
        n = int(np.prod(shape[1:])) if per_pixel else shape[1]
        blocks = [philox((index, DRAW, image, tensor << 8 | purpose), (SEED, 0)) for index in range((n + 63) // 64 * 16)]
        words = [blocks[e // 64 * 16 + e % 16][e // 16 % 4] for e in range(n)]
        sign = np.array([-1.0 if word >> 31 else 1.0 for word in words], np.float32)
        result[image] = sign.reshape(shape[1:] if per_pixel else (shape[1],) + (1,) * (len(shape) - 2))
    return torch.from_numpy(result)


def credence_signs(net, state, per_pixel):
    """Flipout layers run in the order of the modules, the sign of the input first."""
    table = [name for name in state if not name.endswith("num_batches_tracked")]
    queue = [(table.index(f"{layer}.weight"), purpose) for layer in bayesian_layers(net) for purpose in (SIGN_IN, SIGN_OUT)]
    pending = iter(queue)

    def uniform(self, *_):
        return self.copy_(signs(tuple(self.shape), *next(pending), per_pixel))
    return patched("uniform_", uniform)


def losses(targets):
    return {"cross-entropy": lambda logits: F.cross_entropy(logits, torch.tensor(LABELS)),
            "mse": lambda logits: F.mse_loss(logits, targets)}


class Record(make_bayes.Record):
    def case(self, key, net, loss, images, contexts, train):
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1
        net.train(train)
        with contextlib.ExitStack() as stack:
            for context in contexts:
                stack.enter_context(context)
            value = loss(net(images))
        value.backward()
        self.values[f"{key}/loss"] = value.item()
        for name, parameter in net.named_parameters():
            flat = parameter.grad.flatten()
            self.tensor(f"{key}/{name}", torch.cat([flat.double().norm().float()[None], flat[::STRIDE]]))
        if train:
            for name, value in net.named_buffers():
                if ".running_" in name:
                    self.tensor(f"{key}/{name}", value)


def main():
    versions = (f"make_gradients.py; bayesian-torch {metadata.version('bayesian-torch')}, torch {torch.__version__}, "
                f"numpy {np.__version__}, h5py {h5py.__version__}, Python {sys.version.split()[0]}")
    torch.set_num_threads(1)
    torch.manual_seed(21)
    state = torch.load(OUT / "tiny.pth")
    with h5py.File(OUT / "tiny.h5") as file:
        images = torch.from_numpy(file["images"][:])
        eps = {}
        file["eps"].visititems(lambda name, item: eps.update({name: torch.from_numpy(item[()])})
                               if isinstance(item, h5py.Dataset) else None)
    record = Record("gradients", True)
    targets = torch.randn(2, 5)
    record.tensor("targets", targets)
    for loss, mode in (("cross-entropy", "eval"), ("cross-entropy", "train"), ("mse", "train"), ("mse", "eval")):
        net = convert(make_tiny, state)
        record.case(f"reparameterization/{loss}/{mode}", net, losses(targets)[loss], images, [replayed(net, eps)],
                    mode == "train")
    for estimator, per_pixel in (("flipout", False), ("flipout-pixel", True)):
        net = convert(make_tiny, state, type="Flipout")
        record.case(f"{estimator}/cross-entropy/eval", net, losses(targets)["cross-entropy"], images,
                    [replayed(net, eps), credence_signs(net, state, per_pixel)], False)
    lines, offset = [f"# {versions}"], 0
    lines += [f"value {key} {value:.12g}" for key, value in record.values.items()]
    with open(OUT / "gradients.bin", "wb") as raw:
        for key, tensor in record.tensors.items():
            lines.append(" ".join(["tensor", key, str(offset), *map(str, tensor.shape)]))
            raw.write(tensor.astype("<f4").tobytes())
            offset += tensor.size
    (OUT / "gradients.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
