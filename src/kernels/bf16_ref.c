/* The loops of convolution in bf16 in plain C. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "kernels/variants.h"

enum { LANES = CRD_LANES, HALF = CRD_LANES / 2, POINTS = CRD_WINOGRAD_POINTS };

static uint32_t rounded(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x))
        return bits >> 16 | 1 << 6; /* quiet */
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

static uint32_t pair(float first, float second)
{
    return rounded(first) | rounded(second) << 16;
}

static float number(uint32_t half)
{
    uint32_t bits = half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void multiply(const crd_products *p)
{
    for (int64_t panel = 0; panel < p->n_panels; panel++) {
        const uint32_t *weights = (const uint32_t *)p->panels + panel * p->panel_step;
        for (int64_t j = 0; j < p->n_pieces; j++)
            for (int64_t i = 0; i < p->width; i++) {
                const uint32_t *in = (const uint32_t *)p->in + p->in_at[j] + i * p->in_step;
                float *out = p->out + panel * p->out_step + (p->out_at[j] + i) * LANES;
                float sum[LANES] = {0};
                for (int c = 0; p->adds && c < LANES; c++)
                    sum[c] = out[c];
                for (int64_t k = 0; k < p->n_terms; k++) {
                    uint32_t x = in[p->terms[k]];
                    for (int c = 0; c < LANES; c++) {
                        uint32_t w = weights[k * LANES + c];
                        sum[c] = fmaf(number(x >> 16), number(w >> 16), sum[c]);
                        sum[c] = fmaf(number(x & 0xffff), number(w & 0xffff), sum[c]);
                    }
                }
                for (int c = 0; c < LANES; c++)
                    out[c] = sum[c];
            }
    }
}

static void round_pairs(uint32_t *pairs, const float *first, const float *second, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        pairs[i] = pair(first[i], second == NULL ? 0 : second[i]);
}

static void winograd_in(uint32_t *points, int64_t step, const float *strip, int64_t pitch,
                        int64_t n_tiles)
{
    float exact[POINTS * LANES];
    for (int64_t j = 0; j < n_tiles; j++) {
        crd_conv_kernels_ref.winograd_in(exact, LANES, strip + CRD_WINOGRAD_OUT * j * LANES, pitch,
                                         1);
        for (int x = 0; x < POINTS; x++)
            for (int c = 0; c < HALF; c++)
                points[x * step + j * HALF + c] =
                    pair(exact[x * LANES + c], exact[x * LANES + c + HALF]);
    }
}

static void winograd_weights(uint32_t *points, int64_t step, const float *panel, int64_t n_groups)
{
    float exact[POINTS * LANES * LANES];
    for (int64_t g = 0; g < n_groups; g++, panel += 9 * LANES * LANES) {
        crd_conv_kernels_ref.winograd_weights(exact, LANES * LANES, panel, LANES);
        for (int x = 0; x < POINTS; x++)
            round_pairs(points + x * step + g * HALF * LANES, exact + x * LANES * LANES,
                        exact + (x * LANES + HALF) * LANES, HALF * LANES);
    }
}

const crd_bf16_kernels crd_bf16_kernels_ref = {
    .max_width = 7,
    .n_panels = 2,
    .multiply = multiply,
    .round_pairs = round_pairs,
    .winograd_in = winograd_in,
    .winograd_weights = winograd_weights,
};
