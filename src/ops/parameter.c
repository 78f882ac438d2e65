/* A parameter by itself as what every image has: torch's Parameter of a module, as a class token, a
 * position embedding, a table of relative positions. The parameter has torch's shape and the op's
 * name; of its extents `dim` counts the features, which come first in the output. Buffer is the
 * same of numbers that are not trained, as a mask. */
#include "ops/registry.h"

enum { MAX_EXTENTS = 4 };

typedef struct attributes {
    int64_t shape[MAX_EXTENTS];
    int64_t dim;
    double mean, std; /* of values to train from */
} attributes;

static const crd_attr_spec attrs[] = {
    {"shape", offsetof(attributes, shape), MAX_EXTENTS, .is_list = true, .min = 1,
     .max = CRD_OP_MAX_ELEMENTS},
    {"dim", offsetof(attributes, dim), 1, .min = 0, .max = MAX_EXTENTS - 1},
    {"mean", offsetof(attributes, mean), 1, .is_real = true, .min = -1e6, .max = 1e6,
     .is_optional = true},
    {"std", offsetof(attributes, std), 1, .is_real = true, .min = 0, .max = 1e6,
     .is_optional = true},
    {0},
};

static const crd_param_spec params[] = {{"", "", CRD_TRAINED, .initial = CRD_INIT_OWN}},
                            constants[] = {{"", "", CRD_CONSTANT, .initial = CRD_INIT_OWN}};

static void initial(double *mean, double *sd, const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    *mean = a->mean;
    *sd = a->std;
}

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const attributes *a = op->attrs;
    crd_shape shape = crd_op_list_shape(a->shape, MAX_EXTENTS);
    if (a->dim >= shape.n_dims)
        return CRD_OP_FAIL(op, "dim is %lld of %d extents", (long long)a->dim, shape.n_dims);
    op->shape.n_dims = 1;
    op->shape.dims[0] = shape.dims[a->dim];
    for (int i = 0; i < shape.n_dims; i++)
        if (i != a->dim)
            op->shape.dims[op->shape.n_dims++] = shape.dims[i];
    shapes[0] = shape;
    return CRD_OK;
}

/* The parameter as (before, features, after): position p of feature c is at before, c, after with
 * p = before * n_after + after. */
typedef struct order {
    int64_t features, positions, after;
} order;

static order order_of(const crd_graph_op *op)
{
    const attributes *a = op->attrs;
    order o = {op->shape.dims[0], crd_shape_count(&op->shape) / op->shape.dims[0], 1};
    for (int64_t i = a->dim + 1; i < MAX_EXTENTS && a->shape[i] > 0; i++)
        o.after *= a->shape[i];
    return o;
}

static int64_t place(const order *o, int64_t feature, int64_t position)
{
    return (position / o->after * o->features + feature) * o->after + position % o->after;
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const order o = order_of(op);
    float *out = args->out;
    for (int64_t c = 0; c < o.features; c++)
        for (int64_t image = 0; image < args->n_images; image++)
            for (int64_t p = 0; p < o.positions; p++)
                *out++ = args->params[0].values[place(&o, c, p)];
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const order o = order_of(op);
    const float *dout = grads->dout;
    float *dparam = grads->dparams[0];
    for (int64_t c = 0; dparam != NULL && c < o.features; c++, dout += args->n_images * o.positions)
        for (int64_t p = 0; p < o.positions; p++) {
            double sum = 0;
            for (int64_t image = 0; image < args->n_images; image++)
                sum += (double)dout[image * o.positions + p];
            dparam[place(&o, c, p)] = (float)sum;
        }
}

#define PARAMETER(class_name, specs)                                                               \
    .name = class_name, .attrs = attrs, .attrs_size = sizeof(attributes), .params = specs,         \
    .n_params = 1, .initial = initial, .infer = infer, .forward = forward, .backward = backward

const crd_op crd_op_parameter = {PARAMETER("Parameter", params)};
const crd_op crd_op_buffer = {PARAMETER("Buffer", constants)};
