"""SIGKILL of a rank, of mpirun, of all of them, at any moment, and other ranks after each: no finished unit is lost beyond the last
checkpoint, and the answer is the undisturbed run's."""
import os
import random
import signal
import time

import h5py

import program
from study import IMAGES, THOROUGH, Study

N_KILLS = 1000 if THOROUGH else 20
SEED = int(os.environ.get("CREDENCE_SEED", "20261125"))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def units_kept(study):
    """Units in the newest checkpoint that is whole; files are renamed only when whole."""
    for name in ("p.h5.ckpt", "p.h5.ckpt.prev"):
        if (study.work / name).exists():
            with h5py.File(study.work / name) as file:
                return int(file["checkpoint"].attrs["n_units_done"])
    return 0


def kill_once(study, chance, span, options):
    """One run, killed after up to `span` seconds, or when a checkpoint is being written."""
    ranks = chance.choice((1, 2, 3, 4))
    job = program.Job(*study.words, *options, "-o", "p.h5", "--resume", ranks=ranks, folder=study.work)
    pids = [job.pid(rank) for rank in range(ranks)] # the ranks have not begun to read
    end = time.monotonic() + chance.random() * span
    at_a_write = chance.random() < 0.3
    while time.monotonic() < end and job.process.poll() is None:
        if at_a_write and any(study.work.glob(".p.h5.ckpt.*.tmp")):
            time.sleep(chance.random() * 0.003)
            break
        time.sleep(0.0002)
    victim = chance.choice(("rank", "mpirun", "all"))
    targets = {"rank": [chance.choice(pids)], "mpirun": [job.process.pid], "all": [job.process.pid, *pids]}[victim]
    for pid in targets:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    program.wait_for(lambda: job.process.poll() is not None)
    for pid in pids: # mpirun's death ends them, a little later
        program.wait_for(lambda: not is_alive(pid))
    job.end()
    return victim


def main():
    chance = random.Random(SEED)
    print(f"CREDENCE_SEED={SEED}", flush=True)
    counts = {}
    n_killed = n_finished = 0
    for options in ((), ("--save-draws",)):
        study = Study(IMAGES, "--draws", 160, *options)
        start = time.monotonic()
        study.finish(2)
        span = 1.2 * (time.monotonic() - start)
        study.clear()
        kept = 0
        half = n_killed + N_KILLS // 2
        while n_killed < half:
            victim = kill_once(study, chance, span, ["--checkpoint-interval", "0.02s"])
            n_killed += 1
            counts[victim] = counts.get(victim, 0) + 1
            if study.is_there(): # it was done before
                n_finished += 1
                study.clear()
                kept = 0
                continue
            now = units_kept(study)
            assert now >= kept, f"{kept} units were kept, now {now}"
            kept = now
        study.finish(3)
        study.close()
    print(f"{n_killed} kills ({counts}), {n_finished} runs were over before theirs")


main()
