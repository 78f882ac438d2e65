/** Algorithms of convolution. Each says what it costs, so that a layer can choose by its shapes. */
#ifndef CRD_NN_CONV_METHOD_H
#define CRD_NN_CONV_METHOD_H

#include "nn/layer.h"

/** A convolution of a batch: that of a node, or one that carries its gradient back, whose padding
 * may be negative. Counts are those of one group. */
typedef struct crd_conv {
    crd_conv2d_attrs attrs;
    int64_t n_images, n_in, n_out;
    int64_t height, width, out_height, out_width;
    int64_t n_terms;         /**< of a sum: input channels times kernel pixels */
    crd_precision precision; /**< CRD_BF16 allows algorithms in bf16; CRD_FP32 does not */
    /** NULL, or the convolution whose gradient this one carries back. Its weights are then those of
     * that one with the channels in and out exchanged, of kernel pixels in reverse: pixel (y, x) is
     * tap_last - (y, x) * tap_step there. */
    const struct crd_conv *forward;
    int64_t tap_last[2], tap_step[2];
} crd_conv;

typedef struct crd_conv_method {
    const char *name;
    crd_precision precision; /**< of its products */
    int (*fits)(const crd_conv *conv);
    /** Modelled time in multiply-adds of registers at full speed. Of shapes only, as results have
     * to be. */
    double (*cost)(const crd_conv *conv);
    int64_t (*scratch_floats)(const crd_conv *conv);
    void (*forward)(const crd_conv *conv, const crd_layer_args *args, int64_t group);
} crd_conv_method;

extern const crd_conv_method crd_conv_direct, crd_conv_winograd, crd_conv_gemm;
extern const crd_conv_method crd_conv_direct_bf16, crd_conv_winograd_bf16;

/** The convolution of a node, in fp32. */
crd_conv crd_conv_make(const crd_node *node, const crd_shape *in, int64_t n_images);

/** The cheapest by its own model. */
const crd_conv_method *crd_conv_choose(const crd_conv *conv);

/** Floats of scratch, and the pass over all groups, by the method chosen. */
int64_t crd_conv_scratch_floats(const crd_conv *conv);
void crd_conv_forward(const crd_conv *conv, const crd_layer_args *args);

/** 1x1, stride 1, no padding: the input already is the matrix of columns. */
int crd_conv_is_pointwise(const crd_conv *conv);

/** Pixels of the batch in a channel of the input and of the output. */
int64_t crd_conv_in_plane(const crd_conv *conv);
int64_t crd_conv_out_plane(const crd_conv *conv);

/** out[i] is pixel (i * stride + shift) of a row of `width` pixels, 0 outside, for i < n. */
void crd_conv_gather_row(float *out, const float *row, int64_t n, int64_t stride, int64_t shift,
                         int64_t width);

/** Rows [top, top + n_rows) of an image's channel `in` to rows of row_floats floats, from column
 * `left` on; 0 outside of the image. */
void crd_conv_pad_rows(float *out, int64_t row_floats, const float *in, const crd_conv *conv,
                       int64_t top, int64_t left, int64_t n_rows);

/** Panels of 16 channels that the output channels of a group take. */
int64_t crd_conv_n_panels(const crd_conv *conv);
/** Channels of a panel: 16, or what is left. */
int crd_conv_panel_lanes(const crd_conv *conv, int64_t panel);

/** All weights of a group, [output channel][term]. `room` has crd_conv_weights_room floats. */
const float *crd_conv_weights(float *room, const crd_conv *conv, const crd_layer_args *args,
                              int64_t group);
int64_t crd_conv_weights_room(const crd_conv *conv);

/** Channels whose weights are turned at once where what follows is done to them while in L1; whole
 * panels of them. */
enum { CRD_CHANNELS_AT_ONCE = 16 };

/** The weights of panel `panel` of a group as they lie; they may be made in `room`, which has
 * crd_conv_panel_room floats. Then those of input channels [first, first + n) as [term][16];
 * `room` is the same, of which only weights carried back make use. */
const float *crd_conv_panel_rows(float *room, const crd_conv *conv, const crd_layer_args *args,
                                 int64_t group, int64_t panel);
void crd_conv_turn_rows(float *out, float *room, const float *rows, const crd_conv *conv,
                        int64_t panel, int64_t first, int64_t n);

/** Both at once: a whole panel. */
void crd_conv_make_panel(float *out, float *room, const crd_conv *conv, const crd_layer_args *args,
                         int64_t group, int64_t panel);
int64_t crd_conv_panel_room(const crd_conv *conv);

/** The same in pairs of input channels, [pair of channels][kernel pixel][16], of a node's convolution;
 * an odd last channel's partner is 0. `room` has crd_conv_pairs_room floats. */
void crd_conv_make_pairs(uint32_t *out, float *room, const crd_conv *conv,
                         const crd_layer_args *args, int64_t group, int64_t panel);
int64_t crd_conv_pairs_room(const crd_conv *conv);

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
uint32_t *crd_scratch_pairs(crd_scratch *scratch, int64_t n);
int64_t *crd_scratch_indices(crd_scratch *scratch, int64_t n);

/** n rounded up to a number of cache lines that is odd, so that arrays n apart do not all fall on
 * the same few sets of the cache. */
int64_t crd_conv_odd_lines(int64_t n);

#endif
