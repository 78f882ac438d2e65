/** The layer kinds, one family a file, and what they share. */
#ifndef CRD_NN_LAYER_KINDS_H
#define CRD_NN_LAYER_KINDS_H

#include "nn/layer.h"

extern const crd_layer crd_layer_input, crd_layer_conv2d, crd_layer_linear, crd_layer_batch_norm2d,
    crd_layer_max_pool2d, crd_layer_avg_pool2d, crd_layer_adaptive_avg_pool2d, crd_layer_relu,
    crd_layer_add, crd_layer_flatten, crd_layer_dropout, crd_layer_pad_shortcut;

/** Largest number of elements of one image at one node, and of one parameter tensor: the product of
 * two such numbers fits int64. */
#define CRD_NODE_MAX_ELEMENTS INT32_MAX
/** Largest kernel size, stride, padding, dilation. */
#define CRD_NODE_MAX_WINDOW 65536

/** A fault of a node: names it and its kind. */
#define CRD_NODE_FAIL(node, format, ...)                                                           \
    CRD_FAIL(CRD_ERR_INPUT, "node '%s' (%s): " format, (node)->name, (node)->layer->name,          \
             __VA_ARGS__)

/** The input must be (channels, height, width). */
crd_status crd_layer_require_image(const crd_node *node, const crd_shape *in);

#endif
