/** Conv2d as src/conv sees it, for tests of its algorithms. Private to this room. */
#ifndef CRD_OPS_CONV2D_H
#define CRD_OPS_CONV2D_H

#include "conv/method.h"
#include "ops/op.h"

crd_conv crd_conv2d_geometry(const crd_graph_op *op, int64_t n_images, crd_precision precision);
crd_conv_args crd_conv2d_args(const crd_op_args *args);

#endif
