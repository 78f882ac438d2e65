"""Slurm's own daemons on this machine: three nodes of two cores, all of it under a temporary folder, nothing of the system's touched."""
import os
import pathlib
import pwd
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import h5py

import program

SKIPPED = 77
NODES = ("n1", "n2", "n3")
OVER = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL"}
CONFIGURATION = """
ClusterName=credence
FirstJobId={first_job}
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire={requeue_s}
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
TmpFS={folder}/tmp.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
MpiDefault=none
ReturnToService=2
KillWait=5
JobRequeue=0
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[1]} CPUs=2 RealMemory=16000 State=UNKNOWN
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[2]} CPUs=2 RealMemory=16000 State=UNKNOWN
NodeName=n3 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[3]} CPUs=2 RealMemory=16000 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
PartitionName=main Nodes=n1,n2,n3 Default=YES MaxTime=60 State=UP PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=n1,n2,n3 MaxTime=60 State=UP PriorityTier=2
"""


def skip_if_impossible():
    """Ends the process, saying why, where no cluster can be started."""
    reason = None
    missing = [name for name in ("slurmctld", "slurmd", "munged", "sbatch", "setpriv") if shutil.which(name) is None]
    if missing:
        reason = f"{', '.join(missing)} not found: packages slurm-wlm and munge"
    elif os.geteuid() != 0:
        reason = "Slurm's daemons are started by root only"
    elif "munge" not in {user.pw_name for user in pwd.getpwall()}:
        reason = "there is no user munge, which munged must run as"
    if reason is not None:
        print(f"skipped: {reason}", file=sys.stderr)
        sys.exit(SKIPPED)


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    """`requeue_s`: for how long Slurm holds back a job that is queued again: a credential's life, by default 120, at least 5."""

    def __init__(self, requeue_s):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-slurm-"))
        self.daemons = []
        # Nothing of a job that the test itself may be in; the program first.
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_", "OMPI_", "PMIX_"))}
        paths = [str(pathlib.Path(program.PROGRAM).parent), str(pathlib.Path(program.MPIRUN[0]).parent), "/usr/sbin", "/sbin"]
        self.environment = {**keep, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": ":".join((*paths, os.environ["PATH"])),
                            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_mpi_yield_when_idle": "1"}
        try:
            self.start(requeue_s)
        except BaseException:
            self.stop()
            raise

    def start(self, requeue_s):
        folder = self.folder
        folder.chmod(0o755)
        for name in ("state", "log", *(f"{kind}.{node}" for node in NODES for kind in ("spool", "tmp"))):
            (folder / name).mkdir()
        # Open MPI names its shared memory by host and job: jobs of two clusters on one machine must not have one number.
        text = CONFIGURATION.format(folder=folder, host=socket.gethostname(), ports=free_ports(4), requeue_s=requeue_s,
                                    first_job=random.randrange(1000, 10**7))
        (folder / "slurm.conf").write_text(text)
        # Groups are not used, nor need they be there: named, they are not looked for.
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        self.start_munge()
        self.daemon("slurmctld", "slurmctld", "-D", "-c", "-f", folder / "slurm.conf")
        for node in NODES:
            self.daemon(node, "slurmd", "-D", "-f", folder / "slurm.conf", "-N", node)
        self.wait_for(lambda: self.call("sinfo", "-h", "-t", "idle", "-o", "%D", check=False).strip() == str(len(NODES)),
                      "the nodes to be idle")

    def start_munge(self):
        munge = self.folder / "munge"
        munge.mkdir()
        (munge / "key").write_bytes(os.urandom(128))
        (munge / "key").chmod(0o400)
        for path in (munge, munge / "key"):
            shutil.chown(path, "munge", "munge")
        self.daemon("munged", "munged", "--foreground", f"--key-file={munge}/key", f"--socket={munge}/socket",
                    f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed",
                    options=("--reuid=munge", "--regid=munge", "--clear-groups"))
        self.wait_for((munge / "socket").exists, "munged's socket")

    def daemon(self, name, *words, options=()):
        """Told to end when this process does, however that may be. `options`: of setpriv."""
        with open(self.folder / "log" / name, "w", encoding="utf-8") as log:
            self.daemons.append((name, subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *options, *map(str, words)], stdout=log,
                                                        stderr=log, stdin=subprocess.DEVNULL, env=self.environment)))

    def cancel_jobs(self):
        self.call("scancel", "--user=root", check=False)
        end = time.monotonic() + 20
        while self.call("squeue", "-h", check=False).strip() and time.monotonic() < end:
            time.sleep(0.1)

    def stop(self):
        """First the jobs, which would outlive the daemons, then these in the order in which they need each other."""
        if len(self.daemons) == len(NODES) + 2:
            self.cancel_jobs()
        for _, process in reversed(self.daemons):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder)

    def wait_for(self, condition, what):
        end = time.monotonic() + program.PATIENCE_S
        while not condition():
            dead = [name for name, process in self.daemons if process.poll() is not None]
            if dead or time.monotonic() > end:
                logs = "".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted((self.folder / "log").iterdir()))
                raise AssertionError(f"waited for {what}" + (f", but {', '.join(dead)} ended" if dead else "") + f"\n{logs}")
            time.sleep(0.05)

    def call(self, *words, folder=None, environment=None, check=True):
        """What a command of Slurm prints."""
        done = subprocess.run([*map(str, words)], cwd=folder, env={**self.environment, **(environment or {})}, capture_output=True,
                              text=True, timeout=program.PATIENCE_S)
        assert done.returncode == 0 or not check, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def facts(self, job):
        """What `scontrol show job` says, as a dictionary; of an array's task: job is ARRAY_TASK."""
        line = self.call("scontrol", "show", "job", "-o", job).splitlines()[0]
        return dict(word.split("=", 1) for word in line.split(" ") if "=" in word)


class Case(unittest.TestCase):
    """A cluster, and for each test an empty folder `work` in which its jobs run."""
    requeue_s = 5

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-batch-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.cluster = Cluster(cls.requeue_s)
        cls.addClassCleanup(cls.cluster.stop)

    def setUp(self):
        self.work = self.folder / "work"
        self.work.mkdir()
        self.addCleanup(shutil.rmtree, self.work)
        self.addCleanup(self.cluster.cancel_jobs)

    @classmethod
    def undisturbed(cls, command, *words):
        """Digests of what one run under mpirun, without Slurm, writes."""
        done = program.run(command, *words, "-o", cls.folder / "whole.h5", ranks=2)
        assert done.codes == [0, 0], done.err
        return cls.digests(cls.folder / "whole.h5")

    @staticmethod
    def draws_for(seconds, *words):
        """How many draws take one rank so long on this machine, by its processor time, which does not count what others do."""
        before = os.times()
        done = program.run("predict", *words, "--draws", 400)
        assert done.codes == [0], done.err
        return int(400 * seconds / (os.times().children_user - before.children_user))

    @staticmethod
    def digests(path):
        done = program.run("inspect", path, "--datasets")
        assert done.codes == [0], done.err
        return done.out

    def submit(self, *words, environment=None):
        """The number of the job; its log is in `work`. Half an hour, so that the signal before the end is far away."""
        words = ["sbatch", "--parsable", "--time=30", *words]
        return self.cluster.call(*words, folder=self.work, environment=environment).strip()

    def log(self, job):
        path = self.work / f"slurm-{job}.out"
        return path.read_text() if path.exists() else ""

    def wait_for(self, condition, what, job):
        try:
            self.cluster.wait_for(condition, what)
        except AssertionError as late:
            raise AssertionError(f"{late}\n--- job {job}\n{self.cluster.facts(job)}\n{self.log(job)}") from None

    def wait_for_file(self, pattern, job):
        """Of a job that runs. An output's temporary file is there when the ranks heed signals."""
        def is_there():
            return any(self.work.glob(pattern))
        self.wait_for(lambda: is_there() or self.cluster.facts(job)["JobState"] in OVER, pattern, job)
        self.assertTrue(is_there(), self.log(job))

    def finish(self, job, state="COMPLETED", code="0:0"):
        """Waits for the job's end, and gives what Slurm says of it. `code`: exit code, and signal."""
        self.wait_for(lambda: self.cluster.facts(job)["JobState"] in OVER, "the job's end", job)
        facts = self.cluster.facts(job)
        self.assertEqual((facts["JobState"], facts["ExitCode"]), (state, code), self.log(job))
        return facts

    def check_requeued(self, job, output, expected):
        """A job that was told to stop once: it did, went back to the queue, and its output is the undisturbed run's."""
        self.assertEqual(self.finish(job)["Restarts"], "1", self.log(job))
        log = self.log(job)
        for pattern in ("restart 0, 2 tasks", r"stopped after|stopped at", r"stopped \(code 75\) and queued again", "restart 1, 2 tasks"):
            self.assertRegex(log, pattern)
        self.assertEqual(self.digests(self.work / output), expected)
        with h5py.File(self.work / output) as file:
            self.assertEqual(file.attrs["slurm_job_id"], job)
