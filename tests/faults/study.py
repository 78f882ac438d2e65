"""A small study that is disturbed, and what must hold whatever happens."""
import os
import pathlib
import shutil
import tempfile

import program

THOROUGH = os.environ.get("CREDENCE_THOROUGH") == "soak"
POSTERIOR = program.DATA / "quickstart.h5"
IMAGES = program.DATA / "images"


class Study:
    """`words` is the command; `work` the folder of its output p.h5."""

    def __init__(self, *words, work=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-faults-"))
        self.work = work or self.folder / "work"
        self.work.mkdir(exist_ok=True)
        self.words = ["predict", POSTERIOR, *words]
        whole = program.run(*self.words, "-o", self.folder / "whole.h5")
        assert whole.codes == [0], whole.err
        self.expected = self.digests(self.folder / "whole.h5")

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
        left = sorted(path.name for path in self.work.iterdir())
        assert left == ["p.h5"], left

    def close(self):
        shutil.rmtree(self.folder)
