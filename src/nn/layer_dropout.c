/* Dropout: prediction keeps everything; training zeroes each element with probability p and scales
 * the others by 1 / (1 - p), as torch does. Which ones is a function of (seed, draw, image, node,
 * element), so that backward makes the mask again instead of keeping it. Source: Srivastava et al.,
 * "Dropout", JMLR 2014. */
#include <string.h>

#include "credence/rng.h"
#include "nn/layer_kinds.h"

enum { LANES = 16, WORDS = CRD_STREAM_BLOCK / LANES };

static const crd_attr_spec attrs[] = {
    {"p", offsetof(crd_dropout_attrs, p), 1, 1, 0, 1},
    {0},
};

static crd_status infer(crd_shape *out, crd_shape params[CRD_NODE_MAX_PARAMS], const crd_node *node,
                        const crd_shape *const *in)
{
    (void)params;
    (void)node;
    *out = *in[0];
    return CRD_OK;
}

/* Factors of the elements of superblock `block` of one image: 0 or 1 / (1 - p). */
static void block_factors(float factors[CRD_STREAM_BLOCK], const crd_layer_training *training,
                          double p, int64_t image, int64_t block)
{
    const uint32_t key[2] = {(uint32_t)training->seed, (uint32_t)(training->seed >> 32)};
    uint64_t threshold = (uint64_t)(p * 0x1p32);
    float kept = p < 1 ? (float)(1 / (1 - p)) : 0;
    for (uint32_t lane = 0; lane < LANES; lane++) {
        const uint32_t counter[4] = {(uint32_t)(LANES * block) + lane, (uint32_t)training->draw,
                                     (uint32_t)(training->first_image + image),
                                     (uint32_t)training->node << 8 | CRD_PURPOSE_DROPOUT};
        uint32_t words[WORDS];
        crd_philox4x32(words, counter, key);
        for (uint32_t word = 0; word < WORDS; word++)
            factors[LANES * word + lane] = words[word] >= threshold ? kept : 0;
    }
}

/* out = in * mask, or out += in * mask. Element e of an image counts over (channel, pixel). */
static void apply_mask(float *out, const float *in, const crd_node *node,
                       const crd_layer_args *args, int add)
{
    int64_t n_channels = node->shape.n_dims == 0 ? 1 : node->shape.dims[0];
    int64_t n = crd_shape_count(&node->shape), n_pixels = n / n_channels;
    for (int64_t image = 0; image < args->n_images; image++)
        for (int64_t first = 0; first < n; first += CRD_STREAM_BLOCK) {
            float factors[CRD_STREAM_BLOCK];
            block_factors(factors, args->training, node->attrs.dropout.p, image,
                          first / CRD_STREAM_BLOCK);
            for (int64_t e = first; e < n && e < first + CRD_STREAM_BLOCK; e++) {
                int64_t at = (e / n_pixels * args->n_images + image) * n_pixels + e % n_pixels;
                float value = in[at] * factors[e - first];
                out[at] = add ? out[at] + value : value;
            }
        }
}

static void forward(const crd_node *node, const crd_layer_args *args)
{
    if (args->training != NULL)
        apply_mask(args->out, args->in[0], node, args, 0);
    else if (args->out != args->in[0])
        memcpy(args->out, args->in[0],
               (size_t)(args->n_images * crd_shape_count(&node->shape)) * sizeof(float));
}

static void backward(const crd_node *node, const crd_layer_args *args, const crd_layer_grads *grads)
{
    if (grads->din[0] != NULL)
        apply_mask(grads->din[0], grads->dout, node, args, grads->adds[0]);
}

const crd_layer crd_layer_dropout = {.name = "Dropout",
                                     .n_inputs = 1,
                                     .in_place = 1,
                                     .attrs = attrs,
                                     .infer = infer,
                                     .forward = forward,
                                     .backward = backward};
