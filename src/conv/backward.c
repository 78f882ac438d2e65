/* Backward pass of a convolution: each gradient by the fast way if there is one for its shapes, or
 * through the matrix of columns of the forward pass, chunk by chunk: dW = dout * columns^T, and din
 * += the columns W^T * dout put back where they were gathered. */
#include <string.h>

#include "conv/backward.h"
#include "kernels/kernels.h"

/* The way back of one run of a row of the matrix: pixel (i * stride + shift) of a row of `width`
 * pixels gets what column i has for it; what was outside is lost. */
static void scatter_row(float *row, const float *columns, int64_t n, int64_t stride, int64_t shift,
                        int64_t width)
{
    int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    int64_t end = shift >= width ? 0 : (width - 1 - shift) / stride + 1;
    end = end < n ? end : n;
    for (int64_t i = first; i < end; i++)
        row[i * stride + shift] += columns[i];
}

/* Adds the columns that crd_conv_gather_columns would have gathered from `in` to it. */
static void scatter_columns(float *in, const float *columns, const crd_conv *conv, int64_t first,
                            int64_t n)
{
    int64_t height = conv->height, width = conv->width;
    int64_t n_taps = conv->kernel_size[0] * conv->kernel_size[1];
    for (int64_t k = 0; k < conv->n_terms; k++) {
        float *channel = in + k / n_taps * crd_conv_in_plane(conv);
        int64_t dy = k % n_taps / conv->kernel_size[1] * conv->dilation[0] - conv->padding[0];
        int64_t dx = k % conv->kernel_size[1] * conv->dilation[1] - conv->padding[1];
        int64_t x = first % conv->out_width, row = first / conv->out_width; /* over images */
        for (int64_t done = 0, run; done < n; done += run, x = 0, row++) {
            run = conv->out_width - x < n - done ? conv->out_width - x : n - done;
            int64_t image = row / conv->out_height;
            int64_t in_y = row % conv->out_height * conv->stride[0] + dy;
            if (in_y >= 0 && in_y < height)
                scatter_row(channel + (image * height + in_y) * width, columns + k * n + done, run,
                            conv->stride[1], x * conv->stride[1] + dx, width);
        }
    }
}

/* The gradient at the weights of a group, overwritten. */
static void weight_gradient_by_columns(float *dweight, const crd_conv *conv,
                                       const crd_conv_args *args, const float *dout, int64_t group)
{
    int64_t out_plane = crd_conv_out_plane(conv), chunk = crd_conv_chunk_width(conv);
    const float *in = args->in + group * conv->n_in * crd_conv_in_plane(conv);
    dweight += group * conv->n_out * conv->n_terms;
    dout += group * conv->n_out * out_plane;
    for (int64_t first = 0; first < out_plane; first += chunk) {
        int64_t n = out_plane - first < chunk ? out_plane - first : chunk;
        const float *columns = in;
        if (!crd_conv_is_pointwise(conv)) {
            crd_conv_gather_columns(args->scratch, in, conv, first, n);
            columns = args->scratch;
        }
        crd_gemm_transposed(dweight, conv->n_terms, dout + first, out_plane, columns, n,
                            conv->n_out, conv->n_terms, n, first > 0 ? 1 : 0, CRD_TRANSPOSE_B);
    }
}

/* Adds to the gradient at the input of a group. */
static void input_gradient_by_columns(float *din, const crd_conv *conv, const crd_conv_args *args,
                                      const float *dout, int64_t group)
{
    int64_t out_plane = crd_conv_out_plane(conv), chunk = crd_conv_chunk_width(conv);
    const float *weight = args->weight.values + group * conv->n_out * conv->n_terms;
    din += group * conv->n_in * crd_conv_in_plane(conv);
    dout += group * conv->n_out * out_plane;
    for (int64_t first = 0; first < out_plane; first += chunk) {
        int64_t n = out_plane - first < chunk ? out_plane - first : chunk;
        crd_gemm_transposed(args->scratch, n, weight, conv->n_terms, dout + first, out_plane,
                            conv->n_terms, n, conv->n_out, 0, CRD_TRANSPOSE_A);
        scatter_columns(din, args->scratch, conv, first, n);
    }
}

static bool columns_fit(const crd_conv *conv)
{
    (void)conv;
    return true;
}

/* As of the forward pass: the library reaches about 0.6 of full speed. */
static double columns_cost(const crd_conv *conv)
{
    double rows = (double)conv->n_out;
    return (double)crd_conv_out_plane(conv) * (double)conv->n_terms * (rows + 4) / CRD_LANES / 0.6;
}

const crd_conv_weight_gradient crd_conv_weight_gradient_columns = {
    .fits = columns_fit,
    .cost = columns_cost,
    .scratch_floats = crd_conv_column_floats,
    .run = weight_gradient_by_columns};

static const crd_conv_weight_gradient *choose(const crd_conv *conv)
{
    static const crd_conv_weight_gradient *const methods[] = {
        &crd_conv_weight_gradient_direct, &crd_conv_weight_gradient_winograd,
        &crd_conv_weight_gradient_columns, &crd_conv_weight_gradient_depthwise};
    const crd_conv_weight_gradient *best = NULL;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i]->fits(conv) && (best == NULL || methods[i]->cost(conv) < best->cost(conv)))
            best = methods[i];
    return best;
}

int64_t crd_conv_backward_scratch_floats(const crd_conv *conv)
{
    int64_t dweight = choose(conv)->scratch_floats(conv);
    int64_t din = crd_conv_input_gradient_fits(conv) ? crd_conv_input_gradient_scratch_floats(conv)
                                                     : crd_conv_column_floats(conv);
    return din > dweight ? din : dweight;
}

static void input_gradient(float *din, bool adds, const crd_conv *conv, const crd_conv_args *args,
                           const float *dout)
{
    if (crd_conv_input_gradient_fits(conv)) {
        crd_conv_input_gradient(din, adds, conv, args, dout);
        return;
    }
    if (!adds)
        memset(din, 0, (size_t)(conv->in_channels * crd_conv_in_plane(conv)) * sizeof *din);
    for (int64_t group = 0; group < conv->groups; group++)
        input_gradient_by_columns(din, conv, args, dout, group);
}

void crd_conv_backward(const crd_conv *conv, const crd_conv_args *args, const crd_conv_grads *grads)
{
    int64_t out_plane = crd_conv_out_plane(conv);
    for (int64_t i = 0; grads->dbias != NULL && i < conv->out_channels; i++)
        grads->dbias[i] =
            (float)crd_kernels_get()->elementwise->sum(grads->dout + i * out_plane, out_plane);
    for (int64_t group = 0; grads->dweight != NULL && group < conv->groups; group++)
        choose(conv)->run(grads->dweight, conv, args, grads->dout, group);
    if (grads->din != NULL)
        input_gradient(grads->din, grads->adds, conv, args, grads->dout);
}
