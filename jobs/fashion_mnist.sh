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
ivon="--lr 0.3 --hess-init 0.5 --beta2 0.9999 --weight-decay 2e-4"
swag_lr=0.02 swag_steps=60
csghmc="--step-size 2e-7 --temperature 0.1 --cycle-length 1000 --draws 12 --draws-per-cycle 4 --thin 20"

find_data() {
    fashion_mnist_files
}

hold_out() {
    fashion_mnist_part 0 54000 fit
    fashion_mnist_part 54000 6000 held_out
    train=idx:$PWD/fit-images.gz,$PWD/fit-labels.gz
    test=idx:$PWD/held_out-images.gz,$PWD/held_out-labels.gz
}

recipes fashion_mnist "$@"
