#!/usr/bin/python3
"""Holds the transformers of the zoo against torchvision: zoo_tokens.py [--archs NAME]... CREDENCE

With torch's random weights, spread so that nothing is zero or one (the first file in torch's legacy format): the tensor
of a picture against the default weights' transform, in every bit; deterministic logits; a MOPED posterior of all layers,
its KL divergence against the formula in double, and the logits of one draw with known eps. Networks of more than 100
million weights have a Bayesian head only. Needs torch, torchvision, h5py, Pillow; made with torch 2.15, torchvision 0.29.
Exit code 77: a package is missing.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent)]
sys.dont_write_bytecode = True
try:
    import h5py
    import numpy as np
    import random_resnet
    import torch
    import torchvision
    from PIL import Image
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ARCHS = ("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14", "swin_t", "swin_s", "swin_b", "swin_v2_t", "swin_v2_s",
         "swin_v2_b", "maxvit_t")
LARGE = 100_000_000
TOLERANCE = 1e-3  # of the largest logit
DELTA = 0.05


def make(arch):
    """torchvision's network, every parameter moved off its initial value, without the running counters."""
    net = getattr(torchvision.models, arch)().eval()
    with torch.no_grad():
        for name, value in net.named_parameters():
            if value.dim() == 1:
                value += 0.1 * torch.randn_like(value)
            elif name.endswith(("heads.head.weight", "head.weight", "classifier.5.weight")):
                value.normal_(std=0.05)
            elif name.endswith(("bias_table", "class_token", "pos_embedding")):
                value.normal_(std=0.5)
            elif name.endswith("logit_scale"):
                value += torch.randn_like(value)
        for name, value in net.named_buffers():
            if name.endswith("running_mean"):
                value.normal_(std=0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
    return net


def usual_transform(arch):
    """Of IMAGENET1K_V1; vit_h_14 has only SWAG's, of which the linear ones are for its default size."""
    weights = torchvision.models.get_model_weights(arch)
    return (weights["IMAGENET1K_V1"] if "IMAGENET1K_V1" in weights.__members__ else
            weights["IMAGENET1K_SWAG_LINEAR_V1"]).transforms()


class Session:
    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)
        self.picture = self.folder / "natural.jpg"
        Image.fromarray(random_resnet.natural_image(np.random.default_rng(1), 375, 500)).save(self.picture, quality=92)
        self.n_failed = 0

    def run(self, *words):
        done = subprocess.run([self.program, *map(str, words), "--quiet"], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"credence {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def check(self, arch, what, value, limit):
        passed = bool(value <= limit)
        self.n_failed += not passed
        print(f"{'ok    ' if passed else 'FAILED'}  {arch}: {what}: {value:.3g} (at most {limit:g})", flush=True)

    def logits(self, posterior, *options):
        out = self.folder / "prediction.h5"
        self.run("predict", posterior, self.picture, *options, "--save-draws", "-o", out)
        with h5py.File(out) as file:
            logits = torch.from_numpy(file["predictions/logits"][0, 0])
        out.unlink()
        return logits

    def check_logits(self, arch, what, ours, theirs):
        largest = theirs.abs().max().item()
        self.check(arch, f"{what}, of the largest ({largest:.3g})", (ours - theirs).abs().max().item() / largest, TOLERANCE)


def parameters_of(posterior):
    with h5py.File(posterior) as file:
        found = {}
        file["parameters"].visititems(lambda name, item: found.update({name: item[()]})
                                      if isinstance(item, h5py.Dataset) else None)
    return found


def check_draw(session, arch, net, x, posterior):
    """One draw of every Bayesian tensor with eps of our own, and KL(N(mu, sigma^2), N(0, 1)) of all of them."""
    ours, state, kl = parameters_of(posterior), net.state_dict(), 0.0
    random = np.random.default_rng(3)
    eps_path = session.folder / "eps.h5"
    with h5py.File(eps_path, "w") as file:
        for name in [name for name in ours if "/mu_" in name]:
            module, leaf = name.split("/mu_")
            mu, rho = ours[name].astype(np.float64), ours[f"{module}/rho_{leaf}"].astype(np.float64)
            sigma = np.log1p(np.exp(rho))
            eps = random.standard_normal(mu.shape).astype(np.float32)
            file[f"eps/{module}/eps_{leaf}"] = eps
            kl += (-np.log(sigma) + (sigma**2 + mu**2) / 2 - 0.5).sum()
            plain = f"{module}.{'weight' if leaf == 'kernel' else leaf}"
            assert np.array_equal(ours[name], state[plain].numpy()), plain
            assert np.allclose(sigma, DELTA * np.abs(mu), rtol=1e-5, atol=1e-12), plain
            state[plain] = torch.from_numpy((mu + sigma * eps).astype(np.float32))
    facts = json.loads(session.run("inspect", posterior, "--json"))["posterior"]
    session.check(arch, "KL divergence, relative", abs(facts["kl_sum"] / kl - 1), 1e-6)
    net.load_state_dict(state)
    with torch.inference_mode():
        theirs = net(x)[0]
    session.check_logits(arch, "a draw", session.logits(posterior, "--import-eps", eps_path), theirs)
    eps_path.unlink()


def check_arch(session, arch, legacy):
    torch.manual_seed(1)
    net = make(arch)
    n_weights = sum(p.numel() for p in net.parameters())
    weights, posterior, tensors = (session.folder / name for name in ("weights.pth", "posterior.h5", "tensors.h5"))
    torch.save(net.state_dict(), weights, _use_new_zipfile_serialization=not legacy)
    globs = ("--bayesian", "head*") if n_weights > LARGE else ("--bayesian", "*")
    session.run("convert", "--weights", weights, "--moped-delta", DELTA, *globs, "-o", posterior)
    weights.unlink()
    facts = json.loads(session.run("inspect", posterior, "--json"))["posterior"]
    session.check(arch, f"found as {facts['arch']}, another one", facts["arch"] != arch, 0)
    x = usual_transform(arch)(Image.open(session.picture).convert("RGB"))[None]
    session.run("preprocess", posterior, session.picture, "-o", tensors)
    with h5py.File(tensors) as file:
        image = file["constant_data/images"][()]
    session.check(arch, "pixels that differ from torchvision's transform in any bit", int((image != x.numpy()).sum()), 0)
    with torch.inference_mode():
        theirs = net(x)[0]
    session.check_logits(arch, "deterministic logits", session.logits(posterior, "--deterministic"), theirs)
    check_draw(session, arch, net, x, posterior)
    posterior.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", metavar="CREDENCE")
    parser.add_argument("--archs", action="append", choices=ARCHS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
    with tempfile.TemporaryDirectory(prefix="credence-tokens-") as folder:
        session = Session(pathlib.Path(args.program).resolve(), folder)
        for i, arch in enumerate(args.archs or ARCHS):
            start = time.monotonic()
            check_arch(session, arch, legacy=i == 0)
            print(f"        {arch}: {time.monotonic() - start:.0f} s")
    sys.exit(session.n_failed > 0)


if __name__ == "__main__":
    main()
