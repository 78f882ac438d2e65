/* Dropout: zeroes each element with probability p and scales the others by 1 / (1 - p), as torch
 * does. Prediction keeps everything, unless dropout is to stay on there: MC dropout. Which elements
 * is a function of (seed, draw, image, op, element), so that backward makes the mask again instead
 * of keeping it. Sources: Srivastava et al., "Dropout", JMLR 2014; Gal and Ghahramani, "Dropout as
 * a Bayesian approximation", ICML 2016. */
#include "credence/rng.h"
#include "ops/registry.h"

enum { LANES = 16, WORDS = CRD_STREAM_BLOCK / LANES };

typedef struct attributes {
    double p;              /* probability of zeroing */
    int64_t in_prediction; /* 1: stays on there: MC dropout */
} attributes;

static const crd_attr_spec attrs[] = {
    {"p", offsetof(attributes, p), 1, true, 0, 1, .is_optional = true, .fallback = 0.5},
    {"in_prediction", offsetof(attributes, in_prediction), 1, .min = 0, .max = 1,
     .is_optional = true},
    {0},
};

static bool is_stochastic(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return a->in_prediction != 0;
}

/* Factors of the elements of superblock `block` of one image: 0 or 1 / (1 - p). */
static void block_factors(float factors[CRD_STREAM_BLOCK], const crd_op_random *random, double p,
                          int64_t image, int64_t block)
{
    const uint32_t key[2] = {(uint32_t)random->seed, (uint32_t)(random->seed >> 32)};
    uint64_t threshold = (uint64_t)(p * 0x1p32);
    float kept = p < 1 ? (float)(1 / (1 - p)) : 0;
    for (uint32_t lane = 0; lane < LANES; lane++) {
        const uint32_t counter[4] = {(uint32_t)(LANES * block) + lane, (uint32_t)random->draw,
                                     (uint32_t)(random->first_image + image),
                                     (uint32_t)random->op << 8 | CRD_PURPOSE_DROPOUT};
        uint32_t words[WORDS];
        crd_philox4x32(words, counter, key);
        for (uint32_t word = 0; word < WORDS; word++)
            factors[LANES * word + lane] = words[word] >= threshold ? kept : 0;
    }
}

/* out = in * mask, or out += in * mask. Element e of an image counts over (channel, pixel). */
static void apply_mask(float *out, const float *in, const crd_graph_op *op, const crd_op_args *args,
                       bool adds)
{
    const attributes *a = op->attrs;
    int64_t n_channels = crd_op_features(&op->shape);
    int64_t n = crd_shape_count(&op->shape), n_pixels = n / n_channels;
    for (int64_t image = 0; image < args->n_images; image++)
        for (int64_t first = 0; first < n; first += CRD_STREAM_BLOCK) {
            float factors[CRD_STREAM_BLOCK];
            block_factors(factors, args->random, a->p, image, first / CRD_STREAM_BLOCK);
            for (int64_t e = first; e < n && e < first + CRD_STREAM_BLOCK; e++) {
                int64_t at = (e / n_pixels * args->n_images + image) * n_pixels + e % n_pixels;
                float value = in[at] * factors[e - first];
                out[at] = adds ? out[at] + value : value;
            }
        }
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    if (args->random != NULL)
        apply_mask(args->out, args->in[0], op, args, false);
    else
        crd_op_copy(args->out, args->in[0], crd_op_count(op, args), false);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    if (grads->din[0] == NULL)
        return;
    if (args->random == NULL)
        crd_op_copy(grads->din[0], grads->dout, crd_op_count(op, args), grads->adds[0]);
    else
        apply_mask(grads->din[0], grads->dout, op, args, grads->adds[0]);
}

const crd_op crd_op_dropout = {.name = "Dropout",
                               .attrs = attrs,
                               .attrs_size = sizeof(attributes),
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .in_place = true,
                               .is_idle_in_prediction = true,
                               .is_stochastic = is_stochastic,
                               .infer = crd_op_infer_same,
                               .forward = forward,
                               .backward = backward};
