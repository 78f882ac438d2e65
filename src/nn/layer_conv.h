/** Convolution: the matrix of columns, which its forward and its backward pass share. */
#ifndef CRD_NN_LAYER_CONV_H
#define CRD_NN_LAYER_CONV_H

#include "nn/layer_kinds.h"

/** 1x1, stride 1, no padding: the input already is the matrix of columns. */
int crd_conv_is_pointwise(const crd_conv2d_attrs *a);

/** Pixels under the kernel in all channels of a group: the rows of the matrix. */
int64_t crd_conv_column_length(const crd_conv2d_attrs *a);

/** As many columns as one chunk allows, evened out over the chunks so that none is a thin rest. */
int64_t crd_conv_chunk_width(const crd_conv2d_attrs *a, int64_t n_columns);

/** Floats of a chunk; 0 for a pointwise convolution. */
int64_t crd_conv_column_floats(const crd_conv2d_attrs *a, int64_t n_columns);

/** Columns [first, first + n) of the matrix for the channels from `in` on; a column is an output
 * pixel, numbered over (image, height, width). */
void crd_conv_gather_columns(float *columns, const float *in, const crd_node *node,
                             const crd_layer_args *args, int64_t first, int64_t n);

void crd_conv_backward(const crd_node *node, const crd_layer_args *args,
                       const crd_layer_grads *grads);

#endif
