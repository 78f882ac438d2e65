#!/usr/bin/env python3
"""Writes tests/golden/weights: small files of torch.save and, beside each, what must be read from it.

Made with Debian 12's python3-torch 1.13.0 (Python 3.11). Run: python3 tests/golden/make_weights.py
A .expected file has a line for each floating tensor: name, extents, float32 bits in hexadecimal. Files
without one must be refused.
"""
import collections
import pathlib
import sys
import zipfile

import torch

HERE = pathlib.Path(__file__).resolve().parent / "weights"


def expected(state):
    lines = []
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        flat = tensor.detach().float().contiguous().view(-1).view(torch.int32).tolist()
        extents = ",".join(str(n) for n in tensor.shape) or "-"
        bits = " ".join("%08x" % (v & 0xFFFFFFFF) for v in flat)
        lines.append(f"{name} {extents} {bits}".rstrip())
    return "\n".join(lines) + "\n"


def save(name, thing, state=None, **options):
    torch.save(thing, HERE / f"{name}.pth", **options)
    if state is not None:
        (HERE / f"{name}.expected").write_text(expected(state))


def with_members(name, source, members, state):
    """A copy of a file with further members, as torch 2 writes them."""
    with zipfile.ZipFile(HERE / f"{source}.pth") as old, \
            zipfile.ZipFile(HERE / f"{name}.pth", "w") as new:
        for member in old.namelist():
            new.writestr(zipfile.ZipInfo(member), old.read(member))
        for member, content in members.items():
            new.writestr(zipfile.ZipInfo(f"{source}/{member}"), content)
    if state is not None:
        (HERE / f"{name}.expected").write_text(expected(state))


def main():
    HERE.mkdir(exist_ok=True)
    torch.manual_seed(7)

    special = torch.tensor([0.0, -0.0, 1.0, -1.5, 6.1e-5, 5.96e-8, 65504.0, float("inf"), -float("inf")])
    dtypes = {
        "float32": torch.randn(3, 4), "float16": special.half(), "bfloat16": torch.randn(7).bfloat16(),
        "float64": torch.randn(2, 2, 2).double(), "int64": torch.tensor(3), "int32": torch.arange(5).int(),
        "int16": torch.arange(5).short(), "int8": torch.arange(5).char(), "uint8": torch.arange(5).byte(),
        "bool": torch.tensor([True, False]), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
        "half_subnormal": torch.arange(1, 1024, 11).float().mul(2.0 ** -24).half(),
        "float64_wide": torch.tensor([1e300, 1e-310, 0.1]).double(),
    }
    save("dtypes", dtypes, dtypes)

    base = torch.randn(4, 5, 6)
    views = {
        "transposed": torch.randn(5, 3).t(), "permuted": base.permute(2, 0, 1), "sliced": base[1:3, ::2, 1::3],
        "whole": base, "expanded": torch.randn(3, 1).expand(3, 4), "row": base[2, 3], "one": base[3, 4, 5],
        "rank8": torch.randn(1, 2, 1, 2, 1, 2, 1, 2).transpose(1, 7), "channels_last":
        torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "int_beside": torch.arange(6).view(2, 3).t(),
    }
    save("views", views, views)

    # Larger than one piece of a storage would be pointless here; rows that cross pieces are in the C test.
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(3, 2))
    state = net.state_dict()
    save("network", state, state)
    save("protocol4", state, state, pickle_protocol=4)
    save("parameters", dict(net.named_parameters()), dict(net.named_parameters()))
    parallel = collections.OrderedDict(("module." + k, v) for k, v in state.items())
    save("parallel", parallel, state)
    save("mixed_prefix", {"module.a": torch.ones(2), "b": torch.zeros(1)},
         {"module.a": torch.ones(2), "b": torch.zeros(1)})

    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    net(torch.randn(2, 2, 3, 5)).sum().backward()
    optimizer.step()
    state = collections.OrderedDict((k, v.clone()) for k, v in net.state_dict().items())
    for key in ("state_dict", "model", "model_state_dict"):
        save("checkpoint_" + key, {"epoch": 3, "arch": "net", "best": 0.5, "none": None, key: state, "size": torch.Size([2, 3]),
                                   "big": 2 ** 40, "minus": -7, "losses": [1.5], "pairs": [1, 2, (3,)],
                                   "optimizer": optimizer.state_dict()}, state)
    save("checkpoint_protocol4", {"state_dict": state, "set": set(), "optimizer": optimizer.state_dict()},
         state, pickle_protocol=4)
    tied = {"a": base, "b": base, "c": torch.nn.Parameter(base)}
    save("tied", tied, tied)

    torch2 = {"byteorder": b"little", ".data/serialization_id": b"0" * 40, ".format_version": b"1",
              ".storage_alignment": b"64"}
    with_members("torch2", "network", torch2, torch.load(HERE / "network.pth"))
    with_members("big_endian", "network", dict(torch2, byteorder=b"big"), None)
    with_members("odd_endian", "network", dict(torch2, byteorder=b"littleX"), None)

    save("stacked", state, state, _use_new_zipfile_serialization=False)
    save("stacked_protocol4", state, state, _use_new_zipfile_serialization=False, pickle_protocol=4)
    save("module", net)
    save("tensor", torch.ones(3))
    save("list", [torch.ones(3)])
    save("not_tensors", {"weight": torch.ones(2), "epoch": 3}, {"weight": torch.ones(2)})
    save("integers", {"n": torch.tensor(1)})
    save("nothing", {})
    save("rank9", {"w": torch.zeros([1] * 9)})
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), HERE / "script.pth")
    total = sum(f.stat().st_size for f in HERE.iterdir())
    print(f"torch {torch.__version__}, Python {sys.version.split()[0]}: {total} bytes")


if __name__ == "__main__":
    main()
