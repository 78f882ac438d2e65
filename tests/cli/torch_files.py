"""Reads and writes .pth files without torch, so that tests can make variants of a real one: other names, wrappers, objects beside."""
import collections
import io
import json
import pickle
import struct
import sys
import types
import zipfile


class Tensor:
    """What torch.save keeps of a tensor."""

    def __init__(self, storage, offset, size, stride, *_):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (self.storage, self.offset, self.size, self.stride, False,
                                                                collections.OrderedDict())


class Storage:
    def __init__(self, cls, data):
        self.cls, self.data = cls, data


def rebuild(*arguments):
    return Tensor(*arguments)


def stand_in():
    """Modules with torch's names, so that pickle finds and names what torch would."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "CharStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = "torch._utils", "_rebuild_tensor_v2", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    sys.modules.update({"torch": torch, "torch._utils": utils})
    return torch


TORCH = stand_in()
ITEM_BYTES = {"FloatStorage": 4, "LongStorage": 8, "CharStorage": 1}


def load(path):
    with zipfile.ZipFile(path) as archive:
        stem = next(name for name in archive.namelist() if name.endswith("/data.pkl"))[:-len("data.pkl")]

        class Unpickler(pickle.Unpickler):
            def persistent_load(self, pid):
                return Storage(pid[1], archive.read(f"{stem}data/{pid[2]}"))

        return Unpickler(io.BytesIO(archive.read(stem + "data.pkl"))).load()


def tensor(data, size, kind="FloatStorage"):
    strides, step = [], 1
    for n in reversed(size):
        strides.insert(0, step)
        step *= n
    return Tensor(Storage(getattr(TORCH, kind), data), 0, tuple(size), tuple(strides))


def dump(thing, protocol, extra=()):
    """The pickle, and the storages by key."""
    out, keys, storages = io.BytesIO(), {}, []

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, Storage):
                return None
            if id(value) not in keys:
                keys[id(value)] = str(len(storages))
                storages.append(value)
            n = len(value.data) // ITEM_BYTES[value.cls.__name__]
            return ("storage", value.cls, keys[id(value)], "cpu", n, *extra)

    Pickler(out, protocol).dump(thing)
    return out.getvalue(), storages


def save(path, thing, protocol=2, crc=True):
    content, storages = dump(thing, protocol)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", content)
        for key, storage in enumerate(storages):
            archive.writestr(f"a/data/{key}", storage.data)
    if not crc:
        data = bytearray(path.read_bytes())
        for magic, at in ((b"PK\1\2", 16), (b"PK\3\4", 14)):
            start = data.find(magic)
            while start >= 0:
                data[start + at:start + at + 4] = bytes(4)
                start = data.find(magic, start + 4)
        path.write_bytes(data)


def save_stacked(path, thing):
    content, storages = dump(thing, 2, (None,))
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950a86a20f9469cfc6c, 1001, {"little_endian": True}))
    keys = pickle.dumps([str(key) for key in range(len(storages))], 2)
    data = b"".join(struct.pack("<q", len(s.data) // ITEM_BYTES[s.cls.__name__]) + s.data for s in storages)
    path.write_bytes(head + content + keys + data)


def save_safetensors(path, state):
    header, data = {}, b""
    for name, value in state.items():
        kind = {"FloatStorage": "F32", "LongStorage": "I64", "CharStorage": "I8"}[value.storage.cls.__name__]
        header[name] = {"dtype": kind, "shape": list(value.size), "data_offsets": [len(data), len(data) + len(value.storage.data)]}
        data += value.storage.data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
