#!/bin/sh
# Posteriors for Fashion-MNIST from nothing, each with its figures on the test set: the studies of data/README.md.
set -eu

usage() {
    cat <<'END'
usage: jobs/fashion_mnist.sh [-n RANKS] [-o FOLDER] [-h] [STUDY...]

Trains a small ResNet (cifar_resnet8) on Fashion-MNIST and evaluates it with 30 draws. Studies, all of them by default:

  twin      the deterministic network
  moped     a posterior about the twin's weights, as MOPED makes it, trained with the ELBO (needs twin)
  elbo      from random weights with the true ELBO and a prior scaled by layer
  tempered  the same with a tenth of the KL divergence

Files go to FOLDER (default: build/fashion_mnist, of an installed script fashion_mnist); a study that was interrupted continues where it was. `credence` is taken from PATH, or from
build/. The data are Debian's package dataset-fashion-mnist.

  -n RANKS   MPI ranks (default: 2); the result is the same for any number
  -o FOLDER  where files go
  -h         this help
END
}

ranks=2 folder=
while getopts n:o:h option; do
    case $option in
    n) ranks=$OPTARG ;;
    o) folder=$OPTARG ;;
    h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
root=$(cd "$(dirname "$0")/.." && pwd)
# What is installed is not written to.
if [ -z "$folder" ]; then
    folder=$PWD/fashion_mnist
    [ ! -f "$root/CMakeLists.txt" ] || folder=$root/build/fashion_mnist
fi
PATH=$PATH:$root/build/src/cli
. "$root/jobs/packages.sh"
install_packages "$folder/packages.log" dataset-fashion-mnist
command -v credence >/dev/null || {
    echo "jobs/fashion_mnist.sh: credence is not in PATH, and not built by jobs/quickstart.sh" >&2
    exit 1
}
data=/usr/share/datasets/fashion-mnist
train=idx:$data/train-images-idx3-ubyte.gz,$data/train-labels-idx1-ubyte.gz
test=idx:$data/t10k-images-idx3-ubyte.gz,$data/t10k-labels-idx1-ubyte.gz
augment="--augment flip --augment crop4"
mkdir -p "$folder"
cd "$folder"

# On one's own machine root and more ranks than cores are no mistake.
run() {
    mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$ranks" credence "$@"
}

# from_scratch FILE: He's random weights, sigma half of each, at least 0.025; prior N(0, 2 / fan_in).
from_scratch() {
    credence convert --arch cifar_resnet8 --channels 1 --crop 28 --channel-mean 0.2860 --channel-sd 0.3530 \
        --classes "$root/data/fashion_mnist_classes.txt" --moped --moped-delta 0.5 --sigma-min 0.025 --prior-scale he -o "$1"
}

# fit FROM TO OPTION...: trains, or continues; nothing to do if it is done.
fit() {
    from=$1 to=$2
    shift 2
    [ -f "$to" ] || run train "$from" "$train" --validate "$test" --validate-every 5 --resume "$@" -o "$to"
}

twin() {
    from_scratch scratch.h5
    # shellcheck disable=SC2086 # two options
    fit scratch.h5 twin.h5 --deterministic --epochs 30 --optimizer sgd --momentum 0.9 --nesterov --lr 0.1 --weight-decay 5e-4 \
        --scheduler cosine --warmup 1 $augment
    run evaluate twin.h5 "$test" --deterministic --batch 32
}

moped() {
    credence convert --weights twin.h5 --moped --moped-delta 0.1 --sigma-min 0.003 --moped-prior --prior-scale he \
        --prior-sigma 0.1 -o moped_start.h5
    # shellcheck disable=SC2086
    fit moped_start.h5 moped.h5 --epochs 10 --lr 1e-3 --scheduler cosine --batch-norm eval $augment
    run evaluate moped.h5 "$test" --draws 30 --batch 32
}

# Batch norm on the batch's own statistics finds its way from random weights; on the running ones, which predictions
# use, the networks learn to live with the noise of their weights.
elbo() {
    from_scratch scratch.h5
    fit scratch.h5 elbo_rough.h5 --epochs 20 --lr 5e-3 --scheduler cosine --augment flip
    fit elbo_rough.h5 elbo.h5 --epochs 20 --lr 2e-3 --scheduler cosine --batch-norm eval --augment flip
    run evaluate elbo.h5 "$test" --draws 30 --batch 32
}

tempered() {
    from_scratch scratch.h5
    fit scratch.h5 tempered_rough.h5 --kl-weight 1.6667e-6 --epochs 10 --lr 5e-3 --scheduler cosine --augment flip
    fit tempered_rough.h5 tempered.h5 --kl-weight 1.6667e-6 --epochs 10 --lr 2e-3 --scheduler cosine --batch-norm eval \
        --augment flip
    run evaluate tempered.h5 "$test" --draws 30 --batch 32
}

[ $# -gt 0 ] || set -- twin moped elbo tempered
for study in "$@"; do
    case $study in
    twin | moped | elbo | tempered) printf '\n### %s\n\n' "$study"; $study ;;
    *) usage >&2; exit 2 ;;
    esac
done
