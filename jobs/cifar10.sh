#!/bin/sh
# Posteriors for CIFAR-10 from nothing, each with its figures on the test set: the studies of data/README.md.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/jobs/packages.sh"
. "$root/jobs/recipes.sh"

about="Trains a small ResNet (cifar_resnet8) on CIFAR-10 in several ways, and evaluates what comes of them. -d DATA is its binary version
(the folder cifar-10-batches-bin), or a folder with train/CLASS/ and test/CLASS/ of JPEGs; Debian has no package of it."
network="--arch cifar_resnet8 --channel-mean 0.4914,0.4822,0.4465 --channel-sd 0.2470,0.2435,0.2616
    --classes $root/data/cifar10_classes.txt"
augment="--augment flip --augment crop4"
ivon="--lr 0.3 --hess-init 0.5 --beta2 0.9999 --weight-decay 2e-4"
swag_lr=0.02 swag_steps=60
csghmc="--step-size 2e-7 --temperature 0.1 --cycle-length 1000 --draws 12 --draws-per-cycle 4 --thin 20"

find_data() {
    [ -n "$data" ] || {
        echo "jobs/cifar10.sh: -d DATA is missing: the folder of CIFAR-10" >&2
        exit 2
    }
    data=$(cd "$data" && pwd)
    if [ -d "$data/train" ]; then
        train=$data/train test=$data/test
    else
        train=cifar10:$data test=cifar10:$data:test
    fi
}

# Of each class every tenth image is held out.
hold_out() {
    [ -d "$data/train" ] || {
        echo "jobs/cifar10.sh: -t needs the folder of JPEGs" >&2
        exit 2
    }
    [ -d held_out ] || {
        rm -rf fit part
        for class in "$data"/train/*/; do
            class=$(basename "$class")
            mkdir -p "fit/$class" "part/$class"
            find "$data/train/$class" -name '*.jpg' | sort | awk 'NR % 10 == 0' | xargs ln -st "part/$class"
            find "$data/train/$class" -name '*.jpg' | sort | awk 'NR % 10 != 0' | xargs ln -st "fit/$class"
        done
        mv part held_out
    }
    train=$PWD/fit test=$PWD/held_out
}

recipes cifar10 "$@"
