"""Slurm's own limits and delays, which take minutes: the signal before the end, the end, a node that goes down."""
import time

from cluster import Case, skip_if_impossible
import program
from program import DATA, ROOT
import unittest

POSTERIOR, IMAGES = DATA / "quickstart.h5", DATA / "images"
ALONE_S = 120 # a run on one rank: longer than a limit of a minute, which is kept to within half a minute
# Of two emulated nodes the shared-memory files would have the same names: here as between real nodes, by TCP.
TWO_NODES = {"OMPI_MCA_btl": "tcp,self", "OMPI_MCA_btl_tcp_if_include": "lo"}


class Limits(Case):
    requeue_s = 120 # Slurm's default

    @classmethod
    def setUpClass(cls):
        start = time.monotonic()
        done = program.run("predict", POSTERIOR, IMAGES, "--draws", 400)
        assert done.codes == [0], done.err
        n_draws = 8 * int(400 * ALONE_S / (time.monotonic() - start) / 8)
        cls.study = (POSTERIOR, IMAGES, "--draws", n_draws)
        cls.expected = cls.undisturbed("predict", *cls.study)
        super().setUpClass()

    def test_limits(self):
        """All at once, as they mostly wait."""
        script = ROOT / "jobs/predict.sbatch"
        soon = self.submit("--time=2", "--signal=B:USR1@30", "--nodelist=n1", "--ntasks=2", script, *self.study, "-o", "soon.h5",
                           environment={"CREDENCE_MARGIN": "1"})
        late = self.submit("--time=1", "--signal=B:USR1@0", "--nodelist=n1", "--ntasks=1", script, *self.study, "-o", "late.h5")
