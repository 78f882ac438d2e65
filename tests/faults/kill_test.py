"""SIGKILL of a rank, of mpirun, of all of them, at any moment, and other ranks after each: no finished unit is lost beyond the last
checkpoint, and the answer is the undisturbed run's. Of predict, with and without its draws, of train, and of sample."""
import os
import random
import signal
import subprocess
import time

import h5py

import program
from study import THOROUGH, Ensemble, Sampling, Study, Training

N_KILLS = int(os.environ.get("CREDENCE_KILLS", "1000" if THOROUGH else "20"))
INTERVAL_S = 0.02
STUCK_S = 300 # an mpirun whose ranks are gone, and which does not end
SEED = int(os.environ.get("CREDENCE_SEED", "20261125"))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def newest_checkpoint(study):
    """The one that is whole, or None; files are renamed only when whole."""
    for name in ("p.h5.ckpt", "p.h5.ckpt.prev"):
        if (study.work / name).exists():
            return study.work / name
    return None


def units_kept(study):
    path, (group, attribute) = newest_checkpoint(study), study.counter
    if path is None:
        return 0
    with h5py.File(path) as file:
        return int(file[group].attrs[attribute])


def kill_once(study, chance, span):
    """One run, killed after up to `span` seconds, or when a checkpoint is being written. Returns who was killed, and for how long the
    run had worked since its newest checkpoint; None if it had made none."""
    ranks = chance.choice((1, 2, 3, 4))
    begin = time.time()
    job = program.Job(*study.words, "--checkpoint-interval", f"{INTERVAL_S}s", "-o", "p.h5", "--resume", ranks=ranks,
                      folder=study.work)
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
    killed = time.time()
    for pid in targets:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for pid in pids: # mpirun's death ends them, a little later
        program.wait_for(lambda: not is_alive(pid))
    try:
        job.end(STUCK_S)
    except subprocess.TimeoutExpired: # seen once in 1,000: Open MPI 4.1.4 can lock itself up in its own end (pmix_rte_finalize)
        victim = "mpirun, stuck when its ranks were gone"
    path = newest_checkpoint(study)
    kept = path.stat().st_mtime if path is not None else 0
    return victim, max(killed - kept, 0) if kept > begin else None


def kill_often(study, chance, n_kills, counts):
    """Returns after how long without a checkpoint each run was killed, and how many were over before."""
    start = time.monotonic()
    study.finish(2)
    span = 1.2 * (time.monotonic() - start)
    study.clear()
    lost, n_finished, kept = [], 0, 0
    for _ in range(n_kills):
        victim, seconds = kill_once(study, chance, span)
        counts[victim] = counts.get(victim, 0) + 1
        if study.is_there(): # it was done before
            n_finished += 1
            study.clear()
            kept = 0
            continue
        now = units_kept(study)
        assert now >= kept, f"{kept} units were kept, now {now}"
        kept = now
        if seconds is not None:
            lost.append(seconds)
    study.finish(3)
    study.close()
    return lost, n_finished


def main():
    chance = random.Random(SEED)
    print(f"CREDENCE_SEED={SEED}", flush=True)
    studies = {"predict": lambda: Study("--draws", 160), "predict --save-draws": lambda: Study("--draws", 160, "--save-draws"),
               "predict of an ensemble": lambda: Ensemble("--draws", 160), "train": lambda: Training("--epochs", 12),
               "sample": lambda: Sampling("--draws", 12)}
    for i, (name, make) in enumerate(studies.items()):
        counts, n_kills = {}, (N_KILLS + i) // len(studies)
        lost, n_finished = kill_often(make(), chance, n_kills, counts)
        lost.sort()
        print(f"{name}: {n_kills} kills ({counts}), {n_finished} runs were over before theirs, answers the same; work lost, of "
              f"{len(lost)} runs that had made a checkpoint, every {INTERVAL_S} s: median "
              f"{lost[len(lost) // 2] if lost else 0:.3f} s, longest {lost[-1] if lost else 0:.3f} s", flush=True)


main()
