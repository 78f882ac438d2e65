"""Writes zoo_logits.txt: what torch makes of formula-made images and weights (zoo_models.py).

Run in this folder: PYTHONPATH=<folder of bayesian_torch 0.5.0> python3 make_logits.py
"""
import torch
import zoo_models

CASES = [("resnet18", 3, 224, 1000, 1), ("resnet50", 3, 224, 1000, 1), ("resnet18", 1, 65, 7, 2)]
CASES += [(arch, 3, 224, 16, 1) for arch in zoo_models.TORCHVISION if arch not in ("resnet18", "resnet50")]
CASES += [(f"cifar_resnet{depth}", 3, 32, 10, 3) for depth in zoo_models.CIFAR]
CASES += [("lenet", 1, 28, 10, 3), ("lenet", 3, 33, 5, 2), ("simple_cnn", 1, 28, 10, 3)]

with open("zoo_logits.txt", "w") as out:
    out.write(f"# make_logits.py, {zoo_models.VERSIONS}\n")
    for arch, channels, size, n_classes, n_images in CASES:
        model = zoo_models.build(arch, channels, size, n_classes)
        with torch.no_grad():
            for name, value in zoo_models.state(model).items():
                value.copy_(zoo_models.fill_parameter(name, tuple(value.shape)))
            images = zoo_models.fill("images", (n_images, channels, size, size), 1, 0)
            logits = zoo_models.Logits(model.eval())(images)
        out.write(f"case {arch} {channels} {size} {n_classes} {n_images}\n")
        for row in logits:
            out.write(" ".join(f"{v:.9g}" for v in row.tolist()) + "\n")
        print(arch, size, f"{logits.abs().max():.4g}", f"{logits.std():.4g}")
