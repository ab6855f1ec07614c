#!/bin/sh
# Checks an image as strictly as a site may run it: a user without an account, no network, nothing writable but the output.
# Usage: container/check.sh IMAGE       with Docker
#        container/check.sh FILE.sif    with Apptainer
set -eu
image=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/data" "$work/out"
chmod a+rwx "$work" "$work/data" "$work/out"

case $image in
    *.sif)
        in_image() { # COMMAND ACCESS-TO-DATA ARGUMENTS...
            command=$1 access=$2; shift 2
            apptainer exec --containall --cleanenv --no-home --pwd / \
                -B "$work/data:/data:$access" -B "$work/out:/out" "$image" "$command" "$@"
        } ;;
    *)
        in_image() {
            command=$1 access=$2; shift 2
            docker run --rm --interactive --read-only --network none --user 12345:12345 \
                -v "$work/data:/data:$access" -v "$work/out:/out" --entrypoint "$command" "$image" "$@"
        } ;;
esac

in_image predann-bids ro --version
in_image sh ro -lc 'predann-bids --version && predann-tools --version'
in_image predann-bids ro --bids-exec-spec >"$work/descriptor.json"
in_image predann-tools rw simulate /data/ds --participants 3 --songs 3 --seconds 15 --channels 8 --sampling-rate 125
in_image predann-bids ro /data/ds /out participant
in_image predann-bids ro /data/ds /out group --epochs 2 --n-folds 3 --no-probe
in_image sh ro -c 'test -s /out/group/predann/metrics.json && grep -l finished /out/logs/runs/*_group_*.json'
in_image sh ro -c '! find /out -name .scratch -o -name ".writing-*" | grep .'
# nothing else can be written to, and so Triton's cache is in the output
in_image sh ro -c 'cat >/out/check_compiler.py && TMPDIR=/out TRITON_CACHE_DIR=/out/triton python /out/check_compiler.py' \
    <"$(dirname "$0")/check_compiler.py"
echo "$image passes"
