#!/bin/sh
# Posteriors for Fashion-MNIST from nothing, each with its figures on the test set: the studies of data/README.md.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/jobs/packages.sh"
. "$root/jobs/recipes.sh"

about="Trains a small ResNet (cifar_resnet8) on Fashion-MNIST in several ways, and evaluates what comes of them. The data are those of
Debian's package dataset-fashion-mnist, which is installed, unless -d says in which folder its four files are."
network="--arch cifar_resnet8 --channels 1 --crop 28 --channel-mean 0.2860 --channel-sd 0.3530
    --classes $root/data/fashion_mnist_classes.txt"
augment="--augment flip --augment crop4"
ivon="--lr 1 --hess-init 0.5 --beta2 0.9999 --weight-decay 2e-4"
swag_lr=0.02 swag_steps=100
csghmc="--step-size 1e-6 --momentum 0.9 --cycle-length 2000 --draws-per-cycle 4 --draws 12 --thin 50 --temperature 0.1"

find_data() {
    [ -n "$data" ] || install_packages "$folder/packages.log" dataset-fashion-mnist
    data=$(cd "${data:-/usr/share/datasets/fashion-mnist}" && pwd)
    train=idx:$data/train-images-idx3-ubyte.gz,$data/train-labels-idx1-ubyte.gz
    test=idx:$data/t10k-images-idx3-ubyte.gz,$data/t10k-labels-idx1-ubyte.gz
}

# part FROM COUNT NAME: as many images and labels after the first FROM. Counts in headers have four bytes, the highest first.
part() {
    count=$(printf '\\%03o\\%03o' $(($2 / 256)) $(($2 % 256)))
    # shellcheck disable=SC2059 # octal
    {
        printf "\\0\\0\\010\\003\\0\\0$count\\0\\0\\0\\034\\0\\0\\0\\034"
        zcat "$data/train-images-idx3-ubyte.gz" | tail -c +$((17 + 784 * $1)) | head -c $((784 * $2))
    } | gzip >"$3-images.gz"
    # shellcheck disable=SC2059
    {
        printf "\\0\\0\\010\\001\\0\\0$count"
        zcat "$data/train-labels-idx1-ubyte.gz" | tail -c +$((9 + $1)) | head -c "$2"
    } | gzip >"$3-labels.gz"
}

hold_out() {
    [ -f held_out-labels.gz ] || {
        part 0 54000 fit
        part 54000 6000 held_out
    }
    train=idx:$PWD/fit-images.gz,$PWD/fit-labels.gz
    test=idx:$PWD/held_out-images.gz,$PWD/held_out-labels.gz
}

recipes fashion_mnist "$@"
