#!/bin/bash
# Runs `predann-tools slurm` on a cluster, as an ordinary user, on a simulated dataset of 6 participants:
#   whole      undisturbed
#   cancelled  three jobs are cancelled in the middle, and submitted again
#   limited    the time limit stops training; jobs go back to the queue, or are submitted again with more time
# and fails unless each ends with the same metrics.json, to the byte, as a run without SLURM.
#
# Usage: [IMAGE=FILE.sif | VENV=DIR] [WORK=DIR] [EPOCHS=N] tests/cluster/run.sh [whole|cancelled|limited]...
#   sbatch, squeue, scancel and predann-tools must be on PATH, and the nodes must see WORK, which is made. Jobs run in the
#   environment of this predann-tools, in VENV, or in IMAGE under Apptainer.
set -euo pipefail

WORK=${WORK:-$PWD/cluster-test} EPOCHS=${EPOCHS:-500}
tools=predann-tools app=predann-bids
if [ -z "${IMAGE:-}" ]; then
    VENV=${VENV:-$(dirname "$(dirname "$(command -v predann-tools)")")}
    tools=$VENV/bin/predann-tools app=$VENV/bin/predann-bids
    program=(--venv "$VENV")
else
    program=(--image "$IMAGE")
fi
mkdir -p "$WORK"
WORK=$(cd -P "$WORK" && pwd)
dataset="$WORK/the dataset" # names with blanks must do
options=(--n-folds 2 --no-baseline --config "$WORK/study.toml" --accelerator cpu)

local_run() { # what the jobs are compared with
    local run=("$app")
    [ -z "${IMAGE:-}" ] || run=(apptainer exec --containall --cleanenv --no-home --pwd / -B "$WORK" "$IMAGE" predann-bids)
    "${run[@]}" "$dataset" "$WORK/local" participant --n-procs 1
    "${run[@]}" "$dataset" "$WORK/local" group --n-procs 1 "${options[@]}"
}

slurm() { # NAME OPTIONS...
    "$tools" slurm "$dataset" "$WORK/$1" "${options[@]}" "${program[@]}" --pool-time 0:30 "${@:2}"
}

jobs_of() { # NAME
    squeue -h -r -u "$(id -un)" -o '%i|%j|%T|%Z' | grep -F "|$WORK/$1/code/slurm/predann" || true
}

wait_for() { # NAME: until none of its jobs is in the queue
    while [ -n "$(jobs_of "$1")" ]; do sleep 2; done
}

until_done() { # NAME: submits what failed again, a few times
    local try
    for try in 1 2 3 4 5; do
        wait_for "$1"
        if slurm "$1" --status; then return; fi
        slurm "$1" --status --submit || true
    done
    echo "FAILED: $1 is not done after $try tries; its logs are in $WORK/$1/code/slurm/predann/logs" >&2
    exit 1
}

compare() { # NAME
    cmp "$WORK/local/group/predann/metrics.json" "$WORK/$1/group/predann/metrics.json"
    test -s "$WORK/$1/group/predann/report.html"
    echo "== $1: metrics.json is the same as without SLURM, to the byte"
}

whole() {
    slurm whole --submit
    wait_for whole
    slurm whole --status
    compare whole
}

cancelled() {
    local victims=()
    slurm cancelled --submit --at-once 2
    until [ ${#victims[@]} -ge 2 ]; do # participants, while they run
        sleep 2
        mapfile -t victims < <(jobs_of cancelled | grep '|predann-participants|RUNNING' | cut -d'|' -f1 | head -2)
    done
    scancel "${victims[@]}"
    wait_for cancelled # what depends on them leaves the queue as well
    slurm cancelled --status && { echo "FAILED: cancelled jobs count as done" >&2; exit 1; }
    slurm cancelled --status --submit
    until grep -qs 'Training: [1-9]' "$WORK"/cancelled/code/slurm/predann/logs/folds_*.log; do sleep 2; done
    mapfile -t victims < <(jobs_of cancelled | grep '|predann-folds|RUNNING' | cut -d'|' -f1 | head -1)
    [ ${#victims[@]} -gt 0 ] || { echo "FAILED: no fold was still in training: give more EPOCHS than $EPOCHS" >&2; exit 1; }
    scancel "${victims[@]}"
    until_done cancelled
    compare cancelled
}

limited() {
    local logs="$WORK/limited/code/slurm/predann/logs"
    slurm limited --submit --fold-time "${LIMIT:-0:02}" --fold-sbatch --signal=B:USR1@60
    until_done limited
    grep -q 'Stopped by SIGUSR1' "$logs"/folds_*.log ||
        { echo "FAILED: no time limit was reached: give more EPOCHS than $EPOCHS" >&2; exit 1; }
    compare limited
}

[ -d "$dataset" ] || "$tools" simulate "$dataset" --participants 6 --songs 3 --seconds 12 --channels 8 --sampling-rate 200
printf '[training]\nepochs = %s\nkeep = "last"\n[evaluation]\nprobe = false\n' "$EPOCHS" >"$WORK/study.toml"
local_run
[ $# -gt 0 ] || set -- whole cancelled limited
for name in "$@"; do "$name"; done
