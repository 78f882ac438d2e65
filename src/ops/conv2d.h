/** What Conv1d, Conv2d, ConvTranspose1d and ConvTranspose2d share: attributes, their check, and the
 * convolution of src/conv that they are. Private to this room, and for tests of its algorithms. */
#ifndef CRD_OPS_CONV2D_H
#define CRD_OPS_CONV2D_H

#include "conv/method.h"
#include "ops/op.h"

typedef struct crd_conv2d_attrs {
    int64_t in_channels, out_channels;
    int64_t kernel_size[2], stride[2], padding[2], dilation[2]; /**< height, width */
    int64_t groups, bias;
    /** Of Conv2d: below and to the right; -1: as above and to the left. */
    int64_t padding_end[2];
    int64_t output_padding[2]; /**< of ConvTranspose2d */
} crd_conv2d_attrs;

/* Rows of a table of attributes: an optional one of height and width, and all that both have. */
#define CRD_CONV2D_WINDOW(name, least, value)                                                      \
    {                                                                                              \
#name, offsetof(crd_conv2d_attrs, name), 2, .min = least, .max = CRD_OP_MAX_WINDOW,        \
                                                    .is_optional = true, .fallback = value         \
    }
#define CRD_CONV2D_NUMBER(name, ...)                                                               \
    {                                                                                              \
#name, offsetof(crd_conv2d_attrs, name), 1, __VA_ARGS__                                    \
    }
#define CRD_CONV2D_ATTRS                                                                           \
    CRD_CONV2D_NUMBER(in_channels, .min = 1, .max = CRD_OP_MAX_ELEMENTS),                          \
        CRD_CONV2D_NUMBER(out_channels, .min = 1, .max = CRD_OP_MAX_ELEMENTS),                     \
        {"kernel_size", offsetof(crd_conv2d_attrs, kernel_size), 2, .min = 1,                      \
         .max = CRD_OP_MAX_WINDOW},                                                                \
        CRD_CONV2D_WINDOW(stride, 1, 1), CRD_CONV2D_WINDOW(padding, 0, 0),                         \
        CRD_CONV2D_WINDOW(dilation, 1, 1),                                                         \
        CRD_CONV2D_NUMBER(groups, .min = 1, .max = CRD_OP_MAX_ELEMENTS, .is_optional = true,       \
                          .fallback = 1),                                                          \
        CRD_CONV2D_NUMBER(bias, .min = 0, .max = 1, .is_optional = true, .fallback = 1)

/* The same of sequences: only the width is named, crd_conv2d_enter_sequence sets the height. */
#define CRD_CONV2D_ALONG(member, least, ...)                                                       \
    {                                                                                              \
#member, offsetof(crd_conv2d_attrs, member[1]), 1, .min = least, .max = CRD_OP_MAX_WINDOW, \
                                                           __VA_ARGS__                             \
    }
#define CRD_CONV2D_SEQUENCE_ATTRS                                                                  \
    CRD_CONV2D_NUMBER(in_channels, .min = 1, .max = CRD_OP_MAX_ELEMENTS),                          \
        CRD_CONV2D_NUMBER(out_channels, .min = 1, .max = CRD_OP_MAX_ELEMENTS),                     \
        CRD_CONV2D_ALONG(kernel_size, 1, .is_optional = false),                                    \
        CRD_CONV2D_ALONG(stride, 1, .is_optional = true, .fallback = 1),                           \
        CRD_CONV2D_ALONG(padding, 0, .is_optional = true, .fallback = 0),                          \
        CRD_CONV2D_ALONG(dilation, 1, .is_optional = true, .fallback = 1),                         \
        CRD_CONV2D_NUMBER(groups, .min = 1, .max = CRD_OP_MAX_ELEMENTS, .is_optional = true,       \
                          .fallback = 1),                                                          \
        CRD_CONV2D_NUMBER(bias, .min = 0, .max = 1, .is_optional = true, .fallback = 1)

/** The input has in_channels channels, and the groups divide both numbers of channels. */
crd_status crd_conv2d_check_channels(const crd_graph_op *op);

/** The input is (channels, 1, length); sets what concerns the height. */
crd_status crd_conv2d_enter_sequence(crd_graph_op *op);

/** The convolution of the op's window that leads from images of shape `in` to those of `out`. */
crd_conv crd_conv2d_between(const crd_graph_op *op, const crd_shape *in, const crd_shape *out,
                            int64_t n_images);

/** Of Conv2d. */
crd_conv crd_conv2d_geometry(const crd_graph_op *op, int64_t n_images, crd_precision precision);
crd_conv_args crd_conv2d_args(const crd_op_args *args);

#endif
