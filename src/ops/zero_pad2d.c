/* torch's ZeroPad2d: zeros around every plane, or, where padding is negative, pixels taken away. */
#include <string.h>

#include "base/integers.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t padding[4]; /* left, right, top, bottom */
} attributes;

enum { LEFT, RIGHT, TOP, BOTTOM };

static const crd_attr_spec attrs[] = {
    {"padding", offsetof(attributes, padding), 4, .min = -CRD_OP_MAX_WINDOW,
     .max = CRD_OP_MAX_WINDOW},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    crd_status status = CRD_OK;
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_op_require_image(op));
    int64_t height = op->in->dims[1] + a->padding[TOP] + a->padding[BOTTOM];
    int64_t width = op->in->dims[2] + a->padding[LEFT] + a->padding[RIGHT];
    if (height < 1 || width < 1)
        CRD_TRY(CRD_OP_FAIL(op, "padding leaves nothing of its input %s",
                            crd_shape_text(text, op->in)));
    op->shape = crd_shape_make(3, op->in->dims[0], height, width);
cleanup:
    return status;
}

/* What a plane of the input and one of the output have in common: n_rows rows of n pixels. */
typedef struct overlap {
    int64_t in_first, out_first, n_rows, n;
} overlap;

static overlap overlap_of(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    int64_t in_height = op->in->dims[1], in_width = op->in->dims[2];
    int64_t height = op->shape.dims[1], width = op->shape.dims[2];
    int64_t top = crd_larger(-a->padding[TOP], 0), left = crd_larger(-a->padding[LEFT], 0);
    int64_t out_top = crd_larger(a->padding[TOP], 0), out_left = crd_larger(a->padding[LEFT], 0);
    int64_t n_rows = crd_smaller(in_height - top, height - out_top);
    int64_t n = crd_smaller(in_width - left, width - out_left);
    return (overlap){top * in_width + left, out_top * width + out_left, crd_larger(n_rows, 0),
                     crd_larger(n, 0)};
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const overlap o = overlap_of(op);
    int64_t in_width = op->in->dims[2], in_plane = op->in->dims[1] * in_width;
    int64_t width = op->shape.dims[2], plane = op->shape.dims[1] * width;
    memset(args->out, 0, (size_t)crd_op_count(op, args) * sizeof *args->out);
    for (int64_t p = 0; p < op->shape.dims[0] * args->n_images; p++)
        for (int64_t y = 0; y < o.n_rows; y++)
            crd_op_copy(args->out + p * plane + o.out_first + y * width,
                        args->in[0] + p * in_plane + o.in_first + y * in_width, o.n, false);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const overlap o = overlap_of(op);
    int64_t in_width = op->in->dims[2], in_plane = op->in->dims[1] * in_width;
    int64_t width = op->shape.dims[2], plane = op->shape.dims[1] * width;
    float *din = crd_op_cleared_din(grads, 0, crd_op_in_count(op, args, 0));
    for (int64_t p = 0; din != NULL && p < op->shape.dims[0] * args->n_images; p++)
        for (int64_t y = 0; y < o.n_rows; y++)
            crd_op_copy(din + p * in_plane + o.in_first + y * in_width,
                        grads->dout + p * plane + o.out_first + y * width, o.n, true);
}

const crd_op crd_op_zero_pad2d = {.name = "ZeroPad2d",
                                  .attrs = attrs,
                                  .attrs_size = sizeof(attributes),
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .infer = infer,
                                  .forward = forward,
                                  .backward = backward};
