/* Vision transformers as torchvision has them. Dosovitskiy et al. 2021, "An image is worth 16x16
 * words". */
#include "zoo/families.h"
#include "zoo/tokens.h"

typedef struct config {
    int64_t patch, heads, features, mlp;
    int n_layers;
} config;

#define ONE(key, value) CRD_ATTR(key, (double)(value))

static int64_t add_layer(crd_builder *b, int64_t input, const config *c)
{
    const crd_attr heads[] = {ONE("num_heads", c->heads), CRD_ATTR_END};
    int64_t x = crd_tokens_norm(b, input, 1e-6, "ln_1");
    x = crd_tokens_product(b, x, "InProjection", 3 * c->features, true, "self_attention");
    x = crd_builder_op(b, "Attention", heads, &x, 1, "self_attention.attention");
    x = crd_builder_linear(b, x, c->features, "self_attention.out_proj");
    input = crd_builder_pair(b, x, input, "Add", "add");
    x = crd_tokens_norm(b, input, 1e-6, "ln_2");
    x = crd_tokens_mlp(b, x, c->mlp, 0, "mlp");
    return crd_builder_pair(b, x, input, "Add", "add_1");
}

/* The class token and, after it, the image's patches, with their positions. */
static int64_t add_tokens(crd_builder *b, const config *c, int64_t image_size)
{
    double features = (double)c->features, side = (double)(image_size / c->patch);
    const crd_attr token[] = {CRD_ATTR("shape", 1, 1, features), ONE("dim", 2), CRD_ATTR_END};
    const crd_attr flat[] = {CRD_ATTR("shape", features, 1, side * side), CRD_ATTR_END};
    const crd_attr positions[] = {CRD_ATTR("shape", 1, side * side + 1, features), ONE("dim", 2),
                                  ONE("std", 0.02), CRD_ATTR_END};
    const crd_attr dim[] = {ONE("dim", 3), CRD_ATTR_END};
    int64_t inputs[2];
    inputs[0] = crd_builder_op(b, "Parameter", token, NULL, 0, "class_token");
    const crd_zoo_conv patches = {c->features, {c->patch}, c->patch, .bias = true};
    inputs[1] = crd_builder_conv(b, 0, &patches, "conv_proj");
    inputs[1] = crd_builder_op(b, "Reshape", flat, &inputs[1], 1, "reshape");
    int64_t x = crd_builder_op(b, "Concat", dim, inputs, 2, "cat");
    int64_t place = crd_builder_op(b, "Parameter", positions, NULL, 0, "encoder.pos_embedding");
    return crd_builder_pair(b, x, place, "Add", "encoder.add");
}

static void build(crd_builder *b, const crd_zoo_size *size, const void *member)
{
    const config *c = member;
    if (b->status == CRD_OK && size->image_size % c->patch != 0)
        b->status = CRD_FAIL(CRD_ERR_INPUT, "image size %lld, needed is a multiple of %lld",
                             (long long)size->image_size, (long long)c->patch);
    int64_t x = add_tokens(b, c, size->image_size);
    for (int i = 0; i < c->n_layers; i++) {
        size_t outside = crd_builder_enter(b, "encoder.layers.encoder_layer_%d", i);
        x = add_layer(b, x, c);
        crd_builder_leave(b, outside);
    }
    const crd_attr first[] = {ONE("dim", 3), ONE("start", 0), ONE("length", 1), CRD_ATTR_END};
    x = crd_tokens_norm(b, x, 1e-6, "encoder.ln");
    x = crd_builder_op(b, "Narrow", first, &x, 1, "getitem");
    x = crd_builder_simple(b, x, "Flatten", "flatten");
    crd_builder_linear(b, x, size->n_classes, "heads.head");
}

#define VIT(name, summary, size, resize, ...)                                                      \
    {                                                                                              \
        {CRD_IMAGENET(name, summary " (Dosovitskiy et al. 2021), torchvision", size, resize)},     \
            build, &(const config)                                                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const crd_family_member crd_family_vit[] = {
    VIT("vit_b_16", "ViT-B/16", 224, 256, 16, 12, 768, 3072, 12),
    VIT("vit_b_32", "ViT-B/32", 224, 256, 32, 12, 768, 3072, 12),
    VIT("vit_l_16", "ViT-L/16", 224, 242, 16, 16, 1024, 4096, 24),
    VIT("vit_l_32", "ViT-L/32", 224, 256, 32, 16, 1024, 4096, 24),
    /* torchvision's only weights of it, of SWAG: the size is theirs. */
    {{CRD_IMAGENET("vit_h_14", "ViT-H/14 (Dosovitskiy et al. 2021), torchvision", 224, 224),
      .is_bicubic = 1},
     build,
     &(const config){14, 16, 1280, 5120, 32}},
    {.arch = {0}},
};
