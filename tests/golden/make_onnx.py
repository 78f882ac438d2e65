"""Writes the small models of tests/golden/onnx, with torch's outputs: make_onnx.py. Each NAME.onnx has NAME.in.f32 and
NAME.out.f32, raw little-endian float32: 2 images and what torch says of them (the logits where the model ends with Softmax).
Made with torch 2.15.0 and onnx 1.23.2."""
import pathlib
import shutil

import numpy
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OUT = pathlib.Path(__file__).parent / "onnx"


class Mobile(nn.Module):
    """Hard-swish, squeeze and excitation, depthwise, batch norm."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.fc1, self.fc2 = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.depth = nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = nn.functional.hardswish(self.norm(self.stem(x)))
        s = nn.functional.adaptive_avg_pool2d(x, 1)
        x = x * nn.functional.hardsigmoid(self.fc2(nn.functional.silu(self.fc1(s))))
        x = self.depth(nn.functional.relu6(x))
        return self.head(torch.flatten(x.mean((2, 3)), 1))


class Next(nn.Module):
    """A block of ConvNeXt: layer norm and products with the features last, GELU."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 2, 2)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = self.stem(x).permute(0, 2, 3, 1)
        x = nn.functional.gelu(self.norm(x)).permute(0, 3, 1, 2)
        return torch.log_softmax(self.head(x.mean((2, 3))), 1)


class Decoder(nn.Module):
    """Transposed convolution, resize, PReLU, group norm, a flattening by its shape."""
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)
        self.act = nn.PReLU(4)
        self.norm = nn.InstanceNorm2d(4, affine=True)
        self.down = nn.Conv2d(4, 4, 3, 4, 1)
        self.head = nn.Linear(4 * 8 * 8, 3)

    def forward(self, x):
        x = nn.functional.interpolate(self.norm(self.act(self.up(x))), scale_factor=2, mode="bilinear")
        x = self.down(x)
        return torch.softmax(self.head(x.reshape(x.shape[0], -1) - 0.5), 1)


class Recurrent(nn.Module):
    """Columns as steps: an LSTM of two layers and directions over them, a GRU over its states, the state after the last step."""
    def __init__(self):
        super().__init__()
        self.columns = nn.Conv2d(3, 6, (8, 1))
        self.lstm = nn.LSTM(6, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(8, 3, batch_first=True)
        self.head = nn.Linear(3, 4)

    def forward(self, x):
        steps, _ = self.lstm(self.columns(x).squeeze(2).transpose(1, 2))
        _, last = self.gru(steps)
        return self.head(last[-1])


class Sequence(nn.Module):
    """An LSTM without biases; the mean of its states, and pooled ones beside."""
    def __init__(self):
        super().__init__()
        self.columns = nn.Conv2d(3, 6, (8, 1))
        self.lstm = nn.LSTM(6, 4, bias=False, batch_first=True)
        self.pool = nn.MaxPool1d(3, 2, dilation=2)
        self.head = nn.Linear(4, 4)

    def forward(self, x):
        x = self.pool(nn.functional.pad(self.columns(x).squeeze(2), (2, 1)))
        return self.head(self.lstm(x.transpose(1, 2))[0].mean(1))


class Plain(nn.Module):
    """Plain recurrent layers, of one and of both directions; and a GRU whose activations are written down though they are the usual."""
    def __init__(self):
        super().__init__()
        self.columns = nn.Conv2d(3, 6, (8, 1))
        self.first = nn.RNN(6, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.second = nn.RNN(8, 5, nonlinearity="relu", batch_first=True)
        self.third = nn.GRU(5, 3, bidirectional=True, batch_first=True)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = self.columns(x).squeeze(2).transpose(1, 2)
        for layer in (self.first, self.second, self.third):
            x, _ = layer(x)
        return self.head(x.mean(1))


class Transformer(nn.Module):
    """A class token, positions, an encoder layer over (tokens, images, features) as torch has it by default, a mask."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.token, self.places = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.zeros(1, 5, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, 0.)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        x = self.layer(x.transpose(0, 1), torch.full((5, 5), -torch.inf).triu(2))
        return self.head(self.norm(x.transpose(0, 1))[:, 0])


class Encoder(nn.Module):
    """Attention without a mask: torch's layer; of one head, spelled out, from three products; of windows and heads."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 2, 2)
        self.layer = nn.TransformerEncoderLayer(8, 2, 12, 0.)
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.qkv = nn.Linear(8, 24)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        n = x.shape[0]
        x = self.layer(self.stem(x).flatten(2).permute(2, 0, 1)).transpose(0, 1)
        x = x + ((self.q(x) @ self.k(x).transpose(1, 2)) / 8 ** .5).softmax(-1) @ self.v(x)
        parts = x.reshape(n, 2, 2, 2, 2, 8).transpose(2, 3).reshape(n * 4, 4, 8)
        q, k, v = self.qkv(parts).reshape(n * 4, 4, 3, 2, 4).permute(2, 0, 3, 1, 4)
        parts = ((q * .5) @ k.transpose(2, 3)).softmax(3) @ v
        x = x + parts.transpose(1, 2).reshape(n, 2, 2, 2, 2, 8).transpose(2, 3).reshape(n, 16, 8)
        return self.head(x.mean(1))


class Windows(nn.Module):
    """Swin's windows: rolled, of 2 x 2 positions, attention with a bias, back again; a patch merging."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 2, 1)
        self.qkv, self.out, self.merge = nn.Linear(6, 18), nn.Linear(6, 6), nn.Linear(24, 6)
        self.bias = nn.Parameter(torch.zeros(1, 2, 4, 4))
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.stem(x).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        y = torch.roll(x, (-1, -1), (1, 2)).view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(n * h * w // 4, 4, c)
        q, k, v = self.qkv(y).reshape(y.shape[0], 4, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        q = nn.functional.normalize(q, dim=-1)
        y = torch.softmax(q @ k.transpose(-2, -1) + self.bias, -1) @ v
        y = self.out(y.transpose(1, 2).reshape(-1, 4, c)).view(n, h // 2, w // 2, 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        x = x + torch.roll(y, (1, 1), (1, 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.head(self.merge(x).mean((1, 2)))


def randomize(model):
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point():
            tensor.data = torch.rand_like(tensor) + 0.5 if name.endswith("running_var") else torch.randn_like(tensor) * 0.4


def logits_of(model, x):
    out = []
    hook = model.head.register_forward_hook(lambda module, given, result: out.append(result))
    model(x)
    hook.remove()
    return out[0]


def put(name, x, y):
    (OUT / f"{name}.in.f32").write_bytes(x.numpy().astype("<f4").tobytes())
    (OUT / f"{name}.out.f32").write_bytes(y.detach().numpy().astype("<f4").tobytes())


def export(name, model, opset, dynamo, dynamic):
    """With `dynamic` False the file has one image."""
    model.eval()
    randomize(model)
    x = torch.randn(2, 3, 8, 8)
    given = x[:1] if dynamic is False else x
    path = OUT / f"{name}.onnx"
    if dynamo:
        torch.onnx.export(model, (given,), path, dynamo=True, opset_version=opset, external_data=False, verbose=False,
                          dynamic_shapes=({0: torch.export.Dim("n")},) if dynamic else None)
    else:
        axes = {"input": {0: "n", 2: "h", 3: "w"} if dynamic == "size" else {0: "n"}} if dynamic else None
        torch.onnx.export(model, given, path, dynamo=False, opset_version=opset, input_names=["input"], dynamic_axes=axes,
                          training=torch.onnx.TrainingMode.PRESERVE if "kept" in name else torch.onnx.TrainingMode.EVAL,
                          do_constant_folding="kept" not in name)
    saved = onnx.load(path)
    for node in saved.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    del saved.metadata_props[:]
    del saved.graph.value_info[:]
    del saved.graph.metadata_props[:]
    onnx.save(saved, path)
    put(name, x, logits_of(model, x))


def encoders():
    """From numbers of their own, as plain()."""
    torch.manual_seed(5)
    for opset, dynamo in ((17, False), (20, True)):
        export(f"encoder_{opset}", Encoder(), opset, dynamo, True)


def plain():
    torch.manual_seed(4)
    export("plain_17", Plain(), 17, False, True)
    saved = onnx.load(OUT / "plain_17.onnx")
    gru = next(node for node in saved.graph.node if node.op_type == "GRU")
    gru.attribute.append(helper.make_attribute("activations", ["Sigmoid", "Tanh"] * 2))
    onnx.save(saved, OUT / "plain_17.onnx")


def refused():
    """A product that sums over the images, which no network here can do; a shape whose product has 69 bits; parts of two types; an index
    beyond its axis; attention of more tokens than an op may have scores, and with a scale that is no number."""
    node = helper.make_node
    small("huge_shape", [node("Pad", ["x", "pads"], ["p"], "pad"), node("Flatten", ["p"], ["y"], "flat")],
          {"pads": numpy.int64([0, 254, 1 << 30, 1 << 30, 0, 0, 0, 0])}, [2, 3, 4], 17)
    small("beyond", [node("Gather", ["x", "some"], ["g"], "some", axis=2), node("Slice", ["g", "one", "four", "two", "two"], ["s"], "odd"),
                     node("Flatten", ["s"], ["y"], "flat")],
          {"some": numpy.int64([1, 0, 2, 99]), "one": numpy.int64([1]), "two": numpy.int64([2]), "four": numpy.int64([4])}, [2, 3, 4], 17)
    small("two_types", [node("Concat", ["whole", "real"], ["c"], "join", axis=0), node("Reshape", ["x", "c"], ["y"], "shape")],
          {"whole": numpy.int64([0]), "real": numpy.float32([24])}, [2, 3, 4], 17)
    small("over_images", [node("Einsum", ["x", "x"], ["s"], "sum", equation="bgij,bgkj->gik"), node("Flatten", ["s"], ["y"], "flat")], {}, [2, 3, 4])
    attention = [node("Transpose", ["t"], ["q"], "tokens", perm=[0, 2, 1]), node("MatMul", ["q", "t"], ["m"], "scores"),
                 node("Mul", ["m", "c"], ["d"], "scaled"), node("Softmax", ["d"], ["p"], "probabilities", axis=-1),
                 node("MatMul", ["p", "q"], ["o"], "values"), node("ReduceMean", ["o"], ["y"], "mean", axes=[1], keepdims=0)]
    small("many_tokens", [node("Reshape", ["x", "s"], ["t"], "places"), *attention],
          {"s": numpy.int64([-1, 2, 50176]), "c": numpy.float32(.5)}, [2, 224, 224])
    small("scale_nan", [node("Reshape", ["x", "s"], ["t"], "places"), *attention],
          {"s": numpy.int64([-1, 2, 64]), "c": numpy.float32(numpy.nan)}, [2, 8, 8])


def linear_model(weight):
    """Flatten and a product, by hand."""
    nodes = [helper.make_node("Flatten", ["x"], ["f"], "flat"), helper.make_node("Gemm", ["f", "w"], ["y"], "head", transB=1)]
    graph = helper.make_graph(nodes, "small", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 2, 2])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def outside(name, location, offset=0, length=48):
    """Numbers in a file beside the model."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        entry = weight.external_data.add()
        entry.key, entry.value = key, str(value)
    (OUT / f"{name}.onnx").write_bytes(linear_model(weight).SerializeToString())


def typed(name, data_type, values):
    weight = helper.make_tensor("w", data_type, [3, 4], values)
    model = linear_model(weight)
    if data_type != TensorProto.FLOAT:
        model.graph.initializer[0].name = "w_raw"
        model.graph.node.insert(0, helper.make_node("Cast", ["w_raw"], ["w"], "cast", to=TensorProto.FLOAT))
    (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())


def small(name, nodes, constants, shape, opset=13):
    """Nodes from x (n, *shape) to y, with named constants. Returns images to run it on."""
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", None])],
                              [numpy_helper.from_array(value, key) for key, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(5))


def shuffle(name, is_last):
    """A shuffle of channels in two groups; of rows, where the features come last."""
    node, size = helper.make_node, [4, 4, 4]
    turned = [node("Transpose", ["x"], ["t"], "turn", perm=[0, 2, 3, 1])] if is_last else []
    back = [node("Transpose", ["s"], ["b"], "back", perm=[0, 3, 1, 2])] if is_last else []
    x = small(name, [*turned, node("Reshape", ["t" if is_last else "x", "cut"], ["c"], "cut"),
                     node("Transpose", ["c"], ["e"], "exchange", perm=[0, 2, 1, 3, 4]), node("Reshape", ["e", "join"], ["s"], "shuffle"), *back,
                     node("Flatten", ["b" if is_last else "s"], ["y"], "flat")],
              {"cut": numpy.int64([0, 2, 2, 4, 4]), "join": numpy.int64([0, *size])}, size)
    rows = x.permute(0, 2, 3, 1) if is_last else x
    shuffled = rows.reshape(2, 2, 2, 4, 4).transpose(1, 2).reshape(2, *size)
    put(name, x, (shuffled.permute(0, 3, 1, 2) if is_last else shuffled).reshape(2, 64))


def patterns():
    """Patterns of nodes beside what they look like."""
    node, numbers = helper.make_node, numpy.float32([[1], [-2], [0.5]])
    shuffle("shuffle", False)
    shuffle("shuffle_last", True)
    x = small("widened", [node("Conv", ["x", "k"], ["c"], "conv"), node("Add", ["c", "three"], ["w"], "widen"), node("Flatten", ["w"], ["f"], "flat"),
                          node("MatMul", ["f", "m"], ["p"], "product"), node("Add", ["p", "five"], ["y"], "widen_too")],
              {"k": numpy.float32([[[[2]]]]), "three": numbers.reshape(3, 1, 1), "m": numbers, "five": numpy.float32([1, 2, 3, 4, 5])}, [1, 1, 1])
    put("widened", x, (2 * x.reshape(2, 1) + torch.tensor(numbers.T)) @ torch.tensor(numbers) + torch.arange(1., 6))
    x = small("lrn_last", [node("Transpose", ["x"], ["t"], "turn", perm=[0, 2, 3, 1]), node("LRN", ["t"], ["l"], "norm", size=3),
                           node("Flatten", ["l"], ["y"], "flat")], {}, [4, 4, 4])
    put("lrn_last", x, nn.functional.local_response_norm(x.permute(0, 2, 3, 1), 3).reshape(2, 64))
    x = small("einsum", [node("Einsum", ["x", "x"], ["s"], "scores", equation="b g i d, bgjd -> bgij"), node("Softmax", ["s"], ["p"], "probs", axis=-1),
                         node("Einsum", ["x", "p"], ["o"], "mix", equation="bgjd,bgij->bdgi"), node("Flatten", ["o"], ["y"], "flat")], {}, [2, 3, 4])
    put("einsum", x, torch.einsum("bgjd,bgij->bdgi", x, torch.softmax(torch.einsum("bgid,bgjd->bgij", x, x), -1)).reshape(2, 24))
    x = small("attention", [node("Attention", ["x", "x", "x"], ["a"], "heads", is_causal=1, scale=0.3), node("Reshape", ["a", "tokens"], ["t"], "tokens"),
                            node("Attention", ["t", "t", "t"], ["b"], "tokens", q_num_heads=2, kv_num_heads=2), node("Flatten", ["b"], ["y"], "flat")],
              {"tokens": numpy.int64([0, 6, 4])}, [2, 3, 4], 23)
    y = nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True, scale=0.3).reshape(2, 6, 2, 2).transpose(1, 2)
    put("attention", x, nn.functional.scaled_dot_product_attention(y, y, y).transpose(1, 2).reshape(2, 24))
    x = small("axes", [node("Transpose", ["x"], ["t"], "turn", perm=[2, 0, 3, 1]), node("Gather", ["t", "some"], ["g"], "some", axis=2),
                       node("Slice", ["g", "one", "six", "zero", "two"], ["s"], "odd"), node("Pad", ["s", "pads"], ["p"], "pad"),
                       node("ReduceL2", ["p"], ["l"], "length", axes=[-1]), node("Div", ["p", "l"], ["d"], "unit"),
                       node("ReduceMax", ["d"], ["m"], "most", axes=[0], keepdims=0), node("LayerNormalization", ["m", "scale"], ["n"], "norm", axis=1),
                       node("Flatten", ["n"], ["y"], "flat")],
              {"some": numpy.int64([3, 0, 1]), "one": numpy.int64([1]), "six": numpy.int64([6]), "zero": numpy.int64([0]), "two": numpy.int64([2]),
               "pads": numpy.int64([0, 0, 0, 1, 0, 0, 0, 0]), "scale": numpy.arange(9, dtype="f4").reshape(3, 3) / 4}, [2, 6, 4], 17)
    y = nn.functional.pad(x.permute(2, 0, 3, 1)[1:6:2, :, [3, 0, 1]], (1, 0))
    y = (y / y.norm(dim=-1, keepdim=True)).amax(0)
    put("axes", x, nn.functional.layer_norm(y, (3, 3), torch.arange(9.).reshape(3, 3) / 4).reshape(2, 9))
    product = [node("Flatten", ["x"], ["f"], "flat"), node("MatMul", ["f", "m"], ["y"], "product")]
    empty = [node("Softmax", ["e"], ["e1"], "soft", axis=2), node("CumSum", ["e", "two"], ["e2"], "sum"), node("TopK", ["e", "none"], ["e3", "e4"], "top"),
             node("MatMul", ["e5", "e6"], ["e7"], "times")]
    many = 1 << 20
    x = small("empty", [*empty, *product],
              {"m": numbers, "e": numpy.zeros((many, many, 0), "f4"), "two": numpy.int64(2), "none": numpy.int64([0]),
               "e5": numpy.zeros((many, many, 0, 1), "f4"), "e6": numpy.ones((1, 1), "f4")}, [1, 1, 3])
    put("empty", x, x.reshape(2, 3) @ torch.tensor(numbers))
    small("omitted", [node("Max", ["m", "", "m"], ["z"], "largest"), *product], {"m": numbers}, [1, 1, 3])
    small("no_first", [node("Split", ["x"], ["", "s"], "parts", axis=3), node("Flatten", ["s"], ["y"], "flat")], {}, [1, 1, 4])
    x = small("one_name", [node("Abs", ["x"], ["0"], "a"), *[node("Neg", [str(i)], [str(i + 1)], "a") for i in range(3)],
                           node("Flatten", ["3"], ["y"], "a_2")], {}, [1, 1, 4])
    put("one_name", x, -x.abs().reshape(2, 4))
    (OUT / "twice.onnx").write_bytes((OUT / "typed_float.onnx").read_bytes() + b"\x3a\x00")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    torch.manual_seed(3)
    export("mobile_9", Mobile(), 9, False, None)
    export("mobile_kept_13", Mobile(), 13, False, True)
    export("mobile_18", Mobile(), 18, True, True)
    export("next_13", Next(), 13, False, True)
    export("next_17", Next(), 17, False, "size")
    export("next_20", Next(), 20, True, True)
    export("decoder_11", Decoder(), 11, False, None)
    export("decoder_18", Decoder(), 18, True, True)
    export("recurrent_17", Recurrent(), 17, False, True)
    export("recurrent_20", Recurrent(), 20, True, True)
    export("sequence_17", Sequence(), 17, False, True)
    for opset, dynamo in ((17, False), (20, True)):
        export(f"transformer_{opset}", Transformer(), opset, dynamo, True)
        export(f"windows_{opset}", Windows(), opset, dynamo, True)
    export("transformer_one", Transformer(), 17, False, False)
    export("windows_one", Windows(), 20, True, False)
    last = onnx.load(OUT / "recurrent_17.onnx") # the GRU's first output left out, as other exporters do
    next(node for node in last.graph.node if node.op_type == "GRU").output[0] = ""
    onnx.save(last, OUT / "recurrent_last.onnx")
    for end in ("in", "out"):
        shutil.copy(OUT / f"recurrent_17.{end}.f32", OUT / f"recurrent_last.{end}.f32")
    numbers = numpy.arange(12, dtype="<f4") / 4 - 1
    (OUT / "weights.bin").write_bytes(b"\0" * 16 + numbers.tobytes())
    outside("outside", "weights.bin", 16)
    outside("outside_above", "../onnx/weights.bin", 16)
    outside("outside_absolute", "/etc/hostname")
    outside("outside_short", "weights.bin", 32)
    outside("outside_link", "link.bin", 16)
    (OUT / "link.bin").symlink_to("weights.bin")
    typed("typed_float", TensorProto.FLOAT, numbers.tolist())
    typed("typed_double", TensorProto.DOUBLE, numbers.tolist())
    typed("typed_half", TensorProto.FLOAT16, numpy.float16(numbers).tolist())
    typed("typed_int32", TensorProto.INT32, list(range(-4, 8)))
    for name in ("outside", "typed_float", "typed_double", "typed_half", "typed_int32"):
        x = torch.randn(2, 1, 2, 2)
        w = torch.tensor(numbers if name != "typed_int32" else numpy.arange(-4, 8, dtype="f4")).reshape(3, 4)
        put(name, x, x.reshape(2, 4) @ w.T)
    lacking = linear_model(numpy_helper.from_array(numbers.reshape(3, 4), "w"))
    lacking.graph.node[0].input[0] = "r"
    lacking.graph.node.insert(0, helper.make_node("GridSample", ["x", "x"], ["g"], "warp"))
    lacking.graph.node.insert(1, helper.make_node("Det", ["g"], ["r"], "det"))
    (OUT / "lacking.onnx").write_bytes(lacking.SerializeToString())
    lacking.opset_import[0].version = 99
    (OUT / "opset_99.onnx").write_bytes(lacking.SerializeToString())
    patterns()
    plain()
    encoders()
    refused()


if __name__ == "__main__":
    main()
