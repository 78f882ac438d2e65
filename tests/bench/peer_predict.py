#!/usr/bin/env python3
"""Prediction side by side with bayesian-torch and a plain torch forward pass, in one run.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE PYTHON tests/bench/peer_predict.py build/src/cli/credence

PYTHON needs torch, torchvision and bayesian-torch. Each round runs both sides one after the other, so that what else the machine
does falls on both; medians over rounds are printed. One thread, one rank; with --ranks 2, two torch
processes at a time against two ranks. A draw is a drawn network run on the batch. --precision is Credence's alone:
torch computes in fp32.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ESTIMATORS = {"reparameterization": "Reparameterization", "flipout": "Flipout"}


def peer(arch, estimator, batch, seconds):
    """Seconds a draw of bayesian-torch, or a forward pass of torch if estimator is "deterministic"."""
    import torch
    import torchvision
    torch.set_num_threads(1)
    torch.manual_seed(1)
    net = getattr(torchvision.models, arch)(weights=None)
    if estimator != "deterministic":
        from bayesian_torch.models.dnn_to_bnn import dnn_to_bnn
        dnn_to_bnn(net, {"prior_mu": 0.0, "prior_sigma": 1.0, "posterior_mu_init": 0.0, "posterior_rho_init": -3.0,
                         "type": ESTIMATORS[estimator], "moped_enable": True, "moped_delta": 0.1})
    net.eval()
    images = torch.randn(batch, 3, 224, 224)
    with torch.no_grad():
        net(images)
        n, start = 0, time.perf_counter()
        while n < 2 or time.perf_counter() - start < seconds:
            net(images)
            n += 1
        return (time.perf_counter() - start) / n


def run_peers(options, estimator, batch):
    words = [sys.executable, __file__, options.program, "--worker", estimator, "--batches", str(batch), "--arch", options.arch,
             "--seconds", str(options.seconds)]
    jobs = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(options.ranks)]
    found = [float(job.communicate()[0]) for job in jobs]
    return 1 / sum(1 / seconds for seconds in found)


def run_bench(options, estimator, batch):
    block = {1: 8, 8: 8}.get(batch, 4)
    words = [options.program, "bench", "--arch", options.arch, "--estimator", estimator, "--batch", batch, "--precision", options.precision,
             "--repeats", 3, "--draws",
             block * max(1, int(options.seconds / 3 * 400 / (20 * batch) / block)), "--draw-block", block, "--json"]
    done = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True)
    facts = json.loads(done.stdout)
    return 1 / facts["batches"][0]["draws_per_s"], facts["batches"][0]["peak_share"], facts["peak_gflops"]


def run_ranks(options, estimator, batch, files):
    """Two lengths of run under mpirun: their difference is free of start and end."""
    seconds = []
    few = 16
    for draws in (few, few + 8 * max(2, int(options.seconds * 50 / batch / 8))):
        words = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", options.ranks, options.program, "predict",
                 files["posterior"], files[batch], "--estimator", estimator, "--precision", options.precision,
                 "--batch", batch, "--draws", draws, "--json", "--quiet"]
        done = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True)
        seconds.append((draws, json.loads(done.stdout)["seconds"]))
    (a, start), (b, end) = seconds
    return (end - start) / (b - a)


def make_files(options, folder):
    """A posterior of random weights, and batches of tensors."""
    import h5py
    import numpy as np
    files = {"posterior": os.path.join(folder, "posterior.h5")}
    subprocess.run([options.program, "convert", "--arch", options.arch, "--moped", "--moped-delta", "0.1", "-o",
                    files["posterior"]], check=True, capture_output=True)
    for batch in options.batches:
        files[batch] = os.path.join(folder, f"images{batch}.h5")
        with h5py.File(files[batch], "w") as file:
            file["images"] = np.random.RandomState(1).randn(batch, 3, 224, 224).astype(np.float32)
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--estimators", default="reparameterization,flipout")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"], help="of Credence")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of a measurement, about")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.batches = [int(batch) for batch in options.batches.split(",")]
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if options.worker:
        print(peer(options.arch, options.worker, options.batches[0], options.seconds))
        return
    import importlib.metadata as metadata
    print(", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "torchvision", "bayesian-torch")),
          f"in fp32; credence in {options.precision}; {options.arch}, {options.ranks} rank(s), "
          f"medians of {options.rounds} rounds, ms a draw of the batch")
    print("estimator            batch   credence    peer  ratio   torch deterministic  of peak")
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(options, folder) if options.ranks > 1 else {}
        for estimator in options.estimators.split(","):
            for batch in options.batches:
                ours, theirs, plain, shares = [], [], [], []
                for _ in range(options.rounds):
                    theirs.append(run_peers(options, estimator, batch))
                    if options.ranks > 1:
                        ours.append(run_ranks(options, estimator, batch, files))
                    else:
                        seconds, share, _ = run_bench(options, estimator, batch)
                        ours.append(seconds)
                        shares.append(share)
                    plain.append(run_peers(options, "deterministic", batch))
                a, b, c = (1000 * statistics.median(list_) for list_ in (ours, theirs, plain))
                share = f"{100 * statistics.median(shares):5.0f} %" if shares else ""
                print(f"{estimator:20} {batch:5}  {a:9.1f} {b:8.1f} {b / a:5.2f}x {c:10.1f} ({c / a:4.2f}x)     {share}",
                      flush=True)


if __name__ == "__main__":
    main()
