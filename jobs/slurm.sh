# Sourced by the *.sbatch scripts: runs a command of Credence so that a job that is stopped, preempted or out of time loses nothing.
# shellcheck shell=bash
#
# From the environment, which sbatch passes on:
#   CREDENCE_LAUNCHER  starts the ranks; mpirun (with options, if you like) is the other usual one
#                      (default: srun --mpi=pmix --kill-on-bad-exit=0 --wait=60)
#   CREDENCE_MARGIN    the run stops by itself so many seconds before the job's end, should the signal not have come (default: 120)
set -eu

# `scontrol requeue` of an array's own number would requeue all of its tasks; the last task has that number.
slurm_job=${SLURM_ARRAY_TASK_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
slurm_job=${slurm_job:-$SLURM_JOB_ID}

say() {
    echo "job $slurm_job: $*" >&2
}

# max_time: prints --max-time N, seconds that the job has left but for the margin; nothing if it has no end or it is too near.
max_time() {
    local end left
    end=$(SLURM_TIME_FORMAT=standard squeue --noheader --jobs="$slurm_job" --format=%e) || return 0
    end=$(date --date="$end" +%s 2>/dev/null) || return 0
    left=$((end - $(date +%s) - ${CREDENCE_MARGIN:-120}))
    [ "$left" -le 0 ] || echo "--max-time $left"
}

# pass_on SIGNAL: to the launcher, which tells all ranks. Before there is one nothing has to be stopped.
launcher=''
pass_on() {
    is_told=yes
    [ -z "$launcher" ] || kill -s "$1" "$launcher" || true
}
trap 'pass_on USR1' USR1
trap 'pass_on USR2' USR2

# slurm_run WORD...: `credence WORD...` on all ranks; ends the script. A run that stopped with a checkpoint is queued again.
slurm_run() {
    local code start is_told
    command -v credence >/dev/null || {
        say "credence is not in PATH"
        exit 127
    }
    # Since Slurm 22.05 srun does not take it from sbatch.
    [ -z "${SLURM_CPUS_PER_TASK-}" ] || export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
    start="${CREDENCE_LAUNCHER:-srun --mpi=pmix --kill-on-bad-exit=0 --wait=60} credence $1 --resume $(max_time)"
    shift
    say "restart ${SLURM_RESTART_COUNT:-0}, ${SLURM_NTASKS:-1} tasks on $SLURM_JOB_NODELIST: $start $*"
    # shellcheck disable=SC2086 # words
    $start "$@" &
    launcher=$!
    while :; do
        is_told=
        code=0
        wait "$launcher" || code=$?
        # A signal ends `wait` too: then the code is not yet the launcher's.
        [ -n "$is_told" ] || break
    done
    # 75: stopped with a checkpoint; 138: the signal came before the ranks could obey it.
    case $code in
    75 | 138)
        trap '' TERM # with which Slurm ends a job that it queues again, and this script before its last word
        if scontrol requeue "$slurm_job"; then
            say "stopped (code $code) and queued again"
        else
            say "stopped (code $code), but Slurm does not queue it again: submit it once more to continue"
        fi
        ;;
    esac
    exit "$code"
}
