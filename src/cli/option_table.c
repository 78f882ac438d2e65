/* The rows of the table of options, and the names that some of them choose from. A forgotten column
 * is found by tests/unit/options_test.c. */
#include "cli/options.h"

#include <stddef.h>

#include "credence/chains.h"
#include "credence/laplace.h"
#include "credence/loss.h"
#include "credence/optim.h"
#include "credence/posterior.h"
#include "credence/predictive.h"
#include "credence/sampler.h"
#include "credence/weights.h"

/* Seeds stay below 2^53 so that JSON readers, which hold numbers as doubles, show the true one. */
#define MAX_SEED 9007199254740992.0
#define MAX_PIXELS 16384.0

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

static const char *const *preconditioner_names(void)
{
    static const char *const names[] = {"none", "rmsprop", NULL};
    return names;
}

static const char *const *likelihood_names(void)
{
    static const char *const names[] = {"cross-entropy", "gaussian-nll", "mse", NULL};
    return names;
}

static const char *const *collect_names(void)
{
    static const char *const names[] = {"swag", NULL};
    return names;
}

/* A line each for the name, what it may be, who takes it, what it does, and what goes with it. */
/* clang-format off */
static const crd_option table[CRD_N_OPTIONS] = {
    [CRD_OPT_OUTPUT] = {
        .name = "output", .letter = 'o', .placeholder = "FILE", .type = CRD_OPTION_TEXT,
        .commands = CRD_CONVERT | CRD_PREDICT | CRD_PREPROCESS | CRD_TRAIN | CRD_SAMPLE | CRD_ENSEMBLE |
            CRD_REFRESH | CRD_LAPLACE | CRD_MERGE | CRD_EXPORT | CRD_EVALUATE,
        .required =
            CRD_CONVERT | CRD_PREPROCESS | CRD_TRAIN | CRD_SAMPLE | CRD_ENSEMBLE | CRD_REFRESH |
            CRD_LAPLACE | CRD_MERGE | CRD_EXPORT,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_NONE,
        .help = "file to write (HDF5, but for export); it appears whole or not at all"},
    [CRD_OPT_ARCH] = {
        .name = "arch", .placeholder = "NAME", .type = CRD_OPTION_TEXT,
        .default_note = "with --weights: the one that fits them",
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_NETWORK, .effect = CRD_EFFECT_RESULT,
        .help = "architecture; `credence models` lists them"},
    [CRD_OPT_WEIGHTS] = {
        .name = "weights", .placeholder = "FILE", .type = CRD_OPTION_TEXT,
        .default_note = "random ones, He et al. 2015",
        .commands = CRD_CONVERT, .argument = CRD_CONVERT,
        .group = CRD_GROUP_NETWORK, .effect = CRD_EFFECT_RESULT,
        .help = "weights of the deterministic network: torch .pth, safetensors, a posterior, whose "
                "means are taken, or an ONNX model, which is network and weights; the option's "
                "name may be left out"},
    [CRD_OPT_WEIGHTS_KEY] = {
        .name = "weights-key", .placeholder = "KEY", .type = CRD_OPTION_TEXT,
        .default_note = "state_dict, model or another usual one",
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_NETWORK, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_WEIGHTS}},
        .help = "of a .pth that holds a dict: key of the state dict in it, such as model_ema"},
    [CRD_OPT_INPUT_SIZE] = {
        .name = "input-size", .placeholder = "HEIGHT[,WIDTH]", .type = CRD_OPTION_INT64S,
        .default_note = "the model's", .min = 1, .max = MAX_PIXELS,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_NETWORK, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_WEIGHTS}},
        .help = "of an ONNX model that leaves it open: height and width of its images, in pixels; one number is both"},
    [CRD_OPT_CHANNELS] = {
        .name = "channels", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_note = "the architecture's", .min = 1, .max = CRD_MAX_CHANNELS,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_NETWORK, .effect = CRD_EFFECT_RESULT,
        .excludes = {CRD_OPT_WEIGHTS},
        .why_not = "the weights tell it",
        .help = "without --weights: channels of an image"},
    [CRD_OPT_N_CLASSES] = {
        .name = "n-classes", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_note = "those of --classes, or the architecture's", .min = 1, .max = 1e6,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_NETWORK, .effect = CRD_EFFECT_RESULT,
        .excludes = {CRD_OPT_WEIGHTS},
        .why_not = "the weights tell it",
        .help = "without --weights: outputs of the network"},
    [CRD_OPT_PRIOR_MU] = {
        .name = "prior-mu", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "0", .min = -1e6, .max = 1e6,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "prior mean of every weight"},
    [CRD_OPT_PRIOR_SIGMA] = {
        .name = "prior-sigma", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "1", .min = 1e-6, .max = 1e6,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "prior standard deviation of every weight"},
    [CRD_OPT_PRIOR_KIND] = {
        .name = "prior-kind", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "normal", .choices = crd_prior_kind_names,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "distribution of the prior; mixture: of two normals about the same mean"},
    [CRD_OPT_PRIOR_SCALE] = {
        .name = "prior-scale", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "fixed", .choices = crd_prior_scale_names,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "factor of the prior's sigmas by layer: 1, sqrt(1 / fan_in), sqrt(2 / fan_in)"},
    [CRD_OPT_PRIOR_PI] = {
        .name = "prior-pi", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "0.5", .min = 0, .max = 1,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_PRIOR_KIND, {"mixture"}}},
        .help = "share of the normal of --prior-sigma"},
    [CRD_OPT_PRIOR_SIGMA2] = {
        .name = "prior-sigma2", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "exp(-6)", .min = 1e-6, .max = 1e6,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_PRIOR_KIND, {"mixture"}}},
        .help = "standard deviation of the other normal"},
    [CRD_OPT_POSTERIOR_MU_INIT] = {
        .name = "posterior-mu-init", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "0", .min = -1e6, .max = 1e6,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "without MOPED: mean of the initial mu (sd 0.1)"},
    [CRD_OPT_POSTERIOR_RHO_INIT] = {
        .name = "posterior-rho-init", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "-3", .min = -80, .max = 80,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "without MOPED: mean of the initial rho (sd 0.1)"},
    [CRD_OPT_CONVERT_ESTIMATOR] = {
        .name = "estimator", .old_name = "type", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "reparameterization", .choices = crd_estimator_names,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "estimator the posterior is meant for"},
    [CRD_OPT_MOPED] = {
        .name = "moped", .type = CRD_OPTION_FLAG,
        .default_note = "with --weights",
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "mu = weight, sigma = delta * |weight| instead of random initial values"},
    [CRD_OPT_NO_MOPED] = {
        .name = "no-moped", .type = CRD_OPTION_FLAG,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .excludes = {CRD_OPT_MOPED, CRD_OPT_MOPED_DELTA, CRD_OPT_MOPED_PRIOR, CRD_OPT_SIGMA_MIN},
        .why_not = "they are of MOPED",
        .help = "random initial values for the Bayesian layers, whose weights in --weights go "
                "unused: bayesian-torch's default"},
    [CRD_OPT_MOPED_DELTA] = {
        .name = "moped-delta", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "0.5", .min = 1e-6, .max = 80,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "with MOPED: sigma / |weight|"},
    [CRD_OPT_MOPED_PRIOR] = {
        .name = "moped-prior", .type = CRD_OPTION_FLAG,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "with MOPED: the weight is the prior mean too"},
    [CRD_OPT_MC_DROPOUT] = {
        .name = "mc-dropout", .type = CRD_OPTION_FLAG,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "dropout stays on in prediction; without --bayesian nothing else is random"},
    [CRD_OPT_SIGMA_MIN] = {
        .name = "sigma-min", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "0", .min = 0, .max = 1e6,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "with MOPED: smallest sigma (weights that are 0 have sigma 1e-20 without it)"},
    [CRD_OPT_BAYESIAN] = {
        .name = "bayesian", .placeholder = "GLOB", .type = CRD_OPTION_TEXTS,
        .default_note = "all, but for the in_proj of a MultiheadAttention, as dnn_to_bnn",
        .commands = CRD_CONVERT | CRD_BENCH,
        .group = CRD_GROUP_NETWORK, .effect = CRD_EFFECT_RESULT,
        .help = "layers that become Bayesian, by module path; may be repeated"},
    [CRD_OPT_CLASSES] = {
        .name = "classes", .placeholder = "FILE", .type = CRD_OPTION_TEXT,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_NETWORK, .effect = CRD_EFFECT_RESULT,
        .help = "class names: one per line, a JSON list, or a JSON class index"},
    [CRD_OPT_RESIZE] = {
        .name = "resize", .placeholder = "PIXELS", .type = CRD_OPTION_INT64,
        .default_note = "that of the architecture's weights, else the crop", .min = 0,
            .max = MAX_PIXELS,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_IMAGES, .effect = CRD_EFFECT_RESULT,
        .help = "short side after resizing, 0 for none"},
    [CRD_OPT_CROP] = {
        .name = "crop", .placeholder = "PIXELS", .type = CRD_OPTION_INT64,
        .default_note = "the architecture's", .min = 1, .max = MAX_PIXELS,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_IMAGES, .effect = CRD_EFFECT_RESULT,
        .help = "side of the square cut from the middle, which the network sees"},
    [CRD_OPT_CHANNEL_MEAN] = {
        .name = "channel-mean", .old_name = "mean", .placeholder = "X[,X,X]", .type =
            CRD_OPTION_DOUBLES,
        .default_note = "ImageNet's for its networks, else 0", .min = -1e3, .max = 1e3,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_IMAGES, .effect = CRD_EFFECT_RESULT,
        .help = "mean of each channel, of values in [0, 1]"},
    [CRD_OPT_CHANNEL_SD] = {
        .name = "channel-sd", .old_name = "sd", .placeholder = "X[,X,X]", .type =
            CRD_OPTION_DOUBLES,
        .default_note = "ImageNet's for its networks, else 1", .min = 1e-6, .max = 1e3,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_IMAGES, .effect = CRD_EFFECT_RESULT,
        .help = "standard deviation of each channel"},
    [CRD_OPT_INTERPOLATION] = {
        .name = "interpolation", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .choices = crd_interpolation_names,
        .commands = CRD_CONVERT,
        .group = CRD_GROUP_IMAGES, .effect = CRD_EFFECT_RESULT,
        .default_note = "as the architecture's weights",
        .help = "filter for resizing"},
    [CRD_OPT_DRAWS] = {
        .name = "draws", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "100", .min = 1, .max = (double)CRD_MAX_DRAWS,
        .commands = CRD_PREDICT | CRD_PLAN | CRD_EVALUATE | CRD_COMPARE,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .default_note = "100; of an ensemble of deterministic networks all",
        .help = "networks to draw"},
    [CRD_OPT_DETERMINISTIC] = {
        .name = "deterministic", .old_name = "mean", .type = CRD_OPTION_FLAG,
        .commands = CRD_PREDICT | CRD_ENSEMBLE | CRD_EVALUATE | CRD_COMPARE,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .excludes = {CRD_OPT_DRAWS, CRD_OPT_ESTIMATOR, CRD_OPT_ANTITHETIC, CRD_OPT_IMPORT_EPS},
        .why_not = "the deterministic network makes no draws",
        .help = "no draws: the deterministic network, all weights at mu; of an ensemble every "
                "component's"},
    [CRD_OPT_ESTIMATOR] = {
        .name = "estimator", .old_name = "type", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_note = "the posterior's", .choices = crd_estimator_names,
        .commands = CRD_PREDICT | CRD_PLAN | CRD_BENCH | CRD_TRAIN | CRD_EVALUATE | CRD_COMPARE,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .help = "estimator of a layer's output by its draws"},
    [CRD_OPT_PRECISION] = {
        .name = "precision", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "fp32", .choices = crd_precision_names,
        .commands = CRD_PREDICT | CRD_PLAN | CRD_BENCH | CRD_EVALUATE | CRD_COMPARE,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .help = "of the factors in convolutions; bf16: faster where the CPU has AVX512_BF16, with "
                "the same draws rounded"},
    [CRD_OPT_ANTITHETIC] = {
        .name = "antithetic", .type = CRD_OPTION_FLAG,
        .commands = CRD_PREDICT | CRD_PLAN,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .help = "draws in pairs with opposite normals: smaller errors for the same work"},
    [CRD_OPT_UNTIL_MCSE] = {
        .name = "until-mcse", .placeholder = "E", .type = CRD_OPTION_DOUBLE,
        .min = 1e-6, .max = 0.5,
        .commands = CRD_PREDICT | CRD_PLAN,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .excludes = {CRD_OPT_DETERMINISTIC, CRD_OPT_IMPORT_EPS, CRD_OPT_SAVE_DRAWS,
            CRD_OPT_SHOW_DRAWS},
        .why_not = "images stop at different numbers of draws",
        .help = "stop an image once the standard errors of its --topk probabilities (regression: of "
                "its means, in units of their predictive deviation) are below E (0.01: one "
                "percent); --draws is the most"},
    [CRD_OPT_MIN_DRAWS] = {
        .name = "min-draws", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "32", .min = 2, .max = (double)CRD_MAX_DRAWS,
        .commands = CRD_PREDICT | CRD_PLAN,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .needs = {{.option = CRD_OPT_UNTIL_MCSE}},
        .help = "draws before the first look; each next look is at a quarter more"},
    [CRD_OPT_CONFIDENCE] = {
        .name = "confidence", .placeholder = "C", .type = CRD_OPTION_DOUBLE,
        .default_text = "0.95", .min = 0.5, .max = 0.999999,
        .commands = CRD_PREDICT | CRD_COMPARE,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_RESULT,
        .help = "of probs_half_width, which holds whenever sampling stops; given, it is printed "
                "too; compare: of the intervals of differences"},
    [CRD_OPT_PART] = {
        .name = "part", .placeholder = "I/N", .type = CRD_OPTION_TEXT,
        .commands = CRD_PREDICT,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_OUTPUT}},
        .excludes = {CRD_OPT_DETERMINISTIC, CRD_OPT_IMPORT_EPS, CRD_OPT_SAVE_DRAWS,
            CRD_OPT_SHOW_DRAWS, CRD_OPT_UNTIL_MCSE},
        .why_not = "of parts only the sums of their draws are joined",
        .help = "only part I of N of the draws (1/N to N/N), to be joined by `credence merge`"},
    [CRD_OPT_DRAW_BLOCK] = {
        .name = "draw-block", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "8", .min = 1, .max = 4096,
        .commands = CRD_PREDICT | CRD_PLAN | CRD_BENCH | CRD_EVALUATE | CRD_COMPARE,
        .group = CRD_GROUP_WORK, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .help = "draws that go through the network together"},
    [CRD_OPT_BATCH] = {
        .name = "batch", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "8", .min = 1, .max = 4096,
        .commands = CRD_PREDICT | CRD_PLAN | CRD_EVALUATE | CRD_COMPARE,
        .group = CRD_GROUP_WORK, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .help = "images that go through the network together"},
    [CRD_OPT_WEIGHTS_MEMORY] = {
        .name = "weights-memory", .placeholder = "MB", .type = CRD_OPTION_DOUBLE,
        .default_note = "half of a node's memory", .min = 1e-6, .max = 1e12,
        .commands = CRD_PREDICT | CRD_PLAN | CRD_BENCH | CRD_EVALUATE | CRD_COMPARE,
        .group = CRD_GROUP_WORK, .effect = CRD_EFFECT_NONE, .plan = CRD_PLAN_PASSES,
        .help = "most of a node's memory for the weights of an ensemble; one that takes more is "
                "read from its file again and again, window by window, with the same results"},
    [CRD_OPT_TOPK] = {
        .name = "topk", .placeholder = "K", .type = CRD_OPTION_INT64,
        .default_text = "5", .min = 1, .max = 100000,
        .commands = CRD_PREDICT | CRD_PLAN,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .help = "most probable classes to record and list; given, it lists them for several "
                "images too"},
    [CRD_OPT_ALL_IMAGES] = {
        .name = "all-images", .type = CRD_OPTION_FLAG,
        .commands = CRD_PREDICT,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_NONE,
        .help = "print a line for every image, also of more than 100 (else the 20 most uncertain "
                "and a summary)"},
    [CRD_OPT_SHOW_DRAWS] = {
        .name = "show-draws", .type = CRD_OPTION_FLAG,
        .commands = CRD_PREDICT,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_NONE,
        .excludes = {CRD_OPT_JSON},
        .why_not = "it prints lines of text",
        .help = "print what each drawn network says"},
    [CRD_OPT_SAVE_DRAWS] = {
        .name = "save-draws", .type = CRD_OPTION_FLAG,
        .commands = CRD_PREDICT,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_OUTPUT}},
        .help = "record what every draw says: logits and probabilities, or values"},
    [CRD_OPT_IMPORT_EPS] = {
        .name = "import-eps", .placeholder = "FILE", .type = CRD_OPTION_TEXT,
        .commands = CRD_PREDICT,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .excludes = {CRD_OPT_ANTITHETIC},
        .why_not = "the file holds one draw, not pairs",
        .help = "take the normals of one draw from this HDF5 file (parity checks)"},
    [CRD_OPT_SKIP_BAD] = {
        .name = "skip-bad", .type = CRD_OPTION_FLAG,
        .commands = CRD_PREDICT | CRD_PLAN | CRD_PREPROCESS,
        .group = CRD_GROUP_IMAGES, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .help = "skip images that cannot be read, name them, do the others"},
    [CRD_OPT_OOD] = {
        .name = "ood", .placeholder = "DATA", .type = CRD_OPTION_TEXT,
        .commands = CRD_EVALUATE,
        .group = CRD_GROUP_IMAGES, .effect = CRD_EFFECT_RESULT,
        .help = "images of another kind: how well they are told from those of DATA"},
    [CRD_OPT_REFERENCE] = {
        .name = "reference", .placeholder = "FILE", .type = CRD_OPTION_TEXT,
        .commands = CRD_EVALUATE,
        .group = CRD_GROUP_IMAGES, .effect = CRD_EFFECT_RESULT,
        .help = "probabilities of another method (CSV, HDF5, or a prediction) for the images of "
                "DATA in their order: how near they are"},
    [CRD_OPT_HESSIAN] = {
        .name = "hessian", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "kron", .choices = crd_hessian_names,
        .commands = CRD_LAPLACE,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "how the Hessian of the last layer is kept: Kronecker factors (KFAC), the full "
                "matrix (up to 4096 weights), its diagonal"},
    [CRD_OPT_PRIOR_PRECISION] = {
        .name = "prior-precision", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "the one of the largest marginal likelihood",
        .min = CRD_LAPLACE_MIN_PRECISION, .max = CRD_LAPLACE_MAX_PRECISION,
        .commands = CRD_LAPLACE,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_RESULT,
        .help = "1 / variance of the last layer's weights in the prior, about 0"},
    [CRD_OPT_RANKS] = {
        .name = "ranks", .placeholder = "N[,N...]", .type = CRD_OPTION_INT64S,
        .default_text = "1,2,4,8,16,32,64", .min = 1, .max = 1e6,
        .commands = CRD_PLAN | CRD_PLAN_SAMPLE,
        .group = CRD_GROUP_WORK, .effect = CRD_EFFECT_NONE,
        .help = "numbers of ranks to forecast"},
    [CRD_OPT_LOSS] = {
        .name = "loss", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "cross-entropy", .choices = crd_loss_names,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .help = "data term; mse, gaussian-nll: regression on the data's targets; mse-distill: "
                "mean squared error to the logits of POSTERIOR.h5's mean network"},
    [CRD_OPT_CALIBRATION] = {
        .name = "calibration", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_note = "no such term", .choices = crd_calibration_loss_names,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_UNCERTAINTY_THRESHOLD}},
        .help = "bayesian-torch's calibration term, added to the data term"},
    [CRD_OPT_CALIBRATION_BETA] = {
        .name = "calibration-beta", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "1", .min = 0, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_CALIBRATION}},
        .help = "factor of the calibration term"},
    [CRD_OPT_UNCERTAINTY_THRESHOLD] = {
        .name = "uncertainty-threshold", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .min = 0, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_CALIBRATION}},
        .help = "avuc, eau: up to this entropy (gaussian-nll: sd) a draw counts as certain; eac: "
                "above this confidence"},
    [CRD_OPT_ERROR_THRESHOLD] = {
        .name = "error-threshold", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .min = 0, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_CALIBRATION, {"eau", "eac"}}},
        .help = "up to this error (1 - probability of the label; gaussian-nll: distance) a draw "
                "counts as good"},
    [CRD_OPT_KL] = {
        .name = "kl", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "sum", .choices = kl_names,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"sgd", "adam", "adamw"}}},
        .help = "KL divergence: sum over all weights (the ELBO), or sum of each tensor's mean "
                "(bayesian-torch)"},
    [CRD_OPT_KL_WEIGHT] = {
        .name = "kl-weight", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "sum: 1 / images, mean: 1 / batch size", .min = 0, .max = 1e12,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"sgd", "adam", "adamw"}}},
        .help = "factor of the KL divergence in the loss"},
    [CRD_OPT_KL_ANNEAL] = {
        .name = "kl-anneal", .placeholder = "EPOCHS", .type = CRD_OPTION_INT64,
        .default_text = "0", .min = 0, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"sgd", "adam", "adamw"}}},
        .help = "the factor grows linearly over these epochs"},
    [CRD_OPT_TEMPERATURE] = {
        .name = "temperature", .placeholder = "T", .type = CRD_OPTION_DOUBLE,
        .default_text = "1", .min = 1e-9, .max = 1e9,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_KL, {"sum"}}},
        .excludes = {CRD_OPT_KL_WEIGHT, CRD_OPT_ESS, CRD_OPT_TRAIN_DETERMINISTIC},
        .why_not = "the temperature is the weight of the KL divergence, 1 for the ELBO",
        .help = "factor of the KL divergence against the ELBO's; below 1 the posterior is cold"},
    [CRD_OPT_EPOCHS] = {
        .name = "epochs", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "10", .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .help = "passes over the images"},
    [CRD_OPT_BATCH_SIZE] = {
        .name = "batch-size", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "128", .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .help = "images of a step, over all ranks"},
    [CRD_OPT_MICRO_BATCH] = {
        .name = "micro-batch", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_note = "32, and at most the batch size", .min = 1, .max = 4096,
        .commands = CRD_TRAIN | CRD_REFRESH,
        .group = CRD_GROUP_WORK, .effect = CRD_EFFECT_RESULT,
        .help = "images that go through the network together; batch norm sees these"},
    [CRD_OPT_TRAIN_DRAWS] = {
        .name = "draws", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "1", .min = 1, .max = 4096,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .help = "draws of each micro-batch, no two of a run the same"},
    [CRD_OPT_TRAIN_DETERMINISTIC] = {
        .name = "deterministic", .old_name = "mean", .type = CRD_OPTION_FLAG,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"sgd", "adam", "adamw"}}},
        .excludes = {CRD_OPT_TRAIN_DRAWS, CRD_OPT_ESTIMATOR, CRD_OPT_KL, CRD_OPT_KL_WEIGHT,
            CRD_OPT_KL_ANNEAL},
        .why_not = "the deterministic network makes no draws",
        .help = "train the deterministic network: no draws, no KL divergence"},
    [CRD_OPT_OPTIMIZER] = {
        .name = "optimizer", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "adam", .choices = crd_optimizer_names,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .help = "optimizer, with the defaults of torch, and of ivon-opt"},
    [CRD_OPT_LR] = {
        .name = "lr", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "ivon: 0.1, else 1e-3", .min = 0, .max = 1e38,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .help = "learning rate"},
    [CRD_OPT_MOMENTUM] = {
        .name = "momentum", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "0", .min = 0, .max = 1,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"sgd"}}},
        .help = "momentum"},
    [CRD_OPT_NESTEROV] = {
        .name = "nesterov", .type = CRD_OPTION_FLAG,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"sgd"}}, {.option = CRD_OPT_MOMENTUM}},
        .help = "Nesterov's momentum"},
    [CRD_OPT_WEIGHT_DECAY] = {
        .name = "weight-decay", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "adamw 0.01, ivon 1e-4, else 0", .min = 0, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .help = "weight decay; ivon: its prior is N(0, 1 / (ess * weight decay)), whatever that of "
                "POSTERIOR.h5 is"},
    [CRD_OPT_BETA1] = {
        .name = "beta1", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "0.9", .min = 0, .max = 1,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"adam", "adamw", "ivon"}}},
        .help = "decay of the momentum"},
    [CRD_OPT_BETA2] = {
        .name = "beta2", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "ivon 0.99999, else 0.999", .min = 0, .max = 1,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"adam", "adamw", "ivon"}}},
        .help = "decay of the squares, or of the Hessian"},
    [CRD_OPT_ESS] = {
        .name = "ess", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "images of the training set / temperature", .min = 1e-9, .max = 1e18,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"ivon"}}},
        .help = "effective sample size; the temperature is images / ess"},
    [CRD_OPT_HESS_INIT] = {
        .name = "hess-init", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "1", .min = 1e-12, .max = 1e12,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"ivon"}}},
        .help = "the Hessian at the start, which with ess and weight decay makes the first sigma"},
    [CRD_OPT_CLIP_RADIUS] = {
        .name = "clip-radius", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "any", .min = 1e-12, .max = 1e12,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"ivon"}}},
        .help = "largest step of a weight, before it is multiplied with the learning rate"},
    [CRD_OPT_NO_DEBIAS] = {
        .name = "no-debias", .type = CRD_OPTION_FLAG,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"ivon"}}},
        .help = "the momentum is not corrected for its start at zero"},
    [CRD_OPT_NO_RESCALE_LR] = {
        .name = "no-rescale-lr", .type = CRD_OPTION_FLAG,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"ivon"}}},
        .help = "the learning rate is not multiplied with hess-init plus weight decay"},
    [CRD_OPT_SCHEDULER] = {
        .name = "scheduler", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "constant", .choices = crd_schedule_names,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .help = "how the learning rate changes from epoch to epoch; cosine-restarts, which "
                "--snapshot-every takes unless another is given, and triangular: from step to step"},
    [CRD_OPT_GAMMA] = {
        .name = "gamma", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "exponential 0.9, else 0.1", .min = 1e-6, .max = 1000,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SCHEDULER, {"exponential", "step", "multistep"}}},
        .help = "factor of the learning rate at each step of the scheduler"},
    [CRD_OPT_STEP_SIZE] = {
        .name = "step-size", .placeholder = "EPOCHS", .type = CRD_OPTION_INT64,
        .default_text = "10", .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SCHEDULER, {"step"}}},
        .help = "epochs between two steps"},
    [CRD_OPT_MILESTONES] = {
        .name = "milestones", .placeholder = "N[,N...]", .type = CRD_OPTION_INT64S,
        .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SCHEDULER, {"multistep"}}},
        .help = "epochs of the steps"},
    [CRD_OPT_T_MAX] = {
        .name = "t-max", .placeholder = "EPOCHS", .type = CRD_OPTION_INT64,
        .default_note = "all epochs after the warm-up", .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SCHEDULER, {"cosine"}}},
        .help = "half a period"},
    [CRD_OPT_CYCLE] = {
        .name = "cycle", .placeholder = "EPOCHS", .type = CRD_OPTION_INT64,
        .default_note = "--snapshot-every, else --collect-every", .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SCHEDULER, {"cosine-restarts", "triangular"}}},
        .excludes = {CRD_OPT_SNAPSHOT_EVERY},
        .why_not = "which says how long a cycle is",
        .help = "length of a cycle; triangular falls in its first half and rises in the second"},
    [CRD_OPT_LR_MIN] = {
        .name = "lr-min", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "0", .min = 0, .max = 1e38,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .help = "smallest learning rate of a cosine, of cosine-restarts and triangular"},
    [CRD_OPT_WARMUP] = {
        .name = "warmup", .placeholder = "EPOCHS", .type = CRD_OPTION_INT64,
        .default_text = "0", .min = 0, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .help = "the learning rate grows linearly over these epochs first"},
    [CRD_OPT_CLIP_NORM] = {
        .name = "clip-norm", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "0", .min = 0, .max = 1e12,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"sgd", "adam", "adamw"}}},
        .help = "largest norm of the gradient; 0: any"},
    [CRD_OPT_KEEP_GRADIENTS] = {
        .name = "keep-gradients", .type = CRD_OPTION_FLAG,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"sgd", "adam", "adamw"}}},
        .help = "never zero the gradient: a step's is the sum of all so far, as in the notebook's "
                "loop; needs --kl-weight 0"},
    [CRD_OPT_LOCAL_STEPS] = {
        .name = "local-steps", .placeholder = "K", .type = CRD_OPTION_INT64,
        .default_text = "1", .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_WORK, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_OPTIMIZER, {"sgd", "adam", "adamw"}}},
        .help = "each rank takes K steps on its own before parameters are averaged; above 1 the "
                "result depends on the ranks"},
    [CRD_OPT_BATCH_NORM] = {
        .name = "batch-norm", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "train", .choices = batch_norm_names,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .help = "batch norm on the micro-batch's statistics, or on the running ones"},
    [CRD_OPT_AUGMENT] = {
        .name = "augment", .placeholder = "NAME", .type = CRD_OPTION_TEXTS,
        .choices = augment_names,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_IMAGES, .effect = CRD_EFFECT_RESULT,
        .help = "random change of the images; may be repeated"},
    [CRD_OPT_COLLECT] = {
        .name = "collect", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .choices = collect_names,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_COLLECTION, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_TRAIN_DETERMINISTIC}, {.option = CRD_OPT_COLLECT_START}},
        .excludes = {CRD_OPT_SNAPSHOT_EVERY, CRD_OPT_LOCAL_STEPS},
        .why_not = "networks are collected in one way, and of steps that all ranks make together",
        .help = "collect networks on the way; swag: NEW.h5 has their mean, variance and last "
                "deviations, with batch norm's statistics of the mean recomputed at the end"},
    [CRD_OPT_COLLECT_START] = {
        .name = "collect-start", .placeholder = "EPOCHS", .type = CRD_OPTION_INT64,
        .min = 0, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_COLLECTION, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_COLLECT}},
        .help = "collect after this epoch; 0: from the start on, of weights that are trained already"},
    [CRD_OPT_COLLECT_EVERY] = {
        .name = "collect-every", .placeholder = "EPOCHS", .type = CRD_OPTION_INT64,
        .default_text = "1", .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_COLLECTION, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_COLLECT}},
        .help = "epochs from one network to the next"},
    [CRD_OPT_COLLECT_STEPS] = {
        .name = "collect-steps", .placeholder = "STEPS", .type = CRD_OPTION_INT64,
        .min = 1, .max = 1e12,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_COLLECTION, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_COLLECT}},
        .excludes = {CRD_OPT_COLLECT_EVERY},
        .why_not = "both say how often",
        .help = "steps instead of epochs from one network to the next"},
    [CRD_OPT_RANK] = {
        .name = "rank", .placeholder = "K", .type = CRD_OPTION_INT64,
        .default_text = "20", .min = 0, .max = CRD_MAX_RANK,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_COLLECTION, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_COLLECT, {"swag"}}},
        .help = "deviations that are kept, of the last K networks; 0: the diagonal alone; memory for "
                "K + 4 networks more on rank 0"},
    [CRD_OPT_SNAPSHOT_EVERY] = {
        .name = "snapshot-every", .placeholder = "EPOCHS", .type = CRD_OPTION_INT64,
        .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_COLLECTION, .effect = CRD_EFFECT_RESULT,
        .needs = {{.option = CRD_OPT_TRAIN_DETERMINISTIC}},
        .excludes = {CRD_OPT_LOCAL_STEPS},
        .why_not = "networks are collected of steps that all ranks make together",
        .help = "NEW.h5 is an ensemble of the networks at the end of each cycle of so many epochs; "
                "triangular (fast geometric ensembles): in its middle"},
    [CRD_OPT_VALIDATE] = {
        .name = "validate", .placeholder = "DATA", .type = CRD_OPTION_TEXT,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_VALIDATION, .effect = CRD_EFFECT_BY_DIGEST,
        .help = "images with labels (regression: targets) to validate on; the best posterior goes "
                "to NEW.best.h5"},
    [CRD_OPT_VALIDATE_SHARE] = {
        .name = "validate-share", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .min = 1e-6, .max = 0.99,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_VALIDATION, .effect = CRD_EFFECT_RESULT,
        .excludes = {CRD_OPT_VALIDATE},
        .why_not = "both say what to validate on",
        .help = "instead of --validate: this part of DATA, chosen by the seed, is held out to "
                "validate on"},
    [CRD_OPT_VALIDATE_EVERY] = {
        .name = "validate-every", .placeholder = "EPOCHS", .type = CRD_OPTION_INT64,
        .default_text = "1", .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_VALIDATION, .effect = CRD_EFFECT_RESULT,
        .help = "with a validation: how often"},
    [CRD_OPT_VALIDATE_DRAWS] = {
        .name = "validate-draws", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "4", .min = 1, .max = 1e6,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_VALIDATION, .effect = CRD_EFFECT_RESULT,
        .help = "with a validation: networks to draw, in antithetic pairs if even"},
    [CRD_OPT_REFRESH_DRAWS] = {
        .name = "draws", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_note = "none: each component at its means", .min = 1, .max = 1e6,
        .commands = CRD_REFRESH,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .help = "networks to draw, each of which gets statistics of its own: NEW.h5 is their "
                "ensemble"},
    [CRD_OPT_REFRESH_IMAGES] = {
        .name = "images", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_note = "all", .min = 1, .max = 1e9,
        .commands = CRD_REFRESH,
        .group = CRD_GROUP_WORK, .effect = CRD_EFFECT_RESULT,
        .help = "images, at random, that the statistics are of"},
    [CRD_OPT_SAMPLER] = {
        .name = "sampler", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .choices = crd_chain_sampler_names,
        .commands = CRD_CHAINS, .required = CRD_CHAINS,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .help = "how chains move: with batches Langevin dynamics without momentum, with it, in "
                "cycles, or smile; with all images Hamiltonian or microcanonical Langevin"},
    [CRD_OPT_CHAINS] = {
        .name = "chains", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "4", .min = 1, .max = CRD_MAX_CHAINS,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .help = "independent chains; more ranks than chains share the gradients"},
    [CRD_OPT_CHAIN_DRAWS] = {
        .name = "draws", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "100", .min = 1, .max = 1e6,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .help = "networks that each chain leaves"},
    [CRD_OPT_BURN_IN] = {
        .name = "burn-in", .placeholder = "STEPS", .type = CRD_OPTION_INT64,
        .default_note = "hmc: 200, csghmc: 0, else 1000", .min = 0, .max = 1e9,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .help = "steps (hmc: proposals) before the first draw, in which hmc, mclmc and smile adapt "
                "their step size"},
    [CRD_OPT_THIN] = {
        .name = "thin", .placeholder = "STEPS", .type = CRD_OPTION_INT64,
        .default_note = "hmc: 1, else 10", .min = 1, .max = 1e9,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .help = "steps from draw to draw"},
    [CRD_OPT_CHAIN_STEP_SIZE] = {
        .name = "step-size", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "sgld: 1e-6, sghmc, csghmc: 3e-7, hmc: 1e-3, mclmc: 5e-3, smile: 0.01",
        .min = 1e-30, .max = 1e6,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .help = "step size, of the log posterior summed over the images; the first one where it is "
                "adapted"},
    [CRD_OPT_CHAIN_TEMPERATURE] = {
        .name = "temperature", .placeholder = "T", .type = CRD_OPTION_DOUBLE,
        .default_text = "1", .min = 1e-9, .max = 1e9,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .help = "sample from the posterior to the power 1 / T; below 1 it is cold"},
    [CRD_OPT_CHAIN_MOMENTUM] = {
        .name = "momentum", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_note = "sghmc: 0.9, csghmc: 0.95", .min = 0, .max = 0.999999,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SAMPLER, {"sghmc", "csghmc"}}},
        .help = "share of the momentum that a step keeps"},
    [CRD_OPT_PRECONDITIONER] = {
        .name = "preconditioner", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "none", .choices = preconditioner_names,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SAMPLER, {"sgld", "sghmc", "csghmc"}}},
        .help = "rmsprop: masses from the running mean of squared gradients (0.99, 1e-7)"},
    [CRD_OPT_CYCLE_LENGTH] = {
        .name = "cycle-length", .placeholder = "STEPS", .type = CRD_OPTION_INT64,
        .default_text = "1000", .min = 1, .max = 1e9,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SAMPLER, {"csghmc"}}},
        .help = "steps of a cycle, over which the step size falls as a cosine"},
    [CRD_OPT_DRAWS_PER_CYCLE] = {
        .name = "draws-per-cycle", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "3", .min = 1, .max = 1e6,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SAMPLER, {"csghmc"}}},
        .help = "draws at the end of each cycle, --thin steps apart"},
    [CRD_OPT_EXPLORATION] = {
        .name = "exploration", .placeholder = "SHARE", .type = CRD_OPTION_DOUBLE,
        .default_text = "0.9", .min = 0, .max = 0.999999,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SAMPLER, {"csghmc"}}},
        .help = "share of a cycle, at its begin, that is without noise"},
    [CRD_OPT_LEAPFROG_STEPS] = {
        .name = "leapfrog-steps", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "20", .min = 1, .max = 1e6,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SAMPLER, {"hmc"}}},
        .help = "leapfrog steps of a proposal"},
    [CRD_OPT_TARGET_ACCEPT] = {
        .name = "target-accept", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "0.8", .min = 0, .max = 0.999999,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SAMPLER, {"hmc"}}},
        .help = "acceptance that burn-in adapts the step size to; 0: it stays as given"},
    [CRD_OPT_ENERGY_VARIANCE] = {
        .name = "energy-variance", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "1e-4", .min = 0, .max = 1e6,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SAMPLER, {"mclmc"}}},
        .help = "variance of a step's energy error, for each weight, that burn-in adapts the step "
                "size to, from five times as much; 0: it stays as given"},
    [CRD_OPT_DECOHERENCE] = {
        .name = "decoherence", .placeholder = "LENGTH", .type = CRD_OPTION_DOUBLE,
        .default_note = "adapted in burn-in", .min = 1e-12, .max = 1e12,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SAMPLER, {"mclmc"}}},
        .help = "length of the way over which a chain forgets its direction"},
    [CRD_OPT_START] = {
        .name = "start", .placeholder = "FILE", .type = CRD_OPTION_TEXT,
        .default_note = "draws of the posterior",
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_POSTERIOR, .effect = CRD_EFFECT_BY_DIGEST,
        .help = "posterior or ensemble of the same network: chain c begins at the mean of its "
                "component c, and takes what is not sampled from there too"},
    [CRD_OPT_LIKELIHOOD] = {
        .name = "loss", .placeholder = "NAME", .type = CRD_OPTION_CHOICE,
        .default_text = "cross-entropy", .choices = likelihood_names,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .help = "-log likelihood: cross-entropy of labels; of values gaussian-nll (outputs are "
                "means, then log variances), or mse with --noise-sd"},
    [CRD_OPT_NOISE_SD] = {
        .name = "noise-sd", .placeholder = "X", .type = CRD_OPTION_DOUBLE,
        .default_text = "1", .min = 1e-9, .max = 1e9,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_LOSS, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_LIKELIHOOD, {"mse"}}},
        .help = "standard deviation of the values about the network's outputs"},
    [CRD_OPT_CHAIN_BATCH_SIZE] = {
        .name = "batch-size", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_note = "128; hmc, mclmc: all", .min = 1, .max = 1e9,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_OPTIMIZER, .effect = CRD_EFFECT_RESULT,
        .needs = {{CRD_OPT_SAMPLER, {"sgld", "sghmc", "csghmc", "smile"}}},
        .help = "images of a gradient, each chain's own; as many as there are: all"},
    [CRD_OPT_CHAIN_MICRO_BATCH] = {
        .name = "micro-batch", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "32", .min = 1, .max = 4096,
        .commands = CRD_CHAINS,
        .group = CRD_GROUP_WORK, .effect = CRD_EFFECT_RESULT,
        .help = "images that go through the network together"},
    [CRD_OPT_CHECKPOINT_INTERVAL] = {
        .name = "checkpoint-interval", .placeholder = "TIME", .type = CRD_OPTION_DURATION,
        .default_text = "10min", .min = 0, .max = 1e9,
        .commands = CRD_PREDICT | CRD_TRAIN | CRD_SAMPLE,
        .group = CRD_GROUP_CHECKPOINTS, .effect = CRD_EFFECT_NONE,
        .needs = {{.option = CRD_OPT_OUTPUT}},
        .help = "time between checkpoints (the output's name and .ckpt); 0: only when the run "
                "stops"},
    [CRD_OPT_CHECKPOINTS] = {
        .name = "checkpoints", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "2", .min = 0, .max = 2,
        .commands = CRD_TRAIN,
        .group = CRD_GROUP_CHECKPOINTS, .effect = CRD_EFFECT_NONE,
        .help = "checkpoints that stay: 2: the newest and the one before it (.prev), 1: the newest, "
                "0: none is written, and nothing can be resumed"},
    [CRD_OPT_MAX_TIME] = {
        .name = "max-time", .placeholder = "TIME", .type = CRD_OPTION_DURATION,
        .min = 1e-3, .max = 1e9,
        .commands = CRD_PREDICT | CRD_TRAIN | CRD_SAMPLE,
        .group = CRD_GROUP_CHECKPOINTS, .effect = CRD_EFFECT_NONE,
        .needs = {{.option = CRD_OPT_OUTPUT}},
        .help = "stop after this with a checkpoint and exit code 75"},
    [CRD_OPT_RESUME] = {
        .name = "resume", .type = CRD_OPTION_FLAG,
        .commands = CRD_PREDICT | CRD_TRAIN | CRD_SAMPLE,
        .group = CRD_GROUP_CHECKPOINTS, .effect = CRD_EFFECT_NONE,
        .needs = {{.option = CRD_OPT_OUTPUT}},
        .help = "continue from the checkpoint, if there is one"},
    [CRD_OPT_HANG_TIMEOUT] = {
        .name = "hang-timeout", .placeholder = "TIME", .type = CRD_OPTION_DURATION,
        .default_text = "1h", .min = 0, .max = 1e9,
        .commands = CRD_PREDICT | CRD_TRAIN | CRD_SAMPLE | CRD_REFRESH | CRD_LAPLACE | CRD_EVALUATE |
                    CRD_COMPARE,
        .group = CRD_GROUP_CHECKPOINTS, .effect = CRD_EFFECT_NONE,
        .help = "end the job with exit code 7, naming the rank, when one makes no progress; 0: "
                "never"},
    [CRD_OPT_DATASETS] = {
        .name = "datasets", .type = CRD_OPTION_FLAG,
        .commands = CRD_INSPECT,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_NONE,
        .help = "list every dataset: path, type, shape, digest"},
    [CRD_OPT_RESEAL] = {
        .name = "reseal", .placeholder = "NEW.h5", .type = CRD_OPTION_TEXT,
        .commands = CRD_INSPECT,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_NONE,
        .help = "FILE was changed by another program (h5py, netCDF4): check all of it and write a "
                "sealed copy, which is then shown"},
    [CRD_OPT_TO] = {
        .name = "to", .placeholder = "FORMAT", .type = CRD_OPTION_CHOICE,
        .default_text = "safetensors", .choices = crd_state_format_names,
        .commands = CRD_EXPORT,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_RESULT,
        .help = "container: safetensors.torch.load_file or numpy.load reads it"},
    [CRD_OPT_BENCH_ARCH] = {
        .name = "arch", .placeholder = "NAME", .type = CRD_OPTION_TEXT,
        .default_text = "resnet18",
        .commands = CRD_BENCH,
        .group = CRD_GROUP_NETWORK, .effect = CRD_EFFECT_RESULT,
        .help = "architecture with random weights, when no posterior is given"},
    [CRD_OPT_BENCH_BATCH] = {
        .name = "batch", .placeholder = "N[,N...]", .type = CRD_OPTION_INT64S,
        .default_text = "1,8,32", .min = 1, .max = 4096,
        .commands = CRD_BENCH,
        .group = CRD_GROUP_WORK, .effect = CRD_EFFECT_RESULT,
        .help = "batch sizes to measure"},
    [CRD_OPT_BENCH_DRAWS] = {
        .name = "draws", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "8", .min = 1, .max = 4096,
        .commands = CRD_BENCH,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT,
        .help = "draws in a repeat"},
    [CRD_OPT_REPEATS] = {
        .name = "repeats", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "3", .min = 1, .max = 1000,
        .commands = CRD_BENCH,
        .group = CRD_GROUP_WORK, .effect = CRD_EFFECT_NONE,
        .help = "repeats; the median counts"},
    [CRD_OPT_VERBOSE] = {
        .name = "verbose", .letter = 'v', .type = CRD_OPTION_FLAG,
        .commands = CRD_BENCH,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_NONE,
        .help = "a line for every layer: how it is computed, its time, its share of the peak"},
    [CRD_OPT_SEED] = {
        .name = "seed", .placeholder = "N", .type = CRD_OPTION_INT64,
        .default_text = "0", .min = 0, .max = MAX_SEED,
        .commands = CRD_CONVERT | CRD_PREDICT | CRD_PLAN | CRD_BENCH | CRD_TRAIN | CRD_CHAINS |
            CRD_EVALUATE | CRD_COMPARE | CRD_REFRESH,
        .group = CRD_GROUP_DRAWS, .effect = CRD_EFFECT_RESULT, .plan = CRD_PLAN_PASSES,
        .help = "key of all random numbers"},
    [CRD_OPT_JSON] = {
        .name = "json", .type = CRD_OPTION_FLAG,
        .commands = CRD_EVERY & ~CRD_HELP,
        .group = CRD_GROUP_GENERAL, .effect = CRD_EFFECT_NONE, .plan = CRD_PLAN_KEEPS,
        .help = "print JSON instead of text: one object; train: one per line for each epoch, and "
                "one at the end"},
    [CRD_OPT_QUIET] = {
        .name = "quiet", .type = CRD_OPTION_FLAG,
        .commands = CRD_EVERY & ~CRD_HELP,
        .group = CRD_GROUP_GENERAL, .effect = CRD_EFFECT_NONE, .plan = CRD_PLAN_KEEPS,
        .help = "no log, no progress; errors only"},
    [CRD_OPT_HELP] = {
        .name = "help", .letter = 'h', .type = CRD_OPTION_FLAG,
        .commands = CRD_EVERY,
        .group = CRD_GROUP_GENERAL, .effect = CRD_EFFECT_NONE, .plan = CRD_PLAN_KEEPS,
        .help = "show this help"},
    [CRD_OPT_MARKDOWN] = {
        .name = "markdown", .type = CRD_OPTION_FLAG,
        .commands = CRD_HELP,
        .group = CRD_GROUP_OUTPUT, .effect = CRD_EFFECT_NONE,
        .help = "commands and options as the tables of jobs/README.md"},
};
/* clang-format on */

const crd_option *crd_option_table(void)
{
    return table;
}

const char *crd_option_group_title(crd_option_group group)
{
    static const char *const titles[CRD_N_GROUPS] = {[CRD_GROUP_OUTPUT] = "Output",
                                                     [CRD_GROUP_NETWORK] = "Network",
                                                     [CRD_GROUP_POSTERIOR] = "Prior and posterior",
                                                     [CRD_GROUP_IMAGES] = "Images",
                                                     [CRD_GROUP_DRAWS] = "Draws",
                                                     [CRD_GROUP_WORK] = "How the work is cut",
                                                     [CRD_GROUP_LOSS] = "Loss",
                                                     [CRD_GROUP_OPTIMIZER] = "Steps",
                                                     [CRD_GROUP_COLLECTION] = "Collecting networks",
                                                     [CRD_GROUP_VALIDATION] = "Validation",
                                                     [CRD_GROUP_CHECKPOINTS] =
                                                         "Checkpoints and time",
                                                     [CRD_GROUP_GENERAL] = "General"};
    return titles[group];
}
