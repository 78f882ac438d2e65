#include "cli/options.h"

#include <stddef.h>

#include "credence/loss.h"
#include "credence/optim.h"
#include "credence/posterior.h"
#include "credence/predictive.h"
#include "credence/sampler.h"
#include "credence/weights.h"

/* Seeds stay below 2^53 so that JSON readers, which hold numbers as doubles, show the true one. */
#define MAX_SEED 9007199254740992.0
#define MAX_PIXELS 16384.0

static const char *const *interpolation_names(void)
{
    static const char *const names[] = {"bilinear", "bicubic", NULL};
    return names;
}

static const char *const *kl_names(void)
{
    static const char *const names[] = {"sum", "mean", NULL};
    return names;
}

static const char *const *batch_norm_names(void)
{
    static const char *const names[] = {"train", "eval", NULL};
    return names;
}

static const char *const *augment_names(void)
{
    static const char *const names[] = {"flip", "crop4", "random-resized-crop", NULL};
    return names;
}

static const crd_option table[CRD_N_OPTIONS] = {
    [CRD_OPT_OUTPUT] = {"output", 'o', "FILE", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL,
                        CRD_CONVERT | CRD_PREDICT | CRD_PREPROCESS | CRD_TRAIN | CRD_MERGE |
                            CRD_EXPORT,
                        "file to write (HDF5, but for export); it appears whole or not at all"},

    [CRD_OPT_ARCH] = {"arch", 0, "NAME", CRD_OPTION_TEXT, NULL,
                      "with --weights: the one that fits them", 0, 0, NULL, CRD_CONVERT,
                      "architecture; `credence models` lists them"},
    [CRD_OPT_WEIGHTS] = {"weights", 0, "FILE", CRD_OPTION_TEXT, NULL, "random ones, He et al. 2015",
                         0, 0, NULL, CRD_CONVERT,
                         "weights of the deterministic network: torch .pth, safetensors, or a "
                         "posterior, whose means are taken"},
    [CRD_OPT_WEIGHTS_KEY] = {"weights-key", 0, "KEY", CRD_OPTION_TEXT, NULL,
                             "state_dict, model or another usual one", 0, 0, NULL, CRD_CONVERT,
                             "with a .pth that holds a dict: key of the state dict in it, such as "
                             "model_ema"},
    [CRD_OPT_CHANNELS] = {"channels", 0, "N", CRD_OPTION_INT64, NULL, "the architecture's", 1,
                          CRD_MAX_CHANNELS, NULL, CRD_CONVERT,
                          "without --weights: channels of an image"},
    [CRD_OPT_N_CLASSES] = {"n-classes", 0, "N", CRD_OPTION_INT64, NULL,
                           "those of --classes, or the architecture's", 1, 1e6, NULL, CRD_CONVERT,
                           "without --weights: outputs of the network"},
    [CRD_OPT_PRIOR_MU] = {"prior-mu", 0, "X", CRD_OPTION_DOUBLE, "0", NULL, -1e6, 1e6, NULL,
                          CRD_CONVERT, "prior mean of every weight"},
    [CRD_OPT_PRIOR_SIGMA] = {"prior-sigma", 0, "X", CRD_OPTION_DOUBLE, "1", NULL, 1e-6, 1e6, NULL,
                             CRD_CONVERT, "prior standard deviation of every weight"},
    [CRD_OPT_PRIOR_KIND] =
        {"prior-kind", 0, "NAME", CRD_OPTION_CHOICE, "normal", NULL, 0, 0, crd_prior_kind_names,
         CRD_CONVERT, "distribution of the prior; mixture: of two normals about the same mean"},
    [CRD_OPT_PRIOR_SCALE] =
        {"prior-scale", 0, "NAME", CRD_OPTION_CHOICE, "fixed", NULL, 0, 0, crd_prior_scale_names,
         CRD_CONVERT,
         "factor of the prior's sigmas by layer: 1, sqrt(1 / fan_in), sqrt(2 / fan_in)"},
    [CRD_OPT_PRIOR_PI] = {"prior-pi", 0, "X", CRD_OPTION_DOUBLE, "0.5", NULL, 0, 1, NULL,
                          CRD_CONVERT,
                          "with --prior-kind mixture: share of the normal of --prior-sigma"},
    [CRD_OPT_PRIOR_SIGMA2] = {"prior-sigma2", 0, "X", CRD_OPTION_DOUBLE, NULL, "exp(-6)", 1e-6, 1e6,
                              NULL, CRD_CONVERT,
                              "with --prior-kind mixture: standard deviation of the other normal"},
    [CRD_OPT_POSTERIOR_MU_INIT] = {"posterior-mu-init", 0, "X", CRD_OPTION_DOUBLE, "0", NULL, -1e6,
                                   1e6, NULL, CRD_CONVERT,
                                   "without MOPED: mean of the initial mu (sd 0.1)"},
    [CRD_OPT_POSTERIOR_RHO_INIT] = {"posterior-rho-init", 0, "X", CRD_OPTION_DOUBLE, "-3", NULL,
                                    -80, 80, NULL, CRD_CONVERT,
                                    "without MOPED: mean of the initial rho (sd 0.1)"},
    [CRD_OPT_CONVERT_TYPE] = {"type", 0, "NAME", CRD_OPTION_CHOICE, "reparameterization", NULL, 0,
                              0, crd_estimator_names, CRD_CONVERT,
                              "estimator the posterior is meant for"},
    [CRD_OPT_MOPED] = {"moped", 0, NULL, CRD_OPTION_FLAG, NULL, "with --weights", 0, 0, NULL,
                       CRD_CONVERT,
                       "mu = weight, sigma = delta * |weight| instead of random initial values"},
    [CRD_OPT_NO_MOPED] = {"no-moped", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_CONVERT,
                          "random initial values for the Bayesian layers, whose weights in "
                          "--weights go unused: bayesian-torch's default"},
    [CRD_OPT_MOPED_DELTA] = {"moped-delta", 0, "X", CRD_OPTION_DOUBLE, "0.5", NULL, 1e-6, 80, NULL,
                             CRD_CONVERT, "with MOPED: sigma / |weight|"},
    [CRD_OPT_MOPED_PRIOR] = {"moped-prior", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                             CRD_CONVERT, "with MOPED: the weight is the prior mean too"},
    [CRD_OPT_MC_DROPOUT] = {"mc-dropout", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                            CRD_CONVERT,
                            "dropout stays on in prediction; without --bayesian nothing else is "
                            "random"},
    [CRD_OPT_SIGMA_MIN] = {"sigma-min", 0, "X", CRD_OPTION_DOUBLE, "0", NULL, 0, 1e6, NULL,
                           CRD_CONVERT,
                           "with MOPED: smallest sigma (weights that are 0 have sigma 1e-20 "
                           "without it)"},
    [CRD_OPT_BAYESIAN] = {"bayesian", 0, "GLOB", CRD_OPTION_TEXTS, "*", NULL, 0, 0, NULL,
                          CRD_CONVERT | CRD_BENCH,
                          "layers that become Bayesian, by module path; may be repeated"},
    [CRD_OPT_CLASSES] = {"classes", 0, "FILE", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL, CRD_CONVERT,
                         "class names: one a line, a JSON list, or a JSON class index"},
    [CRD_OPT_RESIZE] = {"resize", 0, "PIXELS", CRD_OPTION_INT64, NULL,
                        "8/7 of the crop for ImageNet's networks, else the crop", 0, MAX_PIXELS,
                        NULL, CRD_CONVERT, "short side after resizing, 0 for none"},
    [CRD_OPT_CROP] = {"crop", 0, "PIXELS", CRD_OPTION_INT64, NULL, "the architecture's", 1,
                      MAX_PIXELS, NULL, CRD_CONVERT,
                      "side of the square cut from the middle, which the network sees"},
    [CRD_OPT_CHANNEL_MEAN] = {"mean", 0, "X[,X,X]", CRD_OPTION_DOUBLES, NULL,
                              "ImageNet's for its networks, else 0", -1e3, 1e3, NULL, CRD_CONVERT,
                              "mean of each channel, of values in [0, 1]"},
    [CRD_OPT_CHANNEL_SD] = {"sd", 0, "X[,X,X]", CRD_OPTION_DOUBLES, NULL,
                            "ImageNet's for its networks, else 1", 1e-6, 1e3, NULL, CRD_CONVERT,
                            "standard deviation of each channel"},
    [CRD_OPT_INTERPOLATION] = {"interpolation", 0, "NAME", CRD_OPTION_CHOICE, "bilinear", NULL, 0,
                               0, interpolation_names, CRD_CONVERT, "filter for resizing"},

    [CRD_OPT_DRAWS] = {"draws", 0, "N", CRD_OPTION_INT64, "100", NULL, 1, (double)CRD_MAX_DRAWS,
                       NULL, CRD_PREDICT | CRD_PLAN | CRD_EVALUATE, "networks to draw"},
    [CRD_OPT_MEAN] = {"mean", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                      CRD_PREDICT | CRD_EVALUATE,
                      "no draws: the deterministic network, all weights at mu"},
    [CRD_OPT_TYPE] = {"type", 0, "NAME", CRD_OPTION_CHOICE, NULL, "the posterior's", 0, 0,
                      crd_estimator_names,
                      CRD_PREDICT | CRD_PLAN | CRD_BENCH | CRD_TRAIN | CRD_EVALUATE, "estimator"},
    [CRD_OPT_PRECISION] = {"precision", 0, "NAME", CRD_OPTION_CHOICE, "fp32", NULL, 0, 0,
                           crd_precision_names, CRD_PREDICT | CRD_PLAN | CRD_BENCH | CRD_EVALUATE,
                           "of the factors in convolutions; bf16: faster where the CPU has "
                           "AVX512_BF16, with the same draws rounded"},
    [CRD_OPT_ANTITHETIC] =
        {"antithetic", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_PREDICT | CRD_PLAN,
         "draws in pairs with opposite normals: smaller errors for the same work"},
    [CRD_OPT_UNTIL_MCSE] =
        {"until-mcse", 0, "E", CRD_OPTION_DOUBLE, NULL, NULL, 1e-6, 0.5, NULL,
         CRD_PREDICT | CRD_PLAN,
         "stop an image once the standard errors of its --topk probabilities are "
         "below E (0.01: one percent); --draws is the most"},
    [CRD_OPT_MIN_DRAWS] = {"min-draws", 0, "N", CRD_OPTION_INT64, "32", NULL, 2,
                           (double)CRD_MAX_DRAWS, NULL, CRD_PREDICT | CRD_PLAN,
                           "with --until-mcse: draws before the first look; each next look is at a "
                           "quarter more"},
    [CRD_OPT_CONFIDENCE] =
        {"confidence", 0, "C", CRD_OPTION_DOUBLE, "0.95", NULL, 0.5, 0.999999, NULL, CRD_PREDICT,
         "of probs_half_width, which holds whenever sampling stops; given, it is "
         "printed too"},
    [CRD_OPT_PART] =
        {"part", 0, "I/N", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL, CRD_PREDICT,
         "with -o: only part I of N of the draws (1/N to N/N), to be joined by `credence "
         "merge`"},
    [CRD_OPT_DRAW_BLOCK] = {"draw-block", 0, "N", CRD_OPTION_INT64, "8", NULL, 1, 4096, NULL,
                            CRD_PREDICT | CRD_PLAN | CRD_BENCH | CRD_EVALUATE,
                            "draws that go through the network together"},
    [CRD_OPT_BATCH] = {"batch", 0, "N", CRD_OPTION_INT64, "8", NULL, 1, 4096, NULL,
                       CRD_PREDICT | CRD_PLAN | CRD_EVALUATE,
                       "images that go through the network together"},
    [CRD_OPT_TOPK] = {"topk", 0, "K", CRD_OPTION_INT64, "5", NULL, 1, 100000, NULL,
                      CRD_PREDICT | CRD_PLAN,
                      "most probable classes to record and list; given, it lists them for several "
                      "images too"},
    [CRD_OPT_ALL_IMAGES] = {"all-images", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                            CRD_PREDICT,
                            "print a line for every image, also of more than 100 (else the 20 most "
                            "uncertain and a summary)"},
    [CRD_OPT_SHOW_DRAWS] = {"show-draws", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                            CRD_PREDICT, "print what each drawn network says"},
    [CRD_OPT_SAVE_DRAWS] = {"save-draws", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                            CRD_PREDICT,
                            "with -o: record the logits and probabilities of every draw"},
    [CRD_OPT_IMPORT_EPS] = {"import-eps", 0, "FILE", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL,
                            CRD_PREDICT,
                            "take the normals of one draw from this HDF5 file (parity checks)"},
    [CRD_OPT_SKIP_BAD] = {"skip-bad", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                          CRD_PREDICT | CRD_PLAN | CRD_PREPROCESS,
                          "skip images that cannot be read, name them, do the others"},

    [CRD_OPT_OOD] = {"ood", 0, "DATA", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL, CRD_EVALUATE,
                     "images of another kind: how well they are told from those of DATA"},

    [CRD_OPT_RANKS] = {"ranks", 0, "N[,N...]", CRD_OPTION_INT64S, "1,2,4,8,16,32,64", NULL, 1, 1e6,
                       NULL, CRD_PLAN, "numbers of ranks to forecast"},

    [CRD_OPT_LOSS] = {"loss", 0, "NAME", CRD_OPTION_CHOICE, "cross-entropy", NULL, 0, 0,
                      crd_loss_names, CRD_TRAIN,
                      "data term; mse, gaussian-nll: regression on the data's targets; "
                      "mse-distill: mean squared "
                      "error to the logits of POSTERIOR.h5's mean network"},
    [CRD_OPT_CALIBRATION] = {"calibration", 0, "NAME", CRD_OPTION_CHOICE, NULL, "no such term", 0,
                             0, crd_calibration_loss_names, CRD_TRAIN,
                             "bayesian-torch's calibration term, added to the data term"},
    [CRD_OPT_CALIBRATION_BETA] = {"calibration-beta", 0, "X", CRD_OPTION_DOUBLE, "1", NULL, 0, 1e6,
                                  NULL, CRD_TRAIN, "with --calibration: its factor"},
    [CRD_OPT_UNCERTAINTY_THRESHOLD] =
        {"uncertainty-threshold", 0, "X", CRD_OPTION_DOUBLE, NULL, NULL, 0, 1e6, NULL, CRD_TRAIN,
         "with --calibration avuc, eau: up to this entropy (gaussian-nll: sd) a draw counts as "
         "certain; eac: above this confidence"},
    [CRD_OPT_ERROR_THRESHOLD] = {"error-threshold", 0, "X", CRD_OPTION_DOUBLE, NULL, NULL, 0, 1e6,
                                 NULL, CRD_TRAIN,
                                 "with --calibration eau, eac: up to this error (1 - probability "
                                 "of the label; gaussian-nll: "
                                 "distance) a draw counts as good"},
    [CRD_OPT_KL] = {"kl", 0, "NAME", CRD_OPTION_CHOICE, "sum", NULL, 0, 0, kl_names, CRD_TRAIN,
                    "KL divergence: sum over all weights (the ELBO), or sum of each tensor's mean "
                    "(bayesian-torch)"},
    [CRD_OPT_KL_WEIGHT] = {"kl-weight", 0, "X", CRD_OPTION_DOUBLE, NULL,
                           "sum: 1 / images, mean: 1 / batch size", 0, 1e12, NULL, CRD_TRAIN,
                           "factor of the KL divergence in the loss"},
    [CRD_OPT_KL_ANNEAL] = {"kl-anneal", 0, "EPOCHS", CRD_OPTION_INT64, "0", NULL, 0, 1e6, NULL,
                           CRD_TRAIN, "the factor grows linearly over these epochs"},
    [CRD_OPT_EPOCHS] = {"epochs", 0, "N", CRD_OPTION_INT64, "10", NULL, 1, 1e6, NULL, CRD_TRAIN,
                        "passes over the images"},
    [CRD_OPT_BATCH_SIZE] = {"batch-size", 0, "N", CRD_OPTION_INT64, "128", NULL, 1, 1e6, NULL,
                            CRD_TRAIN, "images of a step, over all ranks"},
    [CRD_OPT_MICRO_BATCH] = {"micro-batch", 0, "N", CRD_OPTION_INT64, NULL,
                             "the batch size, at most 32", 1, 4096, NULL, CRD_TRAIN,
                             "images that go through the network together; batch norm sees these"},
    [CRD_OPT_TRAIN_DRAWS] = {"draws", 0, "N", CRD_OPTION_INT64, "1", NULL, 1, 4096, NULL, CRD_TRAIN,
                             "draws of each micro-batch, no two of a run the same"},
    [CRD_OPT_TRAIN_MEAN] = {"mean", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_TRAIN,
                            "train the deterministic network: no draws, no KL divergence"},
    [CRD_OPT_OPTIMIZER] = {"optimizer", 0, "NAME", CRD_OPTION_CHOICE, "adam", NULL, 0, 0,
                           crd_optimizer_names, CRD_TRAIN, "optimizer, with torch's defaults"},
    [CRD_OPT_LR] = {"lr", 0, "X", CRD_OPTION_DOUBLE, "1e-3", NULL, 0, 1e38, NULL, CRD_TRAIN,
                    "learning rate"},
    [CRD_OPT_MOMENTUM] = {"momentum", 0, "X", CRD_OPTION_DOUBLE, "0", NULL, 0, 1, NULL, CRD_TRAIN,
                          "with --optimizer sgd: momentum"},
    [CRD_OPT_NESTEROV] = {"nesterov", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_TRAIN,
                          "with --momentum: Nesterov's"},
    [CRD_OPT_WEIGHT_DECAY] = {"weight-decay", 0, "X", CRD_OPTION_DOUBLE, NULL,
                              "torch's: adamw 0.01, else 0", 0, 1e6, NULL, CRD_TRAIN,
                              "weight decay"},
    [CRD_OPT_SCHEDULER] = {"scheduler", 0, "NAME", CRD_OPTION_CHOICE, "constant", NULL, 0, 0,
                           crd_schedule_names, CRD_TRAIN,
                           "how the learning rate goes on from epoch to epoch"},
    [CRD_OPT_GAMMA] = {"gamma", 0, "X", CRD_OPTION_DOUBLE, NULL, "exponential 0.9, else 0.1", 1e-6,
                       1000, NULL, CRD_TRAIN,
                       "with --scheduler exponential, step, multistep: factor"},
    [CRD_OPT_STEP_SIZE] = {"step-size", 0, "EPOCHS", CRD_OPTION_INT64, "10", NULL, 1, 1e6, NULL,
                           CRD_TRAIN, "with --scheduler step: epochs between two steps"},
    [CRD_OPT_MILESTONES] = {"milestones", 0, "N[,N...]", CRD_OPTION_INT64S, NULL, NULL, 1, 1e6,
                            NULL, CRD_TRAIN, "with --scheduler multistep: epochs of the steps"},
    [CRD_OPT_T_MAX] = {"t-max", 0, "EPOCHS", CRD_OPTION_INT64, NULL, "all epochs after the warm-up",
                       1, 1e6, NULL, CRD_TRAIN, "with --scheduler cosine: half a period"},
    [CRD_OPT_WARMUP] = {"warmup", 0, "EPOCHS", CRD_OPTION_INT64, "0", NULL, 0, 1e6, NULL, CRD_TRAIN,
                        "the learning rate grows linearly over these epochs first"},
    [CRD_OPT_CLIP_NORM] = {"clip-norm", 0, "X", CRD_OPTION_DOUBLE, "0", NULL, 0, 1e12, NULL,
                           CRD_TRAIN, "largest norm of the gradient; 0: any"},
    [CRD_OPT_KEEP_GRADIENTS] = {"keep-gradients", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                                CRD_TRAIN,
                                "never zero the gradient: a step's is the sum of all so far, as in "
                                "the notebook's loop; needs --kl-weight 0"},
    [CRD_OPT_LOCAL_STEPS] = {"local-steps", 0, "K", CRD_OPTION_INT64, "1", NULL, 1, 1e6, NULL,
                             CRD_TRAIN,
                             "each rank takes K steps on its own before parameters are averaged; "
                             "above 1 the result depends on the ranks"},
    [CRD_OPT_BATCH_NORM] = {"batch-norm", 0, "NAME", CRD_OPTION_CHOICE, "train", NULL, 0, 0,
                            batch_norm_names, CRD_TRAIN,
                            "batch norm on the micro-batch's statistics, or on the running ones"},
    [CRD_OPT_AUGMENT] = {"augment", 0, "NAME", CRD_OPTION_TEXTS, NULL, NULL, 0, 0, augment_names,
                         CRD_TRAIN, "random change of the images; may be repeated"},
    [CRD_OPT_VALIDATE] = {"validate", 0, "DATA", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL, CRD_TRAIN,
                          "images with labels (regression: targets) to validate on; the best "
                          "posterior goes to NEW.best.h5"},
    [CRD_OPT_VALIDATE_SHARE] = {"validate-share", 0, "X", CRD_OPTION_DOUBLE, NULL, NULL, 1e-6, 0.99,
                                NULL, CRD_TRAIN,
                                "instead of --validate: this part of DATA, chosen by the seed, is "
                                "held out to validate on"},
    [CRD_OPT_VALIDATE_EVERY] = {"validate-every", 0, "EPOCHS", CRD_OPTION_INT64, "1", NULL, 1, 1e6,
                                NULL, CRD_TRAIN, "with a validation: how often"},
    [CRD_OPT_VALIDATE_DRAWS] = {"validate-draws", 0, "N", CRD_OPTION_INT64, "4", NULL, 1, 1e6, NULL,
                                CRD_TRAIN,
                                "with a validation: networks to draw, in antithetic pairs if even"},
    [CRD_OPT_CHECKPOINT_INTERVAL] =
        {"checkpoint-interval", 0, "TIME", CRD_OPTION_DURATION, "10min", NULL, 0, 1e9, NULL,
         CRD_PREDICT | CRD_TRAIN,
         "time between checkpoints (the output's name and .ckpt); 0: only when the run stops"},
    [CRD_OPT_CHECKPOINTS] = {"checkpoints", 0, "N", CRD_OPTION_INT64, "2", NULL, 0, 2, NULL,
                             CRD_TRAIN,
                             "checkpoints that stay: 2: the newest and the one before it (.prev), "
                             "1: the newest, 0: none is written, and nothing can be resumed"},
    [CRD_OPT_MAX_TIME] = {"max-time", 0, "TIME", CRD_OPTION_DURATION, NULL, NULL, 1e-3, 1e9, NULL,
                          CRD_PREDICT | CRD_TRAIN,
                          "stop after this with a checkpoint and exit code 75"},
    [CRD_OPT_RESUME] = {"resume", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                        CRD_PREDICT | CRD_TRAIN, "go on from the checkpoint, if there is one"},
    [CRD_OPT_HANG_TIMEOUT] =
        {"hang-timeout", 0, "TIME", CRD_OPTION_DURATION, "1h", NULL, 0, 1e9, NULL,
         CRD_PREDICT | CRD_TRAIN,
         "end the job with exit code 7, naming the rank, when one gets on no more; 0: never"},

    [CRD_OPT_TO] = {"to", 0, "FORMAT", CRD_OPTION_CHOICE, "safetensors", NULL, 0, 0,
                    crd_state_format_names, CRD_EXPORT,
                    "container: safetensors.torch.load_file or numpy.load reads it"},
    [CRD_OPT_DATASETS] = {"datasets", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_INSPECT,
                          "list every dataset: path, type, shape, digest"},
    [CRD_OPT_RESEAL] = {"reseal", 0, "NEW.h5", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL, CRD_INSPECT,
                        "FILE was changed by another program (h5py, netCDF4): check all of it and "
                        "write a sealed copy, which is then shown"},

    [CRD_OPT_BENCH_ARCH] = {"arch", 0, "NAME", CRD_OPTION_TEXT, "resnet18", NULL, 0, 0, NULL,
                            CRD_BENCH,
                            "architecture with random weights, when no posterior is given"},
    [CRD_OPT_BENCH_BATCH] = {"batch", 0, "N[,N...]", CRD_OPTION_INT64S, "1,8,32", NULL, 1, 4096,
                             NULL, CRD_BENCH, "batch sizes to measure"},
    [CRD_OPT_BENCH_DRAWS] = {"draws", 0, "N", CRD_OPTION_INT64, "8", NULL, 1, 4096, NULL, CRD_BENCH,
                             "draws in a repeat"},
    [CRD_OPT_REPEATS] = {"repeats", 0, "N", CRD_OPTION_INT64, "3", NULL, 1, 1000, NULL, CRD_BENCH,
                         "repeats; the median counts"},
    [CRD_OPT_VERBOSE] =
        {"verbose", 'v', NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_BENCH,
         "a line for every layer: how it is computed, its time, its share of the peak"},

    [CRD_OPT_SEED] = {"seed", 0, "N", CRD_OPTION_INT64, "0", NULL, 0, MAX_SEED, NULL,
                      CRD_CONVERT | CRD_PREDICT | CRD_PLAN | CRD_BENCH | CRD_TRAIN | CRD_EVALUATE,
                      "key of all random numbers"},
    [CRD_OPT_JSON] = {"json", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                      CRD_EVERY & ~CRD_HELP,
                      "print JSON instead of text: one object; train: one a line for each epoch, "
                      "and one at the end"},
    [CRD_OPT_QUIET] = {"quiet", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                       CRD_EVERY & ~CRD_HELP, "no log, no progress; errors only"},
    [CRD_OPT_HELP] = {"help", 'h', NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_EVERY,
                      "show this help"},
    [CRD_OPT_MARKDOWN] = {"markdown", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_HELP,
                          "commands and options as the tables of README.md"},
};

const crd_option *crd_option_table(void)
{
    return table;
}
