"""Writes the graph of every posterior in a folder as a file of JSON: make_graph_seeds.py POSTERIORS OUT."""
import pathlib
import sys

import h5py

source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir(parents=True, exist_ok=True)
for path in sorted(source.glob("*.h5")):
    with h5py.File(path) as file:
        (target / f"{path.stem}.json").write_bytes(file["graph"][()])
