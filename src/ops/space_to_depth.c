/* Blocks of block_size x block_size pixels become pixels with as many times the channels: ONNX's
 * SpaceToDepth, whose channels are in blocks (row of a block, column, channel); with column_first
 * (column, row, channel), as torchvision's PatchMerging puts them together. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t block_size, column_first;
} attributes;

static const crd_attr_spec attrs[] = {
    {"block_size", offsetof(attributes, block_size), 1, .min = 1, .max = 256},
    {"column_first", offsetof(attributes, column_first), 1, .min = 0, .max = 1,
     .is_optional = true},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    crd_status status = CRD_OK;
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    CRD_TRY(crd_op_require_image(op));
    if (op->in->dims[1] % a->block_size != 0 || op->in->dims[2] % a->block_size != 0)
        CRD_TRY(CRD_OP_FAIL(op, "block_size is %lld, which does not divide its input %s",
                            (long long)a->block_size, crd_shape_text(text, op->in)));
    op->shape = crd_shape_make(3, op->in->dims[0] * a->block_size * a->block_size,
                               op->in->dims[1] / a->block_size, op->in->dims[2] / a->block_size);
cleanup:
    return status;
}

/* A row of the output: its pixels are block_size apart in the input. */
static void gather(float *out, const float *in, int64_t n, int64_t step)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = in[i * step];
}

static void scatter(float *din, const float *dout, int64_t n, int64_t step)
{
    for (int64_t i = 0; i < n; i++)
        din[i * step] += dout[i];
}

/* First input pixel of row y of output plane (feature, image). */
static int64_t place(const crd_graph_op *op, int64_t n_images, int64_t feature, int64_t image,
                     int64_t y)
{
    const attributes *a = op->attrs;
    int64_t n_channels = op->in->dims[0], block = feature / n_channels;
    int64_t slow = block / a->block_size, fast = block % a->block_size;
    int64_t row = a->column_first ? fast : slow, column = a->column_first ? slow : fast;
    int64_t plane = feature % n_channels * n_images + image;
    return (plane * op->in->dims[1] + y * a->block_size + row) * op->in->dims[2] + column;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    int64_t width = op->shape.dims[2];
    float *out = args->out;
    for (int64_t c = 0; c < op->shape.dims[0]; c++)
        for (int64_t image = 0; image < args->n_images; image++)
            for (int64_t y = 0; y < op->shape.dims[1]; y++, out += width)
                gather(out, args->in[0] + place(op, args->n_images, c, image, y), width,
                       a->block_size);
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    int64_t width = op->shape.dims[2];
    const float *dout = grads->dout;
    float *din = crd_op_cleared_din(grads, 0, crd_op_in_count(op, args, 0));
    for (int64_t c = 0; din != NULL && c < op->shape.dims[0]; c++)
        for (int64_t image = 0; image < args->n_images; image++)
            for (int64_t y = 0; y < op->shape.dims[1]; y++, dout += width)
                scatter(din + place(op, args->n_images, c, image, y), dout, width, a->block_size);
}

const crd_op crd_op_space_to_depth = {.name = "SpaceToDepth",
                                      .attrs = attrs,
                                      .attrs_size = sizeof(attributes),
                                      .min_inputs = 1,
                                      .max_inputs = 1,
                                      .infer = infer,
                                      .forward = forward,
                                      .backward = backward};
