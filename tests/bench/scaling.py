#!/usr/bin/env python3
"""How `predict` scales: seconds, and what crosses ranks, at several numbers of ranks and two numbers of draws.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE tests/bench/scaling.py build/src/cli/credence --ranks 1,2,4

Each round runs all cases one after the other; medians are printed. Calls are operations of MPI that a rank has begun, bytes what
it handed to MPI; per draw: the growth from the smaller to the larger number of draws. With --nodes every rank is a node of its own,
as far as Credence knows: images travel to each.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile


def run(options, folder, ranks, draws):
    words = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", ranks, options.program, "predict",
             "posterior.h5", "images.h5", "--draws", draws, "--json", "--quiet"]
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", **({"CREDENCE_RANKS_PER_NODE": "1"} if options.nodes else {}))
    done = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True, cwd=folder, env=environment)
    facts = json.loads(done.stdout)
    return facts["cost"] | {"seconds": facts["seconds"]}


def make_files(options, folder):
    import h5py
    import numpy as np
    subprocess.run([options.program, "convert", "--arch", options.arch, "--moped", "--moped-delta", "0.1", "-o", "posterior.h5",
                    "--quiet"], check=True, capture_output=True, cwd=folder)
    with h5py.File(folder / "images.h5", "w") as file:
        file["images"] = np.random.RandomState(1).randn(options.images, 3, 224, 224).astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--arch", default="resnet18", help="one with images of 3x224x224")
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--draws", type=int, default=1000, help="the larger number; the smaller is half of it")
    parser.add_argument("--ranks", default="1,2,4")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodes", action="store_true")
    options = parser.parse_args()
    ranks = [int(n) for n in options.ranks.split(",")]
    cases = [(n, draws) for n in ranks for draws in (options.draws // 2, options.draws)]
    runs = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        make_files(options, pathlib.Path(folder))
        for _ in range(options.rounds):
            for case in cases:
                runs[case].append(run(options, pathlib.Path(folder), *case))
    print(f"{options.arch}, {options.images} image(s), {options.draws} draws, medians of {options.rounds} rounds")
    print("ranks   seconds  speed-up   engine s  speed-up   communication   calls a rank (a draw)   bytes a rank (a draw)")
    for n in ranks:
        def median(name, draws, of_ranks=n):
            return statistics.median(cost[name] for cost in runs[of_ranks, draws])
        half, whole = options.draws // 2, options.draws
        calls, n_bytes = (median(name, whole) / n for name in ("comm_calls", "comm_bytes"))
        more_calls, more_bytes = ((median(name, whole) - median(name, half)) / n / (whole - half)
                                  for name in ("comm_calls", "comm_bytes"))
        ratios = [median(name, whole, ranks[0]) / median(name, whole) for name in ("seconds", "engine_s")]
        print(f"{n:5}  {median('seconds', whole):8.2f}  {ratios[0]:7.2f}x  {median('engine_s', whole):9.2f}  {ratios[1]:7.2f}x  "
              f"{100 * median('comm_share', whole):12.2f} %  {calls:12.1f} ({more_calls:.4f})  {n_bytes:14.0f} ({more_bytes:.2f})")


if __name__ == "__main__":
    main()
