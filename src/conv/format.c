/* The table of number formats, over the kernels of this CPU. */
#include "conv/format.h"

#include <stddef.h>

static int width_fp32(void)
{
    return crd_kernels_get()->conv->max_width;
}

static int panels_fp32(void)
{
    return crd_kernels_get()->conv->n_panels;
}

static void multiply_fp32(const crd_products *products)
{
    crd_kernels_get()->conv->multiply(products);
}

static void winograd_in_fp32(void *points, int64_t step, const float *strip, int64_t pitch,
                             int64_t n_tiles)
{
    crd_kernels_get()->conv->winograd_in(points, step, strip, pitch, n_tiles);
}

static void winograd_weights_fp32(void *points, int64_t step, const float *panel, int64_t n)
{
    crd_kernels_get()->conv->winograd_weights(points, step, panel, n);
}

const crd_format crd_format_fp32 = {
    .precision = CRD_FP32,
    .channels = 1,
    .carries_gradients = true,
    .product_cost = 1.08,
    .weight_cost = 220,
    .max_width = width_fp32,
    .n_panels = panels_fp32,
    .multiply = multiply_fp32,
    .winograd_in = winograd_in_fp32,
    .winograd_weights = winograd_weights_fp32,
};

static int width_bf16(void)
{
    return crd_kernels_get()->bf16->max_width;
}

static int panels_bf16(void)
{
    return crd_kernels_get()->bf16->n_panels;
}

static void multiply_bf16(const crd_products *products)
{
    crd_kernels_get()->bf16->multiply(products);
}

static void round_bf16(void *words, const float *const *planes, int64_t n)
{
    crd_kernels_get()->bf16->round_pairs(words, planes[0], planes[1], n);
}

static void winograd_in_bf16(void *points, int64_t step, const float *strip, int64_t pitch,
                             int64_t n_tiles)
{
    crd_kernels_get()->bf16->winograd_in(points, step, strip, pitch, n_tiles);
}

static void winograd_weights_bf16(void *points, int64_t step, const float *panel, int64_t n)
{
    crd_kernels_get()->bf16->winograd_weights(points, step, panel, n / CRD_LANES);
}

const crd_format crd_format_bf16 = {
    .precision = CRD_BF16,
    .channels = 2,
    .product_cost = 0.54,
    .weight_cost = 160,
    .max_width = width_bf16,
    .n_panels = panels_bf16,
    .multiply = multiply_bf16,
    .round = round_bf16,
    .winograd_in = winograd_in_bf16,
    .winograd_weights = winograd_weights_bf16,
};

const char *const *crd_precision_names(void)
{
    static const char *const names[] = {[CRD_FP32] = "fp32", [CRD_BF16] = "bf16", NULL};
    return names;
}
