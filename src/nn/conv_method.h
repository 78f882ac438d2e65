/** Algorithms of convolution. Each says what it costs, so that a layer can choose by its shapes. */
#ifndef CRD_NN_CONV_METHOD_H
#define CRD_NN_CONV_METHOD_H

#include "nn/layer.h"

/** A convolution of a batch. Counts are those of one group. */
typedef struct crd_conv {
    const crd_node *node;
    const crd_conv2d_attrs *attrs;
    int64_t n_images, n_in, n_out;
    int64_t height, width, out_height, out_width;
    int64_t n_terms; /**< of a sum: input channels times kernel pixels */
} crd_conv;

typedef struct crd_conv_method {
    const char *name;
    int (*fits)(const crd_conv *conv);
    /** Modelled time in multiply-adds of registers at full speed. Of shapes only, as results have
     * to be. */
    double (*cost)(const crd_conv *conv);
    int64_t (*scratch_floats)(const crd_conv *conv);
    void (*forward)(const crd_conv *conv, const crd_layer_args *args, int64_t group);
} crd_conv_method;

extern const crd_conv_method crd_conv_direct, crd_conv_winograd, crd_conv_gemm;

/** Pixels of the batch in a channel of the input and of the output. */
int64_t crd_conv_in_plane(const crd_conv *conv);
int64_t crd_conv_out_plane(const crd_conv *conv);

/** out[i] is pixel (i * stride + shift) of a row of `width` pixels, 0 outside, for i < n. */
void crd_conv_gather_row(float *out, const float *row, int64_t n, int64_t stride, int64_t shift,
                         int64_t width);

/** Panels of 16 channels that the output channels of a group take. */
int64_t crd_conv_n_panels(const crd_conv *conv);

/** Weights of panel `panel` of a group as [term][16]. `room` has crd_conv_panel_room floats. */
void crd_conv_make_panel(float *out, float *room, const crd_conv *conv, const crd_layer_args *args,
                         int64_t group, int64_t panel);
int64_t crd_conv_panel_room(const crd_conv *conv);

/** A panel's sums of n pixels, [pixel][16], to the output from pixel `first` on, with bias, residual
 * and relu. */
void crd_conv_finish_panel(const float *strip, const crd_conv *conv, const crd_layer_args *args,
                           int64_t group, int64_t panel, int64_t first, int64_t n);

/** Cuts scratch into parts that begin on a cache line of their own. With base NULL it only counts. */
typedef struct crd_scratch {
    float *base;
    int64_t n_floats;
} crd_scratch;
float *crd_scratch_floats(crd_scratch *scratch, int64_t n);
int64_t *crd_scratch_indices(crd_scratch *scratch, int64_t n);

/** n rounded up to a number of cache lines that is odd, so that arrays n apart do not all fall on
 * the same few sets of the cache. */
int64_t crd_conv_odd_lines(int64_t n);

#endif
