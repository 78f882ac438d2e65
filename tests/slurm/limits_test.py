"""Slurm's own limits and delays, which take minutes: the signal before the end, the end itself, a node that goes down."""
import unittest

from cluster import Case, skip_if_impossible
from program import DATA, ROOT

POSTERIOR, IMAGES = DATA / "quickstart.h5", DATA / "images"
ALONE_S = 120 # a run on one rank: longer than a limit of a minute, which Slurm keeps to within half a minute
# Emulated nodes would give their shared-memory files the same names: by TCP, as between real nodes.
TWO_NODES = {"OMPI_MCA_btl": "tcp,self", "OMPI_MCA_btl_tcp_if_include": "lo"}


class Limits(Case):
    requeue_s = 120 # Slurm's default

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.study = (POSTERIOR, IMAGES, "--draws", cls.draws_for(ALONE_S, POSTERIOR, IMAGES), "--checkpoint-interval", "2s")
        cls.expected = cls.undisturbed("predict", *cls.study)

    def start(self, output, *options, environment=None):
        return self.submit(*options, ROOT / "jobs/predict.sbatch", *self.study, "-o", output, environment=environment)

    def check(self, job, output):
        """Done, after Slurm queued it again; how often and how long."""
        facts = self.finish(job)
        self.assertGreater(int(facts["Restarts"]), 0, self.log(job))
        self.assertIn("continuing after", self.log(job))
        self.assertEqual(self.digests(self.work / output), self.expected)
        print(f"{output}: {facts['Restarts']} restarts, digests equal", flush=True)

    def test_limits_and_a_dead_node(self):
        """All at once, as they mostly wait: the signal before the limit of two minutes; a limit of one without it; two nodes."""
        told = self.start("told.h5", "--time=2", "--signal=B:USR1@30", "--nodelist=n1", "--ntasks=2",
                          environment={"CREDENCE_MARGIN": "1"})
        late = self.start("late.h5", "--time=1", "--signal=CONT@1", "--nodelist=n2", "--ntasks=1",
                          environment={"CREDENCE_MARGIN": "1000"})
        dead = self.start("dead.h5", "--nodelist=n2,n3", "--ntasks=2", "--ntasks-per-node=1", environment=TWO_NODES)
        self.wait_for_file("dead.h5.ckpt", dead)
        self.cluster.call("scontrol", "update", "nodename=n3", "state=down", "reason=test")
        self.wait_for(lambda: self.cluster.facts(dead)["JobState"] == "PENDING", "the job to be queued again", dead)
        self.cluster.call("scontrol", "update", "nodename=n3", "state=resume", check=False) # refused if its daemon was faster
        self.finish(late, "TIMEOUT", "0:15")
        self.assertEqual(sorted(path.name for path in self.work.glob("*late.h5*")), ["late.h5.ckpt", "late.h5.ckpt.prev"])
        again = self.start("late.h5", "--ntasks=2")
        self.finish(again)
        self.assertIn("continuing after", self.log(again))
        self.assertEqual(self.digests(self.work / "late.h5"), self.expected)
        print("late.h5: killed at its limit, digests equal", flush=True)
        self.check(dead, "dead.h5")
        self.assertIn("DUE TO NODE FAILURE", self.log(dead))
        self.check(told, "told.h5")


if __name__ == "__main__":
    skip_if_impossible()
    unittest.main()
