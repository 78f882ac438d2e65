"""A small run that is disturbed, and what must hold whatever happens."""
import os
import pathlib
import shutil
import tempfile

import program

THOROUGH = os.environ.get("CREDENCE_THOROUGH") == "soak"
POSTERIOR = program.DATA / "quickstart.h5"
IMAGES = program.DATA / "images"


class Study:
    """`words` is the command; `work` the folder of its output p.h5. Of predict; Training is train's."""
    # What stays beside p.h5 in the end, and the group and attribute of a checkpoint that count what is done.
    left = ["p.h5"]
    counter = "checkpoint", "n_units_done"

    def __init__(self, *words, work=None, images=IMAGES):
        self.images = images
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-faults-"))
        self.work = work or self.folder / "work"
        self.work.mkdir(exist_ok=True)
        self.words = self.command(*words)
        whole = program.run(*self.words, "-o", self.folder / "whole.h5")
        assert whole.codes == [0], whole.err
        self.expected = self.digests(self.folder / "whole.h5")

    def command(self, *words):
        return ["predict", POSTERIOR, self.images, *words]

    def digests(self, path):
        done = program.run("inspect", path, "--datasets")
        assert done.codes == [0], done.err
        return done.out

    def is_there(self):
        """True if p.h5 is: whole and right then, whenever one looks."""
        path = self.work / "p.h5"
        if not path.exists():
            return False
        assert self.digests(path) == self.expected, "another answer"
        return True

    def clear(self):
        for path in self.work.iterdir():
            path.unlink()

    def finish(self, ranks=1):
        """Undisturbed from here on: the answer is the undisturbed run's, and nothing else is left."""
        done = program.run(*self.words, "-o", "p.h5", "--resume", ranks=ranks, folder=self.work)
        assert done.codes == [0] * ranks, done.err
        assert self.is_there()
        left = sorted(path.name for path in self.work.iterdir() if path.name != "p.h5.ckpt.prev")
        assert left == self.left, left

    def close(self):
        shutil.rmtree(self.folder)


def labelled_images(study):
    """The study's images in a folder for each class."""
    labelled = study.folder / "labelled"
    for jpeg in study.images.glob("*.jpg"):
        folder = labelled / jpeg.stem.split("_", 1)[1].capitalize()
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(jpeg, folder)
    return labelled


class Ensemble(Study):
    """The same of a mixture of two posteriors."""

    def command(self, *words):
        for i, delta in enumerate((0.1, 0.5)):
            made = program.run("convert", "--weights", POSTERIOR, "--moped-delta", delta, "-o", self.folder / f"{i}.h5")
            assert made.codes == [0], made.err
        made = program.run("ensemble", self.folder / "0.h5", self.folder / "1.h5", "-o", self.folder / "mixture.h5")
        assert made.codes == [0], made.err
        return ["predict", self.folder / "mixture.h5", self.images, *words]


class Sampling(Study):
    """The same of chains: `sample` with labelled images, draws and checkpoint going into p.h5."""
    counter = "progress", "n_gradients"

    def command(self, *words):
        return ["sample", POSTERIOR, labelled_images(self), "--sampler", "hmc", "--leapfrog-steps", 2, "--burn-in", 2, "--chains", 2, *words]


class Training(Study):
    """The same of `train`, which leaves its checkpoint, so that it can be prolonged."""
    left = ["p.h5", "p.h5.ckpt"]
    counter = "progress", "step"

    def command(self, *words):
        return ["train", POSTERIOR, labelled_images(self), "--batch-size", 5, "--micro-batch", 2, "--lr", "1e-3", *words]
