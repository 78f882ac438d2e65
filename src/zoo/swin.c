/* Swin transformers as torchvision has them. Liu et al. 2021, "Swin Transformer: hierarchical
 * vision transformer using shifted windows"; Liu et al. 2022, "Swin Transformer V2: scaling up
 * capacity and resolution", whose norms come after the attention and the perceptron, whose
 * attention is of cosines, and whose bias is made of coordinates by a perceptron. */
#include "zoo/families.h"
#include "zoo/tokens.h"

enum { N_STAGES = 4, PATCH = 4, MLP_RATIO = 4, COORDINATE_FEATURES = 512 };

typedef struct config {
    bool is_v2;
    int64_t window, features; /* of the first stage; each next one has twice as many */
    int n_blocks[N_STAGES];
    int64_t heads[N_STAGES];
    double stochastic_depth; /* of the last block; it grows from 0 */
} config;

#define ONE(key, value) CRD_ATTR(key, (double)(value))
#define TWO(key, a, b) CRD_ATTR(key, (double)(a), (double)(b))

static const double eps = 1e-5;

/* Side of a square activation. */
static int64_t side_of(const crd_builder *b, int64_t x)
{
    return b->status == CRD_OK ? crd_network_op_shape(b->network, x)->dims[1] : 1;
}

/* n rows and columns of zeros after those of the image; n below 0: taken away. */
static int64_t pad(crd_builder *b, int64_t x, int64_t n, const char *path)
{
    const crd_attr attrs[] = {CRD_ATTR("padding", 0, (double)n, 0, (double)n), CRD_ATTR_END};
    return n == 0 ? x : crd_builder_op(b, "ZeroPad2d", attrs, &x, 1, "%s", path);
}

/* V2: the bias of relative positions, to be multiplied by 16. */
static int64_t add_coordinate_bias(crd_builder *b, int64_t window, int64_t heads)
{
    const crd_attr attrs[] = {TWO("window_size", window, window), CRD_ATTR_END};
    int64_t x = crd_builder_op(b, "RelativeCoords", attrs, NULL, 0, "attn.relative_coords_table");
    x = crd_builder_linear(b, x, COORDINATE_FEATURES, "attn.cpb_mlp.0");
    x = crd_builder_simple(b, x, "ReLU", "attn.cpb_mlp.1");
    x = crd_tokens_product(b, x, "Linear", heads, false, "attn.cpb_mlp.2");
    return crd_builder_simple(b, x, "Sigmoid", "attn.sigmoid");
}

static int64_t add_attention(crd_builder *b, int64_t x, const config *c, int64_t heads,
                             int64_t shift)
{
    int64_t side = side_of(b, x), rest = (c->window - side % c->window) % c->window;
    int64_t features = crd_builder_width(b, x), inputs[3];
    /* A window as large as the image needs no shift. */
    shift = c->window >= side + rest ? 0 : shift;
    const crd_attr attrs[] = {
        ONE("num_heads", heads),
        TWO("window_size", c->window, c->window),
        TWO("shift", shift, shift),
        ONE("relative_bias", 1),
        ONE("cosine", c->is_v2),
        ONE("bias_scale", c->is_v2 ? 16 : 1),
        CRD_ATTR_END,
    };
    const crd_attr scales[] = {CRD_ATTR("shape", (double)heads, 1, 1), ONE("dim", 0),
                               CRD_ATTR("mean", 2.302585092994046), CRD_ATTR_END};
    if (c->is_v2)
        inputs[2] = crd_builder_op(b, "Parameter", scales, NULL, 0, "attn.logit_scale");
    else
        inputs[1] = crd_tokens_bias_table(b, c->window, heads, "attn.relative_position_bias_table");
    x = pad(b, x, rest, "attn.pad");
    inputs[0] = crd_tokens_product(b, x, c->is_v2 ? "QkvProjection" : "Linear", 3 * features, true,
                                   "attn.qkv");
    if (c->is_v2)
        inputs[1] = add_coordinate_bias(b, c->window, heads);
    x = crd_builder_op(b, "Attention", attrs, inputs, c->is_v2 ? 3 : 2, "attn.attention");
    x = crd_builder_linear(b, x, features, "attn.proj");
    return pad(b, x, -rest, "attn.unpad");
}

static int64_t add_block(crd_builder *b, int64_t input, const config *c, int stage, int64_t shift,
                         double p)
{
    int64_t x = c->is_v2 ? input : crd_tokens_norm(b, input, eps, "norm1");
    x = add_attention(b, x, c, c->heads[stage], shift);
    if (c->is_v2)
        x = crd_tokens_norm(b, x, eps, "norm1");
    x = crd_builder_drop(b, x, "StochasticDepth", p, "stochastic_depth");
    input = crd_builder_pair(b, x, input, "Add", "add");
    x = c->is_v2 ? input : crd_tokens_norm(b, input, eps, "norm2");
    x = crd_tokens_mlp(b, x, MLP_RATIO * crd_builder_width(b, x), 0, "mlp");
    if (c->is_v2)
        x = crd_tokens_norm(b, x, eps, "norm2");
    x = crd_builder_drop(b, x, "StochasticDepth", p, "stochastic_depth_1");
    return crd_builder_pair(b, x, input, "Add", "add_1");
}

/* Four neighbours become one with half of their features. */
static int64_t merge_patches(crd_builder *b, int64_t x, const config *c)
{
    const crd_attr attrs[] = {ONE("block_size", 2), ONE("column_first", 1), CRD_ATTR_END};
    int64_t features = crd_builder_width(b, x);
    x = pad(b, x, side_of(b, x) % 2, "pad");
    x = crd_builder_op(b, "SpaceToDepth", attrs, &x, 1, "cat");
    if (!c->is_v2)
        x = crd_tokens_norm(b, x, eps, "norm");
    x = crd_tokens_product(b, x, "Linear", 2 * features, false, "reduction");
    return c->is_v2 ? crd_tokens_norm(b, x, eps, "norm") : x;
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    int n_blocks = 0, i_block = 0;
    for (int stage = 0; stage < N_STAGES; stage++)
        n_blocks += c->n_blocks[stage];
    const crd_zoo_conv patches = {c->features, {PATCH}, PATCH, .bias = true};
    int64_t x = crd_builder_conv(b, 0, &patches, "features.0.0");
    x = crd_tokens_norm(b, x, eps, "features.0.2");
    for (int stage = 0; stage < N_STAGES; stage++) {
        for (int block = 0; block < c->n_blocks[stage]; block++) {
            double p = c->stochastic_depth * i_block++ / (n_blocks - 1);
            size_t outside = crd_builder_enter(b, "features.%d.%d", 2 * stage + 1, block);
            x = add_block(b, x, c, stage, block % 2 == 0 ? 0 : c->window / 2, p);
            crd_builder_leave(b, outside);
        }
        if (stage < N_STAGES - 1) {
            size_t outside = crd_builder_enter(b, "features.%d", 2 * stage + 2);
            x = merge_patches(b, x, c);
            crd_builder_leave(b, outside);
        }
    }
    x = crd_tokens_norm(b, x, eps, "norm");
    x = crd_builder_features(b, x);
    crd_builder_linear(b, x, size->n_classes, "head");
}

#define SWIN(name, paper, size, resize, ...)                                                       \
    {                                                                                              \
        {CRD_IMAGENET("swin_" name, paper ", torchvision", size, resize), .is_bicubic = 1}, build, \
            &(const config)                                                                        \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define V1 "Swin transformer (Liu et al. 2021)"
#define V2 "Swin transformer V2 (Liu et al. 2022)"

const crd_family_member crd_family_swin[] = {
    SWIN("t", V1, 224, 232, false, 7, 96, {2, 2, 6, 2}, {3, 6, 12, 24}, 0.2),
    SWIN("s", V1, 224, 246, false, 7, 96, {2, 2, 18, 2}, {3, 6, 12, 24}, 0.3),
    SWIN("b", V1, 224, 238, false, 7, 128, {2, 2, 18, 2}, {4, 8, 16, 32}, 0.5),
    SWIN("v2_t", V2, 256, 260, true, 8, 96, {2, 2, 6, 2}, {3, 6, 12, 24}, 0.2),
    SWIN("v2_s", V2, 256, 260, true, 8, 96, {2, 2, 18, 2}, {3, 6, 12, 24}, 0.3),
    SWIN("v2_b", V2, 256, 272, true, 8, 128, {2, 2, 18, 2}, {4, 8, 16, 32}, 0.5),
    {.arch = {0}},
};
