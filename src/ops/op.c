/* What all operators share: questions that the table answers, and helpers of their passes. */
#include <string.h>

#include "base/integers.h"
#include "kernels/kernels.h"
#include "ops/registry.h"

/* A graph's input: its shape is set with the graph, and nothing runs. Not in the registry, as no
 * graph has another one. */
const crd_op crd_op_input = {.name = "Input"};

bool crd_op_may_be_random(const crd_graph_op *op)
{
    for (int slot = 0; slot < op->kind->n_params; slot++)
        if (op->kind->params[slot].may_be_random && op->params[slot] >= 0)
            return true;
    return false;
}

bool crd_op_is_view(const crd_graph_op *op)
{
    return op->kind->is_view != NULL && op->kind->is_view(op);
}

bool crd_op_is_stochastic(const crd_graph_op *op)
{
    return op->kind->is_stochastic != NULL && op->kind->is_stochastic(op);
}

bool crd_op_is_idle(const crd_graph_op *op)
{
    return crd_op_is_view(op) || (op->kind->is_idle_in_prediction && !crd_op_is_stochastic(op));
}

bool crd_op_can_run_in_place(const crd_graph_op *op)
{
    return op->kind->in_place || crd_op_is_view(op);
}

int64_t crd_op_scratch_floats(const crd_graph_op *op, int64_t n_images, crd_precision precision)
{
    int64_t most = 0;
    for (int64_t n = 1; op->kind->scratch_floats != NULL && n <= n_images; n++)
        most = crd_larger(most, op->kind->scratch_floats(op, n, precision));
    return most;
}

int64_t crd_op_backward_scratch_floats(const crd_graph_op *op, int64_t n_images)
{
    int64_t most = 0;
    for (int64_t n = 1; op->kind->backward_scratch_floats != NULL && n <= n_images; n++)
        most = crd_larger(most, op->kind->backward_scratch_floats(op, n));
    return most;
}

crd_status crd_op_infer_same(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    op->shape = op->in[0];
    return CRD_OK;
}

crd_status crd_op_require_image(const crd_graph_op *op)
{
    char text[CRD_SHAPE_TEXT_SIZE];
    if (op->in[0].n_dims != 3)
        return CRD_OP_FAIL(op, "input has shape %s, needed is (channels, height, width)",
                           crd_shape_text(text, &op->in[0]));
    return CRD_OK;
}

crd_status crd_op_require_channels(const crd_graph_op *op, const char *name, int64_t n)
{
    crd_status status = crd_op_require_image(op);
    if (status == CRD_OK && op->in[0].dims[0] != n)
        return CRD_OP_FAIL(op, "%s is %lld, but its input has %lld channels", name, (long long)n,
                           (long long)op->in[0].dims[0]);
    return status;
}

int64_t crd_op_count(const crd_graph_op *op, const crd_op_args *args)
{
    return args->n_images * crd_shape_count(&op->shape);
}

int64_t crd_op_in_count(const crd_graph_op *op, const crd_op_args *args, int k)
{
    return args->n_images * crd_shape_count(&op->in[k]);
}

crd_shape crd_op_list_shape(const int64_t *list, int most)
{
    crd_shape shape = {0};
    for (; shape.n_dims < most && list[shape.n_dims] > 0; shape.n_dims++)
        shape.dims[shape.n_dims] = list[shape.n_dims];
    return shape;
}

int64_t crd_op_features(const crd_shape *shape)
{
    return shape->n_dims == 0 ? 1 : shape->dims[0];
}

crd_op_runs crd_op_runs_of(const crd_shape *shape, int dim, int64_t n_images)
{
    crd_op_runs runs = {1, 1};
    for (int i = 0; i < shape->n_dims; i++)
        *(i < dim - 1 ? &runs.n_runs : &runs.run) *= shape->dims[i];
    *(dim > 1 ? &runs.n_runs : &runs.run) *= n_images;
    return runs;
}

float *crd_op_cleared_din(const crd_op_grads *grads, int input, int64_t n)
{
    float *din = grads->din[input];
    if (din != NULL && !grads->adds[input])
        memset(din, 0, (size_t)n * sizeof *din);
    return din;
}

void crd_op_copy(float *out, const float *in, int64_t n, bool adds)
{
    if (adds)
        crd_kernels_get()->elementwise->add(out, out, in, n);
    else if (out != in)
        memcpy(out, in, (size_t)n * sizeof *out);
}
