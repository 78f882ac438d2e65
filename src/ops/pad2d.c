/* torch's ReflectionPad2d, ReplicationPad2d and CircularPad2d: what is around a plane repeats its
 * own pixels. They are also Conv2d's padding_mode: a padding, then a convolution without one. */
#include "base/integers.h"
#include "ops/registry.h"

extern const crd_op crd_op_reflection_pad2d, crd_op_replication_pad2d;

typedef struct attributes {
    int64_t padding[4]; /* left, right, top, bottom */
} attributes;

enum { LEFT, RIGHT, TOP, BOTTOM };

static const crd_attr_spec attrs[] = {
    {"padding", offsetof(attributes, padding), 4, .min = 0, .max = CRD_OP_MAX_WINDOW},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    crd_status status = CRD_OK;
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_op_require_image(op));
    op->shape = *op->in;
    for (int dim = 1; dim <= 2; dim++) {
        int64_t extent = op->in->dims[dim];
        int64_t before = a->padding[dim == 1 ? TOP : LEFT];
        int64_t after = a->padding[dim == 1 ? BOTTOM : RIGHT];
        /* A reflection leaves out the edge itself. */
        int64_t most = op->kind == &crd_op_reflection_pad2d ? extent - 1 : extent;
        if (op->kind != &crd_op_replication_pad2d && crd_larger(before, after) > most)
            CRD_TRY(CRD_OP_FAIL(op, "padding of %lld is more than the %lld that input %s allows",
                                (long long)crd_larger(before, after), (long long)most,
                                crd_shape_text(text, op->in)));
        op->shape.dims[dim] = extent + before + after;
    }
cleanup:
    return status;
}

/* Which of `extent` elements is at place i, counted from the first one. */
static int64_t source_of(const crd_graph_op *op, int64_t i, int64_t extent)
{
    if (op->kind == &crd_op_replication_pad2d)
        return crd_smaller(crd_larger(i, 0), extent - 1);
    if (op->kind == &crd_op_reflection_pad2d)
        return i < 0 ? -i : i < extent ? i : 2 * (extent - 1) - i;
    return (i + extent) % extent;
}

/* Offset in a plane of the input of what is at (y, x) of the output. */
static int64_t source_pixel(const crd_graph_op *op, int64_t y, int64_t x)
{
    const attributes *a = op->attrs;
    return source_of(op, y - a->padding[TOP], op->in->dims[1]) * op->in->dims[2] +
           source_of(op, x - a->padding[LEFT], op->in->dims[2]);
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    int64_t height = op->shape.dims[1], width = op->shape.dims[2];
    int64_t in_plane = op->in->dims[1] * op->in->dims[2];
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            int64_t from = source_pixel(op, y, x), to = y * width + x;
            for (int64_t p = 0; p < op->shape.dims[0] * args->n_images; p++)
                args->out[p * height * width + to] = args->in[0][p * in_plane + from];
        }
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    int64_t height = op->shape.dims[1], width = op->shape.dims[2];
    int64_t in_plane = op->in->dims[1] * op->in->dims[2];
    float *din = crd_op_cleared_din(grads, 0, crd_op_in_count(op, args, 0));
    for (int64_t y = 0; din != NULL && y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            int64_t from = source_pixel(op, y, x), to = y * width + x;
            for (int64_t p = 0; p < op->shape.dims[0] * args->n_images; p++)
                din[p * in_plane + from] += grads->dout[p * height * width + to];
        }
}

#define PADDING(class_name)                                                                        \
    .name = class_name, .attrs = attrs, .attrs_size = sizeof(attributes), .min_inputs = 1,         \
    .max_inputs = 1, .infer = infer, .forward = forward, .backward = backward

const crd_op crd_op_reflection_pad2d = {PADDING("ReflectionPad2d")};
const crd_op crd_op_replication_pad2d = {PADDING("ReplicationPad2d")};
const crd_op crd_op_circular_pad2d = {PADDING("CircularPad2d")};
