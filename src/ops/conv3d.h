/** What Conv3d and ConvTranspose3d share: attributes, and the convolution of volumes that they are.
 * Private to this room. */
#ifndef CRD_OPS_CONV3D_H
#define CRD_OPS_CONV3D_H

#include "ops/op.h"

enum { CRD_CONV3D_AXES = 3 };

typedef struct crd_conv3d_attrs {
    int64_t in_channels, out_channels;
    int64_t kernel_size[CRD_CONV3D_AXES], stride[CRD_CONV3D_AXES], padding[CRD_CONV3D_AXES];
    int64_t dilation[CRD_CONV3D_AXES]; /**< depth, height, width */
    int64_t groups, bias;
    /** Of Conv3d: after the last voxel; -1: as before the first. */
    int64_t padding_end[CRD_CONV3D_AXES];
    int64_t output_padding[CRD_CONV3D_AXES]; /**< of ConvTranspose3d */
} crd_conv3d_attrs;

#define CRD_CONV3D_NUMBER(name, ...)                                                               \
    {                                                                                              \
#name, offsetof(crd_conv3d_attrs, name), 1, __VA_ARGS__                                    \
    }
#define CRD_CONV3D_WINDOW(name, least, value)                                                      \
    {                                                                                              \
#name, offsetof(crd_conv3d_attrs, name), CRD_CONV3D_AXES,                                  \
            .min = least, .max = CRD_OP_MAX_WINDOW, .is_optional = true, .fallback = value         \
    }
#define CRD_CONV3D_ATTRS                                                                           \
    CRD_CONV3D_NUMBER(in_channels, .min = 1, .max = CRD_OP_MAX_ELEMENTS),                          \
        CRD_CONV3D_NUMBER(out_channels, .min = 1, .max = CRD_OP_MAX_ELEMENTS),                     \
        {"kernel_size", offsetof(crd_conv3d_attrs, kernel_size), CRD_CONV3D_AXES, .min = 1,        \
         .max = CRD_OP_MAX_WINDOW},                                                                \
        CRD_CONV3D_WINDOW(stride, 1, 1), CRD_CONV3D_WINDOW(padding, 0, 0),                         \
        CRD_CONV3D_WINDOW(dilation, 1, 1),                                                         \
        CRD_CONV3D_NUMBER(groups, .min = 1, .max = CRD_OP_MAX_ELEMENTS, .is_optional = true,       \
                          .fallback = 1),                                                          \
        CRD_CONV3D_NUMBER(bias, .min = 0, .max = 1, .is_optional = true, .fallback = 1)

/** The op's input is (in_channels, depth, height, width), and the groups divide both numbers of
 * channels. */
crd_status crd_conv3d_check_channels(const crd_graph_op *op);

/** A convolution of volumes: the op's window leads from shape `in` to shape `out`. Weights are
 * (channels of out, channels of in / groups, kernel). */
typedef struct crd_conv3d {
    const crd_conv3d_attrs *attrs;
    const crd_shape *in, *out;
    int64_t n_images;
} crd_conv3d;

int64_t crd_conv3d_work(const crd_conv3d *conv); /**< multiply-adds of one image */
int64_t crd_conv3d_scratch_floats(const crd_conv3d *conv);
/** out = convolution of in + beta * out. */
void crd_conv3d_forward(float *out, const crd_conv3d *conv, const float *in, const float *weight,
                        float beta, float *scratch);
/** dweight is overwritten, din is added to; either may be NULL, then `in` or `weight` may be. */
void crd_conv3d_backward(float *dweight, float *din, const crd_conv3d *conv, const float *in,
                         const float *weight, const float *dout, float *scratch);
/** Bias of every channel of a volume, and the gradient at it (NULL: not asked for). */
void crd_conv3d_add_bias(float *out, const crd_shape *shape, const float *bias, int64_t n_images);
void crd_conv3d_bias_gradient(float *dbias, const crd_shape *shape, const float *dout,
                              int64_t n_images);

#endif
