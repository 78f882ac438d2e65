/* The loops of convolution in plain C. */
#include <math.h>
#include <stddef.h>

#include "kernels/variants.h"

enum { LANES = CRD_LANES, IN = CRD_WINOGRAD_IN, OUT = CRD_WINOGRAD_OUT };

static void multiply(const crd_products *p)
{
    for (int64_t panel = 0; panel < p->n_panels; panel++) {
        const float *weights = (const float *)p->panels + panel * p->panel_step;
        for (int64_t j = 0; j < p->n_pieces; j++)
            for (int64_t i = 0; i < p->width; i++) {
                const float *in = (const float *)p->in + p->in_at[j] + i * p->in_step;
                float *out = p->out + panel * p->out_step + (p->out_at[j] + i) * LANES;
                float sum[LANES] = {0};
                for (int c = 0; p->adds && c < LANES; c++)
                    sum[c] = out[c];
                for (int64_t k = 0; k < p->n_terms; k++)
                    for (int c = 0; c < LANES; c++)
                        sum[c] += in[p->terms[k]] * weights[k * LANES + c];
                for (int c = 0; c < LANES; c++)
                    out[c] = sum[c];
            }
    }
}

static float finish(float value, const crd_activation *activation)
{
    /* NaN stays NaN, as in torch: a broken weight must not vanish here. */
    if (activation->kind == CRD_RELU)
        return value < 0 ? 0 : value;
    if (activation->kind == CRD_CLAMP && value < activation->a)
        return activation->a;
    return activation->kind == CRD_CLAMP && value > activation->b ? activation->b : value;
}

static void multiply_rows(const crd_row_products *p)
{
    const float *bias = p->epilogue.bias, *residual = p->epilogue.residual;
    for (int c = 0; c < p->n_channels; c++)
        for (int64_t j = 0; j < p->n_pieces; j++)
            for (int i = 0; i < (j < p->n_whole ? LANES : p->rest); i++) {
                const float *in = p->in + p->in_at[j] + i;
                int64_t at = c * p->plane + p->out_at[j] + i;
                float value = 0;
                for (int64_t k = 0; k < p->n_terms; k++) {
                    float pixel = in[p->terms[k]], weight = p->panel[k * LANES + c];
                    value = p->is_fused ? fmaf(pixel, weight, value) : value + pixel * weight;
                }
                if (bias != NULL)
                    value += bias[c];
                if (residual != NULL)
                    value += residual[at];
                p->out[at] = finish(value, &p->epilogue.activation);
            }
}

static void pack(float *strip, const float *in, int64_t plane, int64_t n, int n_channels)
{
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < LANES; c++)
            strip[i * LANES + c] = c < n_channels ? in[c * plane + i] : 0;
}

static void copy_rows(float *to, int64_t pitch, int64_t n, const float *from, int64_t width,
                      int64_t shift, int64_t n_rows)
{
    for (int64_t y = 0; y < n_rows; y++)
        for (int64_t i = 0; i < n; i++) {
            int64_t x = i + shift;
            to[y * pitch + i] = x >= 0 && x < width ? from[y * width + x] : 0;
        }
}

static void split_rows(float *even, float *odd, int64_t pitch, int64_t n, const float *from,
                       int64_t step, int64_t n_rows)
{
    for (int64_t y = 0; y < n_rows; y++)
        for (int64_t i = 0; i < n; i++) {
            even[y * pitch + i] = from[y * step + 2 * i];
            odd[y * pitch + i] = from[y * step + 2 * i + 1];
        }
}

static void unpack(float *out, int64_t plane, const float *strip, int64_t n, int n_channels,
                   const crd_epilogue *epilogue)
{
    for (int c = 0; c < n_channels; c++)
        for (int64_t i = 0; i < n; i++) {
            float value = strip[i * LANES + c];
            if (epilogue->bias != NULL)
                value += epilogue->bias[c];
            if (epilogue->residual != NULL)
                value += epilogue->residual[c * plane + i];
            /* NaN stays NaN, as in torch: a broken weight must not vanish here. */
            out[c * plane + i] = epilogue->activation.kind == CRD_RELU && value < 0 ? 0 : value;
        }
}

static void sum_lanes(const crd_lane_sums *p)
{
    for (int64_t i = 0; i < p->n_rows * p->n; i++)
        for (int c = 0; c < LANES; c++) {
            const float *in = p->in + (i / p->n * p->row_step + i % p->n * p->step) * LANES + c;
            float sum = p->start[c];
            for (int64_t k = 0; k < p->n_terms; k++)
                sum += in[p->terms[k]] * p->weights[k * LANES + c];
            p->out[i * LANES + c] = sum;
        }
}

static void sum_products(float *sums, const float *in, const int64_t *terms, int64_t n_terms,
                         const float *y, int64_t n)
{
    for (int64_t k = 0; k < n_terms; k++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += (double)in[i + terms[k]] * (double)y[i];
        sums[k] += (float)sum;
    }
}

/* Source of the matrices: Lavin and Gray, "Fast algorithms for convolutional neural networks",
 * CVPR 2016, section 4.3; here for the points 0, +-p, +-q and infinity. Polynomials with all
 * points but one for zeros; powers of the points; powers over the first ones' values at the
 * point left out. A point's factor OF_ may stand in any of the three: it is where it costs
 * nothing, in the forward maps never with the weights, which a draw maps for a few pixels only. */
#define P CRD_WINOGRAD_NEAR
#define Q CRD_WINOGRAD_FAR
#define P2 (P * P)
#define Q2 (Q * Q)
#define OF_ZERO (1 / (P2 * Q2))
#define OF_P (1 / (2 * P2 * (P2 - Q2)))
#define OF_Q (1 / (2 * Q2 * (Q2 - P2)))

static const double in_matrix[IN][IN] = {
    {1, 0, -OF_ZERO *(P2 + Q2), 0, OF_ZERO, 0},
    {0, -P *Q2, -Q2, P, 1, 0},
    {0, P *Q2, -Q2, -P, 1, 0},
    {0, -Q *P2, -P2, Q, 1, 0},
    {0, Q *P2, -P2, -Q, 1, 0},
    {0, P2 *Q2, 0, -P2 - Q2, 0, 1},
};
static const double out_matrix[OUT][IN] = {
    {1, OF_P, OF_P, OF_Q, OF_Q, 0},
    {0, OF_P *P, -OF_P *P, OF_Q *Q, -OF_Q *Q, 0},
    {0, OF_P *P2, OF_P *P2, OF_Q *Q2, OF_Q *Q2, 0},
    {0, OF_P *P *P2, -OF_P *P *P2, OF_Q *Q *Q2, -OF_Q *Q *Q2, 1},
};
static const double weight_matrix[IN][3] = {
    {1, 0, 0}, {1, P, P2}, {1, -P, P2}, {1, Q, Q2}, {1, -Q, Q2}, {0, 0, 1},
};

static const double out_transposed[IN][OUT] = {
    {1, 0, 0, 0},      {1, P, P2, P *P2},   {1, -P, P2, -P *P2},
    {1, Q, Q2, Q *Q2}, {1, -Q, Q2, -Q *Q2}, {0, 0, 0, 1},
};
static const double weight_transposed[3][IN] = {
    {1, OF_P, OF_P, OF_Q, OF_Q, 0},
    {0, P *OF_P, -P *OF_P, Q *OF_Q, -Q *OF_Q, 0},
    {0, P2 *OF_P, P2 *OF_P, Q2 *OF_Q, Q2 *OF_Q, 1},
};

/* result = M x M^T of one channel: M is rows x n, x is n x n with lines `pitch` apart. */
static void transform(float result[CRD_WINOGRAD_POINTS], const double *matrix, int rows, int n,
                      const float x[CRD_WINOGRAD_POINTS])
{
    float half[CRD_WINOGRAD_POINTS];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++) {
            half[i * n + j] = 0;
            for (int k = 0; k < n; k++)
                half[i * n + j] += (float)matrix[i * n + k] * x[k * n + j];
        }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < rows; j++) {
            result[i * rows + j] = 0;
            for (int k = 0; k < n; k++)
                result[i * rows + j] += half[i * n + k] * (float)matrix[j * n + k];
        }
}

static void winograd_in(float *points, int64_t step, const float *strip, int64_t pitch,
                        int64_t n_tiles)
{
    float x[CRD_WINOGRAD_POINTS], result[CRD_WINOGRAD_POINTS];
    for (int64_t tile = 0; tile < n_tiles; tile++)
        for (int c = 0; c < LANES; c++) {
            for (int i = 0; i < CRD_WINOGRAD_POINTS; i++)
                x[i] = strip[(i / IN * pitch + OUT * tile + i % IN) * LANES + c];
            transform(result, in_matrix[0], IN, IN, x);
            for (int i = 0; i < CRD_WINOGRAD_POINTS; i++)
                points[i * step + tile * LANES + c] = result[i];
        }
}

static void winograd_out(float *strip, int64_t height, int64_t width, const float *points,
                         int64_t step, int64_t n_tiles)
{
    float x[CRD_WINOGRAD_POINTS], result[CRD_WINOGRAD_POINTS];
    for (int64_t tile = 0; tile < n_tiles; tile++)
        for (int c = 0; c < LANES; c++) {
            for (int i = 0; i < CRD_WINOGRAD_POINTS; i++)
                x[i] = points[i * step + tile * LANES + c];
            transform(result, out_matrix[0], OUT, IN, x);
            for (int i = 0; i < OUT * OUT; i++)
                if (i / OUT < height && OUT * tile + i % OUT < width)
                    strip[(i / OUT * width + OUT * tile + i % OUT) * LANES + c] = result[i];
        }
}

static void winograd_weights(float *points, int64_t step, const float *panel, int64_t n)
{
    float x[CRD_WINOGRAD_POINTS], result[CRD_WINOGRAD_POINTS];
    for (int64_t in = 0; in < n; in++)
        for (int c = 0; c < LANES; c++) {
            for (int i = 0; i < 9; i++)
                x[i] = panel[(in * 9 + i) * LANES + c];
            transform(result, weight_matrix[0], IN, 3, x);
            for (int i = 0; i < CRD_WINOGRAD_POINTS; i++)
                points[i * step + in * LANES + c] = result[i];
        }
}

static void winograd_out_transposed(float *points, int64_t step, const float *strip, int64_t pitch,
                                    int64_t n_tiles)
{
    float x[CRD_WINOGRAD_POINTS], result[CRD_WINOGRAD_POINTS];
    for (int64_t tile = 0; tile < n_tiles; tile++)
        for (int c = 0; c < LANES; c++) {
            for (int i = 0; i < OUT * OUT; i++)
                x[i] = strip[(i / OUT * pitch + OUT * tile + i % OUT) * LANES + c];
            transform(result, out_transposed[0], IN, OUT, x);
            for (int i = 0; i < CRD_WINOGRAD_POINTS; i++)
                points[i * step + tile * LANES + c] = result[i];
        }
}

static void winograd_weights_transposed(float *panel, const float *points, int64_t step, int64_t n)
{
    float x[CRD_WINOGRAD_POINTS], result[CRD_WINOGRAD_POINTS];
    for (int64_t in = 0; in < n; in++)
        for (int c = 0; c < LANES; c++) {
            for (int i = 0; i < CRD_WINOGRAD_POINTS; i++)
                x[i] = points[i * step + in * LANES + c];
            transform(result, weight_transposed[0], 3, IN, x);
            for (int i = 0; i < 9; i++)
                panel[(in * 9 + i) * LANES + c] = result[i];
        }
}

const crd_conv_kernels crd_conv_kernels_ref = {
    .max_width = 7,
    .n_panels = 2,
    .multiply = multiply,
    .multiply_rows = multiply_rows,
    .pack = pack,
    .copy_rows = copy_rows,
    .split_rows = split_rows,
    .unpack = unpack,
    .sum_lanes = sum_lanes,
    .sum_products = sum_products,
    .winograd_in = winograd_in,
    .winograd_out = winograd_out,
    .winograd_weights = winograd_weights,
    .winograd_out_transposed = winograd_out_transposed,
    .winograd_weights_transposed = winograd_weights_transposed,
};
