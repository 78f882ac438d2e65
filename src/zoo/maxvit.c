/* MaxViT as torchvision has it: blocks of a convolution with squeeze-and-excitation, attention in
 * windows, and attention over a grid. Tu et al. 2022, "MaxViT: multi-axis vision transformer". */
#include <math.h>

#include "zoo/families.h"
#include "zoo/tokens.h"

enum { N_BLOCKS = 4, PARTITION = 7, EXPANSION = 4 };

typedef struct config {
    int64_t stem, head_features, channels[N_BLOCKS];
    int n_layers[N_BLOCKS];
    double stochastic_depth; /* of the last layer; it grows from 0 */
} config;

#define ONE(key, value) CRD_ATTR(key, (double)(value))

static int64_t add_shortcut(crd_builder *b, int64_t x, int64_t channels, int64_t stride)
{
    const crd_zoo_conv conv = {channels, {1}, .bias = true};
    if (stride == 1 && crd_builder_width(b, x) == channels)
        return x;
    if (stride == 1)
        return crd_builder_conv(b, x, &conv, "proj.0");
    x = crd_builder_pool(b, x, "AvgPool2d", &(crd_zoo_pool){3, stride, 1}, "proj.0");
    return crd_builder_conv(b, x, &conv, "proj.1");
}

static int64_t add_mbconv(crd_builder *b, int64_t input, int64_t channels, int64_t stride, double p)
{
    static const char *const scale[] = {"SiLU", "Sigmoid"};
    int64_t wide = channels * EXPANSION, shortcut = add_shortcut(b, input, channels, stride);
    int64_t x = crd_builder_batch_norm(b, input, "layers.pre_norm");
    x = crd_builder_conv_block(b, x, (crd_zoo_conv){wide, {1}}, "GELU", "layers.conv_a");
    const crd_zoo_conv depthwise = {wide, {3}, stride, .groups = wide};
    x = crd_builder_conv_block(b, x, depthwise, "GELU", "layers.conv_b");
    x = crd_builder_squeeze_excite(b, x, channels / 4, scale, "layers.squeeze_excitation");
    x = crd_builder_conv(b, x, &(crd_zoo_conv){channels, {1}, .bias = true}, "layers.conv_c");
    x = crd_builder_drop(b, x, "StochasticDepth", p, "stochastic_depth");
    return crd_builder_pair(b, x, shortcut, "Add", "add");
}

/* kind: "window" or "grid". */
static int64_t add_attention(crd_builder *b, int64_t input, const config *c, const char *kind,
                             double p)
{
    int64_t features = crd_builder_width(b, input), heads = features / c->head_features, inputs[2];
    const crd_attr attrs[] = {
        ONE("num_heads", heads),
        CRD_ATTR("window_size", PARTITION, PARTITION),
        CRD_ATTR_WORD("partition", kind),
        ONE("relative_bias", 1),
        ONE("scale", 1 / sqrt((double)features)),
        CRD_ATTR_END,
    };
    int64_t x = crd_tokens_norm(b, input, 1e-5, "attn_layer.0");
    inputs[1] =
        crd_tokens_bias_table(b, PARTITION, heads, "attn_layer.1.relative_position_bias_table");
    inputs[0] = crd_builder_linear(b, x, 3 * features, "attn_layer.1.to_qkv");
    x = crd_builder_op(b, "Attention", attrs, inputs, 2, "attn_layer.1.attention");
    x = crd_builder_linear(b, x, features, "attn_layer.1.merge");
    x = crd_builder_drop(b, x, "StochasticDepth", p, "stochastic_dropout");
    input = crd_builder_pair(b, x, input, "Add", "add");
    x = crd_tokens_norm(b, input, 1e-5, "mlp_layer.0");
    x = crd_tokens_mlp(b, x, EXPANSION * features, 1, "mlp_layer");
    x = crd_builder_drop(b, x, "StochasticDepth", p, "stochastic_dropout_1");
    return crd_builder_pair(b, x, input, "Add", "add_1");
}

static int64_t add_layer(crd_builder *b, int64_t x, const config *c, int64_t channels,
                         int64_t stride, double p)
{
    static const char *const kinds[] = {"window", "grid"};
    size_t outside = crd_builder_enter(b, "MBconv");
    x = add_mbconv(b, x, channels, stride, p);
    crd_builder_leave(b, outside);
    for (int i = 0; i < 2; i++) {
        outside = crd_builder_enter(b, "%s_attention", kinds[i]);
        x = add_attention(b, x, c, kinds[i], p);
        crd_builder_leave(b, outside);
    }
    return x;
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    int n_layers = 0, i_layer = 0;
    for (int block = 0; block < N_BLOCKS; block++)
        n_layers += c->n_layers[block];
    b->norm_eps = 1e-3;
    b->norm_momentum = 0.01;
    int64_t x = crd_builder_conv_block(b, 0, (crd_zoo_conv){c->stem, {3}, 2}, "GELU", "stem.0");
    x = crd_builder_conv(b, x, &(crd_zoo_conv){c->stem, {3}, 1, {1}, .bias = true}, "stem.1.0");
    for (int block = 0; block < N_BLOCKS; block++)
        for (int layer = 0; layer < c->n_layers[block]; layer++) {
            double p = c->stochastic_depth * i_layer++ / (n_layers - 1);
            size_t outside = crd_builder_enter(b, "blocks.%d.layers.%d.layers", block, layer);
            x = add_layer(b, x, c, c->channels[block], layer == 0 ? 2 : 1, p);
            crd_builder_leave(b, outside);
        }
    int64_t features = crd_builder_width(b, x);
    x = crd_builder_adaptive_pool(b, x, 1, "classifier.0");
    x = crd_builder_simple(b, x, "Flatten", "classifier.1");
    x = crd_tokens_norm(b, x, 1e-5, "classifier.2");
    x = crd_builder_linear(b, x, features, "classifier.3");
    x = crd_builder_simple(b, x, "Tanh", "classifier.4");
    crd_tokens_product(b, x, "Linear", size->n_classes, false, "classifier.5");
}

const crd_family_member crd_family_maxvit[] = {
    {{CRD_IMAGENET("maxvit_t", "MaxViT-T (Tu et al. 2022), torchvision", 224, 224),
      .is_bicubic = 1},
     build,
     &(const config){64, 32, {64, 128, 256, 512}, {2, 2, 5, 2}, 0.2}},
    {.arch = {0}},
};
