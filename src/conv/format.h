/** Number formats of a convolution's factors: how pixels and weights become words of 4 bytes, and
 * the products of words. Sums are fp32 in all of them. A new format is one more entry of the
 * table. */
#ifndef CRD_CONV_FORMAT_H
#define CRD_CONV_FORMAT_H

#include <stdbool.h>

#include "credence/precision.h"
#include "kernels/kernels.h"

/** Most channels that a word holds. */
enum { CRD_FORMAT_MAX_CHANNELS = 2 };

typedef struct crd_format {
    crd_precision precision;
    int channels;           /**< neighbouring ones in a word */
    bool carries_gradients; /**< accurate enough for the way back */
    double
        product_cost;   /**< of a multiply-add, Winograd's, in units of fp32's of a full register */
    double weight_cost; /**< of a weight's way to Winograd's points */
    int (*max_width)(void); /**< pixels of a piece that the registers hold best */
    int (*n_panels)(void);  /**< that go through a product together */
    void (*multiply)(const crd_products *products);
    /** words[i] of planes[channel][i], i < n; a NULL plane is zeros. NULL: words are the floats. */
    void (*round)(void *words, const float *const *planes, int64_t n);
    /** Winograd's maps: see crd_conv_kernels and crd_bf16_kernels. n is 16. */
    void (*winograd_in)(void *points, int64_t step, const float *strip, int64_t pitch,
                        int64_t n_tiles);
    void (*winograd_weights)(void *points, int64_t step, const float *panel, int64_t n);
} crd_format;

extern const crd_format crd_format_fp32, crd_format_bf16;

#endif
