/** Small networks and weights for the tests of room bayes, and the plain way to run a network. */
#ifndef CRD_TESTS_UNIT_BAYES_NETS_H
#define CRD_TESTS_UNIT_BAYES_NETS_H

#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "credence/sampler.h"
#include "test_ops.h"

#define N_CLASSES 5

/** Any numbers in (-1, 1), the same on every machine. */
static inline float any_value(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return (float)(*state >> 8) / 8388608.0F - 1.0F;
}

static inline void fill_any(float *out, int64_t n, uint32_t seed)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = any_value(&seed);
}

static inline int64_t add_op(crd_network *network, const char *kind, const char *name,
                             const attr_list *attrs, int64_t input)
{
    int64_t index;
    assert_ok(network_add(&index, network, kind, name, attrs, &input, 1));
    return index;
}

static inline int64_t add_conv(crd_network *network, const char *name, int64_t input, int64_t in,
                               int64_t out, int64_t stride, int64_t groups, int64_t bias)
{
    const attr_list attrs = conv2d_list((conv2d_attrs){.in_channels = in,
                                                       .out_channels = out,
                                                       .kernel_size = {3, 3},
                                                       .stride = {stride, stride},
                                                       .padding = {1, 1},
                                                       .dilation = {1, 1},
                                                       .groups = groups,
                                                       .bias = bias});
    return add_op(network, "Conv2d", name, &attrs, input);
}

static inline int64_t add_norm(crd_network *network, const char *name, int64_t input, int64_t n)
{
    const attr_list attrs = batch_norm_list(n, 1e-5);
    return add_op(network, "BatchNorm2d", name, &attrs, input);
}

static inline int64_t add_pool(crd_network *network, int64_t input)
{
    const attr_list attrs = adaptive_list(1, 1);
    return add_op(network, "AdaptiveAvgPool2d", "avgpool", &attrs, input);
}

static inline int64_t add_head(crd_network *network, int64_t input, int64_t in, int64_t out)
{
    const attr_list attrs = linear_list(in, out, 1);
    return add_op(network, "Linear", "fc", &attrs,
                  add_op(network, "Flatten", "flatten", NULL, input));
}

/** (3, 7, 6): a convolution without bias and one with, each with its batch norm, and a shortcut
 * around the second; then one whose output is also used without its batch norm, which so cannot be
 * folded; and a head. */
static inline crd_network *make_cnn(void)
{
    const crd_shape shape = crd_shape_make(3, 3, 7, 6);
    crd_network *n;
    assert_ok(crd_network_create(&n, "cnn", &shape));
    int64_t x = add_norm(n, "bn1", add_conv(n, "conv1", 0, 3, 4, 1, 1, 0), 4);
    x = add_op(n, "ReLU", "relu1", NULL, x);
    int64_t y = add_norm(n, "layer.bn2", add_conv(n, "layer.conv2", x, 4, 4, 1, 2, 1), 4);
    const int64_t both[2] = {y, x};
    int64_t sum;
    assert_ok(network_add(&sum, n, "Add", "layer.add", NULL, both, 2));
    x = add_op(n, "ReLU", "layer.relu2", NULL, sum);
    x = add_conv(n, "conv3", x, 4, 6, 2, 1, 1);
    const int64_t raw_and_norm[2] = {x, add_norm(n, "bn3", x, 6)};
    assert_ok(network_add(&sum, n, "Add", "add3", NULL, raw_and_norm, 2));
    add_head(n, add_pool(n, add_op(n, "ReLU", "relu3", NULL, sum)), 6, N_CLASSES);
    return n;
}

/** Weights under the network's names; running variances are positive, gains near 1. */
static inline void make_weights(crd_params *weights, const crd_network *network)
{
    crd_params_init(weights);
    for (int64_t i = 0; i < network->params.n_params; i++)
        assert_ok(crd_params_add(NULL, weights, network->params.entries[i].name,
                                 &network->params.entries[i].shape));
    assert_ok(crd_params_allocate(weights));
    for (int64_t i = 0; i < weights->n_params; i++) {
        float *values = crd_params_view(weights, i);
        int is_norm = strstr(weights->entries[i].name, "bn") != NULL;
        fill_any(values, weights->entries[i].count, (uint32_t)(i + 1));
        for (int64_t k = 0; is_norm && k < weights->entries[i].count; k++)
            values[k] = 1 + 0.5F * values[k];
    }
}

static inline crd_conversion moped(double delta)
{
    crd_conversion conversion = crd_conversion_defaults();
    conversion.moped_enable = 1;
    conversion.moped_delta = delta;
    return conversion;
}

/** Converts with make_weights' weights; the posterior owns the network. */
static inline crd_posterior *make_posterior(crd_network *network, const crd_conversion *conversion,
                                            const char *glob)
{
    crd_params weights;
    crd_posterior *posterior;
    make_weights(&weights, network);
    assert_ok(crd_posterior_convert(&posterior, network, &weights, conversion, &glob, 1));
    crd_params_clear(&weights);
    return posterior;
}

/** A model that owns its blocks. */
typedef struct owned_model {
    crd_model view;
    float *mu, *sigma;
} owned_model;

static inline owned_model make_model(const crd_posterior *posterior)
{
    owned_model model = {.view = {.network = posterior->network, .bayesian = posterior->bayesian}};
    int64_t n = posterior->network->params.n_floats;
    assert_ok(crd_alloc_zeroed((void **)&model.mu, n, sizeof(float), "mu"));
    assert_ok(crd_alloc_zeroed((void **)&model.sigma, n, sizeof(float), "sigma"));
    assert_ok(crd_model_fill(model.mu, model.sigma, posterior));
    model.view.mu = model.mu;
    model.view.sigma = model.sigma;
    return model;
}

static inline void clear_model(owned_model *model)
{
    crd_free(model->mu);
    crd_free(model->sigma);
}

/** logits[n_images][classes] of a network with these values, op after op, nothing folded. */
static inline void run_plainly(float *logits, const crd_network *network, const float *values,
                               const float *images, int64_t n_images)
{
    float **outs = calloc((size_t)network->n_ops, sizeof *outs);
    for (int64_t i = 0; i < network->n_ops; i++) {
        const crd_graph_op *op = &network->ops[i];
        int64_t channels = op->shape.dims[0], count = crd_shape_count(&op->shape);
        int64_t pixels = count / channels;
        outs[i] = calloc((size_t)(count * n_images), sizeof **outs);
        if (i == 0) {
            for (int64_t k = 0; k < count * n_images; k++)
                outs[0][(k / pixels % channels * n_images + k / count) * pixels + k % pixels] =
                    images[k];
            continue;
        }
        const float *in[8] = {NULL};
        crd_op_args args = {.out = outs[i], .in = in, .n_images = n_images};
        for (int k = 0; k < op->n_inputs; k++)
            in[k] = outs[op->inputs[k]];
        for (int slot = 0; slot < op->kind->n_params; slot++)
            if (op->params[slot] >= 0)
                args.params[slot].values =
                    values + network->params.entries[op->params[slot]].offset;
        int64_t scratch = crd_op_scratch_floats(op, n_images, CRD_FP32);
        args.scratch = calloc((size_t)scratch + 1, sizeof(float));
        op->kind->forward(op, &args);
        free(args.scratch);
    }
    int64_t last = network->n_ops - 1, n_classes = crd_network_n_outputs(network);
    for (int64_t k = 0; k < n_images * n_classes; k++)
        logits[k] = outs[last][k % n_classes * n_images + k / n_classes];
    for (int64_t i = 0; i < network->n_ops; i++)
        free(outs[i]);
    free(outs);
}

#endif
