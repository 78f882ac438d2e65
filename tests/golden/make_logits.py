"""Writes zoo_logits.txt: what torch makes of formula-made images and weights (zoo_models.py).

Run in this folder, with bayesian-torch 0.5.0 and efficientnet-lite-pytorch: python3 make_logits.py
"""
import torch
import zoo_models

CASES = [("resnet18", 3, 224, 1000, 1), ("resnet50", 3, 224, 1000, 1), ("resnet18", 1, 65, 7, 2)]
CASES += [(arch, 3, 96, 16, 1) for arch in
          ["resnet34", "resnet101", "resnext50_32x4d", "resnext101_64x4d", "wide_resnet50_2", "vgg11", "vgg13_bn",
           "squeezenet1_0", "squeezenet1_1", "densenet121", "densenet161", "googlenet", "inception_v3", "mobilenet_v2",
           "mobilenet_v3_large", "mobilenet_v3_small", "mnasnet0_5", "mnasnet1_3", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0",
           "efficientnet_b0", "efficientnet_b5", "efficientnet_v2_s", "regnet_x_400mf", "regnet_y_400mf", "regnet_y_3_2gf",
           "convnext_tiny"]]
CASES += [("alexnet", 3, 100, 16, 2), ("efficientnet_lite0", 3, 97, 16, 2), ("efficientnet_lite4", 3, 96, 16, 1),
          ("mobilenet_v2", 3, 65, 9, 3)]
CASES += [("vit_b_32", 3, 64, 16, 2), ("vit_b_16", 3, 48, 16, 1), ("swin_t", 3, 100, 16, 2), ("swin_b", 3, 64, 16, 1),
          ("swin_v2_t", 3, 100, 16, 2), ("swin_v2_s", 3, 64, 16, 1), ("maxvit_t", 3, 224, 16, 1)]
CASES += [(f"cifar_resnet{depth}", 3, 32, 10, 3) for depth in zoo_models.CIFAR]
CASES += [("cifar_resnet20_frn", 3, 32, 10, 3), ("cifar_resnet110_frn", 3, 32, 10, 1)]
CASES += [("lenet", 1, 28, 10, 3), ("lenet", 3, 33, 5, 2), ("lenet_small", 1, 14, 10, 3), ("simple_cnn", 1, 28, 10, 3)]


def logits_of(model, images):
    """What is before a softmax at the end, where the model has one."""
    kept = []
    last = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    if last:
        last[-1].register_forward_hook(lambda module, args, out: kept.append(out))
    out = model(images)
    return kept[0] if kept else out


with open("zoo_logits.txt", "w") as out:
    out.write(f"# make_logits.py, {zoo_models.VERSIONS}\n")
    for arch, channels, size, n_classes, n_images in CASES:
        model = zoo_models.build(arch, channels, size, n_classes)
        with torch.no_grad():
            for name, value in zoo_models.state(model).items():
                value.copy_(zoo_models.fill_parameter(name, tuple(value.shape)))
            images = zoo_models.fill("images", (n_images, channels, size, size), 1, 0)
            logits = logits_of(model.eval(), images)
        out.write(f"case {arch} {channels} {size} {n_classes} {n_images}\n")
        for row in logits:
            out.write(" ".join(f"{v:.9g}" for v in row.tolist()) + "\n")
        print(arch, size, f"{logits.abs().max():.4g}", f"{logits.std():.4g}")
