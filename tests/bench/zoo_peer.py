#!/usr/bin/env python3
"""A draw of every architecture beside a deterministic pass of torch and of ONNX Runtime: time and memory, in one run.

  env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE PYTHON tests/bench/zoo_peer.py [--only NAME]... [--batches 1,8] [--rounds N]
      [--largest GMACS] [--precision fp32|bf16] [--estimator NAME] CREDENCE

A line for each architecture and batch: processor time of a draw of the batch (all weights drawn anew, ms), of Credence's
pass without draws, of a pass of torch and of ONNX Runtime (the same network, exported by torch.onnx, CPU, one thread); the
ratios of ONNX Runtime's and torch's time to the draw's, above 1 where the draw is faster; and the most memory that each process
ever had (MB; with its libraries, and for Credence with mu and sigma). The programs take turns, a process each, so that
what else the machine does falls on all. A figure is the least of its repeats, and the median of its rounds. At the end: the
architectures whose draw takes more than 1.5 times as long as a pass of ONNX Runtime. Networks whose pass at the largest
batch has more than --largest (default 150) thousand million multiply-adds are left out. PYTHON needs torch,
torchvision, onnx, onnxruntime, h5py and, for the networks that are not torchvision's, bayesian-torch and
efficientnet-lite-pytorch. Exit code 77: a package is missing.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "golden")]
sys.dont_write_bytecode = True
SLOW = 1.5
BLOCK = {1: 8}  # draws of a block at this batch; 4 at others


def least_ms(run, seconds):
    """Of a few calls, after one that warms up."""
    run()
    found, end = [], time.monotonic() + seconds
    while len(found) < 3 or (time.monotonic() < end and len(found) < 50):
        start = time.process_time()
        run()
        found.append(1e3 * (time.process_time() - start))
    return min(found)


def memory_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def torch_worker(args, row):
    """ms of a pass; exports the network for ONNX Runtime first if it is not there."""
    import torch
    import zoo_models
    torch.set_num_threads(1)
    torch.manual_seed(1)
    net = zoo_models.build(row["name"], row["in_channels"], row["image_size"], row["n_classes"]).eval()
    images = torch.randn(args.batch, row["in_channels"], row["image_size"], row["image_size"])
    with torch.inference_mode():
        ms = least_ms(lambda: net(images), args.seconds)
    mb = memory_mb()
    if not args.onnx.exists():
        torch.onnx.export(net, (images,), str(args.onnx), dynamo=False)
    return ms, mb


def onnx_worker(args, row):
    import numpy as np
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(args.onnx), options, providers=["CPUExecutionProvider"])
    shape = (args.batch, row["in_channels"], row["image_size"], row["image_size"])
    images = {session.get_inputs()[0].name: np.random.RandomState(1).randn(*shape).astype(np.float32)}
    return least_ms(lambda: session.run(None, images), args.seconds), memory_mb()


WORKERS = {"torch": torch_worker, "onnx": onnx_worker}


def run(words):
    """What a process printed, and the most memory that it had (MB)."""
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        out, err = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{words[0]}: exit {process.returncode}: {(err.strip().splitlines() or [''])[-1]}")
    return out


def credence(args, row, batch):
    block = BLOCK.get(batch, 4)
    script = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    out = run([sys.executable, "-c", script, args.program, "bench", "--arch", row["name"], "--bayesian", "*", "--batch", batch,
               "--draws", block, "--draw-block", block, "--precision", args.precision, "--estimator", args.estimator, "--repeats", 2, "--json"])
    text, kb = out.rstrip().rsplit("\n", 1)
    facts = json.loads(text)["batches"][0]
    return 1e3 * facts["draw_cpu_s"], 1e3 * facts["pass_cpu_s"], int(kb) / 1024


def peer(args, row, batch, name, onnx):
    words = [sys.executable, __file__, "--worker", name, "--row", json.dumps(row), "--batch", batch, "--seconds", args.seconds,
             "--onnx", onnx, args.program]
    return tuple(float(word) for word in run(words).split())


def measure(args, row, batch, folder):
    onnx = folder / f"{row['name']}-{batch}.onnx"
    rounds = []
    for _ in range(args.rounds):
        theirs = peer(args, row, batch, "torch", onnx)
        rounds.append((*credence(args, row, batch), *theirs, *peer(args, row, batch, "onnx", onnx)))
    onnx.unlink()
    draw, alone, draw_mb, torch_ms, torch_mb, onnx_ms, onnx_mb = (statistics.median(column) for column in zip(*rounds))
    by_onnx, by_torch = (statistics.median(line[at] / line[0] for line in rounds) for at in (5, 3))
    print(f"{row['name']:20} {batch:5}  {draw:9.1f} {alone:9.1f} {torch_ms:9.1f} {onnx_ms:9.1f}   {by_onnx:5.2f} {by_torch:5.2f}  "
          f"{draw_mb:6.0f} {torch_mb:6.0f} {onnx_mb:6.0f}", flush=True)
    return by_onnx


def compare(args):
    import importlib.metadata as metadata
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # no program is to be tuned from outside
        os.environ.pop(name, None)
    os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")})
    rows = json.loads(run([args.program, "models", "--json"]))["models"]
    unknown = set(args.only or ()) - {row["name"] for row in rows}
    if unknown:
        sys.exit(f"no architecture {', '.join(sorted(unknown))}")
    largest = max(args.batches)
    rows = [row for row in rows if (row["name"] in args.only if args.only else row["macs"] * largest <= args.largest * 1e9)]
    packages = ("torch", "torchvision", "onnx", "onnxruntime")
    print(", ".join(f"{name} {metadata.version(name)}" for name in packages), f"in fp32, one thread; credence in {args.precision}; "
          f"processor time, medians of {args.rounds} round(s)")
    print(f"{'':20}            ms: {'':24}           draw faster than      MB\n{'architecture':20} batch       draw      pass     torch "
          "     ORT     ORT torch    draw  torch    ORT", flush=True)
    slow, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            for batch in args.batches:
                try:
                    ratio = measure(args, row, batch, pathlib.Path(folder))
                    if ratio < 1 / SLOW:
                        slow.append(f"{row['name']} at batch {batch} ({1 / ratio:.1f})")
                except RuntimeError as fault:
                    failed.append(row["name"])
                    print(f"{row['name']:20} {batch:5}  {fault}", flush=True)
    print(f"more than {SLOW} times as long as ONNX Runtime: {', '.join(slow) or 'none'}")
    return 1 if failed or not rows else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", metavar="CREDENCE")
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], default=[1, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--largest", type=float, default=150)
    parser.add_argument("--seconds", type=float, default=1, help="of a measurement of a peer, about")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"], help="of Credence")
    parser.add_argument("--estimator", default="reparameterization", help="of Credence")
    for name, kind in (("--worker", str), ("--row", json.loads), ("--batch", int), ("--onnx", pathlib.Path)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(*WORKERS[args.worker](args, args.row))
        return 0
    try:
        return compare(args)
    except ImportError as missing:
        print(f"skipped: {missing}")
        return 77


if __name__ == "__main__":
    sys.exit(main())
