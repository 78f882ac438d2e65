#include "op_check.h"

#include "crd_test.h"

#include <math.h>

#include "base/alloc.h"
#include "walker.h"

static float *floats(int64_t n)
{
    void *block;
    assert_ok(crd_alloc_zeroed(&block, n, sizeof(float), "floats"));
    return block;
}

static double *doubles(int64_t n)
{
    return calloc((size_t)n + 1, sizeof(double));
}

int64_t op_fixture_place(int64_t i, const crd_shape *shape, int64_t n_images)
{
    int64_t count = crd_shape_count(shape), pixels = count / shape->dims[0];
    return (i % count / pixels * n_images + i / count) * pixels + i % pixels;
}

int64_t op_fixture_count(const op_fixture *f, int slot)
{
    int64_t index = f->op->params[slot];
    return index < 0 ? 0 : f->network->params.entries[index].count;
}

float *op_fixture_param(const op_fixture *f, float *block, int slot)
{
    int64_t index = f->op->params[slot];
    return index < 0 ? NULL : block + f->network->params.entries[index].offset;
}

/* An op of the shape asked for: the graph's input, or a part of it made by pooling and flattening. */
static int64_t make_input(crd_network *network, const crd_shape *shape, int k)
{
    char name[32];
    int64_t at = 0;
    const attr_list size = adaptive_list(shape->n_dims == 3 ? shape->dims[1] : 1,
                                         shape->n_dims == 3 ? shape->dims[2] : 1);
    const attr_list conv = conv2d_list((conv2d_attrs){crd_network_input_shape(network)->dims[0],
                                                      shape->dims[0],
                                                      {1, 1},
                                                      {1, 1},
                                                      {0, 0},
                                                      {1, 1},
                                                      1,
                                                      0});
    if (crd_shape_equal(shape, crd_network_input_shape(network)))
        return 0;
    if (shape->n_dims == 4) {
        const attr_list volume =
            ATTRS(CRD_ATTR("shape", (double)shape->dims[0], (double)shape->dims[1],
                           (double)shape->dims[2], (double)shape->dims[3]));
        assert_ok(network_add(&at, network, "Reshape", "volume", &volume, &at, 1));
        return at;
    }
    snprintf(name, sizeof name, "pool%d", k);
    assert_ok(network_add(&at, network, "AdaptiveAvgPool2d", name, &size, &at, 1));
    snprintf(name, sizeof name, "conv%d", k);
    assert_ok(network_add(&at, network, "Conv2d", name, &conv, &at, 1));
    snprintf(name, sizeof name, "flatten%d", k);
    if (shape->n_dims == 1)
        assert_ok(network_add(&at, network, "Flatten", name, NULL, &at, 1));
    assert_true(crd_shape_equal(&network->ops[at].shape, shape));
    return at;
}

static void make_op(op_fixture *f, const op_case *c)
{
    int64_t inputs[OP_CHECK_MAX_INPUTS], index;
    int64_t n_features = c->shapes[0].n_dims > 0 ? c->shapes[0].dims[0] : 1;
    /* A graph's input is an image: a volume enters as one with its planes one below the other. */
    crd_shape image = c->shapes[0].n_dims == 3 ? c->shapes[0] : crd_shape_make(3, n_features, 1, 1);
    if (c->shapes[0].n_dims == 4)
        image = crd_shape_make(3, n_features, c->shapes[0].dims[1] * c->shapes[0].dims[2],
                               c->shapes[0].dims[3]);
    assert_ok(crd_network_create(&f->network, "test", &image));
    for (; f->n_inputs < OP_CHECK_MAX_INPUTS && c->shapes[f->n_inputs].n_dims > 0; f->n_inputs++)
        inputs[f->n_inputs] = make_input(f->network, &c->shapes[f->n_inputs], f->n_inputs);
    assert_ok(network_add(&index, f->network, c->kind, "op", c->attrs, inputs, f->n_inputs));
    f->op = &f->network->ops[index];
}

void op_fixture_init(op_fixture *f, const op_case *c)
{
    *f = (op_fixture){.c = c};
    make_op(f, c);
    const crd_graph_op *op = f->op;
    f->n_out = c->n_images * crd_shape_count(&op->shape);
    assert_ok(walker_make_params(&f->params_f, f->network));
    for (int slot = 0; slot < op->kind->n_params; slot++) {
        int64_t n = op_fixture_count(f, slot);
        f->params[slot] = n == 0 ? NULL : doubles(n);
        for (int64_t i = 0; i < n; i++)
            f->params[slot][i] = (double)op_fixture_param(f, f->params_f, slot)[i];
    }
    for (int k = 0; k < f->n_inputs; k++) {
        f->n_in[k] = c->n_images * crd_shape_count(&op->in[k]);
        float *values = floats(f->n_in[k]);
        f->in[k] = doubles(f->n_in[k]);
        f->in_f[k] = floats(f->n_in[k]);
        walker_fill(values, f->n_in[k], (const char *const[]){"in", "in_2", "in_3", "in_4"}[k], 1,
                    0);
        for (int64_t i = 0; i < f->n_in[k]; i++) {
            f->in[k][i] = (double)values[i];
            f->in_f[k][op_fixture_place(i, &op->in[k], c->n_images)] = values[i];
        }
        crd_free(values);
    }
    float *values = floats(f->n_out);
    f->weights = doubles(f->n_out);
    f->out = doubles(f->n_out);
    f->out_f = floats(f->n_out);
    f->dout_f = floats(f->n_out);
    walker_fill(values, f->n_out, "weights", 1, 0);
    for (int64_t i = 0; i < f->n_out; i++) {
        f->weights[i] = (double)values[i];
        f->dout_f[op_fixture_place(i, &op->shape, c->n_images)] = values[i];
    }
    crd_free(values);
    if (op->kind->statistics != NULL)
        f->statistics = floats(op->kind->statistics->floats(op));
    int64_t n = crd_op_scratch_floats(op, c->n_images, CRD_FP32);
    int64_t n_backward = crd_op_backward_scratch_floats(op, c->n_images);
    f->scratch = floats(n > n_backward ? n : n_backward);
}

void op_fixture_clear(op_fixture *f)
{
    for (int k = 0; k < OP_CHECK_MAX_INPUTS; k++) {
        free(f->in[k]);
        crd_free(f->in_f[k]);
    }
    for (int slot = 0; slot < CRD_OP_MAX_PARAMS; slot++)
        free(f->params[slot]);
    free(f->weights);
    free(f->out);
    crd_free(f->params_f);
    crd_free(f->out_f);
    crd_free(f->dout_f);
    crd_free(f->scratch);
    crd_free(f->statistics);
    crd_network_destroy(f->network);
}

double op_fixture_loss(op_fixture *f)
{
    double sum = 0;
    f->c->reference(f->out, f->op, (const double *const *)f->in, (const double *const *)f->params,
                    f->c->n_images, f->c->payload);
    for (int64_t i = 0; i < f->n_out; i++)
        sum += f->weights[i] * f->out[i];
    return sum;
}

crd_op_args op_fixture_args(const op_fixture *f)
{
    crd_op_args args = {.out = f->out_f,
                        .in = (const float *const *)f->in_f,
                        .n_images = f->c->n_images,
                        .scratch = f->scratch,
                        .random = &f->c->random,
                        .statistics = f->c->on_batch_statistics ? f->statistics : NULL};
    for (int slot = 0; slot < f->op->kind->n_params; slot++)
        args.params[slot].values = op_fixture_param(f, f->params_f, slot);
    return args;
}

/* dL/d values[i] for all i, of many for every seventh, against what was added to `start` in
 * grads[place]. */
static void compare(const char *what, op_fixture *f, double *values, const float *grads,
                    double start, int64_t n, const crd_shape *shape)
{
    const double step = 1e-5;
    double error = 0, norm = 0;
    for (int64_t i = 0; i<n; i += n> 600 ? 7 : 1) {
        double value = values[i];
        values[i] = value + step;
        double above = op_fixture_loss(f);
        values[i] = value - step;
        double expected = (above - op_fixture_loss(f)) / (2 * step);
        values[i] = value;
        int64_t at = shape == NULL ? i : op_fixture_place(i, shape, f->c->n_images);
        error += pow((double)grads[at] - start - expected, 2);
        norm += expected * expected;
    }
    if (!(sqrt(error) <= 1e-5 * sqrt(norm)) || norm == 0)
        fail_msg("%s of %s: relative error %g of a gradient of norm %g", what, f->op->kind->name,
                 sqrt(error / norm), sqrt(norm));
}

static void compare_output(op_fixture *f)
{
    op_fixture_loss(f);
    for (int64_t i = 0; i < f->n_out; i++)
        assert_true(fabs((double)f->out_f[op_fixture_place(i, &f->op->shape, f->c->n_images)] -
                         f->out[i]) < 1e-4);
}

/* Gradients of inputs add to what is there, or replace it; those of parameters never do. */
static void check_way(const op_case *c, bool adds)
{
    op_fixture f;
    op_fixture_init(&f, c);
    const crd_op *kind = f.op->kind;
    const crd_op_args args = op_fixture_args(&f);
    float *din[OP_CHECK_MAX_INPUTS] = {NULL}, *asked[OP_CHECK_MAX_INPUTS];
    const bool all_add[OP_CHECK_MAX_INPUTS] = {adds, adds, adds, adds};
    float *dparams = floats(f.network->params.n_floats);
    crd_op_grads grads = {.dout = f.dout_f, .din = asked, .adds = all_add};
    for (int64_t i = 0; i < f.network->params.n_floats; i++)
        dparams[i] = NAN;
    for (int slot = 0; slot < kind->n_params; slot++)
        grads.dparams[slot] = op_fixture_param(&f, dparams, slot);
    for (int k = 0; k < f.n_inputs; k++) {
        din[k] = asked[k] = floats(f.n_in[k]);
        for (int64_t i = 0; i < f.n_in[k]; i++)
            din[k][i] = adds ? 0.25F : NAN;
    }
    kind->forward(f.op, &args);
    compare_output(&f);
    kind->backward(f.op, &args, &grads);
    for (int k = 0; k < f.n_inputs; k++)
        compare("din", &f, f.in[k], din[k], adds ? 0.25 : 0, f.n_in[k], &f.op->in[k]);
    for (int slot = 0; slot < kind->n_params; slot++)
        if (f.params[slot] != NULL && kind->params[slot].role == CRD_TRAINED)
            compare(kind->params[slot].leaf, &f, f.params[slot], grads.dparams[slot], 0,
                    op_fixture_count(&f, slot), NULL);
    /* In place the first input's gradient has the same bits. */
    if (crd_op_can_run_in_place(f.op) && !adds) {
        memset(grads.dparams, 0, sizeof grads.dparams);
        asked[0] = f.dout_f;
        kind->backward(f.op, &args, &grads);
        assert_memory_equal(f.dout_f, din[0], (size_t)f.n_in[0] * sizeof(float));
    }
    /* What is not asked for is not written. */
    memset(asked, 0, sizeof asked);
    memset(grads.dparams, 0, sizeof grads.dparams);
    kind->backward(f.op, &args, &grads);
    for (int k = 0; k < f.n_inputs; k++)
        crd_free(din[k]);
    crd_free(dparams);
    op_fixture_clear(&f);
}

/* The op may write over its first input where it can run in place. */
static void check_in_place(const op_case *c)
{
    op_fixture f;
    op_fixture_init(&f, c);
    crd_op_args args = op_fixture_args(&f);
    f.op->kind->forward(f.op, &args);
    args.out = f.in_f[0];
    if (crd_op_can_run_in_place(f.op)) {
        f.op->kind->forward(f.op, &args);
        assert_memory_equal(f.in_f[0], f.out_f, (size_t)f.n_out * sizeof(float));
    }
    op_fixture_clear(&f);
}

/* NaN in all of `values`, an input or a parameter, must be in all outputs that depend on them: those
 * that change when the values do. */
static void check_nan_of(op_fixture *f, const crd_op_args *args, const char *what, float *values,
                         int64_t n)
{
    float *kept = floats(n), *before = floats(f->n_out), *moved = floats(f->n_out);
    memcpy(kept, values, (size_t)n * sizeof *kept);
    f->op->kind->forward(f->op, args);
    memcpy(before, f->out_f, (size_t)f->n_out * sizeof *before);
    for (int64_t i = 0; i < n; i++)
        values[i] = 1.5F * kept[i] + 0.25F;
    f->op->kind->forward(f->op, args);
    memcpy(moved, f->out_f, (size_t)f->n_out * sizeof *moved);
    for (int64_t i = 0; i < n; i++)
        values[i] = NAN;
    f->op->kind->forward(f->op, args);
    for (int64_t i = 0; i < f->n_out; i++)
        if (moved[i] != before[i] && !isnan(f->out_f[i]))
            fail_msg("%s: NaN in %s gives %g", f->op->kind->name, what, (double)f->out_f[i]);
    memcpy(values, kept, (size_t)n * sizeof *kept);
    crd_free(kept);
    crd_free(before);
    crd_free(moved);
}

static void check_nan(const op_case *c)
{
    op_fixture f;
    op_fixture_init(&f, c);
    const crd_op_args args = op_fixture_args(&f);
    for (int k = 0; k < f.n_inputs; k++)
        check_nan_of(&f, &args, "an input", f.in_f[k], f.n_in[k]);
    for (int slot = 0; slot < f.op->kind->n_params; slot++)
        if (f.params[slot] != NULL)
            check_nan_of(&f, &args, f.op->kind->params[slot].leaf,
                         op_fixture_param(&f, f.params_f, slot), op_fixture_count(&f, slot));
    op_fixture_clear(&f);
}

void op_check(const op_case *c)
{
    for (int adds = 0; adds < 2; adds++)
        check_way(c, adds != 0);
    check_in_place(c);
    check_nan(c);
}

void op_check_values(const op_case *c, const op_values *values)
{
    op_fixture f;
    op_fixture_init(&f, c);
    for (int64_t i = 0; i < f.n_in[0]; i++)
        f.in_f[0][op_fixture_place(i, f.op->in, c->n_images)] = values->in[i];
    for (int64_t i = 0; values->dout != NULL && i < f.n_out; i++)
        f.dout_f[op_fixture_place(i, &f.op->shape, c->n_images)] = values->dout[i];
    for (int slot = 0; slot < f.op->kind->n_params; slot++)
        if (values->params[slot] != NULL)
            memcpy(op_fixture_param(&f, f.params_f, slot), values->params[slot],
                   (size_t)op_fixture_count(&f, slot) * sizeof(float));
    float *din = floats(f.n_in[0]), *dins[1] = {din};
    const bool adds = false;
    const crd_op_args args = op_fixture_args(&f);
    const crd_op_grads grads = {.dout = f.dout_f, .din = dins, .adds = &adds};
    f.op->kind->forward(f.op, &args);
    if (values->din != NULL)
        f.op->kind->backward(f.op, &args, &grads);
    for (int64_t i = 0; i < f.n_out; i++) {
        double found = (double)f.out_f[op_fixture_place(i, &f.op->shape, c->n_images)];
        assert_true(fabs(found - values->out[i]) < 1e-6 * fmax(1, fabs(values->out[i])));
    }
    for (int64_t i = 0; values->din != NULL && i < f.n_in[0]; i++) {
        double found = (double)din[op_fixture_place(i, f.op->in, c->n_images)];
        assert_true(fabs(found - values->din[i]) < 1e-6 * fmax(1, fabs(values->din[i])));
    }
    crd_free(din);
    op_fixture_clear(&f);
}
