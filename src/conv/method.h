/** Convolution of a batch, and its algorithms. Each says what it costs, so that the cheapest is
 * taken by shapes alone. Nothing here knows graphs or operators.
 *
 * Activations are float32 arrays (channels, images, height, width), so that a convolution of a
 * whole batch is one matrix product whose output needs no transposition. Room: conv.
 */
#ifndef CRD_CONV_METHOD_H
#define CRD_CONV_METHOD_H

#include "conv/format.h"
#include "tensor/weight_source.h"

/** A convolution of a batch, or one that carries its gradient back, whose padding may be
 * negative. */
typedef struct crd_conv {
    int64_t in_channels, out_channels, groups;
    int64_t kernel_size[2], stride[2], padding[2], dilation[2]; /**< height, width */
    int64_t n_images;
    int64_t height, width, out_height, out_width;
    int64_t n_in, n_out;     /**< channels of a group */
    int64_t n_terms;         /**< of a sum: input channels of a group times kernel pixels */
    crd_precision precision; /**< allows algorithms in this format; fp32 is always allowed */
    /** NULL, or the convolution whose gradient this one carries back. Its weights are those of that
     * one with the channels in and out exchanged, and of kernel pixels in reverse: pixel (y, x) is
     * pixel flip.last - (y, x) * flip.step there. */
    const struct crd_conv *transposed_of;
    struct {
        int64_t last[2], step[2];
    } flip;
} crd_conv;

/** What a pass reads and writes. */
typedef struct crd_conv_args {
    float *out; /**< overwritten */
    const float *in;
    crd_weight_source weight; /**< torch's order */
    crd_epilogue epilogue;    /**< its residual may be `out` itself */
    float *scratch;           /**< crd_conv_scratch_floats */
} crd_conv_args;

typedef struct crd_conv_method {
    const char *name;
    const crd_format *format; /**< of its products */
    bool runs_all_groups;     /**< run is called once, for group 0 and all after it */
    bool (*fits)(const crd_conv *conv);
    /** Modelled time in multiply-adds of registers at full speed. Of shapes only, as results have
     * to be. */
    double (*cost)(const crd_conv *conv, const crd_format *format);
    int64_t (*scratch_floats)(const crd_conv *conv, const crd_format *format);
    void (*run)(const crd_conv *conv, const crd_format *format, const crd_conv_args *args,
                int64_t group);
} crd_conv_method;

extern const crd_conv_method crd_conv_direct, crd_conv_winograd, crd_conv_gemm, crd_conv_depthwise;
extern const crd_conv_method crd_conv_direct_bf16, crd_conv_winograd_bf16;

/** Whether the method can run this convolution: its shapes fit, and its format is allowed. */
bool crd_conv_allows(const crd_conv *conv, const crd_conv_method *method);

/** The cheapest by its own model. */
const crd_conv_method *crd_conv_choose(const crd_conv *conv);

/** Floats of scratch, and the pass over all groups, by the method chosen. */
int64_t crd_conv_scratch_floats(const crd_conv *conv);
void crd_conv_forward(const crd_conv *conv, const crd_conv_args *args);

/** 1x1, stride 1, no padding: the input already is the matrix of columns. */
bool crd_conv_is_pointwise(const crd_conv *conv);

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
const float *crd_conv_weights(float *room, const crd_conv *conv, const crd_conv_args *args,
                              int64_t group);
int64_t crd_conv_weights_room(const crd_conv *conv);

/** Channels whose weights are turned at once where what follows is done to them while in L1; whole
 * panels of them. */
enum { CRD_CHANNELS_AT_ONCE = 16 };

/** The weights of panel `panel` of a group as they lie; they may be made in `room`, which has
 * crd_conv_panel_room floats. Then those of input channels [first, first + n) as [term][16];
 * `room` is the same, of which only weights carried back make use. */
const float *crd_conv_panel_rows(float *room, const crd_conv *conv, const crd_conv_args *args,
                                 int64_t group, int64_t panel);
void crd_conv_turn_rows(float *out, float *room, const float *rows, const crd_conv *conv,
                        int64_t panel, int64_t first, int64_t n);
int64_t crd_conv_panel_room(const crd_conv *conv);

/** A whole panel in words of a format, [word of channels][kernel pixel][16]; channels that a last
 * word lacks are 0. `room` has crd_conv_words_room floats. */
void crd_conv_make_words(void *out, float *room, const crd_conv *conv, const crd_format *format,
                         const crd_conv_args *args, int64_t group, int64_t panel);
int64_t crd_conv_words_room(const crd_conv *conv, const crd_format *format);

/** A panel's sums of n pixels, [pixel][16], to the output from pixel `first` on, through the
 * epilogue. */
void crd_conv_finish_panel(const float *strip, const crd_conv *conv, const crd_conv_args *args,
                           int64_t group, int64_t panel, int64_t first, int64_t n);

/** The activation of such pixels, while they are in the cache. */
void crd_conv_activate_panel(const crd_conv *conv, const crd_conv_args *args, int64_t group,
                             int64_t panel, int64_t first, int64_t n);

/** Cuts scratch into parts that begin on a cache line of their own. With base NULL it only
 * counts. */
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
