"""Limits of memory, files and disks: one line and its exit code on all ranks at once, no hang, nothing left; or, where the limit need not
stop a run, its answer. A row a limit; what cannot be set here (no root, no control groups) is named and left out."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import program
from study import IMAGES

MEMORY, IO = 1, 4
MIB = 1 << 20
SHIRT = IMAGES / "00_t-shirt_top.jpg"
GROUP = pathlib.Path("/sys/fs/cgroup/memory" if pathlib.Path("/sys/fs/cgroup/memory").exists() else "/sys/fs/cgroup") / \
    f"credence-{os.getpid()}"
LIMIT = GROUP / ("memory.limit_in_bytes" if "memory" in GROUP.parts else "memory.max")

# Commands. large.h5 is a posterior of some 90 MiB for grey images.
predict = ["predict", "large.h5", SHIRT, "--deterministic", "-o", "p.h5"]
small = ["predict", program.DATA / "quickstart.h5", IMAGES, "--draws", "4", "-o", "p.h5"]
convert = ["convert", "--arch", "resnet18", "--channels", "1", "-o", "p.h5"]
selftest = ["selftest"]

# What is done before the program starts, in a shell; the command; exit code; what the one line says (code 0: nothing).
ROWS = [
    ("addresses for no MPI", "ulimit -v 100000", selftest, MEMORY, "start of MPI: out of memory"),
    ("addresses for no product", "ulimit -v 250000", selftest, MEMORY, "matrix products: out of memory"),
    ("addresses for no product", "ulimit -v 250000", small, MEMORY, "matrix products: out of memory"),
    ("addresses for no posterior", "ulimit -v 500000", predict, MEMORY, "out of memory"),
    ("files for no MPI", "ulimit -f 2000", small, IO, "ulimit -f"), # blocks of 512 bytes
    ("files for no output", "ulimit -f 60000", convert, IO, "p.h5: cannot be written: File too large"),
    ("files for no shared memory", "ulimit -f 60000", predict, MEMORY, "to share: File too large"),
    ("a group for no posterior", f"echo $$ >{GROUP}/cgroup.procs", predict, MEMORY, "out of memory"),
    ("small /dev/shm", "mount -t tmpfs -o size=8m tmpfs /dev/shm", predict, 0, None),
    ("full /dev/shm", "mount -t tmpfs -o size=8m tmpfs /dev/shm; head -c 9m /dev/zero >/dev/shm/x 2>&-; true", predict, 0, None),
    ("no files without a name, and a small /dev/shm",
     "mount -t tmpfs -o size=8m tmpfs /dev/shm; export FAIL_CALL=memfd:1:sticky", predict, MEMORY, "/dev/shm has no room"),
    ("no files without a name", "export FAIL_CALL=memfd:1:sticky", predict, 0, None),
    ("full disk", "mount -t tmpfs -o size=64k tmpfs $PWD/disk; cd disk", small, IO,
     "p.h5: cannot be written: No space left on device"),
    ("full /tmp", "mount -t tmpfs -o size=1m tmpfs $TMPDIR", small, IO, "TMPDIR"),
]


def can_mount():
    return subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False).returncode == 0


def make_group():
    """A control group of 80 MiB; False where none can be made."""
    try:
        GROUP.mkdir()
        LIMIT.write_text(str(80 * MIB))
        return True
    except OSError:
        return False


def run(setup, words, ranks, work):
    """Every rank sets its limit itself, as the launcher shall not have it; places are changed for all of them together. Returns the ranks' codes, and the
    whole."""
    limit = ["sh", "-c", f'{setup} && exec "$@"', "sh"]
    codes = pathlib.Path(tempfile.mkdtemp(prefix="credence-codes-"))
    note = ["sh", "-c", 'code=0; "$@" || code=$?; echo $code >"$CODES/${OMPI_COMM_WORLD_RANK:-0}"', "sh"]
    launch = [*program.MPIRUN, "-n", str(ranks)] if ranks > 1 else []
    command = [program.PROGRAM, *map(str, words)]
    outer = ["unshare", "-m", *limit, *launch, *note, *command] if "mount" in setup else [*launch, *note, *limit, *command]
    environment = {**os.environ, "CODES": str(codes)}
    if "FAIL_CALL" in setup:
        environment |= {"LD_PRELOAD": os.environ["CREDENCE_SHIM"], "FAIL_MARK": "/dev/null"}
    if "TMPDIR" in setup:
        (work / "tmp").mkdir(exist_ok=True)
        environment["TMPDIR"] = str(work / "tmp")
    done = subprocess.run(outer, cwd=work, env=environment, capture_output=True, text=True, check=False, timeout=program.PATIENCE_S)
    found = [int((codes / str(rank)).read_text()) for rank in range(ranks) if (codes / str(rank)).exists()]
    shutil.rmtree(codes)
    return found, done


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="credence-limits-"))
    mounts, group = can_mount(), make_group()
    try:
        assert program.run(*convert[:-1], "large.h5", folder=folder).codes == [0]
        (folder / "disk").mkdir()
        before = sorted([*os.listdir(folder), "tmp"])
        whole = {}
        for name, setup, words, code, text in ROWS:
            if ("mount" in setup and not mounts) or ("cgroup" in setup and not group):
                print(f"{name}: left out: cannot be set here", flush=True)
                continue
            for ranks in (1, 3):
                if "TMPDIR" in setup and ranks > 1:
                    continue # mpirun itself needs the room, and says so in its own words
                codes, done = run(setup, words, ranks, folder)
                case = f"{name}, {ranks} ranks: {codes}\n{done.stdout}\n{done.stderr}"
                assert codes == [code] * ranks, case
                if code == 0:
                    (folder / "p.h5").unlink()
                    rows = done.stdout.splitlines()[1:]
                    assert whole.setdefault(str(words), rows) == rows, case
                else:
                    # Before MPI no rank knows of the others: each says it.
                    lines = set(done.stderr.splitlines())
                    assert len(lines) == 1 and text in lines.pop(), case
                left = sorted({*os.listdir(folder), "tmp"})
                assert left == before and os.listdir(folder / "disk") == [], f"{case}\n{left}"
            print(f"{name}: exit code {code}", flush=True)
    finally:
        if group:
            GROUP.rmdir()
        shutil.rmtree(folder)


main()
