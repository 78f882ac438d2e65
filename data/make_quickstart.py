#!/usr/bin/python3
"""Makes the quickstart's inputs from Debian's dataset-fashion-mnist (needs torch, numpy, Pillow).

  make_quickstart.py train      quickstart_weights.pth: a CIFAR ResNet-8 for 28x28 grey images
  make_quickstart.py calibrate  table of moped_delta against held-out accuracy, NLL and ECE
  make_quickstart.py images     images/NN_label.jpg from the test set, fashion_mnist_classes.txt

All seeds are fixed; README.md beside this file has the figures and versions of the run that made
the committed files.
"""
import argparse
import gzip
import math
import pathlib
import time

import numpy as np
import PIL.Image
import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path("/usr/share/datasets/fashion-mnist")
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
           "Sandal", "Shirt", "Sneaker", "Bag", "Ankle_boot"]
MEAN, SD = 0.2860, 0.3530
N_HELD_OUT = 2000  # the last images of the training set: never trained on, they choose delta


class Shortcut(nn.Module):
    """Option A of He et al. 2016: every second pixel, zeros for the channels that are new."""

    def __init__(self, pad):
        super().__init__()
        self.pad = pad

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut = Shortcut((n_out - n_in) // 2) if n_out != n_in else nn.Identity()

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class CifarResNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2))
        self.layer3 = nn.Sequential(Block(32, 64, 2))
        self.linear = nn.Linear(64, len(CLASSES))
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def read_idx(name):
    with gzip.open(SOURCE / name) as file:
        data = file.read()
    n_dims = data[3]
    shape = np.frombuffer(data, ">i4", n_dims, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * n_dims).reshape(shape)


def load(part):
    images = read_idx(f"{part}-images-idx3-ubyte.gz")
    labels = read_idx(f"{part}-labels-idx1-ubyte.gz").astype(np.int64)
    x = (torch.from_numpy(images.astype(np.float32)) / 255 - MEAN) / SD
    return x[:, None], torch.from_numpy(labels), images


def predict(net, x, batch=100):
    with torch.no_grad():
        return torch.cat([net(x[i:i + batch]) for i in range(0, len(x), batch)])


def ece(probs, labels, n_bins=15):
    """Expected calibration error over equal-width bins of the top probability."""
    top, guess = probs.max(1)
    bins = (top * n_bins).long().clamp(max=n_bins - 1)
    right = (guess == labels).double()
    return sum(abs((right[bins == b] - top[bins == b]).sum()) for b in range(n_bins)).item() / len(top)


def scores(probs, labels):
    accuracy = (probs.argmax(1) == labels).double().mean().item()
    nll = -probs[torch.arange(len(labels)), labels].clamp(min=1e-30).log().mean().item()
    return accuracy, nll, ece(probs, labels)


def augment(x, generator):
    """Mirrors half of the batch and shifts all of it by up to two pixels."""
    flip = torch.rand(len(x), generator=generator) < 0.5
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    dy, dx = torch.randint(0, 5, (2,), generator=generator).tolist()
    return F.pad(x, (2, 2, 2, 2), value=-MEAN / SD)[:, :, dy:dy + 28, dx:dx + 28]


def train(epochs, batch=128, lr=0.2):
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    x, labels, _ = load("train")
    x, labels = x[:-N_HELD_OUT], labels[:-N_HELD_OUT]
    net = CifarResNet8()
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    n_batches = len(x) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, epochs * n_batches)
    start = time.monotonic()
    for epoch in range(epochs):
        net.train()
        order = torch.randperm(len(x), generator=generator)
        total = 0.0
        for i in range(n_batches):
            index = order[i * batch:(i + 1) * batch]
            loss = F.cross_entropy(net(augment(x[index], generator)), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / n_batches:.4f}, "
              f"{time.monotonic() - start:.0f} s", flush=True)
    torch.save(net.state_dict(), HERE / "quickstart_weights.pth")
    net.eval()
    x, labels, _ = load("t10k")
    accuracy, nll, error = scores(predict(net, x).double().softmax(1), labels)
    print(f"test: accuracy {accuracy:.4f}, NLL {nll:.4f}, ECE {error:.4f}")


def load_net():
    net = CifarResNet8()
    net.load_state_dict(torch.load(HERE / "quickstart_weights.pth"))
    return net.eval()


def draw_probs(x, delta, n_draws):
    """Class probabilities (draw, image, class) with w = mu + delta |mu| eps, as convert --moped has it."""
    torch.manual_seed(3)
    net = load_net()
    layers = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    weights = [p for layer in layers for p in layer.parameters()]
    mu = [p.detach().clone() for p in weights]
    probs = []
    with torch.no_grad():
        for _ in range(n_draws):
            for weight, mean in zip(weights, mu):
                weight.copy_(mean + delta * mean.abs() * torch.randn_like(mean))
            probs.append(predict(net, x).double().softmax(1))
    return torch.stack(probs)


def entropy(probs):
    return -(probs * probs.clamp(min=1e-300).log()).sum(-1)


def calibrate(n_draws):
    x, labels, _ = load("train")
    x, labels = x[-N_HELD_OUT:], labels[-N_HELD_OUT:]
    print("| moped_delta | accuracy % | NLL | NLL above delta 0 | ECE | predictive entropy | mutual information |")
    print("|---|---|---|---|---|---|---|")
    for delta in (0, 0.02, 0.05, 0.06, 0.07, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5):
        probs = draw_probs(x, delta, n_draws if delta else 1)
        mean = probs.mean(0)
        accuracy, nll, error = scores(mean, labels)
        log_loss = -mean[torch.arange(len(labels)), labels].log()
        if delta == 0:
            base = log_loss
        excess = log_loss - base
        total, expected = entropy(mean).mean().item(), entropy(probs).mean().item()
        print(f"| {delta} | {100 * accuracy:.2f} | {nll:.4f} | "
              f"{excess.mean():+.4f} ± {excess.std() / len(excess)**0.5:.4f} | {error:.4f} | "
              f"{total:.3f} | {total - expected:.3f} |", flush=True)


def choose(labels, probs):
    """Test images for the quickstart: (index, why). By rules, so that nobody's taste is in it."""
    mean = probs.mean(0)
    total = entropy(mean)
    aleatoric = entropy(probs).mean(0)
    epistemic = total - aleatoric
    right = mean.argmax(1) == labels
    tops = (labels == 0) | (labels == 2) | (labels == 4) | (labels == 6)  # T-shirt, pullover, coat, shirt
    chosen = {}

    def take(n, score, among, why):
        order = torch.where(among, score, -math.inf).argsort(descending=True, stable=True)
        for index in [i for i in order.tolist() if i not in chosen][:n]:
            chosen[index] = why

    for label in range(len(CLASSES)):
        take(1, -total, right & (labels == label), "clear")
    take(3, epistemic, right & tops, "right, epistemic")
    take(2, aleatoric, right & tops, "right, aleatoric")
    take(2, -total, ~right, "wrong and sure")
    take(2, epistemic, ~right & ~tops, "wrong, epistemic")
    take(1, aleatoric, ~right, "wrong, aleatoric")
    return chosen, mean, total, epistemic


def images(delta, n_draws):
    """Writes the chosen images and class file, prints the table of README.md, measured on the JPEGs."""
    x, labels, pixels = load("t10k")
    probs = draw_probs(x, delta, n_draws)
    accuracy, nll, error = scores(probs.mean(0), labels)
    print(f"test, delta {delta}, {n_draws} draws: accuracy {accuracy:.4f}, NLL {nll:.4f}, ECE {error:.4f}")
    chosen, *_ = choose(labels, probs)
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    names, decoded = [], []
    for number, index in enumerate(chosen):
        label = CLASSES[labels[index]].lower().replace("/", "_")
        names.append(f"{number:02d}_{label}.jpg")
        PIL.Image.fromarray(pixels[index]).save(folder / names[-1], quality=95)
        decoded.append(np.asarray(PIL.Image.open(folder / names[-1])))
    x = (torch.from_numpy(np.stack(decoded).astype(np.float32))[:, None] / 255 - MEAN) / SD
    probs = draw_probs(x, delta, 1000)
    mean = probs.mean(0)
    total, expected = entropy(mean), entropy(probs).mean(0)
    print("| file | test image | chosen as | predicted | entropy, nats | epistemic |\n|---|---|---|---|---|---|")
    for i, (name, (index, why)) in enumerate(zip(names, chosen.items())):
        best = mean[i].argsort(descending=True)[:2].tolist()
        guess = ", ".join(f"{CLASSES[c]} {100 * mean[i, c]:.1f} %" for c in best)
        print(f"| {name} | {index} | {why} | {guess} | {total[i]:.3f} | {total[i] - expected[i]:.3f} |")
    lines = (f"{number}, {name}\n" for number, name in enumerate(CLASSES))
    (HERE / "fashion_mnist_classes.txt").write_text("".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("step", choices=("train", "calibrate", "images"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--delta", type=float, default=0.05, help="moped_delta of the images' table")
    parser.add_argument("--draws", type=int, default=50)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, numpy {np.__version__}, Pillow {PIL.__version__}")
    if args.step == "train":
        train(args.epochs)
    elif args.step == "calibrate":
        calibrate(args.draws)
    else:
        images(args.delta, args.draws)


if __name__ == "__main__":
    main()
