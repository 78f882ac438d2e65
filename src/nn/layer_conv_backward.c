/* Backward pass of a convolution out = W * columns, chunk by chunk as the forward pass:
 * dW += dout * columns^T, and din += the columns W^T * dout put back where they were gathered. */
#include "kernels/kernels.h"
#include "nn/layer_conv.h"
#include "nn/reduce.h"

/* The way back of one run of a row of the matrix: pixel (i * stride + shift) of a row of `width`
 * pixels gets what column i has for it; what was outside is lost. */
static void scatter_row(float *row, const float *columns, int64_t n, int64_t stride, int64_t shift,
                        int64_t width)
{
    int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    int64_t end = shift >= width ? 0 : (width - 1 - shift) / stride + 1;
    end = end < n ? end : n;
    if (stride == 1)
        for (int64_t i = first; i < end; i++)
            row[i + shift] += columns[i];
    else
        for (int64_t i = first; i < end; i++)
            row[i * stride + shift] += columns[i];
}

/* Adds the columns that crd_conv_gather_columns would have gathered from `in` to it. */
static void scatter_columns(float *in, const float *columns, const crd_node *node,
                            const crd_layer_args *args, int64_t first, int64_t n)
{
    const crd_conv2d_attrs *a = &node->attrs.conv2d;
    int64_t height = args->in_shape[0]->dims[1], width = args->in_shape[0]->dims[2];
    int64_t out_height = node->shape.dims[1], out_width = node->shape.dims[2];
    int64_t n_taps = a->kernel_size[0] * a->kernel_size[1];
    for (int64_t k = 0; k < crd_conv_column_length(a); k++) {
        float *channel = in + k / n_taps * args->n_images * height * width;
        int64_t dy = k % n_taps / a->kernel_size[1] * a->dilation[0] - a->padding[0];
        int64_t dx = k % a->kernel_size[1] * a->dilation[1] - a->padding[1];
        int64_t x = first % out_width, row = first / out_width; /* over images */
        for (int64_t done = 0, run; done < n; done += run, x = 0, row++) {
            run = out_width - x < n - done ? out_width - x : n - done;
            int64_t image = row / out_height, in_y = row % out_height * a->stride[0] + dy;
            if (in_y >= 0 && in_y < height)
                scatter_row(channel + (image * height + in_y) * width, columns + k * n + done, run,
                            a->stride[1], x * a->stride[1] + dx, width);
        }
    }
}

static void backward_group(const crd_node *node, const crd_layer_args *args,
                           const crd_layer_grads *grads, int64_t group)
{
    const crd_conv2d_attrs *a = &node->attrs.conv2d;
    int64_t in_plane = args->n_images * args->in_shape[0]->dims[1] * args->in_shape[0]->dims[2];
    int64_t out_plane = args->n_images * node->shape.dims[1] * node->shape.dims[2];
    int64_t n_in = a->in_channels / a->groups, n_out = a->out_channels / a->groups;
    int64_t length = crd_conv_column_length(a), first_weight = group * n_out * length;
    int pointwise = crd_conv_is_pointwise(a);
    int64_t chunk = pointwise ? out_plane : crd_conv_chunk_width(a, out_plane);
    const float *in = args->in[0] + group * n_in * in_plane;
    const float *weight = args->params[CRD_PARAM_WEIGHT] + first_weight;
    float *din = grads->din[0] == NULL ? NULL : grads->din[0] + group * n_in * in_plane;
    float *dweight = grads->dparams[CRD_PARAM_WEIGHT];
    for (int64_t first = 0; first < out_plane; first += chunk) {
        int64_t n = out_plane - first < chunk ? out_plane - first : chunk;
        const float *dout = grads->dout + group * n_out * out_plane + first;
        if (dweight != NULL) {
            if (!pointwise)
                crd_conv_gather_columns(args->scratch, in, node, args, first, n);
            crd_gemm_transposed(dweight + first_weight, length, dout, out_plane,
                                pointwise ? in : args->scratch, n, n_out, length, n, 1,
                                CRD_TRANSPOSE_B);
        }
        if (din == NULL)
            continue;
        crd_gemm_transposed(pointwise ? din : args->scratch, n, weight, length, dout, out_plane,
                            length, n, n_out, pointwise ? 1 : 0, CRD_TRANSPOSE_A);
        if (!pointwise)
            scatter_columns(din, args->scratch, node, args, first, n);
    }
}

void crd_conv_backward(const crd_node *node, const crd_layer_args *args,
                       const crd_layer_grads *grads)
{
    int64_t out_plane = args->n_images * node->shape.dims[1] * node->shape.dims[2];
    float *dbias = grads->dparams[CRD_PARAM_BIAS];
    for (int64_t i = 0; dbias != NULL && i < node->attrs.conv2d.out_channels; i++)
        dbias[i] += (float)crd_sum(grads->dout + i * out_plane, out_plane);
    for (int64_t g = 0; g < node->attrs.conv2d.groups; g++)
        backward_group(node, args, grads, g);
}
