"""Writes zoo_names.txt: for every architecture of the zoo "arch NAME PARAMETERS TENSORS HASH", the hash over lines
"NAME (SHAPE)" of its tensors in the order of torch's state dict (64-bit FNV-1a), or of a pass: zoo_models.state.

Run in this folder with the program: python3 make_names.py CREDENCE
"""
import json
import subprocess
import sys

import zoo_models

models = json.loads(subprocess.run([sys.argv[1], "models", "--json"], check=True, capture_output=True).stdout)["models"]
with open("zoo_names.txt", "w") as out:
    out.write(f"# make_names.py, {zoo_models.VERSIONS}\n")
    for row in models:
        model = zoo_models.build(row["name"], row["in_channels"], row["image_size"], row["n_classes"])
        state = zoo_models.state(model)
        heads = sum(p.numel() for n, p in model.named_parameters() if n.startswith(zoo_models.HEADS_OF_TRAINING))
        text = "".join(f"{name} ({', '.join(map(str, value.shape))})\n" for name, value in state.items())
        digest = 0xCBF29CE484222325
        for byte in text.encode():
            digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
        total = sum(p.numel() for p in model.parameters()) - heads
        out.write(f"arch {row['name']} {total} {len(state)} {digest:016x}\n")
