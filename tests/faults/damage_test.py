"""Flipped bits and lost ends of the files that the program reads again: exit code 3 and one line that names the file, never a signal, never
another answer. (unit.damage does this thousands of times, in one process.)"""
import random

import program
from study import POSTERIOR, THOROUGH, Study, Training

N_FLIPS, N_TRUNCATIONS = (200, 50) if THOROUGH else (3, 2)
INPUT, STOPPED = 3, 75


def make(words, name, folder, code=0, times=1):
    for _ in range(times):
        done = program.run(*words, folder=folder)
        assert done.codes == [code], done.err
    return (folder / name).read_bytes()


def main():
    chance = random.Random(20261125)
    predict, train = Study("--draws", 24), Training("--epochs", 2)
    work = predict.work
    part = [*predict.words, "--part"]
    stop = ["--resume", "--max-time", "0.001s"]
    draws = [*predict.words, "--save-draws", "-o", "d.h5"]
    again = [*predict.words, "-o", "p.h5"]
    learn = [*train.words, "-o", "t.h5"]
    posterior = POSTERIOR.read_bytes()
    make([*part, "2/2", "-o", "2.h5"], "2.h5", work)
    cases = {
        # Who reads it, its name, and what it holds.
        "posterior": (["predict", "x.h5", *predict.words[2:], "-o", "y.h5"], "x.h5", posterior),
        "prediction": (["inspect", "w.h5", "--datasets"], "w.h5", make([*predict.words, "-o", "w.h5"], "w.h5", work)),
        "part of a prediction": (["merge", "1.h5", "2.h5", "-o", "m.h5"], "1.h5", make([*part, "1/2", "-o", "1.h5"], "1.h5", work)),
        "draws of a run": ([*draws, "--resume"], "d.h5.ckpt.draws", make([*draws, *stop], "d.h5.ckpt.draws", work, STOPPED,
                                                                             times=6)), # a unit each at least
        "prediction checkpoint": ([*again, "--resume"], "p.h5.ckpt", make([*again, *stop], "p.h5.ckpt", work, STOPPED)),
        "training checkpoint": ([*learn, "--resume"], "t.h5.ckpt", make([*learn, *stop], "t.h5.ckpt", work, STOPPED)),
    }
    checkpoint = (work / "d.h5.ckpt").read_bytes()
    for kind, (words, name, whole) in cases.items():
        n_right = 0
        for i in range(N_FLIPS + N_TRUNCATIONS):
            damaged = bytearray(whole)
            if i < N_FLIPS:
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
            else:
                del damaged[chance.randrange(len(damaged)):]
            (work / name).write_bytes(damaged)
            done = program.run(*words, folder=work)
            case = f"{kind}, {i}: {done.codes[0]}, {done.err}"
            if kind == "draws of a run" and done.codes == [0]: # what was hit belongs to no unit that is done
                n_right += 1
                digests = program.run("inspect", "d.h5", "--datasets", folder=work).out
                assert set(predict.expected.splitlines()) <= set(digests.splitlines()), case
                (work / "d.h5").unlink()
                (work / "d.h5.ckpt").write_bytes(checkpoint)
                continue
            assert done.codes == [INPUT], case
            lines = [line for line in done.err.splitlines() if "ignored" not in line and ": labels: " not in line]
            assert len(lines) == 1 and name in lines[0], case
        assert n_right < N_FLIPS + N_TRUNCATIONS or not THOROUGH
        print(f"{kind}, {len(whole)} bytes: {N_FLIPS} flips, {N_TRUNCATIONS} truncations: {n_right} concerned nothing, the rest "
              "refused by name", flush=True)
    predict.close()
    train.close()


main()
