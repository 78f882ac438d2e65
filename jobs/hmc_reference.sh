#!/bin/sh
# Which posterior is right? A reference by full-batch Hamiltonian Monte Carlo, and how near to it the others are (data/README.md).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/jobs/packages.sh"
. "$root/jobs/recipes.sh"

studies="hmc twin ensemble moped vi ivon ivon_ensemble swag laplace sgld sghmc csghmc mclmc"
usage() {
    cat <<END
usage: $0 [-n RANKS] [-d DATA] [-o FOLDER] [-h] [STUDY...]

Four chains of Hamiltonian Monte Carlo, with all images of a gradient, sample the posterior of a small network (lenet_small, 3,682
weights, prior N(0, 2 / fan_in)) and the first 1,000 images of Fashion-MNIST: FOLDER/hmc.h5. Its predictive probabilities of the 10,000
test images are the reference, FOLDER/reference.h5. The other studies are of the same network and images, in the ways of
jobs/fashion_mnist.sh; vi is the ELBO from random weights. Each prints a row of FOLDER/table.md, with agreement and total variation
(Izmailov et al. 2021).

  -n RANKS   MPI ranks (default: 2); the result is the same for any number
  -d DATA    the folder of Fashion-MNIST's files (default: that of Debian's package, which is installed)
  -o FOLDER  where files go (default: build/hmc_reference, of an installed script hmc_reference)
  -h         this help
END
}

columns='accuracy|accuracy %|100|2
nll|NLL, nats|1|4
ece|ECE %|100|2
agreement|agreement %|100|2
total_variation|total variation|1|4'
network="--arch lenet_small --resize 14 --channel-mean 0.2860 --channel-sd 0.3530 --classes $root/data/fashion_mnist_classes.txt"
augment=''
# The prior's precision is fan_in / 2, of a weight of a mean loss over 1,000 images about 0.03.
sgd="--deterministic --optimizer sgd --momentum 0.9 --weight-decay 0.03 --batch-size 32"
twin_lr=0.02 twin_warmup=0
epochs=100
ivon="--lr 0.3 --hess-init 0.1 --beta2 0.999 --weight-decay 0.03 --batch-size 32"
swag_lr=0.02 swag_steps=32

find_data() {
    fashion_mnist_files
}

part=some
hold_out() {
    fashion_mnist_part 0 1000 thousand
    train=idx:$PWD/thousand-images.gz,$PWD/thousand-labels.gz
}

twins="twin_1.h5 twin_2.h5 twin_3.h5 twin_4.h5 twin_5.h5"

train_twins() {
    for seed in 1 2 3 4 5; do train_twin $seed; done
    # shellcheck disable=SC2086 # lists of names
    join twins.h5 --deterministic $twins
}

# The chains begin at four of the twins. Their predictions are the reference of all that comes after.
hmc() {
    train_twins
    make hmc.h5 sample start_1.h5 "$train" --resume --start twins.h5 --sampler hmc --chains 4 --burn-in 60 --draws 120 --leapfrog-steps 50 \
        --step-size 0.006
    [ -f reference.h5 ] || run predict hmc.h5 "$test" --quiet -o reference.h5 >reference.h5.txt
    # shellcheck disable=SC2086
    evaluate hmc hmc.h5 $twins hmc.h5 --
}

# chains SAMPLER OPTION...: chains from the five twins.
chains() {
    sampler=$1
    shift
    train_twins
    make "$sampler.h5" sample start_1.h5 "$train" --resume --start twins.h5 --chains 5 --sampler "$sampler" "$@"
    # shellcheck disable=SC2086
    evaluate "$sampler" "$sampler.h5" $twins "$sampler.h5" --
}

ensemble() {
    train_twins
    # shellcheck disable=SC2086
    evaluate ensemble twins.h5 $twins -- --draws 5
}

moped() {
    train_twin 1
    [ -f moped_start.h5 ] || credence convert --weights twin_1.h5 --moped --moped-delta 0.3 --sigma-min 0.03 --prior-scale he \
        -o moped_start.h5 >start.txt
    fit moped_start.h5 moped.h5 --epochs 100 --batch-size 32 --lr 1e-3 --scheduler cosine
    evaluate moped moped.h5 twin_1.h5 moped.h5 -- --draws $draws
}

vi() {
    start 1
    fit start_1.h5 vi.h5 --epochs 300 --batch-size 32 --lr 3e-3 --scheduler cosine
    evaluate vi vi.h5 vi.h5 -- --draws $draws
}

# The network has no batch norm to recompute statistics of.
swag() {
    train_twin 1
    # shellcheck disable=SC2086 # options
    fit twin_1.h5 swag.h5 $sgd --lr $swag_lr --epochs $((epochs / 2)) --collect swag --collect-start 0 --collect-steps $swag_steps
    evaluate swag swag.h5 twin_1.h5 swag.h5 -- --draws $draws
}

sgld() {
    chains sgld --step-size 5e-6 --burn-in 2000 --thin 200 --draws 60 --batch-size 100
}

sghmc() {
    chains sghmc --step-size 1e-6 --burn-in 2000 --thin 100 --draws 60 --batch-size 100
}

csghmc() {
    chains csghmc --step-size 3e-6 --cycle-length 2000 --draws-per-cycle 20 --thin 10 --draws 60 --batch-size 100
}

mclmc() {
    chains mclmc --burn-in 1000 --thin 20 --draws 60
}

recipes hmc_reference "$@"
