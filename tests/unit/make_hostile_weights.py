#!/usr/bin/env python3
"""Writes .pth files that lie, and a list of what must be said about each: make_hostile_weights.py FOLDER.

FOLDER/list.txt has a line for each file: name, tab, text that the refusal must hold ("OK": is read).
FOLDER/pickles has the pickles alone, FOLDER/safetensors and FOLDER/stacked files without their heads, to start fuzzers from.

Only the standard library: the pickles are put together by hand, because no library would write them.
"""
import io
import os
import struct
import sys
import zipfile

PROTO, STOP, MARK = b"\x80\x02", b".", b"("
ORDERED_DICT = b"ccollections\nOrderedDict\n)R"
V2 = b"ctorch._utils\n_rebuild_tensor_v2\n"
FLOATS = struct.pack("<6f", 1, 2, 3, 4, 5, 6)

files = {}
pickles = {}
seeds = {}


def text(s):
    s = s.encode() if isinstance(s, str) else s
    return b"X" + struct.pack("<I", len(s)) + s


def integer(n):
    if -2**31 <= n < 2**31:
        return b"J" + struct.pack("<i", n)
    raw = n.to_bytes(8, "little", signed=True) if -2**63 <= n < 2**63 else n.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def tuple_(*items):
    return MARK + b"".join(items) + b"t"


def ints(values):
    return tuple_(*(integer(v) for v in values))


def storage(count=6, key="0", cls=b"ctorch\nFloatStorage\n", tag="storage"):
    return tuple_(text(tag), cls, text(key), text("cpu"), integer(count)) + b"Q"


def tensor(size=(2, 3), stride=(3, 1), offset=0, source=None, build=V2, extra=b""):
    arguments = [source or storage(), integer(offset), ints(size), ints(stride), b"\x89", ORDERED_DICT]
    return build + tuple_(*arguments, extra) + b"R"


def dict_(*items):
    return b"}" + MARK + b"".join(items) + b"u"


def with_weight(value):
    return PROTO + dict_(text("w"), value) + STOP


def archive(pickle, members=None, stem="a", compression=zipfile.ZIP_STORED, extra=()):
    members = {"data/0": FLOATS} if members is None else members
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        if pickle is not None:
            z.writestr(zipfile.ZipInfo(f"{stem}/data.pkl"), pickle, compression)
        for name, content in members.items():
            z.writestr(zipfile.ZipInfo(f"{stem}/{name}"), content, compression)
        for name, content in extra:
            z.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def add(name, refusal, pickle, **options):
    pickles[name] = pickle or b""
    files[name] = (refusal, archive(pickle, **options))


def raw(name, refusal, content):
    files[name] = (refusal, content)


def opcodes():
    allowed = set(b"(.012BCGJKMNQRTUXabcehjqrstu)]}\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96")
    for op in range(256):
        if op not in allowed:
            # Enough values, text and lines for whatever an unrestricted unpickler would make of it.
            add(f"opcode_{op:02x}", f"opcode 0x{op:02x} is not allowed",
                PROTO + b"}}" + bytes([op]) + b"posix\nsystem\n" + STOP)
    for op in sorted(allowed - set(b".(GJKMNUXcjh)]}\x80\x88\x89\x8a\x8c\x8f\x95")):
        add(f"alone_{op:02x}", "byte 2:", PROTO + bytes([op]))
    for op in sorted(set(b"QRabestu\x85\x86\x87\x93\x94")):
        if op not in b"etu":
            add(f"below_mark_{op:02x}", "stack", PROTO + b"}NNN(" + bytes([op]) + STOP)


def globals_():
    forms = lambda module, name: (("text", f"c{module}\n{name}\n".encode()), ("stack", text(module) + text(name) + b"\x93"))
    for module, name in [("posix", "system"), ("os", "system"), ("builtins", "eval"), ("__builtin__", "execfile"),
                         ("subprocess", "Popen"), ("torch", "load"), ("pickle", "loads"), ("importlib", "import_module")]:
        for form, push in forms(module, name):
            add(f"global_{form}_{module}_{name}", f"wants to call {module}.{name},",
                PROTO + push + text("echo owned") + b"\x85R" + STOP)
            # Not even beside good tensors, where it would be passed over.
            add(f"global_{form}_{module}_{name}_beside", f"wants to call {module}.{name},",
                PROTO + dict_(text("w"), tensor(), text("x"), push + text("echo owned") + b"\x85R") + STOP)
    for module, name in [("argparse", "Namespace"), ("functools", "partial"), ("numpy.core.multiarray", "scalar"),
                         ("collections", "Counter"), ("torch", "device"), ("builtins", "getattr")]:
        for form, push in forms(module, name):
            made = push + text("x") + b"\x85R}b"
            add(f"opaque_{form}_{module}_{name}", f"holds an object ({module}.{name})", PROTO + made + STOP)
            add(f"opaque_{form}_{module}_{name}_beside", "OK",
                PROTO + dict_(text("args"), made, text("w"), tensor(), text("called"), made + b")R)\x81") + STOP)
            add(f"opaque_{form}_{module}_{name}_around", "OK",
                PROTO + dict_(text("args"), made, text("state_dict"), dict_(text("w"), tensor())) + STOP)
            add(f"opaque_{form}_{module}_{name}_storage", "its storage is not", with_weight(tensor(source=made)))
            add(f"opaque_{form}_{module}_{name}_size", "its size is a Python object",
                with_weight(V2 + tuple_(storage(), b"K\x00", made, ints([1]), b"\x89", ORDERED_DICT) + b"R"))
            add(f"opaque_{form}_{module}_{name}_key", "tensor name is a Python object", PROTO + dict_(made, tensor()) + STOP)
    opaque = b"cargparse\nNamespace\n"
    add("opaque_swallows", "OK", PROTO + dict_(text("x"), opaque + b")\x81(NNuNNs(NeNa(N\x90}b"
        b"C\x03abc0(NN1N0(0N20" + b"0" + opaque + b")}\x920", text("w"), tensor()) + STOP)
    add("opaque_bytes_end", "ends in the middle", PROTO + b"B\xff\xff\xff\xffabc" + STOP)
    add("opaque_bytes8_end", "ends in the middle", PROTO + b"\x8e" + b"\xff" * 8 + b"abc" + STOP)
    add("opaque_text8_end", "a string of 18446744073709551615 bytes", PROTO + b"\x8d" + b"\xff" * 8 + b"abc" + STOP)
    for maker in ("_rebuild_qtensor", "_rebuild_sparse_tensor", "_rebuild_from_type_v2"):
        add("strange" + maker, f"w: is made by torch._utils.{maker}",
            with_weight(f"ctorch._utils\n{maker}\n".encode() + b")R"))
        add("strange_parameter" + maker, f"w: is made by torch._utils.{maker}",
            with_weight(b"ctorch._utils\n_rebuild_parameter\n" +
                        tuple_(f"ctorch._utils\n{maker}\n".encode() + b")R", b"\x88", b"}") + b"R"))
    add("pairs", "OK", PROTO + b"ccollections\nOrderedDict\n](](" + text("w") + tensor() + b"ee\x85R" + STOP)
    add("pairs_not", "something else than pairs", PROTO + b"ccollections\nOrderedDict\n](](Nee\x85R" + STOP)
    add("pairs_of_itself", "holds a list", PROTO + b"]q\x00(h\x00h\x00eccollections\nOrderedDict\nh\x00\x85R0" + STOP)
    add("module_inside", "model: holds a whole module", PROTO + dict_(text("model"), b"cmodels.yolo\nModel\n)\x81}b") + STOP)
    add("two_dicts", "more than one dict of tensors: 'a', 'b'", PROTO + dict_(text("a"), dict_(text("w"), tensor()), text("b"),
        dict_(text("w"), tensor())) + STOP)
    add("averages_beside", "OK", PROTO + dict_(text("model_ema"), dict_(text("x"), b"N", text("w"), tensor()), text("net_of_mine"),
        dict_(text("w"), tensor())) + STOP)
    add("averages_only", "OK", PROTO + dict_(text("state_dict_ema"), dict_(text("w"), tensor())) + STOP)
    add("deep_wrappers", "OK", PROTO + dict_(text("a"), dict_(text("b"), dict_(text("module"), dict_(text("w"), tensor())))) + STOP)
    add("wrapped_in_itself", "nested too deep", PROTO + b"}q\x00(" + b"".join(text(f"k{i}") + b"h\x00" for i in range(900)) + b"u" + STOP)
    # A thousand ways to each of a thousand dicts, and so on: nobody may go them all.
    wide = b"}q\x00" + b"".join(b"0}(" + b"".join(text(f"k{i}") + b"h%c" % k for i in range(900)) + b"uq%c" % (k + 1) for k in range(6))
    add("wrapped_wide", "no tensor in its dict", PROTO + wide + STOP)
    # Found by fuzzing: with nothing but the counter the prefix was taken off for ever.
    add("only_counter", "no floating-point tensor", PROTO + dict_(text("n_averaged"), tensor(size=(), stride=(),
        source=storage(1, "1", b"ctorch\nLongStorage\n"))) + STOP, members={"data/1": b"\1" + b"\0" * 7})
    add("parallel_compiled", "OK", PROTO + dict_(text("module._orig_mod.module.w"), tensor(), text("n_averaged"),
        tensor(size=(), stride=(), source=storage(1, "1", b"ctorch\nLongStorage\n"))) + STOP, members={"data/0": FLOATS, "data/1": b"\1" + b"\0" * 7})
    add("global_module", "save model.state_dict() instead", PROTO + b"ctorch.nn.modules.linear\nLinear\n)\x81" + STOP)
    add("global_zoo", "save model.state_dict() instead", PROTO + b"ctorchvision.models.resnet\nResNet\n)\x81" + STOP)
    add("global_unprintable", "holds an object (po??[2Jx.y)", PROTO + b"cpo\x1b\x9b[2Jx\ny\n" + STOP)
    add("global_endless", "no end", PROTO + b"c" + b"A" * 10000)
    add("global_long_name", "the name of a global has 60000 bytes", PROTO + text("A" * 60000) + text("B" * 60000) + b"\x93" + STOP)
    add("global_of_numbers", "the name of a global is a number", PROTO + b"K\x01K\x02\x93" + STOP)
    add("inst", "opcode 0x69", PROTO + b"(" + text("id") + b"iposix\nsystem\n" + STOP)


def types():
    t = tensor()
    add("setitem_tensor", "SETITEM on a tensor", PROTO + t + text("k") + b"Ns" + STOP)
    add("setitems_tensor", "SETITEMS on a tensor", PROTO + t + b"(" + text("k") + b"Nu" + STOP)
    add("setitem_list", "SETITEM on a list", PROTO + b"]K\x00Ns" + STOP)
    add("setitem_storage", "SETITEM on a storage", PROTO + storage() + b"NNs" + STOP)
    add("setitems_odd", "a key that has no value", PROTO + b"}(" + text("k") + b"u" + STOP)
    add("append_dict", "APPEND on a dict", PROTO + b"}Na" + STOP)
    add("appends_dict", "APPENDS on a dict", PROTO + b"}(Ne" + STOP)
    add("append_tuple", "APPEND on a tuple", PROTO + b")Na" + STOP)
    add("append_set", "APPEND on a set", PROTO + b"\x8fNa" + STOP)
    add("append_string", "APPEND on a string", PROTO + text("s") + b"Na" + STOP)
    add("build_tensor", "BUILD on a tensor", PROTO + t + b"}b" + STOP)
    add("build_dict", "BUILD on a dict", PROTO + b"}}b" + STOP)
    add("build_with_tuple", "BUILD with a tuple", PROTO + ORDERED_DICT + b")b" + STOP)
    add("reduce_dict", "a call of a dict", PROTO + b"})R" + STOP)
    add("reduce_string", "a call of a string", PROTO + text("posix.system") + b")R" + STOP)
    add("reduce_storage_class", "a call of a storage class", PROTO + b"ctorch\nFloatStorage\n)R" + STOP)
    add("reduce_no_tuple", "the arguments of a call are a list", PROTO + V2 + b"]R" + STOP)
    add("ordered_dict_arguments", "an OrderedDict with arguments", PROTO + b"ccollections\nOrderedDict\nN\x85R" + STOP)
    add("ordered_dict_of_nothing", "the state dict is empty", PROTO + b"ccollections\nOrderedDict\n]\x85R" + STOP)
    add("size_of_list", "torch.Size", PROTO + b"ctorch\nSize\n]\x85R" + STOP)
    add("size_of_nothing", "torch.Size", PROTO + b"ctorch\nSize\n)R" + STOP)
    add("persistent_string", "a persistent id is a string", PROTO + text("storage") + b"Q" + STOP)
    add("good", "OK", with_weight(t))
    add("good_v3", "OK", with_weight(tensor(build=b"ctorch._utils\n_rebuild_tensor_v3\n", extra=b"ctorch\nfloat32\n",
        source=storage(24, cls=b"ctorch.storage\nUntypedStorage\n"))))
    add("good_size", "OK", with_weight(V2 + tuple_(storage(), b"K\x00", b"ctorch\nSize\n" + ints([2, 3]) + b"\x85R",
                                                   ints([3, 1]), b"\x89", ORDERED_DICT) + b"R"))
    add("good_old", "OK", with_weight(b"ctorch._utils\n_rebuild_tensor\n" +
                                      tuple_(storage(), b"K\x00", ints([2, 3]), ints([3, 1])) + b"R"))


def tensors():
    def bad(name, refusal, **options):
        add("tensor_" + name, refusal, with_weight(tensor(**options)))
    bad("count_small", "member data/0 has 24 bytes", source=storage(5))
    bad("count_large", "member data/0 has 24 bytes", source=storage(7))
    bad("count_huge", "member data/0 has 24 bytes", source=storage(2**62 + 6))
    bad("count_negative", "no element count", source=storage(-6))
    bad("count_class", "member data/0 has 24 bytes", source=storage(6, cls=b"ctorch\nDoubleStorage\n"))
    bad("missing_member", "member data/7 is missing", source=storage(key="7"))
    bad("key_is_path", "is missing", source=storage(key="../data.pkl"))
    bad("key_long", "storage key", source=storage(key="1" * 500))
    bad("key_empty", "storage key", source=storage(key=""))
    bad("key_with_zero", "storage key", source=storage(key="0\0"))
    bad("tag", "its storage is not", source=storage(tag="module"))
    bad("class_is_global", "its storage class does not fit", source=storage(cls=V2))
    bad("class_is_string", "its storage class does not fit", source=storage(cls=text("FloatStorage")))
    bad("class_untyped", "its storage class does not fit", source=storage(24, cls=b"ctorch.storage\nUntypedStorage\n"))
    bad("source_is_dict", "its storage is not", source=b"}")
    bad("source_is_tensor", "its storage is not", source=tensor())
    bad("size_large", "reaches element 6", size=(7,), stride=(1,))
    bad("stride_large", "reaches element", stride=(4, 2))
    bad("offset_large", "reaches element 6", offset=1)
    bad("offset_huge", "overflow", offset=2**63 - 1)
    bad("offset_negative", "offset -1 is negative", offset=-1)
    bad("offset_past_empty", "reaches element 7", size=(0,), stride=(1,), offset=7)
    bad("size_negative", "is negative", size=(-2, 3))
    bad("sizes_negative", "is negative", size=(-2, -3))
    bad("stride_negative", "is negative", stride=(3, -1))
    bad("size_overflows", "overflow", size=(2**62, 2**62), stride=(0, 0))
    bad("size_overflows_to_6", "overflow", size=(2**32, 2**32, 6), stride=(0, 0, 1))
    bad("size_nearly_overflows", "most for a file of this size", size=(2**59,), stride=(0,))
    bad("stride_overflows", "overflow", size=(2, 3), stride=(2**63 - 1, 2**62))
    bad("expanded", "most for a file of this size", size=(10**12,), stride=(0,))
    bad("rank", "9 dimensions", size=(1,) * 9, stride=(1,) * 9)
    bad("rank_stride", "2 sizes and 1 strides", stride=(1,))
    bad("integer_too_long", "its size holds a Python object", size=(2**70,), stride=(1,))
    add("tensor_size_list", "its size is a list", with_weight(V2 + tuple_(storage(), b"K\x00", b"]", ints([1]), b"\x89", ORDERED_DICT) + b"R"))
    add("tensor_size_float", "holds a float", with_weight(
        V2 + tuple_(storage(), b"K\x00", b"G" + struct.pack(">d", 2) + b"\x85", ints([1]), b"\x89", ORDERED_DICT) + b"R"))
    add("tensor_size_bool", "holds a bool", with_weight(V2 + tuple_(storage(), b"K\x00", b"\x88\x85", ints([1]), b"\x89", ORDERED_DICT) + b"R"))
    add("tensor_offset_none", "offset is a None", with_weight(V2 + tuple_(storage(), b"N", ints([1]), ints([1]), b"\x89", ORDERED_DICT) + b"R"))
    for n in (0, 1, 5, 8):
        add(f"tensor_arguments_{n}", f"built from {n} arguments", with_weight(V2 + tuple_(*[storage()] * n) + b"R"))
    v3 = b"ctorch._utils\n_rebuild_tensor_v3\n"
    add("tensor_v3_no_dtype", "without a dtype", with_weight(tensor(build=v3, extra=b"N")))
    add("tensor_v3_typed", "does not fit", with_weight(tensor(build=v3, extra=b"ctorch\nfloat32\n")))
    untyped = storage(24, cls=b"ctorch.storage\nUntypedStorage\n")
    add("tensor_v3_large", "reaches element", with_weight(tensor(build=v3, extra=b"ctorch\nfloat64\n", source=untyped)))
    parameter = b"ctorch._utils\n_rebuild_parameter\n"
    add("parameter_of_parameter", "not a tensor", with_weight(parameter + tuple_(parameter + tuple_(tensor(), b"\x88", b"}") + b"R", b"\x88", b"}") + b"R"))
    add("parameter_of_nothing", "not a tensor", with_weight(parameter + b")R"))
    add("storage_only", "is a storage, not a tensor", with_weight(storage()))


def names():
    t = tensor()
    add("name_twice", "w: there twice", PROTO + dict_(text("w"), t, text("w"), t) + STOP)
    add("name_twice_by_prefix", "OK", PROTO + dict_(text("module.w"), t, text("w"), t) + STOP)
    add("name_number", "tensor name is a number", PROTO + dict_(b"K\x01", t) + STOP)
    add("name_tensor", "tensor name is a tensor", PROTO + dict_(t, t) + STOP)
    add("name_empty", "tensor name", PROTO + dict_(text(""), t) + STOP)
    add("name_long", "300 characters", PROTO + dict_(text("n" * 300), t) + STOP)
    add("name_control", "not printable ASCII", PROTO + dict_(text("a\x1b[2J"), t) + STOP)
    add("name_zero", "not printable ASCII", PROTO + dict_(text("a\0b"), t) + STOP)
    add("name_not_utf8", "not printable ASCII", PROTO + dict_(text(b"\xff\xfe"), t) + STOP)
    add("name_is_prefix", "OK", PROTO + dict_(text("module."), t) + STOP)
    many = b"".join(text(f"n{i}") + b"h\x00" for i in range(20000))
    add("too_many_tensors", "at most 8192", PROTO + dict_(text("first"), t + b"q\x00", many) + STOP)
    add("string_past_end", "ends in the middle", PROTO + b"X\xff\xff\x00\x00abc")
    add("string_huge", "a string of 4294967295 bytes", PROTO + b"X\xff\xff\xff\xff" + b"abc" + STOP)


def bombs():
    add("memo_index", "memo index 4294967295", PROTO + b"}r\xff\xff\xff\xff" + STOP)
    add("memo_never_set", "never set", PROTO + b"h\x05" + STOP)
    add("memo_never_set_long", "never set", PROTO + b"j\xff\xff\xff\xff" + STOP)
    # A billion laughs: each tuple holds ten times the one before.
    laughs = b")q\x00" + b"".join(MARK + b"h%c" % i * 10 + b"tq%c" % (i + 1) for i in range(60))
    add("memo_laughs", "values are left on the stack", PROTO + laughs + STOP)
    add("memo_cycle", "holds a list", PROTO + b"]q\x00h\x00a" + STOP)
    add("memo_cycle_dict", "is a dict, not a tensor", PROTO + b"}q\x00" + text("w") + b"h\x00s" + STOP)
    million = 10**6
    add("deep_tuples", "nested too deep", PROTO + b")" + b"\x85" * million + STOP)
    add("deep_lists", "nested too deep", PROTO + b"]" * million + b"a" * (million - 1) + STOP)
    add("deep_dicts", "nested too deep", PROTO + b"}" * million + STOP)
    add("deep_marks", "nested too deep", PROTO + MARK * million + STOP)
    add("deep_by_memo", "nested too deep", PROTO + b"]q\x00" + b"]h\x00aq\x00" * million + STOP)
    add("many_values", "more than 524288 values", PROTO + (MARK + b"N" * 1000 + b"t") * 1000 + STOP)
    add("many_items", "more than 524288 items", PROTO + b"Nq\x00]" + (MARK + b"h\x00" * 1000 + b"e") * 1000 + STOP)
    add("many_puts", "OK", PROTO + b"}q\x00" + b"q\x00" * million + MARK + text("w") + tensor() + b"u" + STOP)
    add("frame", "a frame of", PROTO + b"\x95" + struct.pack("<Q", 2**63) + b"}" + STOP)


def ends():
    good = with_weight(tensor())
    add("trailing_pickle", "7 bytes follow the end", good + b"garbage")
    add("no_stop", "ends in the middle", good[:-1])
    add("empty_pickle", "no binary pickle", b"")
    add("text_pickle", "no binary pickle", b"(dp0\n.")
    add("protocol_0", "protocol 0", b"\x80\x00}.")
    add("protocol_9", "protocol 9", b"\x80\x09}.")
    add("protocol_twice", "opcode 0x80 is not allowed", PROTO + PROTO + b"}.")
    add("stop_at_once", "none", PROTO + STOP)
    add("two_values", "left on the stack", PROTO + b"}}" + STOP)
    add("open_mark", "left on the stack", PROTO + b"}(N" + STOP)
    add("number", "holds a number", PROTO + b"K\x01" + STOP)


def zips():
    good = with_weight(tensor())
    whole = archive(good)
    central = whole.index(b"PK\1\2")

    def patched(offset, form, value, start=central):
        out = bytearray(whole)
        struct.pack_into(form, out, start + offset, value)
        return bytes(out)

    second = whole.index(b"PK\1\2", central + 4)
    end = whole.index(b"PK\5\6")
    add("zip_no_pickle", "without data.pkl", None)
    add("zip_two_pickles", "two members are called data.pkl", good, extra=[("b/data.pkl", good)])
    add("zip_dotdot", "is a path", good, extra=[("../../etc/passwd", b"x")])
    add("zip_dotdot_inside", "is a path", good, extra=[("a/../b", b"x")])
    add("zip_absolute", "is a path", good, extra=[("/etc/passwd", b"x")])
    add("zip_backslash", "is a path", good, extra=[("..\\x", b"x")])
    add("zip_dots_in_stem", "OK", good, stem="net..v2")
    add("zip_long_name", "is a path", good, extra=[("n" * 60000, b"x")])
    add("zip_compressed", "is compressed", good, compression=zipfile.ZIP_DEFLATED)
    add("zip_bomb", "is compressed", good, members={"data/0": b"\0" * 10**7}, compression=zipfile.ZIP_DEFLATED)
    add("zip_missing_storage", "member data/0 is missing", good, members={})
    add("zip_other_stem", "member data/0 is missing", good, members={}, extra=[("b/data/0", FLOATS)])
    doubled = archive(good, extra=[("a/data/1", FLOATS)]).replace(b"a/data/1", b"a/data/0")
    raw("zip_name_twice", "two members have the same name", doubled)
    for shift, what in ((20, "stored"), (24, "full")):
        for value in (0, 23, 25, 2**31, 2**32 - 2):
            raw(f"zip_lies_{what}_{value}", "damaged", patched(shift, "<I", value, second))
    raw("zip_lies_both", "damaged", patched(20, "<I", 2**31, second)[:second + 24] + struct.pack("<I", 2**31) + whole[second + 28:])
    local = whole.index(b"PK\3\4", 4)
    lying = bytearray(whole)
    for at in (local + 18, local + 22, second + 20, second + 24):
        struct.pack_into("<I", lying, at, 2**31)
    raw("zip_lies_everywhere", "damaged", bytes(lying))
    raw("zip_central_crc", "damaged", patched(16, "<I", 0xdeadbeef, second))
    raw("zip_local_offset", "damaged", patched(42, "<I", 2**31, second))
    raw("zip_encrypted", "is compressed or encrypted", patched(8, "<H", 1, second))
    raw("zip_entries_more", "damaged", patched(10, "<H", 9, end))
    raw("zip_entries_less", "damaged", patched(10, "<H", 1, end))
    raw("zip_directory_size", "damaged", patched(12, "<I", 2**31, end))
    raw("zip_directory_offset", "damaged", patched(16, "<I", 2**31, end))
    data = bytearray(whole)
    data[whole.index(FLOATS) + 3] ^= 1
    raw("zip_data_flipped", "CRC error in member a/data/0", bytes(data))
    data = bytearray(whole)
    data[whole.index(good) + 10] ^= 1
    raw("zip_pickle_flipped", "CRC error in member a/data.pkl", bytes(data))
    raw("zip_trailing", "damaged", whole + b"garbage")
    raw("zip_half", "truncated", whole[:len(whole) // 2])
    raw("zip_head_only", "truncated", whole[:4])
    raw("zip_nothing_in_it", "without data.pkl", whole[end:end + 4] + b"\0" * 18)
    huge = struct.pack("<IHHHHIIH", 0x06054b50, 0xffff, 0xffff, 0xffff, 0xffff, 0xffffffff, 0xffffffff, 0)
    raw("zip_end_only_ff", "damaged", huge)
    zip64 = struct.pack("<IQHHIIQQQQ", 0x06064b50, 44, 45, 45, 0, 0, 2**60, 2**60, 2**62, 0)
    raw("zip64_lies", "damaged", b"PK\3\4" + zip64 + struct.pack("<IIQI", 0x07064b50, 0, 4, 1) + huge)


def containers():
    raw("empty", "is empty", b"")
    raw("one_byte", "neither a zip file", b"P")
    raw("text", "neither a zip file", b"hello, this is no weight file\n")
    raw("html", "neither a zip file", b"<!DOCTYPE html><html>404</html>" * 30)
    raw("hdf5", "an HDF5 file", b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    raw("onnx", "an ONNX file", b"\x08\x08\x12\x07pytorch\x1a\x041.13:\x00")
    raw("tar", "the tar form", b"storages".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 500)
    raw("bare_pickle", "a bare pickle", PROTO + b"}.")


def safetensors():
    def made(name, refusal, header, data=FLOATS, length=None):
        header = header.encode() if isinstance(header, str) else header
        content = struct.pack("<Q", len(header) if length is None else length) + header + data
        raw("safetensors_" + name, refusal, content)
        seeds["safetensors/" + name] = header + data

    def entry(name="w", dtype="F32", shape="[2,3]", offsets="[0,24]", more=""):
        return f'{{"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}{more}}}}}'

    made("good", "OK", entry())
    made("good_padded", "OK", entry() + " " * 30)
    made("good_more", "OK", entry(more=',"x":[1]'))
    made("good_metadata", "OK", '{"__metadata__":{"format":"pt"},' + entry()[1:])
    made("good_unordered", "OK", '{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},' + entry("v", shape="[1]", offsets="[0,4]")[1:],
         b"\0" * 4 + FLOATS)
    made("good_int_beside", "OK", '{"n":{"dtype":"I64","shape":[],"data_offsets":[24,32]},' + entry()[1:], FLOATS + b"\1" + b"\0" * 7)
    made("lies", "neither a zip file", entry(), length=2**63)
    made("length_past_end", "neither a zip file", entry(), length=1000)
    made("length_short", "its header is damaged", entry(), length=40)
    made("header_huge", "at most 2097152", entry() + " " * (3 << 20))
    made("header_cut", "neither a zip file", entry()[:40], b"", length=74)
    made("header_not_json", "its header is damaged", "{hello}")
    made("header_twice", "its header is damaged", entry()[:-1] + "," + entry()[1:])
    made("header_zero", "its header is damaged", b'{"a\\u0000b":1}')
    made("header_nested", "its header is damaged", '{"a":' + "[" * 100000)
    made("header_bomb", "has no list shape", '{"a":{"dtype":"F32","shape":' + "{}" + ',"x":[' + "1," * 900000 + '1]}}')
    made("empty", "the state dict is empty", "{}")
    made("only_metadata", "the state dict is empty", '{"__metadata__":{}}')
    made("value_number", "dtype ''", '{"w":1}')
    made("dtype", "dtype 'F33' is not known", entry(dtype="F33"))
    made("dtype_unprintable", "dtype '?[2J' is not known", entry(dtype="\\u001b[2J"))
    made("dtype_f64", "does not fit the 24 bytes", entry(dtype="F64"))
    made("only_int8", "no floating-point tensor", entry(dtype="I8", shape="[24]"))
    made("shape_large", "does not fit the 24 bytes", entry(shape="[7]"))
    made("shape_small", "does not fit the 24 bytes", entry(shape="[5]"))
    made("shape_overflows", "does not fit the 24 bytes", entry(shape="[4294967296,4294967296,6]"))
    made("shape_negative", "no integer from 0 on", entry(shape="[-2,-3]"))
    made("shape_float", "no integer from 0 on", entry(shape="[2.0,3]"))
    made("shape_huge", "its header is damaged", entry(shape="[99999999999999999999]"))
    made("rank", "at most 8 are allowed", entry(shape="[1,1,1,1,1,1,1,1,6]"))
    made("shape_missing", "has no list shape", '{"w":{"dtype":"F32","data_offsets":[0,24]}}')
    made("offsets_one", "do not lie within", entry(offsets="[0]"))
    made("offsets_three", "at most 2", entry(offsets="[0,24,24]"))
    made("offsets_crossed", "do not lie within", entry(offsets="[24,0]"))
    made("offsets_past_end", "do not lie within", entry(shape="[2,4]", offsets="[0,32]"))
    made("offsets_negative", "no integer from 0 on", entry(offsets="[-24,0]"))
    made("truncated", "do not lie within", entry(), FLOATS[:20])
    made("trailing", "28 follow the header", entry(), FLOATS + b"\0" * 4)
    made("hole", "leave a hole at byte 0", entry(shape="[5]", offsets="[4,24]"))
    made("overlap", "overlap", '{"v":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},' + entry()[1:])
    made("name_control", "not printable ASCII", entry("a\\u001b"))
    made("name_empty", "0 characters", entry(""))
    made("name_long", "300 characters", entry("n" * 300))


def stacked():
    magic, protocol = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", PROTO + b"M\xe9\x03."
    system = PROTO + dict_(text("little_endian"), b"\x88") + STOP

    def place(count=6, key="0", cls=b"ctorch\nFloatStorage\n", view=b"N"):
        return tuple_(text("storage"), cls, text(key), text("cpu"), integer(count), view) + b"Q"

    def made(name, refusal, thing=None, keys=None, data=struct.pack("<q", 6) + FLOATS, head=magic + protocol + system):
        thing = thing or with_weight(tensor(source=place()))
        keys = keys or PROTO + b"](" + text("0") + b"e" + STOP
        raw("stacked_" + name, refusal, head + thing + keys + data)
        seeds["stacked/" + name] = thing + keys + data

    made("good", "OK")
    made("only_magic", "protocol, from byte 15", head=magic, thing=b"\0", keys=b"\0")
    made("other_protocol", "protocol is not 1001", head=magic + PROTO + b"K\x01." + system)
    made("big_endian", "big-endian", head=magic + protocol + PROTO + dict_(text("little_endian"), b"\x89") + STOP)
    made("system_list", "is no dict", head=magic + protocol + PROTO + b"]" + STOP)
    made("keys_dict", "are no list", keys=PROTO + b"}" + STOP)
    made("key_number", "a storage key is a number", keys=PROTO + b"](K\x00e" + STOP)
    made("key_unknown", "storage 7 belongs to no tensor", keys=PROTO + b"](" + text("7") + b"e" + STOP)
    made("key_missing", "storage 1 is missing", thing=with_weight(b"(" + tensor(source=place()) + tensor(source=place(key="1")) + b"1" +
         tensor(source=place(key="1"))))
    made("key_long", "300 characters", keys=PROTO + b"](" + text("0" * 300) + b"e" + STOP)
    made("keys_many", "at most 32768", keys=PROTO + b"](" + b"K\x00" * 40000 + b"e" + STOP)
    made("no_data", "ends before storage 0 does", data=b"")
    made("data_cut", "ends before storage 0 does", data=struct.pack("<q", 6) + FLOATS[:20])
    made("data_more", "4 bytes follow its last storage", data=struct.pack("<q", 6) + FLOATS + b"\0" * 4)
    made("count_differs", "7 elements in one place and 6", data=struct.pack("<q", 7) + FLOATS)
    made("count_negative", "elements in one place", data=struct.pack("<q", -6) + FLOATS)
    huge = with_weight(tensor(source=place(2**62)))
    made("count_huge", "ends before storage 0 does", thing=huge, data=struct.pack("<q", 2**62) + FLOATS)
    made("count_nothing", "elements in one place", thing=with_weight(tensor(source=place(-6))), data=struct.pack("<q", -6) + FLOATS)
    made("part", "is a part of another one", thing=with_weight(tensor(source=place(view=tuple_(text("1"), b"K\x00K\x06")))))
    made("five_items", "its storage is not", thing=with_weight(tensor()), keys=PROTO + b"]" + STOP, data=b"")
    made("size_large", "reaches element 6", thing=with_weight(tensor(size=(7,), stride=(1,), source=place())))
    made("call", "wants to call posix.system,", thing=PROTO + b"cposix\nsystem\n" + text("x") + b"\x85R" + STOP)
    made("trailing_garbage", "no binary pickle", keys=b"garbage")


def main():
    folder = sys.argv[1]
    os.makedirs(os.path.join(folder, "pickles"), exist_ok=True)
    for part in (opcodes, globals_, types, tensors, names, bombs, ends, zips, containers, safetensors, stacked):
        part()
    for name, content in pickles.items():
        with open(os.path.join(folder, "pickles", name), "wb") as out:
            out.write(content)
    for name, content in seeds.items():
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        with open(os.path.join(folder, name), "wb") as out:
            out.write(content)
    with open(os.path.join(folder, "list.txt"), "w") as listing:
        for name, (refusal, content) in files.items():
            with open(os.path.join(folder, name + ".pth"), "wb") as out:
                out.write(content)
            listing.write(f"{name}\t{refusal}\n")


if __name__ == "__main__":
    main()
