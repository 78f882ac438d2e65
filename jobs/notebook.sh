#!/bin/sh
# "Bayesian Neural Networks" (E. Vassev, 2023): the notebook with Credence's commands, steps 2 to 9.
set -eu

usage() {
    cat <<'END'
usage: jobs/notebook.sh [-h] WEIGHTS IMAGE

Walks the notebook's steps on torchvision's resnet18 weights (WEIGHTS, resnet18-f37072fd.pth) and a photograph (IMAGE).
Files go to the folder of the environment variable NOTEBOOK_FOLDER, or to a new one under the temporary folder.
`credence` is taken from PATH, or from build/.
END
}

case ${1-} in
-h) usage; exit 0 ;;
esac
[ $# -eq 2 ] || {
    usage >&2
    exit 2
}
root=$(cd "$(dirname "$0")/.." && pwd)
PATH=$PATH:$root/build/src/cli
command -v credence >/dev/null || {
    echo "jobs/notebook.sh: credence is not in PATH, and not built by jobs/quickstart.sh" >&2
    exit 1
}
folder=${NOTEBOOK_FOLDER:-$(mktemp -d)}
weights=$1 image=$2

step() {
    printf '\n### %s\n\n' "$1"
}

step "Steps 2 and 6: load the pre-trained ResNet18 and make it Bayesian, as dnn_to_bnn() with MOPED, delta 0.5"
# const_bnn_prior_parameters of the notebook, one option a key; those left out have the notebook's values.
credence convert --arch resnet18 --weights "$weights" --classes "$root/data/imagenet_classes.txt" \
    --prior-mu 0 --prior-sigma 1 --posterior-mu-init 0 --posterior-rho-init -3 --estimator reparameterization \
    --moped --moped-delta 0.5 -o "$folder/resnet18.h5"

step "Steps 3 and 4: resize to 256, crop 224, normalise: the tensor batch_t that the network sees"
credence preprocess "$folder/resnet18.h5" "$image" -o "$folder/batch_t.h5"
credence inspect "$folder/batch_t.h5" --datasets

step "Step 5: inference with the deterministic network (out_nn): the five closest classes"
credence predict "$folder/resnet18.h5" "$image" --deterministic --topk 5

step "Step 7: inference with the BNN: every drawn network says something else (out_bnn, twice)"
credence predict "$folder/resnet18.h5" "$image" --draws 2 --show-draws --topk 1

step "What the notebook leaves open: the predictive distribution over many draws, with its error"
credence predict "$folder/resnet18.h5" "$image" --draws 100 -o "$folder/prediction.h5"

step "Step 9: 40 epochs of one step: MSE to the logits of the deterministic network (out_nn) on this one photograph"
# Adam 1e-4, exponential schedule 0.9, batch norm in eval mode, no KL divergence, as there. The notebook never calls
# zero_grad() in its loop, so its gradients add up: --keep-gradients. Leave it out for the usual training.
credence train "$folder/resnet18.h5" "$image" --loss mse-distill --kl-weight 0 --batch-norm eval --epochs 40 \
    --optimizer adam --lr 1e-4 --scheduler exponential --gamma 0.9 --keep-gradients --checkpoints 0 \
    -o "$folder/trained.h5"

step "Step 9: inference with the trained BNN, twice"
credence predict "$folder/trained.h5" "$image" --draws 2 --show-draws --topk 1

step "... and over many draws: what 40 epochs have changed"
credence predict "$folder/trained.h5" "$image" --draws 100 -o "$folder/trained_prediction.h5"

printf '\nAll files are in %s\n' "$folder"
