"""The program under test: runs it alone or under mpirun, and gives what each rank returned."""
import fcntl
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
PROGRAM = os.environ["CREDENCE_PROGRAM"]
MPIRUN = [os.environ.get("CREDENCE_MPIRUN", "mpirun"), "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
          "--mca", "mpi_yield_when_idle", "1", # a waiting rank leaves the core to others: tests run side by side
          # On a busy machine mpirun may miss that a rank has called MPI_Finalize, and then says so at length when the shell around
          # the rank ends. A rank that a signal ends is told to mpirun by that shell's code.
          "--mca", "orte_allowed_exit_without_sync", "1"]
# How Open MPI starts a process that no mpirun started: without a daemon at its side, folders, other transports and a look for
# graphics cards. That takes a quarter of the time, of runs by the thousand. All that mpirun starts keeps Open MPI's defaults, and
# so do single runs in tests/faults/limits_test.py, install_test.py and examples_test.py.
ALONE = {"OMPI_MCA_ess_singleton_isolated": "1", "OMPI_MCA_orte_create_session_dirs": "0", "OMPI_MCA_pml": "ob1",
         "OMPI_MCA_btl": "self", "HWLOC_COMPONENTS": "-gl,-pci"}


# A run says every ten seconds how far it is: so none on a fast machine, and any number on a busy one.
PROGRESS = re.compile(r"^credence: \d+ of \d+ \w+, \d+ s, about \d+ s left.*\n", re.M)


class Result:
    """`err` is without the lines of progress."""

    def __init__(self, codes, out, err):
        self.codes, self.out, self.err = codes, out, PROGRESS.sub("", err)


# After so long what is waited for counts as hung. No test may depend on how fast the machine is: the limit is only there to
# end a test that would never end, and it is below CTest's, so that the test itself says what hung.
PATIENCE_S = 60 * int(os.environ.get("CREDENCE_PATIENCE_MIN", "30"))


def run(*arguments, ranks=1, folder=None, environment=None, mpirun=None, of_rank=None):
    """Runs `credence arguments` in `folder`; `mpirun` stands for MPIRUN; `of_rank` (rank, name, value) is a variable of one
    rank's environment alone. A run that hangs fails after PATIENCE_S."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    words = [PROGRAM, *map(str, arguments)]
    if ranks == 1:
        done = subprocess.run(words, cwd=folder, env={**ALONE, **environment}, capture_output=True, text=True, timeout=PATIENCE_S)
        return Result([done.returncode], done.stdout, done.stderr)
    # mpirun kills the ranks that still run when one fails: behind a shell each gets to its own end and code.
    with tempfile.TemporaryDirectory() as codes:
        script = 'code=0; "$@" || code=$?; echo $code >"$CODES/$OMPI_COMM_WORLD_RANK"; [ $code -lt 128 ] || exit $code'
        if of_rank:
            rank, name, value = of_rank
            script = f'[ $OMPI_COMM_WORLD_RANK -ne {rank} ] || export {name}={value}; {script}'
        done = subprocess.run([*(mpirun or MPIRUN), "-n", str(ranks), "sh", "-c", script, "sh", *words], cwd=folder,
                              env={**environment, "CODES": codes}, capture_output=True, text=True, timeout=PATIENCE_S)
        found = sorted(pathlib.Path(codes).iterdir(), key=lambda path: int(path.name))
        return Result([int(path.read_text()) for path in found], done.stdout, done.stderr)


def run_on_terminal(test, *arguments, columns=80, **more):
    """(exit code, what is printed, both ways) of `credence arguments` on a terminal so wide. Where the system has none to give (a
    chroot without /dev/pts) the rest of `test` is skipped, and that is said."""
    try:
        ours, its = pty.openpty()
    except OSError as why:
        reason = f"no pseudo-terminal here: {why}"
        print(f"{test.id()}: skipped: {reason}", file=sys.stderr)
        test.skipTest(reason)
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    environment = {name: value for name, value in {**ALONE, **os.environ}.items() if name != "COLUMNS"}
    environment.update(TERM="xterm", OMP_NUM_THREADS="1")
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=its, stderr=its,
                                   env=environment, **more)
        os.close(its)
        text = b""
        while True:
            try:
                piece = screen.read(4096)
            except OSError: # Linux's end of a terminal that nobody writes to any more
                break
            if not piece:
                break
            text += piece
    return process.wait(PATIENCE_S), text.decode()


class Job:
    """A run in the background under mpirun, whose ranks can be sent signals."""
    running = set()

    def __init__(self, *arguments, ranks, folder, environment=None, mpirun=None):
        self.ranks, self.notes = ranks, pathlib.Path(tempfile.mkdtemp(prefix="credence-job-"))
        script = ('"$@" & echo $! >"$NOTES/pid.$OMPI_COMM_WORLD_RANK.new"; '
                  'mv "$NOTES/pid.$OMPI_COMM_WORLD_RANK.new" "$NOTES/pid.$OMPI_COMM_WORLD_RANK"; code=0; '
                  'wait $! || code=$?; echo $code >"$NOTES/done.$OMPI_COMM_WORLD_RANK"; '
                  'mv "$NOTES/done.$OMPI_COMM_WORLD_RANK" "$NOTES/code.$OMPI_COMM_WORLD_RANK"; '
                  # mpirun must hear of a signal: the end of a rank that seems well lets the others wait for ever.
                  '[ $code -lt 128 ] || exit $code')
        words = [*(mpirun or MPIRUN), "-n", str(ranks), "sh", "-c", script, "sh", PROGRAM, *map(str, arguments)]
        self.process = subprocess.Popen(words, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        start_new_session=True, env={**os.environ, "NOTES": str(self.notes),
                                                                     **(environment or {})})
        Job.running.add(self)

    def pid(self, rank):
        path = self.notes / f"pid.{rank}"
        wait_for(path.exists, self.process)
        return int(path.read_text())

    def end(self, timeout=PATIENCE_S):
        """The ranks' exit codes in order, and what was printed."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            Job.running.discard(self)
        codes = [int(path.read_text()) for path in sorted(self.notes.glob("code.*"))]
        shutil.rmtree(self.notes, ignore_errors=True) # a rank that outlives its mpirun still writes there
        return Result(codes, out, err)

    @classmethod
    def end_all(cls):
        """Ends what a test that failed has left running: the next ones would find its files."""
        for job in list(cls.running):
            job.process.terminate()
            job.end(60)


def wait_for(condition, process=None):
    """Until `condition` holds. Fails at once when `process`, whose doing it is, ends before."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        has_ended = process is not None and process.poll() is not None
        assert not has_ended or condition(), "the process ended before what was waited for came"
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)


def convert(output, *options):
    """The quickstart's posterior."""
    return run("convert", "--arch", "cifar_resnet8", "--weights", DATA / "quickstart_weights.pth", "--moped",
               "--moped-delta", "0.05", "--crop", "28", "--channel-mean", "0.2860", "--channel-sd", "0.3530", "--classes",
               DATA / "fashion_mnist_classes.txt", *options, "-o", output)


class Case(unittest.TestCase):
    """A folder of its own with posterior.h5 in it; work/ is empty and the current folder."""
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-cli-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.work = cls.folder / "work"
        cls.work.mkdir()
        cls.posterior = cls.folder / "posterior.h5"
        result = convert(cls.posterior)
        assert result.codes == [0], result.err

    def tearDown(self):
        Job.end_all()
        for path in self.work.iterdir():
            path.unlink()

    def succeed(self, *arguments, ranks=1):
        result = run(*arguments, ranks=ranks, folder=self.work)
        self.assertEqual(result.codes, [0] * ranks, result.err)
        return result.out
