/* torch's Softmax as a layer: over the features (dim 1), or over positions (dim 2, 3, ...); dim
 * counts the images as dim 0. */
#include "kernels/kernels.h"
#include "ops/registry.h"

typedef struct attributes {
    int64_t dim;
} attributes;

static const crd_attr_spec attrs[] = {
    {"dim", offsetof(attributes, dim), 1, .min = 1, .max = CRD_MAX_DIMS, .is_optional = true,
     .fallback = 1},
    {0},
};

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const attributes *a = op->attrs;
    char text[CRD_SHAPE_TEXT_SIZE];
    if (a->dim > op->in->n_dims)
        return CRD_OP_FAIL(op, "dim is %lld, but its input has shape %s", (long long)a->dim,
                           crd_shape_text(text, op->in));
    op->shape = *op->in;
    return CRD_OK;
}

/* Elements of a sum. */
static int64_t extent(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    return op->in->dims[a->dim - 1];
}

/* A sum's elements lie `step` apart: they are brought together in scratch. */
static int64_t backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    (void)n_images;
    return 2 * extent(op);
}

static int64_t scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    (void)precision;
    return backward_scratch_floats(op, n_images);
}

static void gather(float *to, const float *from, int64_t n, int64_t step)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i * step];
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    const crd_op_runs runs = crd_op_runs_of(op->in, (int)a->dim, args->n_images);
    int64_t n = extent(op), step = runs.run / n;
    for (int64_t i = 0; i < runs.n_runs * step; i++) {
        int64_t first = i / step * runs.run + i % step;
        gather(args->scratch, args->in[0] + first, n, step);
        crd_kernels_get()->elementwise->softmax(args->scratch, args->scratch, n);
        for (int64_t k = 0; k < n; k++)
            args->out[first + k * step] = args->scratch[k];
    }
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    const crd_op_runs runs = crd_op_runs_of(op->in, (int)a->dim, args->n_images);
    int64_t n = extent(op), step = runs.run / n;
    float *p = args->scratch, *dp = p + n, *din = grads->din[0];
    for (int64_t i = 0; din != NULL && i < runs.n_runs * step; i++) {
        int64_t first = i / step * runs.run + i % step;
        gather(p, args->out + first, n, step);
        gather(dp, grads->dout + first, n, step);
        crd_kernels_get()->elementwise->softmax_backward(dp, dp, p, n);
        for (int64_t k = 0; k < n; k++) {
            float *to = din + first + k * step;
            *to = grads->adds[0] ? *to + dp[k] : dp[k];
        }
    }
}

const crd_op crd_op_softmax = {.name = "Softmax",
                               .attrs = attrs,
                               .attrs_size = sizeof(attributes),
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .in_place = true,
                               .keeps_out = true,
                               .infer = infer,
                               .scratch_floats = scratch_floats,
                               .backward_scratch_floats = backward_scratch_floats,
                               .forward = forward,
                               .backward = backward};
