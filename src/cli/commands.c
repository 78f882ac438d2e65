/* The table of commands. To add one see command.h. */
#include "cli/command.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

static const crd_command commands[CRD_N_COMMANDS] = {
    [CRD_COMMAND_CONVERT] =
        {"convert", crd_cmd_convert, 0, "[FILE] [--arch NAME] -o POSTERIOR.h5", 0, 0,
         "make a posterior from a deterministic network's weights (bayesian-torch's dnn_to_bnn)",
         "credence convert --arch resnet18 --weights resnet18-f37072fd.pth -o resnet18.h5"},
    [CRD_COMMAND_PREDICT] =
        {"predict", crd_cmd_predict, 1, "POSTERIOR.h5 INPUT... [-o PREDICTION.h5]", 2, INT_MAX,
         "draw networks, run them on images, print what they say and how sure it is",
         "mpirun -n 4 credence predict resnet18.h5 photos/ --draws 1000 -o prediction.h5"},
    [CRD_COMMAND_TRAIN] =
        {"train", crd_cmd_train, 1, "POSTERIOR.h5 DATA... -o NEW.h5", 2, INT_MAX,
         "train a posterior on images, on all ranks together",
         "mpirun -n 4 credence train resnet18.h5 photos/ --epochs 40 --lr 1e-4 -o trained.h5"},
    [CRD_COMMAND_SAMPLE] =
        {"sample", crd_cmd_sample, 1, "POSTERIOR.h5 DATA... --sampler NAME -o CHAINS.h5", 2,
         INT_MAX,
         "sample networks from the posterior of prior and data by Markov chains, on all ranks",
         "mpirun -n 4 credence sample lenet.h5 photos/ --sampler sghmc --chains 4 -o chains.h5"},
    [CRD_COMMAND_ENSEMBLE] =
        {"ensemble", crd_cmd_ensemble, 0, "POSTERIOR.h5 POSTERIOR.h5... -o ENSEMBLE.h5", 2, INT_MAX,
         "join posteriors, or deterministic networks, of one architecture into an ensemble",
         "credence ensemble seed-1.h5 seed-2.h5 seed-3.h5 -o ensemble.h5"},
    [CRD_COMMAND_REFRESH] =
        {"refresh", crd_cmd_refresh, 1, "POSTERIOR.h5 DATA... -o NEW.h5", 2, INT_MAX,
         "recompute batch norm's statistics from images, for each component's mean network or for "
         "drawn networks",
         "mpirun -n 4 credence refresh ensemble.h5 photos/ -o refreshed.h5"},
    [CRD_COMMAND_LAPLACE] =
        {"laplace", crd_cmd_laplace, 1, "TRAINED.h5 DATA... -o POSTERIOR.h5", 2, INT_MAX,
         "make a posterior of a trained network: Laplace approximation of its last layer",
         "mpirun -n 4 credence laplace trained.h5 photos/ -o laplace.h5"},
    [CRD_COMMAND_EVALUATE] =
        {"evaluate", crd_cmd_evaluate, 1, "POSTERIOR.h5 DATA...", 2, INT_MAX,
         "measure accuracy, calibration and uncertainty on labelled images, and against other ones",
         "mpirun -n 4 credence evaluate resnet18.h5 photos/ --draws 30 --ood paintings/"},
    [CRD_COMMAND_COMPARE] =
        {"compare", crd_cmd_compare, 1, "A.h5 B.h5 DATA...", 3, INT_MAX,
         "say which of two posteriors is better on labelled images, by paired differences",
         "mpirun -n 4 credence compare trained.h5 ensemble.h5 photos/ --draws 100"},
    [CRD_COMMAND_MERGE] =
        {"merge", crd_cmd_merge, 0, "PART.h5... -o PREDICTION.h5", 1, INT_MAX,
         "join the parts of a prediction (predict --part) into what one run would have written",
         "credence merge part-1.h5 part-2.h5 -o prediction.h5"},
    [CRD_COMMAND_PLAN] =
        {"plan", crd_cmd_plan, 1, "POSTERIOR.h5 INPUT...", 2, INT_MAX,
         "measure a little, and say what predict with these options will cost on how many ranks",
         "credence plan resnet18.h5 photos/ --draws 10000 --until-mcse 0.002 --ranks 1,16,64"},
    [CRD_COMMAND_PLAN_SAMPLE] =
        {"plan-sample", crd_cmd_plan_sample, 1, "POSTERIOR.h5 DATA... --sampler NAME", 2, INT_MAX,
         "measure a little, and say what sample with these options will cost on how many ranks",
         "credence plan-sample lenet.h5 photos/ --sampler sghmc --chains 8 --ranks 1,8,64"},
    [CRD_COMMAND_PREPROCESS] = {"preprocess", crd_cmd_preprocess, 0,
                                "POSTERIOR.h5 INPUT... -o TENSORS.h5", 2, INT_MAX,
                                "write the tensors that the network sees",
                                "credence preprocess resnet18.h5 dog.jpg -o dog.h5"},
    [CRD_COMMAND_INSPECT] =
        {"inspect", crd_cmd_inspect, 0, "FILE", 1, 1,
         "show what is in a file of Credence: provenance, graph, posterior, datasets",
         "credence inspect resnet18.h5"},
    [CRD_COMMAND_EXPORT] =
        {"export", crd_cmd_export, 0, "POSTERIOR.h5 -o FILE", 1, 1,
         "write a posterior as a state dict of bayesian-torch, for torch to load",
         "credence export resnet18.h5 --to safetensors -o resnet18.safetensors"},
    [CRD_COMMAND_MODELS] = {"models", crd_cmd_models, 0, "", 0, 0, "list the architectures", NULL},
    [CRD_COMMAND_BENCH] = {"bench", crd_cmd_bench, 1, "[POSTERIOR.h5]", 0, 1,
                           "measure draws per second on every rank at once, against the cores' "
                           "peak and a pass without "
                           "draws",
                           "credence bench --arch resnet18 --batch 1,8,32 -v"},
    [CRD_COMMAND_SELFTEST] = {"selftest", crd_cmd_selftest, 1, "", 0, 0,
                              "check that this installation is right",
                              "mpirun -n 2 credence selftest"},
    [CRD_COMMAND_VERSION] = {"version", crd_cmd_version, 0, "", 0, 0,
                             "show the version, and what it was built with and runs on", NULL},
    [CRD_COMMAND_HELP] = {"help", crd_cmd_help, 0, "[COMMAND]", 0, 1, "show help", NULL},
};

const crd_command *crd_command_get(int i)
{
    return i < CRD_N_COMMANDS ? &commands[i] : NULL;
}

unsigned crd_command_bit(const crd_command *command)
{
    return 1u << (command - commands);
}

crd_status crd_command_find(const crd_command **out, const char *name)
{
    const char *names[CRD_N_COMMANDS];
    for (int i = 0; i < CRD_N_COMMANDS; i++) {
        *out = &commands[i];
        names[i] = commands[i].name;
        if (strcmp(names[i], name) == 0)
            return CRD_OK;
    }
    const char *nearest = crd_nearest_name(name, names, CRD_N_COMMANDS);
    if (nearest == NULL)
        return CRD_FAIL(CRD_ERR_USAGE, "unknown command '%s' (see credence help)", name);
    return CRD_FAIL(CRD_ERR_USAGE, "unknown command '%s'; did you mean %s?", name, nearest);
}
