/** Builds graphs in short: module paths from a format under a prefix, shapes and defaults filled
 * in, and a fault that sticks, so that an architecture reads like its definition. */
#ifndef CRD_ZOO_BUILDER_H
#define CRD_ZOO_BUILDER_H

#include <stdbool.h>
#include <stddef.h>

#include "credence/network.h"

/** What an architecture is built for. */
typedef struct crd_zoo_size {
    int64_t in_channels, image_size, n_classes;
} crd_zoo_size;

/** Most bytes of a module path, its final zero included. A longer one is a fault. */
#define CRD_ZOO_NAME_SIZE 200

/** A network under construction. After the first fault every call does nothing and returns 0. */
typedef struct crd_builder {
    crd_network *network;
    crd_status status;
    char prefix[CRD_ZOO_NAME_SIZE]; /**< of the module paths of what is appended: "" or "a.b." */
    double norm_eps, norm_momentum; /**< of the norms to come; torch's 1e-5 and 0.1 at first */
} crd_builder;

/** Starts a network on square images. */
void crd_builder_init(crd_builder *builder, const char *arch, const crd_zoo_size *size);

/** A function whose last arguments are a printf format and its values: a module path. */
#define CRD_PATH(at) __attribute__((format(printf, at, at + 1)))

/** Enters a module: its path and a dot go before those of all that is appended until it is left.
 * Returns what _leave takes. */
size_t crd_builder_enter(crd_builder *builder, const char *path, ...) CRD_PATH(2);
void crd_builder_leave(crd_builder *builder, size_t outside);

/** Features of the op's output: channels, or the only extent. */
int64_t crd_builder_width(const crd_builder *builder, int64_t op);

/** Each of the following appends one op and returns its index. This one: any operator on any
 * inputs; attrs may be NULL. */
int64_t crd_builder_op(crd_builder *builder, const char *kind, const crd_attr *attrs,
                       const int64_t *inputs, int n_inputs, const char *path, ...) CRD_PATH(6);

/** Of two extents the second may be left out: it is the first, and so is a stride or a number of
 * groups, which is 1. */
typedef struct crd_zoo_conv {
    int64_t out, kernel[2], stride, padding[2], groups;
    bool bias;
    bool is_same; /**< padded as TensorFlow's "SAME": an output for every stride-th pixel */
} crd_zoo_conv;
int64_t crd_builder_conv(crd_builder *builder, int64_t x, const crd_zoo_conv *conv,
                         const char *path, ...) CRD_PATH(4);
int64_t crd_builder_batch_norm(crd_builder *builder, int64_t x, const char *path, ...) CRD_PATH(3);
/** Of every position of an image, if it is one. */
int64_t crd_builder_linear(crd_builder *builder, int64_t x, int64_t out_features, const char *path,
                           ...) CRD_PATH(4);
/** An operator without attributes of one input: "ReLU", "Flatten". */
int64_t crd_builder_simple(crd_builder *builder, int64_t x, const char *kind, const char *path, ...)
    CRD_PATH(4);
/** Of two inputs: "Add", "Mul". */
int64_t crd_builder_pair(crd_builder *builder, int64_t a, int64_t b, const char *kind,
                         const char *path, ...) CRD_PATH(5);
int64_t crd_builder_concat(crd_builder *builder, const int64_t *inputs, int n_inputs,
                           const char *path, ...) CRD_PATH(4);

typedef struct crd_zoo_pool {
    int64_t kernel, stride, padding;
    bool ceil_mode;
} crd_zoo_pool;
/** kind: "MaxPool2d" or "AvgPool2d". */
int64_t crd_builder_pool(crd_builder *builder, int64_t x, const char *kind,
                         const crd_zoo_pool *pool, const char *path, ...) CRD_PATH(5);
/** Averages to size x size. */
int64_t crd_builder_adaptive_pool(crd_builder *builder, int64_t x, int64_t size, const char *path,
                                  ...) CRD_PATH(4);
/** "Dropout" or "StochasticDepth". */
int64_t crd_builder_drop(crd_builder *builder, int64_t x, const char *kind, double p,
                         const char *path, ...) CRD_PATH(5);

/* Several ops. */

/** torchvision's Conv2dNormActivation: PATH.0, .1 and, unless activation is NULL, .2; padded so
 * that stride 1 keeps the size. */
int64_t crd_builder_conv_block(crd_builder *builder, int64_t x, crd_zoo_conv conv,
                               const char *activation, const char *path, ...) CRD_PATH(5);

/** torchvision's SqueezeExcitation: its activation, and that of the scale. */
int64_t crd_builder_squeeze_excite(crd_builder *builder, int64_t x, int64_t squeeze_channels,
                                   const char *const activations[2], const char *path, ...)
    CRD_PATH(5);

/** "avgpool" over the whole plane and "flatten". */
int64_t crd_builder_features(crd_builder *builder, int64_t x);

/** Nearest multiple of `divisor`, at least one of it, and one more if that were below 0.9
 * `channels`: the rule of MobileNets. */
int64_t crd_zoo_round_channels(double channels, int64_t divisor);

#endif
