#!/usr/bin/env python3
"""A posterior written by `credence export`, loaded by bayesian-torch, and back: export_parity.py PROGRAM.

Needs torch, torchvision, bayesian-torch, safetensors (made with torch 2.15, torchvision 0.29, bayesian-torch 0.5). Prints what agreed;
exits 1 where anything differs.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy
import safetensors.torch
import torch
import torchvision
from bayesian_torch.models.dnn_to_bnn import dnn_to_bnn

KEYS = {"prior_mu": 0.0, "prior_sigma": 1.0, "posterior_mu_init": 0.0, "posterior_rho_init": -3.0, "type": "Reparameterization",
        "moped_enable": True, "moped_delta": 0.5}


def bayesian(arch, n_classes):
    net = getattr(torchvision.models, arch)(num_classes=n_classes)
    dnn_to_bnn(net, KEYS)
    return net


def same(ours, theirs, what):
    assert ours.keys() == theirs.keys(), (what, ours.keys() ^ theirs.keys())
    for key in ours:
        equal = torch.equal(ours[key].reshape(theirs[key].shape), theirs[key])
        assert equal or key.endswith("num_batches_tracked"), (what, key)
    print(f"{what}: {len(ours)} tensors equal in every bit")


def main():
    program = pathlib.Path(sys.argv[1]).resolve()

    def run(*words):
        return subprocess.run([program, *map(str, words)], check=True, capture_output=True, text=True).stdout

    torch.manual_seed(3)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for arch in ("resnet18", "resnet50"):
            net = bayesian(arch, 11)
            state = net.state_dict()
            torch.save({"epoch": 1, "state_dict": {"module." + key: value for key, value in state.items()}}, folder / "bnn.pth")
            run("convert", "--weights", folder / "bnn.pth", "-o", folder / "p.h5")
            run("export", folder / "p.h5", "-o", folder / "p.safetensors")
            run("export", folder / "p.h5", "--to", "npz", "-o", folder / "p.npz")
            loaded = safetensors.torch.load_file(folder / "p.safetensors")
            fresh = bayesian(arch, 11)
            fresh.load_state_dict(loaded, strict=True)
            same(fresh.state_dict(), state, f"{arch}, safetensors, load_state_dict(strict=True)")
            arrays = {key: torch.from_numpy(value) for key, value in numpy.load(folder / "p.npz").items()}
            fresh = bayesian(arch, 11)
            fresh.load_state_dict(arrays, strict=True)
            same(fresh.state_dict(), state, f"{arch}, npz, load_state_dict(strict=True)")
            for name, write in (("pth", lambda path: torch.save(fresh.state_dict(), path)),
                                ("stacked", lambda path: torch.save(fresh.state_dict(), path, _use_new_zipfile_serialization=False)),
                                ("safetensors", lambda path: safetensors.torch.save_file(fresh.state_dict(), path))):
                write(folder / "again")
                run("convert", "--weights", folder / "again", "-o", folder / "q.h5")
                run("export", folder / "q.h5", "-o", folder / "q.safetensors")
                same(safetensors.torch.load_file(folder / "q.safetensors"), loaded, f"{arch}, back as {name}")


if __name__ == "__main__":
    main()
