#include "cli/options.h"

#include <stddef.h>

#include "credence/predictive.h"
#include "credence/sampler.h"

/* Seeds stay below 2^53 so that JSON readers, which hold numbers as doubles, show the true one. */
#define MAX_SEED 9007199254740992.0
#define MAX_PIXELS 16384.0

static const char *const *interpolation_names(void)
{
    static const char *const names[] = {"bilinear", "bicubic", NULL};
    return names;
}

static const crd_option table[CRD_N_OPTIONS] = {
    [CRD_OPT_OUTPUT] = {"output", 'o', "FILE", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL,
                        CRD_CONVERT | CRD_PREDICT | CRD_PREPROCESS,
                        "file to write (HDF5); it appears whole or not at all"},

    [CRD_OPT_ARCH] = {"arch", 0, "NAME", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL, CRD_CONVERT,
                      "architecture; `credence models` lists them"},
    [CRD_OPT_WEIGHTS] = {"weights", 0, "FILE", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL, CRD_CONVERT,
                         "weights of the deterministic network (torch .pth, zip format)"},
    [CRD_OPT_PRIOR_MU] = {"prior-mu", 0, "X", CRD_OPTION_DOUBLE, "0", NULL, -1e6, 1e6, NULL,
                          CRD_CONVERT, "prior mean of every weight"},
    [CRD_OPT_PRIOR_SIGMA] = {"prior-sigma", 0, "X", CRD_OPTION_DOUBLE, "1", NULL, 1e-6, 1e6, NULL,
                             CRD_CONVERT, "prior standard deviation of every weight"},
    [CRD_OPT_POSTERIOR_MU_INIT] = {"posterior-mu-init", 0, "X", CRD_OPTION_DOUBLE, "0", NULL, -1e6,
                                   1e6, NULL, CRD_CONVERT,
                                   "without --moped: mean of the initial mu (sd 0.1)"},
    [CRD_OPT_POSTERIOR_RHO_INIT] = {"posterior-rho-init", 0, "X", CRD_OPTION_DOUBLE, "-3", NULL,
                                    -80, 80, NULL, CRD_CONVERT,
                                    "without --moped: mean of the initial rho (sd 0.1)"},
    [CRD_OPT_CONVERT_TYPE] = {"type", 0, "NAME", CRD_OPTION_CHOICE, "reparameterization", NULL, 0,
                              0, crd_estimator_names, CRD_CONVERT,
                              "estimator the posterior is meant for"},
    [CRD_OPT_MOPED] = {"moped", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_CONVERT,
                       "mu = weight, sigma = delta * |weight| instead of random initial values"},
    [CRD_OPT_MOPED_DELTA] = {"moped-delta", 0, "X", CRD_OPTION_DOUBLE, "0.5", NULL, 1e-6, 80, NULL,
                             CRD_CONVERT, "with --moped: sigma / |weight|"},
    [CRD_OPT_MOPED_PRIOR] = {"moped-prior", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                             CRD_CONVERT, "with --moped: the weight is the prior mean too"},
    [CRD_OPT_SIGMA_MIN] = {"sigma-min", 0, "X", CRD_OPTION_DOUBLE, "0", NULL, 0, 1e6, NULL,
                           CRD_CONVERT,
                           "with --moped: smallest sigma (weights that are 0 have sigma 1e-20 "
                           "without it)"},
    [CRD_OPT_BAYESIAN] = {"bayesian", 0, "GLOB", CRD_OPTION_TEXTS, "*", NULL, 0, 0, NULL,
                          CRD_CONVERT,
                          "layers that become Bayesian, by module path; may be repeated"},
    [CRD_OPT_CLASSES] = {"classes", 0, "FILE", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL, CRD_CONVERT,
                         "class names, one a line"},
    [CRD_OPT_RESIZE] = {"resize", 0, "PIXELS", CRD_OPTION_INT64, NULL,
                        "8/7 of the crop for ImageNet's networks, 0 for small images", 0,
                        MAX_PIXELS, NULL, CRD_CONVERT, "short side after resizing, 0 for none"},
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
                       NULL, CRD_PREDICT, "networks to draw"},
    [CRD_OPT_MEAN] = {"mean", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_PREDICT,
                      "no draws: the deterministic network, all weights at mu"},
    [CRD_OPT_TYPE] = {"type", 0, "NAME", CRD_OPTION_CHOICE, NULL, "the posterior's", 0, 0,
                      crd_estimator_names, CRD_PREDICT | CRD_BENCH, "estimator"},
    [CRD_OPT_DRAW_BLOCK] = {"draw-block", 0, "N", CRD_OPTION_INT64, "8", NULL, 1, 4096, NULL,
                            CRD_PREDICT | CRD_BENCH, "draws that go through the network together"},
    [CRD_OPT_BATCH] = {"batch", 0, "N", CRD_OPTION_INT64, "8", NULL, 1, 4096, NULL, CRD_PREDICT,
                       "images that go through the network together"},
    [CRD_OPT_TOPK] = {"topk", 0, "K", CRD_OPTION_INT64, "5", NULL, 1, 100000, NULL, CRD_PREDICT,
                      "most probable classes to record and list; given, it lists them for several "
                      "images too"},
    [CRD_OPT_SHOW_DRAWS] = {"show-draws", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                            CRD_PREDICT, "print what each drawn network says"},
    [CRD_OPT_SAVE_DRAWS] = {"save-draws", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                            CRD_PREDICT,
                            "with -o: record the logits and probabilities of every draw"},
    [CRD_OPT_IMPORT_EPS] = {"import-eps", 0, "FILE", CRD_OPTION_TEXT, NULL, NULL, 0, 0, NULL,
                            CRD_PREDICT,
                            "take the normals of one draw from this HDF5 file (parity checks)"},
    [CRD_OPT_SKIP_BAD] = {"skip-bad", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                          CRD_PREDICT | CRD_PREPROCESS,
                          "skip images that cannot be read, name them, do the others"},

    [CRD_OPT_DATASETS] = {"datasets", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL, CRD_INSPECT,
                          "list every dataset: path, type, shape, digest"},

    [CRD_OPT_BENCH_ARCH] = {"arch", 0, "NAME", CRD_OPTION_TEXT, "resnet18", NULL, 0, 0, NULL,
                            CRD_BENCH,
                            "architecture with random weights, when no posterior is given"},
    [CRD_OPT_BENCH_BATCH] = {"batch", 0, "N[,N...]", CRD_OPTION_INT64S, "1,8,32", NULL, 1, 4096,
                             NULL, CRD_BENCH, "batch sizes to measure"},
    [CRD_OPT_BENCH_DRAWS] = {"draws", 0, "N", CRD_OPTION_INT64, "8", NULL, 1, 4096, NULL, CRD_BENCH,
                             "draws in a repeat"},
    [CRD_OPT_REPEATS] = {"repeats", 0, "N", CRD_OPTION_INT64, "3", NULL, 1, 1000, NULL, CRD_BENCH,
                         "repeats; the median counts"},

    [CRD_OPT_SEED] = {"seed", 0, "N", CRD_OPTION_INT64, "0", NULL, 0, MAX_SEED, NULL,
                      CRD_CONVERT | CRD_PREDICT | CRD_BENCH, "key of all random numbers"},
    [CRD_OPT_JSON] = {"json", 0, NULL, CRD_OPTION_FLAG, NULL, NULL, 0, 0, NULL,
                      CRD_EVERY & ~CRD_HELP, "print one JSON object instead of text"},
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
