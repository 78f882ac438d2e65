/* torchvision's StochasticDepth, its mode "row": in training, zeroes the whole of an image with
 * probability p and scales the others by 1 / (1 - p). Which images is a function of (seed, draw,
 * image, op). Source: Huang et al., "Deep networks with stochastic depth", ECCV 2016. */
#include "credence/rng.h"
#include "kernels/kernels.h"
#include "ops/registry.h"

typedef struct attributes {
    double p; /* probability of zeroing */
} attributes;

static const crd_attr_spec attrs[] = {
    {"p", offsetof(attributes, p), 1, .is_real = true, .min = 0, .max = 1},
    {0},
};

/* 0 or 1 / (1 - p). */
static float factor_of(const crd_graph_op *op, const crd_op_random *random, int64_t image)
{
    const attributes *a = op->attrs;
    const uint32_t key[2] = {(uint32_t)random->seed, (uint32_t)(random->seed >> 32)};
    const uint32_t counter[4] = {0, (uint32_t)random->draw, (uint32_t)(random->first_image + image),
                                 (uint32_t)random->op << 8 | CRD_PURPOSE_DROPOUT};
    uint32_t words[4];
    crd_philox4x32(words, counter, key);
    return (double)words[0] < a->p * 0x1p32 ? 0 : (float)(1 / (1 - a->p));
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t n_features = crd_op_features(&op->shape), n_images = args->n_images;
    int64_t n = crd_shape_count(&op->shape) / n_features;
    if (args->random == NULL) {
        crd_op_copy(args->out, args->in[0], crd_op_count(op, args), false);
        return;
    }
    for (int64_t image = 0; image < n_images; image++) {
        float factor = factor_of(op, args->random, image);
        for (int64_t c = 0; c < n_features; c++) {
            int64_t at = (c * n_images + image) * n;
            crd_kernels_get()->elementwise->scale_shift(args->out + at, args->in[0] + at, factor, 0,
                                                        n);
        }
    }
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    int64_t n_features = crd_op_features(&op->shape), n_images = args->n_images;
    int64_t n = crd_shape_count(&op->shape) / n_features;
    if (grads->din[0] != NULL && args->random == NULL) {
        crd_op_copy(grads->din[0], grads->dout, crd_op_count(op, args), grads->adds[0]);
        return;
    }
    for (int64_t image = 0; grads->din[0] != NULL && image < n_images; image++) {
        float factor = factor_of(op, args->random, image);
        for (int64_t c = 0; c < n_features; c++) {
            int64_t at = (c * n_images + image) * n;
            crd_kernels_get()->elementwise->norm_backward(grads->din[0] + at, grads->dout + at,
                                                          grads->dout + at, factor, 0, 0, n,
                                                          grads->adds[0]);
        }
    }
}

const crd_op crd_op_stochastic_depth = {.name = "StochasticDepth",
                                        .attrs = attrs,
                                        .attrs_size = sizeof(attributes),
                                        .min_inputs = 1,
                                        .max_inputs = 1,
                                        .in_place = true,
                                        .is_idle_in_prediction = true,
                                        .infer = crd_op_infer_same,
                                        .forward = forward,
                                        .backward = backward};
