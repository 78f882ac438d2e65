#!/usr/bin/python3
"""Holds the program `credence` against torch, torchvision and bayesian-torch: see run.sh.

  parity.py [--only CHECK]... [--archs NAME]... [--image FILE]... CREDENCE

Checks: resnets (logits of the deterministic network), conversion (names, rho, KL), draw (logits with
bayesian-torch's eps), state-dict (a converted network read back), statistics (moments over draws).
Prints one line a comparison; exit code 1 if one fails, 77 if a package is missing.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "golden"), str(TESTS.parent / "data"), str(TESTS / "parity")]
sys.dont_write_bytecode = True
try:
    import h5py
    import make_bayes
    import make_quickstart
    import numpy as np
    import random_resnet
    import torch
    from bayesian_torch.models.deterministic import resnet as cifar_resnet
    from bayesian_torch.models.dnn_to_bnn import get_kl_loss
    from PIL import Image
    from torchvision import transforms
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

LOGIT_TOLERANCE = 1e-4  # of the largest logit
N_SIGMA = 4.0


class Session:
    """The program, a scratch folder, and the tally."""

    def __init__(self, program, folder, images):
        self.program, self.folder, self.images = program, pathlib.Path(folder), images
        self.n_checks = self.n_failed = 0

    def check(self, what, value, limit, unit=""):
        """Passes if value <= limit; not a number fails."""
        passed = bool(value <= limit)
        self.n_checks += 1
        self.n_failed += not passed
        print(f"{'ok    ' if passed else 'FAILED'}  {what}: {value:.3g} (at most {limit:g}{unit})", flush=True)

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments), "--quiet"], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"credence {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def path(self, name):
        return self.folder / name

    def convert(self, arch, state, *options):
        """Posterior file made from a state dict."""
        weights, posterior = self.path("weights.pth"), self.path("posterior.h5")
        torch.save(state, weights)
        self.run("convert", "--arch", arch, "--weights", weights, *options, "-o", posterior)
        weights.unlink()
        return posterior

    def logits(self, posterior, images, *options):
        """(draw, image, class)"""
        prediction = self.path("prediction.h5")
        self.run("predict", posterior, *images, *options, "--save-draws", "-o", prediction)
        with h5py.File(prediction) as file:
            found = next(file[group] for group in ("predictions", "posterior_predictive") if group in file)
            logits = found["logits"][0]
        prediction.unlink()
        return torch.from_numpy(logits)

    def kl(self, posterior):
        facts = json.loads(self.run("inspect", posterior, "--json"))["posterior"]
        return facts["kl_mean"], facts["kl_sum"]

    def check_logits(self, what, ours, theirs):
        largest = theirs.abs().max().item()
        self.check(f"{what} (largest logit {largest:.3g})", (ours - theirs).abs().max().item() / largest,
                   LOGIT_TOLERANCE, " of the largest")


def imagenet_batch(paths):
    transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                                    transforms.Normalize(random_resnet.MEAN, random_resnet.SD)])
    return torch.stack([transform(Image.open(path).convert("RGB")) for path in paths])


def cifar_batch(paths):
    transform = transforms.Compose([transforms.CenterCrop(32), transforms.ToTensor()])
    return torch.stack([transform(Image.open(path).convert("RGB")) for path in paths])


def forward(net, x):
    with torch.no_grad():
        return net(x)


def clone(net):
    return {key: value.clone() for key, value in net.state_dict().items()}


def check_resnets(session, archs):
    x = imagenet_batch(session.images)
    for arch in archs:
        net = random_resnet.make(arch, seed=1)
        # One Bayesian layer keeps the file small; --deterministic uses mu only.
        posterior = session.convert(arch, net.state_dict(), "--moped", "--bayesian", "fc")
        session.check_logits(f"{arch}: deterministic logits", session.logits(posterior, session.images, "--deterministic")[0],
                             forward(net, x))
        posterior.unlink()


def resnet18_pair():
    """make() and state of a random ResNet18."""
    state = clone(random_resnet.make("resnet18", seed=2))
    return (lambda: random_resnet.torchvision.models.resnet18()), state


def check_conversion(session, _):
    make, state = resnet18_pair()
    for delta, mu, sigma in ((0.5, 0.0, 1.0), (0.05, 0.1, 0.3)):
        what = f"resnet18, delta {delta}, prior N({mu}, {sigma}^2)"
        net = make_bayes.convert(make, state, moped_delta=delta, prior_mu=mu, prior_sigma=sigma)
        options = ("--moped", "--moped-delta", delta, "--prior-mu", mu, "--prior-sigma", sigma)
        posterior = session.convert("resnet18", state, *options)
        theirs = {key: value for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked")}
        ours = {}
        with h5py.File(posterior) as file:
            file["parameters"].visititems(lambda name, item: ours.update({name.replace("/", "."): item[()]})
                                          if isinstance(item, h5py.Dataset) else None)
        same = sum(key in ours and ours[key].shape == tuple(value.shape) for key, value in theirs.items())
        session.check(f"{what}: names or shapes that differ", len(set(ours) | set(theirs)) - same, 0)
        error = {False: 0.0, True: 0.0}
        for key, value in theirs.items():
            if key in ours:
                value = value.numpy()
                difference = np.abs(ours[key] - value) / np.maximum(1, np.abs(value))
                is_rho = ".rho_" in key
                error[is_rho] = max(error[is_rho], difference.max())
        session.check(f"{what}: mu and fixed tensors", error[False], 0)
        session.check(f"{what}: rho, relative", error[True], 2e-6)
        kl_mean, kl_sum = session.kl(posterior)
        session.check(f"{what}: KL as get_kl_loss has it, relative",
                      abs(kl_mean / get_kl_loss(net).item() - 1), 1e-5)
        exact = sum(kl.sum().item() for kl in make_bayes.kl_in_double(net, mu, sigma).values())
        session.check(f"{what}: KL summed, relative", abs(kl_sum / exact - 1), 1e-6)
        posterior = session.convert("resnet18", state, *options, "--moped-prior")
        session.check(f"{what}: KL with the prior at the weights, relative",
                      abs(session.kl(posterior)[0] / make_bayes.kl_with_prior_at_mean(net) - 1), 1e-5)


def draw_with_eps(session, net, x):
    """Logits of one draw of bayesian-torch, and the file of its eps."""
    torch.manual_seed(5)
    logits = forward(net, x)
    path = session.path("eps.h5")
    with h5py.File(path, "w") as file:
        for key, value in make_bayes.eps_buffers(net).items():
            file[f"eps/{key}"] = value.numpy()
    return logits, path


def check_draw(session, _):
    make, state = resnet18_pair()
    for delta in (0.05, 0.5):
        net = make_bayes.convert(make, state, moped_delta=delta)
        theirs, eps = draw_with_eps(session, net, imagenet_batch(session.images))
        posterior = session.convert("resnet18", state, "--moped", "--moped-delta", delta)
        session.check_logits(f"resnet18, delta {delta}: a draw with bayesian-torch's eps",
                             session.logits(posterior, session.images, "--import-eps", eps)[0], theirs)


def check_state_dict(session, _):
    def make():
        return cifar_resnet.ResNet(cifar_resnet.BasicBlock, [1, 1, 1])
    torch.manual_seed(6)
    net = make_bayes.convert(make, clone(make()), moped_enable=False)
    theirs, eps = draw_with_eps(session, net, cifar_batch(session.images))
    posterior = session.convert("cifar_resnet8", net.state_dict())
    session.check("bayesian-torch's state dict without MOPED: KL, relative",
                  abs(session.kl(posterior)[0] / get_kl_loss(net).item() - 1), 1e-5)
    session.check_logits("bayesian-torch's state dict without MOPED: a draw with its eps",
                         session.logits(posterior, session.images, "--import-eps", eps)[0], theirs)


def moments(logits):
    """Mean and sd over draws with their standard errors: of both images' logits and of their difference,
    which shows whether the images share their weights."""
    logits = torch.cat([logits, logits[:, :1] - logits[:, 1:2]], 1).double()
    n = len(logits)
    mean, sd = logits.mean(0), logits.std(0)
    fourth = ((logits - mean)**4).mean(0)
    return (mean, sd / n**0.5), (sd, ((fourth - sd**4) / (4 * sd**2 * n)).sqrt())


def check_statistics(session, _, n_draws=2000, delta=0.2):
    data = TESTS.parent / "data"
    images = [data / "images" / name for name in ("13_shirt.jpg", "17_ankle_boot.jpg")]
    pixels = np.stack([np.asarray(Image.open(path), np.float32) for path in images])
    x = (torch.from_numpy(pixels)[:, None] / 255 - make_quickstart.MEAN) / make_quickstart.SD
    state = clone(make_quickstart.load_net())
    posterior = session.convert("cifar_resnet8", state, "--moped", "--moped-delta", delta, "--crop", 28, "--channel-mean",
                                make_quickstart.MEAN, "--channel-sd", make_quickstart.SD)
    cases = (("reparameterization", "Reparameterization", None), ("flipout-pixel", "Flipout", None),
             ("flipout", "Flipout", make_bayes.channel_signs))
    for estimator, kind, patch in cases:
        torch.manual_seed(7)
        net = make_bayes.convert(make_quickstart.CifarResNet8, state, moped_delta=delta, type=kind)
        with patch() if patch else torch.no_grad():
            theirs = torch.stack([forward(net, x) for _ in range(n_draws)])
        ours = session.logits(posterior, images, "--draws", n_draws, "--estimator", estimator, "--seed", 8)
        for name, (a, a_se), (b, b_se) in zip(("means", "sds"), moments(ours), moments(theirs)):
            z = (a - b).abs() / (a_se**2 + b_se**2).sqrt()
            session.check(f"quickstart network, {estimator}: largest of {z.numel()} deviations of {name} over "
                          f"{n_draws} draws", z.max().item(), N_SIGMA, " standard errors")


CHECKS = {"resnets": check_resnets, "conversion": check_conversion, "draw": check_draw,
          "state-dict": check_state_dict, "statistics": check_statistics}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", metavar="CREDENCE")
    parser.add_argument("--only", action="append", choices=CHECKS)
    parser.add_argument("--archs", action="append", choices=random_resnet.ARCHS)
    parser.add_argument("--image", action="append", default=[], type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, torchvision {random_resnet.torchvision.__version__}, "
          f"bayesian-torch {make_bayes.metadata.version('bayesian-torch')}, numpy {np.__version__}")
    with tempfile.TemporaryDirectory(prefix="credence-parity-") as folder:
        images = []
        for number, size in enumerate(((375, 500), (300, 240))):
            image = random_resnet.natural_image(np.random.default_rng(number), *size)
            images.append(pathlib.Path(folder) / f"natural{number}.jpg")
            Image.fromarray(image).save(images[-1], quality=92)
        session = Session(args.program, folder, images + args.image)
        for name in args.only or CHECKS:
            CHECKS[name](session, args.archs or random_resnet.ARCHS)
    print(f"{session.n_checks - session.n_failed} of {session.n_checks} comparisons passed")
    sys.exit(session.n_failed > 0 or session.n_checks == 0)


if __name__ == "__main__":
    main()
