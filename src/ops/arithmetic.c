/* Sub, Div, Maximum, Minimum, and Add of two inputs of which each extent is equal or 1 in one of
 * them, as torch broadcasts. Sums of equal shapes, and products, are add.c and mul.c, which are
 * faster. */
#include <math.h>

#include "ops/registry.h"

enum { DIMS = 3 };

/* (features, rows, columns) of a shape; positions beyond the second are one extent. */
static void extents(int64_t out[DIMS], const crd_shape *shape)
{
    out[0] = crd_op_features(shape);
    out[1] = shape->n_dims > 1 ? shape->dims[1] : 1;
    out[2] = 1;
    for (int d = 2; d < shape->n_dims; d++)
        out[2] *= shape->dims[d];
}

static crd_status infer(crd_graph_op *op, crd_shape params[CRD_OP_MAX_PARAMS])
{
    (void)params;
    const crd_shape *a = &op->in[0], *b = &op->in[1];
    bool fits = a->n_dims == b->n_dims && (a->n_dims <= DIMS || crd_shape_equal(a, b));
    op->shape = *a;
    for (int d = 0; fits && d < a->n_dims; d++) {
        fits = a->dims[d] == b->dims[d] || a->dims[d] == 1 || b->dims[d] == 1;
        op->shape.dims[d] = a->dims[d] > b->dims[d] ? a->dims[d] : b->dims[d];
    }
    if (!fits) {
        char x[CRD_SHAPE_TEXT_SIZE], y[CRD_SHAPE_TEXT_SIZE];
        return CRD_OP_FAIL(op, "inputs have shapes %s and %s, which do not broadcast",
                           crd_shape_text(x, a), crd_shape_text(y, b));
    }
    return CRD_OK;
}

/* Place of the output's element (feature, image, row, column) in an input; 0 steps along 1. */
typedef struct steps {
    int64_t feature, image, row, column;
} steps;

static steps steps_of(const crd_shape *in, int64_t n_images)
{
    int64_t n[DIMS];
    extents(n, in);
    return (steps){.feature = n[0] == 1 ? 0 : n_images * n[1] * n[2],
                   .image = n[1] * n[2],
                   .row = n[1] == 1 ? 0 : n[2],
                   .column = n[2] == 1 ? 0 : 1};
}

/* A function of two numbers, and its two derivatives. */
typedef struct pair {
    double (*value)(double a, double b);
    double (*slope[2])(double a, double b);
} pair;

typedef void visit(void *state, int64_t out, const int64_t at[2]);

static void walk(const crd_graph_op *op, int64_t n_images, visit *each, void *state)
{
    int64_t n[DIMS], out = 0;
    const steps a = steps_of(&op->in[0], n_images), b = steps_of(&op->in[1], n_images);
    extents(n, &op->shape);
    for (int64_t c = 0; c < n[0]; c++)
        for (int64_t i = 0; i < n_images; i++)
            for (int64_t y = 0; y < n[1]; y++)
                for (int64_t x = 0; x < n[2]; x++, out++) {
                    const int64_t at[2] = {c * a.feature + i * a.image + y * a.row + x * a.column,
                                           c * b.feature + i * b.image + y * b.row + x * b.column};
                    each(state, out, at);
                }
}

typedef struct pass {
    const crd_op_args *args;
    const crd_op_grads *grads;
    float *din;
    const pair *f;
    int k; /* of backward: the input */
} pass;

static void visit_forward(void *state, int64_t out, const int64_t at[2])
{
    const pass *p = state;
    p->args->out[out] =
        (float)p->f->value((double)p->args->in[0][at[0]], (double)p->args->in[1][at[1]]);
}

static void visit_backward(void *state, int64_t out, const int64_t at[2])
{
    const pass *p = state;
    p->din[at[p->k]] +=
        (float)((double)p->grads->dout[out] *
                p->f->slope[p->k]((double)p->args->in[0][at[0]], (double)p->args->in[1][at[1]]));
}

static void apply(const crd_graph_op *op, const crd_op_args *args, const pair *f)
{
    pass p = {.args = args, .f = f};
    walk(op, args->n_images, visit_forward, &p);
}

static void apply_backward(const crd_graph_op *op, const crd_op_args *args,
                           const crd_op_grads *grads, const pair *f)
{
    for (int k = 0; k < 2; k++) {
        pass p = {.args = args, .grads = grads, .f = f, .k = k};
        p.din = crd_op_cleared_din(grads, k, crd_op_in_count(op, args, k));
        if (p.din != NULL)
            walk(op, args->n_images, visit_backward, &p);
    }
}

#define PART(name, value_of)                                                                       \
    static double name(double a, double b)                                                         \
    {                                                                                              \
        (void)a;                                                                                   \
        (void)b;                                                                                   \
        return value_of;                                                                           \
    }
#define OPERATOR(op_name, class_name, value_of, slope_a, slope_b)                                  \
    PART(op_name##_value, value_of)                                                                \
    PART(op_name##_slope_a, slope_a)                                                               \
    PART(op_name##_slope_b, slope_b)                                                               \
    static const pair op_name##_pair = {op_name##_value, {op_name##_slope_a, op_name##_slope_b}};  \
    static void op_name##_forward(const crd_graph_op *op, const crd_op_args *args)                 \
    {                                                                                              \
        apply(op, args, &op_name##_pair);                                                          \
    }                                                                                              \
    static void op_name##_backward(const crd_graph_op *op, const crd_op_args *args,                \
                                   const crd_op_grads *grads)                                      \
    {                                                                                              \
        apply_backward(op, args, grads, &op_name##_pair);                                          \
    }                                                                                              \
    const crd_op crd_op_##op_name = {.name = class_name,                                           \
                                     .min_inputs = 2,                                              \
                                     .max_inputs = 2,                                              \
                                     .keeps_in = true,                                             \
                                     .infer = infer,                                               \
                                     .forward = op_name##_forward,                                 \
                                     .backward = op_name##_backward}

OPERATOR(broadcast_add, "BroadcastAdd", a + b, 1, 1);
OPERATOR(sub, "Sub", a - b, 1, -1);
OPERATOR(div, "Div", a / b, 1 / b, -a / (b * b));
/* NaN in either wins, as in torch, which halves the gradient of equal ones. */
OPERATOR(maximum, "Maximum", a > b || isnan(a) ? a : b,
         a > b   ? 1
         : a < b ? 0
                 : 0.5,
         b > a   ? 1
         : b < a ? 0
                 : 0.5);
OPERATOR(minimum, "Minimum", a < b || isnan(a) ? a : b, a<b ? 1 : a> b ? 0 : 0.5,
         b<a ? 1 : b> a ? 0 : 0.5);
