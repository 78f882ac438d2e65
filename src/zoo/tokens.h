/** Pieces of networks of tokens, for the families of transformers. Private to this room. */
#ifndef CRD_ZOO_TOKENS_H
#define CRD_ZOO_TOKENS_H

#include "zoo/builder.h"

/** LayerNorm of every token. */
int64_t crd_tokens_norm(crd_builder *builder, int64_t x, double eps, const char *path);

/** A product of every token: kind is "Linear", "InProjection" or "QkvProjection". */
int64_t crd_tokens_product(crd_builder *builder, int64_t x, const char *kind, int64_t out_features,
                           bool bias, const char *path);

/** Linear PATH.`first`, GELU, Linear PATH.3: to `width` features and back. */
int64_t crd_tokens_mlp(crd_builder *builder, int64_t x, int64_t width, int first, const char *path);

/** A table of relative positions in a square window, for every head: torchvision's
 * relative_position_bias_table. */
int64_t crd_tokens_bias_table(crd_builder *builder, int64_t window, int64_t heads,
                              const char *path);

#endif
