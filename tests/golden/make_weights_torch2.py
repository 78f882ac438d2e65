#!/usr/bin/env python3
"""Adds to tests/golden/weights what current torch and safetensors write, beside the files of make_weights.py.

Made with torch 2.15.0, safetensors and numpy from PyPI (Python 3.11): python3 tests/golden/make_weights_torch2.py
"""
import argparse
import collections
import functools
import pathlib

import numpy as np
import safetensors.torch
import torch

from make_weights import HERE, expected, save


def main():
    torch.manual_seed(11)
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(3, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    net(torch.randn(2, 2, 3, 5)).sum().backward()
    optimizer.step()
    state = collections.OrderedDict((k, v.clone()) for k, v in net.state_dict().items())

    save("t2_plain", state, state)
    save("t2_stacked", state, state, _use_new_zipfile_serialization=False)
    torch.serialization.set_crc32_options(False)
    save("t2_no_crc", state, state)
    torch.serialization.set_crc32_options(True)

    average = torch.optim.swa_utils.AveragedModel(net)
    average.module.load_state_dict({k: v * 2 if v.is_floating_point() else v for k, v in state.items()})
    objects = {"args": argparse.Namespace(lr=0.1, fn=functools.partial(max, 1), device=torch.device("cpu"), type=torch.float32),
               "optimizer": optimizer.state_dict(), "best": np.float64(0.5), "array": np.arange(5), "rng": torch.get_rng_state(),
               "numpy_rng": np.random.RandomState(1).get_state(), "path": pathlib.PurePosixPath("a/b"), "big": 2 ** 200,
               "counter": collections.Counter("abc"), "lists": collections.defaultdict(list, a=[1]), "set": {1, 2},
               "frozen": frozenset([3]), "bytes": b"abc", "size": torch.Size([2, 3])}
    for protocol in (2, 4, 5):
        save(f"t2_objects{protocol}", {"model": state, "model_ema": average.state_dict(), **objects}, state, pickle_protocol=protocol)
    save("t2_averaged", average.state_dict(), average.module.state_dict())
    save("t2_ema_only", {"epoch": 1, "state_dict_ema": state}, state)
    save("t2_compiled", torch.compile(net).state_dict(), state)
    save("t2_parallel_compiled", {"module._orig_mod." + k: v for k, v in state.items()}, state)
    save("t2_parameter_with_state", {"w": with_attribute(torch.nn.Parameter(torch.ones(2)))}, {"w": torch.ones(2)})
    save("t2_half", {k: v.half() for k, v in state.items()}, {k: v.half() for k, v in state.items() if "num_batches" not in k})
    quantized = torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8)
    save("t2_quantized", {"a": torch.ones(2), "w": quantized})
    save("t2_sparse", {"w": torch.eye(2).to_sparse()})
    save("t2_module", net)
    save("t2_module_inside", {"model": net, "epoch": 1})

    mixed = {"b.half": torch.randn(5).half(), "a.float": torch.randn(2, 3), "c.double": torch.randn(2).double(),
             "d.bfloat16": torch.randn(3, 1).bfloat16(), "e.count": torch.tensor(3), "f.scalar": torch.tensor(2.5),
             "g.empty": torch.zeros(0, 3), "h.bytes": torch.arange(4).byte()}
    path = HERE / "t2_mixed.pth" # the reader looks at the content, not at the name
    safetensors.torch.save_file(mixed, path, metadata={"format": "pt"})
    by_header = safetensors.torch.load_file(path)
    (HERE / "t2_mixed.expected").write_text(expected(by_header))


def with_attribute(parameter):
    parameter.mark = "x"
    return parameter


if __name__ == "__main__":
    main()
