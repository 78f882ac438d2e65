#!/usr/bin/python3
"""Every torchvision classification network that `credence models` lists, against torchvision: a table of errors.

  zoo.py [--only NAME]... [--largest MILLIONS] [--image FILE] CREDENCE

For each: weights by formula, saved by torch (every third in the legacy format, and under a wrapper with a prefix);
`convert` without --arch must find the architecture; the tensor of an image must equal that of the transform of its
IMAGENET1K_V1 weights, bit for bit; `predict --deterministic` gives logits within 1e-4 of the largest; MOPED's KL
divergence is that of its formula; three draws are finite and differ. GoogLeNet and Inception v3: their weights come
with an input transform of the network's own, which is part of the transform here, so that tensors are equal to 1e-6.
Networks above --largest (default 400) million parameters, ViT H/14 and RegNetY 128GF, are left out. Needs torch, torchvision, h5py, Pillow.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "golden"))
sys.dont_write_bytecode = True
try:
    import h5py
    import numpy as np
    import random_resnet
    import torch
    import torchvision
    import zoo_models
    from PIL import Image
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

OWN_TRANSFORM = ("googlenet", "inception_v3")
LIMIT, DELTA = 1e-4, 0.05


def credence(program, *arguments):
    done = subprocess.run([program, *map(str, arguments), "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"credence {arguments[0]}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def logits_of(program, folder, *arguments):
    credence(program, "predict", folder / "posterior.h5", folder / "image.jpg", "--save-draws", *arguments, "-o", folder / "out.h5")
    with h5py.File(folder / "out.h5") as file:
        found = next(file[group] for group in ("predictions", "posterior_predictive") if group in file)
        logits = found["logits"][0]
    (folder / "out.h5").unlink()
    return logits[:, 0]


def transform_of(name):
    weights = list(torchvision.models.get_model_weights(name))
    usual = ("IMAGENET1K_V1", "IMAGENET1K_SWAG_LINEAR_V1")  # the second is ViT H/14's at its own size
    return next(w for w in weights if w.name in usual).transforms()


def kl_of(model, state):
    """Of all weights and biases of convolutions and linear layers, mu w and sigma DELTA |w|, to N(0, 1)."""
    total = 0.0
    for module_name, module in model.named_modules():
        if not isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            continue
        for leaf in ("weight", "bias"):
            name = f"{module_name}.{leaf}"
            if name in state:
                w = state[name].double()
                total += (-torch.log(DELTA * w.abs()) + (1 + DELTA * DELTA) * w.square() / 2 - 0.5).sum().item()
    return total


def check(program, folder, row, legacy):
    """Errors of one network; what is above its limit."""
    name = row["name"]
    model = zoo_models.build(name, 3, row["image_size"], 1000).eval()
    state = zoo_models.state(model)
    with torch.no_grad():
        for key, value in state.items():
            value.copy_(zoo_models.fill_parameter(key, tuple(value.shape)))
            value[value == 0] = 1e-3  # a weight of 0 has no KL divergence
    saved = {"state_dict": {"module." + k: v for k, v in model.state_dict().items()}} if legacy else model.state_dict()
    torch.save(saved, folder / "weights.pth", _use_new_zipfile_serialization=not legacy)
    options = ["--weights-key", "state_dict"] if legacy else []
    start = time.monotonic()
    facts = json.loads(credence(program, "convert", "--weights", folder / "weights.pth", *options, "--moped-delta", DELTA,
                                "--sigma-min", 0, "-o", folder / "posterior.h5", "--json"))
    convert_s = time.monotonic() - start
    (folder / "weights.pth").unlink()
    credence(program, "preprocess", folder / "posterior.h5", folder / "image.jpg", "-o", folder / "tensors.h5")
    with h5py.File(folder / "tensors.h5") as file:
        ours = file["constant_data/images"][0]
    theirs = transform_of(name)(Image.open(folder / "image.jpg").convert("RGB"))
    if name in OWN_TRANSFORM:
        model.transform_input = True
        own = model._transform_input(theirs[None])[0].numpy()
        is_same = np.abs(own - ours).max() < 1e-6
    else:
        is_same = np.array_equal(theirs.numpy(), ours)
    with torch.no_grad():
        expected = model(theirs[None])[0].numpy()
    largest = np.abs(expected).max()
    error = np.abs(logits_of(program, folder, "--deterministic")[0] - expected).max() / largest
    draws = logits_of(program, folder, "--draws", 3, "--seed", 1)
    kl_error = abs(facts["kl_sum"] / kl_of(model, state) - 1)
    faults = [what for what, fails in (("arch", facts["arch"] != name), ("logits", not error <= LIMIT),
                                       ("transform", not is_same), ("KL", not kl_error < 1e-5),
                                       ("draws", not (np.isfinite(draws).all() and np.ptp(draws, axis=0).max() > 0)))
              if fails]
    spread = (draws - expected).std() / expected.std()
    print(f"{name:20s} {'legacy' if legacy else 'zip':6s} {error:8.1e} {'equal' if is_same else 'DIFFER':9s} {kl_error:8.1e} "
          f"{spread:7.2f} {convert_s:7.1f}  {'FAILED: ' + ', '.join(faults) if faults else 'ok'}", flush=True)
    return not faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--only", action="append")
    parser.add_argument("--largest", type=float, default=400)
    parser.add_argument("--image", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    known = torchvision.models.list_models(module=torchvision.models)
    rows = [m for m in json.loads(credence(args.program, "models", "--json"))["models"] if m["name"] in known]
    rows = [m for m in rows if (not args.only or m["name"] in args.only) and m["n_parameters"] <= args.largest * 1e6]
    failed = []
    print(f"{zoo_models.VERSIONS}\n{'network':20s} {'format':6s} {'logits':>8s} {'transform':9s} {'KL':>8s} {'spread':>7s} "
          f"{'convert':>7s}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        image = args.image.read_bytes() if args.image else None
        if image is None:
            Image.fromarray(random_resnet.natural_image(np.random.default_rng(3), 375, 500)).save(folder / "image.jpg", quality=92)
        else:
            (folder / "image.jpg").write_bytes(image)
        for i, row in enumerate(rows):
            try:
                if not check(args.program, folder, row, i % 3 == 2):
                    failed.append(row["name"])
            except RuntimeError as fault:
                print(f"{row['name']:20s} FAILED: {fault}", flush=True)
                failed.append(row["name"])
    print(f"{len(rows)} networks, {len(failed)} failed {' '.join(failed)}")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
