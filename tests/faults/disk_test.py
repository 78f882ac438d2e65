"""A disk that is full at any size below what is needed: exit code 4 and no output, or a run that is right; resumable once there is room.
Of predict and of train."""
import subprocess
import sys
import tempfile
import pathlib

import program
from study import THOROUGH, Study, Training

STEPS = 64 if THOROUGH else 8


def fill(name, disk, study):
    study.finish(2)
    # The output, what is kept beside it, and checkpoints with the one that is being made.
    needed = 4 * (disk / "p.h5").stat().st_size
    study.clear()
    codes = []
    for step in range(1, STEPS + 1):
        size = needed * step // STEPS // 4096 * 4096 + 4096
        subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)
        done = program.run(*study.words, "-o", "p.h5", "--resume", "--checkpoint-interval", "0.001s", folder=disk,
                           ranks=1 + step % 2)
        codes.append(done.codes[0])
        assert set(done.codes) in ({0}, {4}), f"{size} bytes: {done.codes} {done.err}"
        assert study.is_there() == (done.codes[0] == 0), f"{size} bytes: {done.err}"
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        study.finish()
        study.clear()
    assert codes[0] == 4 and codes[-1] == 0, codes
    print(f"{name}: {STEPS} sizes up to {needed} bytes: {codes.count(4)} too small, {codes.count(0)} enough", flush=True)
    study.close()


def main():
    disk = pathlib.Path(tempfile.mkdtemp(prefix="credence-disk-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], capture_output=True, text=True,
                             check=False)
    if mounted.returncode != 0:
        print(f"skipped: no small disk can be mounted here: {mounted.stderr.strip()}")
        disk.rmdir()
        sys.exit(77)
    try:
        fill("predict", disk, Study("--draws", 40, "--save-draws", work=disk))
        fill("train", disk, Training("--epochs", 2, work=disk))
    finally:
        subprocess.run(["umount", disk], check=True)
        disk.rmdir()


main()
