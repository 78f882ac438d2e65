"""Writes zoo_names.txt: for every architecture its parameters in the order of torch's state dict, a line each.

Run in this folder: PYTHONPATH=<folder of bayesian_torch 0.5.0> python3 make_names.py
"""
import zoo_models

small = {"lenet": (1, 28, 10), "simple_cnn": (1, 28, 10)}
with open("zoo_names.txt", "w") as out:
    out.write(f"# make_names.py, {zoo_models.VERSIONS}\n")
    for arch in zoo_models.TORCHVISION + [f"cifar_resnet{d}" for d in zoo_models.CIFAR] + list(small):
        default = (3, 224, 1000) if arch in zoo_models.TORCHVISION else (3, 32, 10)
        model = zoo_models.build(arch, *small.get(arch, default))
        out.write(f"arch {arch} {sum(p.numel() for p in model.parameters())}\n")
        for name, value in zoo_models.state(model).items():
            out.write(f"{name} ({', '.join(map(str, value.shape))})\n")
