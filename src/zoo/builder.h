/** Builds graphs in short: names from a format, and a fault that sticks, so that an architecture
 * reads like its definition. */
#ifndef CRD_ZOO_BUILDER_H
#define CRD_ZOO_BUILDER_H

#include "credence/network.h"

/** What an architecture is built for. */
typedef struct crd_zoo_size {
    int64_t in_channels, image_size, n_classes;
} crd_zoo_size;

/** A network under construction. After the first fault every call does nothing and returns 0. */
typedef struct crd_builder {
    crd_network *network;
    crd_status status;
} crd_builder;

/** Most bytes of a module path, its final zero included. A longer one is a fault. */
#define CRD_ZOO_NAME_SIZE 200

/** Starts a network on square images. */
void crd_builder_init(crd_builder *builder, const char *arch, const crd_zoo_size *size);

/** Module path from a printf format into `out`; returns `out`. */
const char *crd_builder_path(char out[CRD_ZOO_NAME_SIZE], crd_builder *builder, const char *format,
                             ...) __attribute__((format(printf, 3, 4)));

/** Features of the op's output: channels, or the only extent. */
int64_t crd_builder_width(const crd_builder *builder, int64_t op);

/** Each appends one op, module path `prefix` + `name`, and returns its index. This one: any
 * operator on any inputs. */
int64_t crd_builder_op(crd_builder *builder, const char *prefix, const crd_op_request *request);

typedef struct crd_zoo_conv {
    int64_t out_channels, kernel_size, stride, padding, groups;
    int bias;
} crd_zoo_conv;
/** With a square kernel. */
int64_t crd_builder_conv(crd_builder *builder, const char *prefix, const char *name,
                         const crd_zoo_conv *conv, int64_t input);
/** With torch's eps 1e-5 and momentum 0.1. */
int64_t crd_builder_batch_norm(crd_builder *builder, const char *prefix, const char *name,
                               int64_t input);
int64_t crd_builder_linear(crd_builder *builder, const char *name, int64_t out_features,
                           int64_t input);
int64_t crd_builder_max_pool(crd_builder *builder, const char *name, int64_t kernel_size,
                             int64_t stride, int64_t padding, int64_t input);
/** Average over the whole plane. */
int64_t crd_builder_global_pool(crd_builder *builder, const char *name, int64_t input);
int64_t crd_builder_dropout(crd_builder *builder, const char *name, double p, int64_t input);
int64_t crd_builder_pad_shortcut(crd_builder *builder, const char *prefix, const char *name,
                                 int64_t stride, int64_t pad_channels, int64_t input);
/** ReLU, Flatten: no attributes. */
int64_t crd_builder_simple(crd_builder *builder, const char *kind, const char *prefix,
                           const char *name, int64_t input);
int64_t crd_builder_add(crd_builder *builder, const char *prefix, const char *name, int64_t a,
                        int64_t b);

#endif
