/* What vision transformers have in common: norms, products and perceptrons of every token, and
 * tables of relative positions. */
#include "zoo/tokens.h"

#define ONE(key, value) CRD_ATTR(key, (double)(value))

int64_t crd_tokens_norm(crd_builder *b, int64_t x, double eps, const char *path)
{
    const crd_attr attrs[] = {ONE("normalized_shape", crd_builder_width(b, x)), ONE("eps", eps),
                              CRD_ATTR_END};
    return crd_builder_op(b, "LayerNorm", attrs, &x, 1, "%s", path);
}

int64_t crd_tokens_product(crd_builder *b, int64_t x, const char *kind, int64_t out_features,
                           bool bias, const char *path)
{
    const crd_attr attrs[] = {ONE("in_features", crd_builder_width(b, x)),
                              ONE("out_features", out_features), ONE("bias", bias), CRD_ATTR_END};
    return crd_builder_op(b, kind, attrs, &x, 1, "%s", path);
}

int64_t crd_tokens_mlp(crd_builder *b, int64_t x, int64_t width, int first, const char *path)
{
    int64_t features = crd_builder_width(b, x);
    x = crd_builder_linear(b, x, width, "%s.%d", path, first);
    x = crd_builder_simple(b, x, "GELU", "%s.%d", path, first + 1);
    return crd_builder_linear(b, x, features, "%s.3", path);
}

int64_t crd_tokens_bias_table(crd_builder *b, int64_t window, int64_t heads, const char *path)
{
    int64_t places = (2 * window - 1) * (2 * window - 1);
    const crd_attr attrs[] = {CRD_ATTR("shape", (double)places, (double)heads), ONE("dim", 1),
                              ONE("std", 0.02), CRD_ATTR_END};
    return crd_builder_op(b, "Parameter", attrs, NULL, 0, "%s", path);
}
