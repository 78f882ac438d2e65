/** The way back through a convolution, and what it shares with the way forward: the matrix of
 * columns and Winograd's strips. Room: conv. */
#ifndef CRD_CONV_BACKWARD_H
#define CRD_CONV_BACKWARD_H

#include "conv/method.h"

/** As many columns as one chunk allows, evened out over the chunks so that none is a thin rest; of
 * a pointwise convolution all. A column has n_terms rows. */
int64_t crd_conv_chunk_width(const crd_conv *conv);

/** Floats of a chunk; 0 for a pointwise convolution. */
int64_t crd_conv_column_floats(const crd_conv *conv);

/** Columns [first, first + n) of the matrix for the channels from `in` on; a column is an output
 * pixel, numbered over (image, height, width). */
void crd_conv_gather_columns(float *columns, const float *in, const crd_conv *conv, int64_t first,
                             int64_t n);

/** What a backward pass writes. NULL: not asked for. */
typedef struct crd_conv_grads {
    const float *dout;
    float *din;
    bool adds;              /**< din is added to; else overwritten */
    float *dweight, *dbias; /**< overwritten */
} crd_conv_grads;

/** `args` as in forward: in, weight.values and scratch are read. */
int64_t crd_conv_backward_scratch_floats(const crd_conv *conv);
void crd_conv_backward(const crd_conv *conv, const crd_conv_args *args,
                       const crd_conv_grads *grads);

/** The gradient at the input by convolutions of the one at the output; adds to din if `adds`. */
bool crd_conv_input_gradient_fits(const crd_conv *conv);
int64_t crd_conv_input_gradient_scratch_floats(const crd_conv *conv);
void crd_conv_input_gradient(float *din, bool adds, const crd_conv *conv, const crd_conv_args *args,
                             const float *dout);

/** Algorithms of the gradient at the weights; as crd_conv_method. */
typedef struct crd_conv_weight_gradient {
    bool (*fits)(const crd_conv *conv);
    double (*cost)(const crd_conv *conv);
    int64_t (*scratch_floats)(const crd_conv *conv);
    /** Of a group; overwritten. */
    void (*run)(float *dweight, const crd_conv *conv, const crd_conv_args *args, const float *dout,
                int64_t group);
} crd_conv_weight_gradient;

extern const crd_conv_weight_gradient crd_conv_weight_gradient_direct,
    crd_conv_weight_gradient_winograd, crd_conv_weight_gradient_columns,
    crd_conv_weight_gradient_depthwise;

/** Whether Winograd's algorithm fits; the strip of 16 channels from `in` on under a row of its
 * tiles, 6 rows of `pitch` pixels, with its padding. */
bool crd_conv_fits_winograd(const crd_conv *conv);
void crd_conv_fill_strip(float *strip, const float *in, const crd_conv *conv, int64_t pitch,
                         int64_t image, int64_t tile_row);

#endif
