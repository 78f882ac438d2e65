"""The N-th write, sync, rename and allocation fails, for N = 1, 2, ... until none does, once and for good: exit code 4 (1 for memory) or a run that
is right; nothing is called complete that is not; the run can be resumed. Of predict and of train."""
import os
import sys

import program
from study import IMAGES, THOROUGH, Study, Training

SHIM = os.environ["CREDENCE_SHIM"]
CODES = {"write": 4, "sync": 4, "rename": 4, "malloc": 1}
LOG = ("credence: warning", "continuing after", "credence: epoch", "credence: labels: ", " epoch of ", "(--checkpoints)")


def fail(study, kind, n, sticky):
    """Returns False when no n-th call has come."""
    mark = study.folder / "mark"
    mark.unlink(missing_ok=True)
    environment = {"LD_PRELOAD": SHIM, "FAIL_CALL": f"{kind}:{n}{':sticky' if sticky else ''}", "FAIL_MARK": str(mark),
                   "FAIL_BELOW": str(study.work)}
    done = program.run(*study.words, "-o", "p.h5", "--resume", "--checkpoint-interval", "0.000001s", folder=study.work,
                       environment=environment)
    case = f"{kind} {n} {'for good' if sticky else 'once'}: {done.codes[0]}, {done.err}"
    if not mark.exists():
        assert done.codes == [0] and study.is_there(), case
        return False
    assert done.codes[0] in (0, CODES[kind]), case
    if done.codes == [0]: # a checkpoint that could not be written ends no run
        assert study.is_there() and "warning: " in done.err, case
    else:
        # The folder's sync comes after the rename: the file is whole then, only not for certain after a power cut.
        assert not study.is_there() or kind == "sync", case
        # The communicator itself is the first that takes memory: without it only MPI can end the job.
        if "MPI_ABORT" not in done.err:
            assert len([line for line in done.err.splitlines() if not any(log in line for log in LOG)]) == 1, case
        study.finish()
    study.clear()
    return True


def fail_all(name, study, kinds):
    for kind in kinds:
        for sticky in (False, True) if THOROUGH or kind == "write" else (False,):
            n = n_cases = 0
            # By default 1, 2, 4, ...
            step = 1
            while True:
                n += step
                if not THOROUGH:
                    step = n
                if not fail(study, kind, n, sticky):
                    break
                n_cases += 1
            assert n_cases > 1, f"no {kind} was made to fail"
            print(f"{name}: {kind}, {'for good' if sticky else 'once'}: {n_cases} cases, the last below {n}", flush=True)
            study.clear()
    study.close()


def main():
    """With arguments: only these of predict, train, and kinds of calls; several at a time share the machine."""
    names, kinds = ([word for word in sys.argv[1:] if (word in CODES) == of_calls] for of_calls in (False, True))
    for name in names or ("predict", "train"):
        study = Study("--draws", 16, "--save-draws", images=IMAGES / "00_t-shirt_top.jpg") if name == "predict" else \
            Training("--epochs", 1)
        fail_all(name, study, kinds or CODES)


main()
