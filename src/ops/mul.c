/* Product of two inputs, of which each extent is equal or 1 in one of them, as torch broadcasts:
 * the scale of a squeeze-and-excitation block, a gate. A vector (features) goes with an image as
 * (features, 1, 1). */
#include "kernels/kernels.h"
#include "ops/registry.h"

enum { DIMS = 3 };

/* (channels, height, width) of a shape; 0 if it has none. */
static int extents(int64_t out[DIMS], const crd_shape *shape)
{
    for (int d = 0; d < DIMS; d++)
        out[d] = d < shape->n_dims ? shape->dims[d] : 1;
    return shape->n_dims == 1 || shape->n_dims == DIMS;
}

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    int64_t a[DIMS], b[DIMS], out[DIMS];
    int fits = extents(a, &op->in[0]) && extents(b, &op->in[1]);
    for (int d = 0; fits && d < DIMS; d++) {
        fits = a[d] == b[d] || a[d] == 1 || b[d] == 1;
        out[d] = a[d] > b[d] ? a[d] : b[d];
    }
    if (!fits) {
        char x[CRD_SHAPE_TEXT_SIZE], y[CRD_SHAPE_TEXT_SIZE];
        return CRD_OP_FAIL(op, "inputs have shapes %s and %s, which cannot be multiplied",
                           crd_shape_text(x, &op->in[0]), crd_shape_text(y, &op->in[1]));
    }
    op->shape = op->in[0].n_dims == DIMS || op->in[1].n_dims == DIMS
                    ? crd_shape_make(DIMS, out[0], out[1], out[2])
                    : crd_shape_make(1, out[0]);
    return CRD_OK;
}

/* The output as rows along which an input's elements are neighbours (step 1) or one (step 0). */
typedef struct rows {
    int64_t channels, images, height, width; /* a plane that both have alike is one row */
    int64_t at[2][3];                        /* from channel to channel, image, row of an input */
    int64_t step[2];
} rows;

static rows rows_of(const crd_graph_op *op, int64_t n_images)
{
    int64_t in[2][DIMS], out[DIMS];
    extents(out, &op->shape);
    rows r = {.channels = out[0], .images = n_images, .height = out[1], .width = out[2]};
    int is_plane = 1;
    for (int k = 0; k < 2; k++) {
        extents(in[k], &op->in[k]);
        is_plane &= in[k][1] * in[k][2] == 1 || in[k][1] * in[k][2] == out[1] * out[2];
    }
    if (is_plane) {
        r.width = out[1] * out[2];
        r.height = 1;
    }
    for (int k = 0; k < 2; k++) {
        int64_t plane = in[k][1] * in[k][2];
        r.step[k] = (is_plane ? plane : in[k][2]) == 1 ? 0 : 1;
        r.at[k][2] = in[k][1] == 1 ? 0 : in[k][2];
        r.at[k][1] = plane;
        r.at[k][0] = in[k][0] == 1 ? 0 : plane * n_images;
    }
    return r;
}

static int64_t offset_of(const rows *r, int k, int64_t c, int64_t image, int64_t y)
{
    return c * r->at[k][0] + image * r->at[k][1] + y * r->at[k][2];
}

static void multiply_row(float *out, const float *a, int64_t a_step, const float *b, int64_t b_step,
                         int64_t n)
{
    if (a_step == 1 && b_step == 1) {
        crd_kernels_get()->elementwise->multiply(out, a, b, n);
        return;
    }
    const float *many = a_step == 1 ? a : b, one = a_step == 1 ? *b : *a;
    if (a_step == 1 || b_step == 1) {
        crd_kernels_get()->elementwise->scale(out, many, one, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = *many * one;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const rows r = rows_of(op, args->n_images);
    float *out = args->out;
    for (int64_t c = 0; c < r.channels; c++)
        for (int64_t image = 0; image < r.images; image++)
            for (int64_t y = 0; y < r.height; y++, out += r.width)
                multiply_row(out, args->in[0] + offset_of(&r, 0, c, image, y), r.step[0],
                             args->in[1] + offset_of(&r, 1, c, image, y), r.step[1], r.width);
}

/* din[i] += dout[i] other[i] along a row; one that is broadcast gathers the sum. */
static void add_row(float *din, int64_t step, const float *dout, const float *other,
                    int64_t other_step, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (step == 1)
            din[i] += dout[i] * other[i * other_step];
        else
            sum += (double)dout[i] * (double)other[i * other_step];
    }
    if (step == 0)
        *din += (float)sum;
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const rows r = rows_of(op, args->n_images);
    for (int k = 0; k < 2; k++) {
        float *din = crd_op_cleared_din(grads, k, crd_op_in_count(op, args, k));
        const float *dout = grads->dout, *other = args->in[1 - k];
        for (int64_t c = 0; din != NULL && c < r.channels; c++)
            for (int64_t image = 0; image < r.images; image++)
                for (int64_t y = 0; y < r.height; y++, dout += r.width)
                    add_row(din + offset_of(&r, k, c, image, y), r.step[k], dout,
                            other + offset_of(&r, 1 - k, c, image, y), r.step[1 - k], r.width);
    }
}

const crd_op crd_op_mul = {.name = "Mul",
                           .min_inputs = 2,
                           .max_inputs = 2,
                           .keeps_in = true,
                           .infer = infer,
                           .forward = forward,
                           .backward = backward};
