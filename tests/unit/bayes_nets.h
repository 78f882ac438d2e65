/** Small networks and weights for the tests of room bayes, and the plain way to run a network. */
#ifndef CRD_TESTS_UNIT_BAYES_NETS_H
#define CRD_TESTS_UNIT_BAYES_NETS_H

#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "credence/sampler.h"
#include "nn/layer.h"

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

static inline int64_t add_node(crd_network *network, const char *kind, const char *name,
                               const crd_attrs *attrs, int64_t input)
{
    int64_t index;
    assert_ok(crd_network_add(&index, network, kind, name, attrs, &input, 1));
    return index;
}

static inline int64_t add_conv(crd_network *network, const char *name, int64_t input, int64_t in,
                               int64_t out, int64_t stride, int64_t groups, int64_t bias)
{
    const crd_attrs attrs = {.conv2d = {.in_channels = in,
                                        .out_channels = out,
                                        .kernel_size = {3, 3},
                                        .stride = {stride, stride},
                                        .padding = {1, 1},
                                        .dilation = {1, 1},
                                        .groups = groups,
                                        .bias = bias}};
    return add_node(network, "Conv2d", name, &attrs, input);
}

static inline int64_t add_norm(crd_network *network, const char *name, int64_t input, int64_t n)
{
    const crd_attrs attrs = {.batch_norm2d = {.num_features = n, .eps = 1e-5, .momentum = 0.1}};
    return add_node(network, "BatchNorm2d", name, &attrs, input);
}

static inline int64_t add_pool(crd_network *network, int64_t input)
{
    const crd_attrs attrs = {.adaptive_pool2d = {.output_size = {1, 1}}};
    return add_node(network, "AdaptiveAvgPool2d", "avgpool", &attrs, input);
}

static inline int64_t add_head(crd_network *network, int64_t input, int64_t in, int64_t out)
{
    const crd_attrs attrs = {.linear = {.in_features = in, .out_features = out, .bias = 1}};
    return add_node(network, "Linear", "fc", &attrs,
                    add_node(network, "Flatten", "flatten", NULL, input));
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
    x = add_node(n, "ReLU", "relu1", NULL, x);
    int64_t y = add_norm(n, "layer.bn2", add_conv(n, "layer.conv2", x, 4, 4, 1, 2, 1), 4);
    const int64_t both[2] = {y, x};
    int64_t sum;
    assert_ok(crd_network_add(&sum, n, "Add", "layer.add", NULL, both, 2));
    x = add_node(n, "ReLU", "layer.relu2", NULL, sum);
    x = add_conv(n, "conv3", x, 4, 6, 2, 1, 1);
    const int64_t raw_and_norm[2] = {x, add_norm(n, "bn3", x, 6)};
    assert_ok(crd_network_add(&sum, n, "Add", "add3", NULL, raw_and_norm, 2));
    add_head(n, add_pool(n, add_node(n, "ReLU", "relu3", NULL, sum)), 6, N_CLASSES);
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

/** logits[n_images][classes] of a network with these values, node after node, nothing folded. */
static inline void run_plainly(float *logits, const crd_network *network, const float *values,
                               const float *images, int64_t n_images)
{
    float **outs = calloc((size_t)network->n_nodes, sizeof *outs);
    for (int64_t i = 0; i < network->n_nodes; i++) {
        const crd_node *node = &network->nodes[i];
        int64_t channels = node->shape.dims[0], count = crd_shape_count(&node->shape);
        int64_t pixels = count / channels;
        outs[i] = calloc((size_t)(count * n_images), sizeof **outs);
        if (i == 0) {
            for (int64_t k = 0; k < count * n_images; k++)
                outs[0][(k / pixels % channels * n_images + k / count) * pixels + k % pixels] =
                    images[k];
            continue;
        }
        crd_layer_args args = {.out = outs[i], .n_images = n_images};
        for (int k = 0; k < node->n_inputs; k++) {
            args.in[k] = outs[node->inputs[k]];
            args.in_shape[k] = &network->nodes[node->inputs[k]].shape;
        }
        for (int slot = 0; slot < CRD_NODE_MAX_PARAMS; slot++)
            if (node->params[slot] >= 0)
                args.params[slot] = values + network->params.entries[node->params[slot]].offset;
        int64_t scratch =
            node->layer->scratch_floats == NULL
                ? 0
                : node->layer->scratch_floats(node, args.in_shape, n_images, CRD_FP32);
        args.scratch = calloc((size_t)scratch + 1, sizeof(float));
        node->layer->forward(node, &args);
        free(args.scratch);
    }
    int64_t last = network->n_nodes - 1, n_classes = crd_network_n_outputs(network);
    for (int64_t k = 0; k < n_images * n_classes; k++)
        logits[k] = outs[last][k % n_classes * n_images + k / n_classes];
    for (int64_t i = 0; i < network->n_nodes; i++)
        free(outs[i]);
    free(outs);
}

#endif
