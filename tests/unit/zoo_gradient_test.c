/* Gradients of whole transformers of the zoo, in a draw, against central differences of their loss
 * along a direction of each kind of parameter. */
#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "bayes/gradient.h"
#include "credence/posterior.h"
#include "credence/zoo.h"
#include "graph/graph.h"
#include "kernels/kernels.h"
#include "walker.h"

enum { N_IMAGES = 2, N_CLASSES = 5 };

/* A network in one draw, and the directional derivatives that its gradient gives. */
typedef struct problem {
    crd_posterior *posterior;
    crd_gradient *gradient;
    const crd_loss *loss;
    float *images;
    double *dmu, *drho; /* [n_params] */
    double noise;       /* of differences, in units of a step of length 1 */
} problem;

/* +1 or -1 of an element. */
static float direction(int64_t param, int64_t i)
{
    uint32_t x = (uint32_t)i * 0x9E3779B1U + (uint32_t)param;
    x ^= x >> 15;
    return (x * 0x85EBCA6BU >> 16 & 1) != 0 ? 1 : -1;
}

static void take(int64_t param, int64_t first, int64_t n, float *dmu, float *drho, void *payload)
{
    problem *p = payload;
    for (int64_t i = 0; i < n; i++) {
        p->dmu[param] += (double)dmu[i] * (double)direction(param, first + i);
        if (drho != NULL)
            p->drho[param] += (double)drho[i] * (double)direction(param, first + i);
    }
}

static double loss_of(problem *p)
{
    static const int64_t labels[N_IMAGES] = {3, 1};
    static const float values[N_IMAGES * N_CLASSES] = {0};
    const crd_gradient_target target = {.take = take, .payload = p};
    const crd_params *params = &p->posterior->network->params;
    double loss;
    memset(p->dmu, 0, (size_t)params->n_params * sizeof *p->dmu);
    memset(p->drho, 0, (size_t)params->n_params * sizeof *p->drho);
    assert_ok(crd_gradient_set_parameters(p->gradient, p->posterior->mu, p->posterior->rho));
    assert_ok(crd_gradient_add(&loss, NULL, &target, p->gradient, p->loss, p->images, labels,
                               values, N_IMAGES, 0, 1, 1));
    return loss;
}

static void init(problem *p, const char *arch, int64_t size, const char *bayesian,
                 bool on_batch_statistics)
{
    crd_network *network;
    crd_params weights;
    crd_conversion conversion = crd_conversion_defaults();
    const crd_gradient_options options = {.estimator = "reparameterization",
                                          .seed = 5,
                                          .micro_batch = N_IMAGES,
                                          .batch_norm_train = on_batch_statistics};
    conversion.moped_enable = 1;
    conversion.moped_delta = 0.02;
    p->noise = on_batch_statistics ? 2e-5 : 1e-3;
    assert_ok(crd_zoo_build(&network, arch, 0, size, N_CLASSES));
    assert_ok(crd_zoo_initial_weights(&weights, network, 3));
    assert_ok(crd_posterior_convert(&p->posterior, network, &weights, &conversion, &bayesian, 1));
    crd_params_clear(&weights);
    int64_t n_pixels = N_IMAGES * crd_shape_count(crd_network_input_shape(network));
    assert_ok(crd_alloc_zeroed((void **)&p->images, n_pixels, sizeof *p->images, "images"));
    walker_fill(p->images, n_pixels, "images", 1, 0);
    assert_ok(crd_loss_find(&p->loss, "cross-entropy"));
    assert_ok(crd_gradient_create(&p->gradient, network, p->posterior->bayesian, &options));
    p->dmu = calloc((size_t)network->params.n_params, sizeof *p->dmu);
    p->drho = calloc((size_t)network->params.n_params, sizeof *p->drho);
}

static void clear(problem *p)
{
    crd_gradient_destroy(p->gradient);
    crd_posterior_destroy(p->posterior);
    crd_free(p->images);
    free(p->dmu);
    free(p->drho);
}

/* The derivative of the loss along a parameter's direction, from losses at both sides. */
static double difference(problem *p, float *block, int64_t param)
{
    const crd_param *entry = &p->posterior->network->params.entries[param];
    float *values = block + entry->offset;
    float step = (float)(0.02 / sqrt((double)entry->count));
    double losses[2];
    for (int side = 0; side < 2; side++) {
        float *kept = malloc((size_t)entry->count * sizeof *kept);
        memcpy(kept, values, (size_t)entry->count * sizeof *kept);
        for (int64_t i = 0; i < entry->count; i++)
            values[i] += (side == 0 ? -step : step) * direction(param, i);
        losses[side] = loss_of(p);
        memcpy(values, kept, (size_t)entry->count * sizeof *kept);
        free(kept);
    }
    return (losses[1] - losses[0]) / (2 * (double)step);
}

/* `derivatives`: by the gradient at mu, or at rho. */
static void compare(problem *p, const char *name, float *block, const double *derivatives)
{
    const crd_params *params = &p->posterior->network->params;
    int64_t param = crd_params_find(params, name);
    if (param < 0)
        fail_msg("no parameter %s", name);
    double found = difference(p, block, param), expected = derivatives[param];
    /* In units of a step of length 1. */
    double n = sqrt((double)params->entries[param].count);
    if (!(fabs(found - expected) / n < p->noise + 2e-2 * fabs(expected) / n))
        fail_msg("%s of %s: %g, but by differences %g", block == p->posterior->mu ? "mu" : "rho",
                 name, expected, found);
}

/* All names by mu; the first, which must be Bayesian, by rho too. */
static void check(const char *arch, int64_t size, const char *bayesian, bool on_batch_statistics,
                  const char *const *names)
{
    problem p;
    init(&p, arch, size, bayesian, on_batch_statistics);
    size_t n = (size_t)p.posterior->network->params.n_params;
    loss_of(&p);
    double *dmu = malloc(n * sizeof *dmu), *drho = malloc(n * sizeof *drho);
    memcpy(dmu, p.dmu, n * sizeof *dmu);
    memcpy(drho, p.drho, n * sizeof *drho);
    compare(&p, names[0], p.posterior->rho, drho);
    for (; *names != NULL; names++)
        compare(&p, *names, p.posterior->mu, dmu);
    free(dmu);
    free(drho);
    clear(&p);
}

static void of_swin(void **state)
{
    (void)state;
    static const char *const names[] = {"features.1.1.attn.qkv.weight",
                                        "features.0.0.weight",
                                        "features.0.2.weight",
                                        "features.1.1.attn.relative_position_bias_table",
                                        "features.3.0.attn.proj.weight",
                                        "features.2.reduction.weight",
                                        "features.2.norm.bias",
                                        "features.3.1.mlp.0.weight",
                                        NULL};
    check("swin_t", 44, "features.1.*", false, names);
}

static void of_swin_v2(void **state)
{
    (void)state;
    static const char *const names[] = {"features.1.1.attn.cpb_mlp.0.weight",
                                        "features.1.1.attn.qkv.weight",
                                        "features.1.1.attn.logit_scale",
                                        "features.1.1.attn.cpb_mlp.2.weight",
                                        "features.3.0.norm1.weight",
                                        "features.4.reduction.weight",
                                        NULL};
    check("swin_v2_t", 44, "features.1.*", false, names);
}

static void of_vit(void **state)
{
    (void)state;
    static const char *const names[] = {
        "encoder.layers.encoder_layer_0.self_attention.in_proj_weight", "class_token",
        "encoder.pos_embedding", "encoder.layers.encoder_layer_5.mlp.3.weight", NULL};
    check("vit_b_32", 64, "encoder.layers.encoder_layer_0.*", false, names);
}

/* Of the first block on batch statistics: on the running ones of initial weights the loss curves so
 * much there that no step is both small enough and above the rounding of float32. */
static void of_maxvit(void **state)
{
    (void)state;
    static const char *const names[] = {
        "blocks.2.layers.1.layers.grid_attention.attn_layer.1.to_qkv.weight",
        "blocks.2.layers.1.layers.window_attention.attn_layer.1.relative_position_bias_table",
        NULL};
    static const char *const first_names[] = {
        "blocks.2.layers.1.layers.grid_attention.attn_layer.1.to_qkv.weight",
        "blocks.0.layers.0.layers.MBconv.layers.conv_a.0.weight",
        "blocks.0.layers.0.layers.MBconv.layers.conv_a.1.weight", "stem.0.0.weight", NULL};
    check("maxvit_t", 224, "blocks.2.layers.1.*", false, names);
    check("maxvit_t", 224, "blocks.2.layers.1.*", true, first_names);
}

/* With an argument the large ones too. */
int main(int argc, char **argv)
{
    (void)argv;
    const struct CMUnitTest small[] = {cmocka_unit_test(of_swin), cmocka_unit_test(of_swin_v2)};
    const struct CMUnitTest large[] = {cmocka_unit_test(of_vit), cmocka_unit_test(of_maxvit)};
    if (crd_gemm_init() != CRD_OK)
        return 1;
    int n_failed = cmocka_run_group_tests_name("zoo_gradient", small, NULL, NULL);
    return argc < 2
               ? n_failed
               : n_failed + cmocka_run_group_tests_name("large_zoo_gradient", large, NULL, NULL);
}
