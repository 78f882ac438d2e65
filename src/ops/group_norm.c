/* torch's GroupNorm: the channels in groups, each normalised over all its channels and positions of
 * an image. With as many groups as channels it is InstanceNorm. Sources: Wu and He, "Group
 * normalization", ECCV 2018; Ulyanov et al., "Instance normalization", 2016. */
#include <math.h>

#include "ops/registry.h"

typedef struct attributes {
    int64_t num_groups, num_channels;
    double eps;
} attributes;

static const crd_attr_spec attrs[] = {
    {"num_groups", offsetof(attributes, num_groups), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {"num_channels", offsetof(attributes, num_channels), 1, .min = 1, .max = CRD_OP_MAX_ELEMENTS},
    {"eps", offsetof(attributes, eps), 1, true, 0, 1, .is_optional = true, .fallback = 1e-5},
    {0},
};

enum { WEIGHT, BIAS, N_PARAMS };

static const crd_param_spec params[N_PARAMS] = {
    [WEIGHT] = {"weight", "weight", CRD_TRAINED, .initial = CRD_INIT_ONE},
    [BIAS] = {"bias", "bias", CRD_TRAINED, .initial = CRD_INIT_ZERO},
};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const attributes *a = op->attrs;
    if (crd_op_features(op->in) != a->num_channels || a->num_channels % a->num_groups != 0)
        return CRD_OP_FAIL(op, "%lld channels in %lld groups, but its input has %lld channels",
                           (long long)a->num_channels, (long long)a->num_groups,
                           (long long)crd_op_features(op->in));
    op->shape = *op->in;
    for (int slot = 0; slot < N_PARAMS; slot++)
        shapes[slot] = crd_shape_make(1, a->num_channels);
    return CRD_OK;
}

/* A group of one image: `channels` runs of n positions, `step` apart. */
typedef struct group {
    int64_t channels, n, step;
} group;

static group group_of(const crd_graph_op *op, int64_t n_images)
{
    const attributes *a = op->attrs;
    int64_t n = crd_shape_count(&op->shape) / a->num_channels;
    return (group){a->num_channels / a->num_groups, n, n * n_images};
}

static void find_statistics(double *mean, double *scale, const float *in, const group *g,
                            double eps)
{
    double sum = 0, squares = 0, count = (double)(g->channels * g->n);
    for (int64_t c = 0; c < g->channels; c++)
        for (int64_t i = 0; i < g->n; i++)
            sum += (double)in[c * g->step + i];
    *mean = sum / count;
    for (int64_t c = 0; c < g->channels; c++)
        for (int64_t i = 0; i < g->n; i++) {
            double x = (double)in[c * g->step + i] - *mean;
            squares += x * x;
        }
    *scale = 1 / sqrt(squares / count + eps);
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    const group g = group_of(op, args->n_images);
    const float *weight = args->params[WEIGHT].values, *bias = args->params[BIAS].values;
    for (int64_t k = 0; k < a->num_groups * args->n_images; k++) {
        int64_t first = k / args->n_images * g.channels;
        int64_t at = first * g.step + k % args->n_images * g.n;
        double mean, scale;
        find_statistics(&mean, &scale, args->in[0] + at, &g, a->eps);
        for (int64_t c = 0; c < g.channels; c++)
            for (int64_t i = at + c * g.step; i < at + c * g.step + g.n; i++)
                args->out[i] =
                    (float)(((double)args->in[0][i] - mean) * scale * (double)weight[first + c] +
                            (double)bias[first + c]);
    }
}

/* As layer norm's: dx = scale (g - mean(g) - xhat mean(g xhat)), g = weight dout. */
static void group_backward(float *din, const crd_graph_op *op, const crd_op_args *args,
                           const crd_op_grads *grads, int64_t k)
{
    const attributes *a = op->attrs;
    const group g = group_of(op, args->n_images);
    int64_t first = k / args->n_images * g.channels;
    int64_t at = first * g.step + k % args->n_images * g.n;
    const float *in = args->in[0] + at, *dout = grads->dout + at;
    const float *weight = args->params[WEIGHT].values + first;
    float *dweight = grads->dparams[WEIGHT], *dbias = grads->dparams[BIAS];
    double mean, scale, along_one = 0, along_x = 0, count = (double)(g.channels * g.n);
    find_statistics(&mean, &scale, in, &g, a->eps);
    for (int64_t c = 0; c < g.channels; c++) {
        double sum = 0, product = 0;
        for (int64_t i = c * g.step; i < c * g.step + g.n; i++) {
            sum += (double)dout[i];
            product += (double)dout[i] * ((double)in[i] - mean) * scale;
        }
        along_one += (double)weight[c] * sum / count;
        along_x += (double)weight[c] * product / count;
        if (dweight != NULL)
            dweight[first + c] += (float)product;
        if (dbias != NULL)
            dbias[first + c] += (float)sum;
    }
    for (int64_t c = 0; din != NULL && c < g.channels; c++)
        for (int64_t i = c * g.step; i < c * g.step + g.n; i++) {
            double xhat = ((double)in[i] - mean) * scale;
            double dx = scale * ((double)weight[c] * (double)dout[i] - along_one - xhat * along_x);
            din[at + i] = grads->adds[0] ? din[at + i] + (float)dx : (float)dx;
        }
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    for (int slot = 0; slot < N_PARAMS; slot++)
        for (int64_t c = 0; grads->dparams[slot] != NULL && c < a->num_channels; c++)
            grads->dparams[slot][c] = 0;
    for (int64_t k = 0; k < a->num_groups * args->n_images; k++)
        group_backward(grads->din[0], op, args, grads, k);
}

const crd_op crd_op_group_norm = {.name = "GroupNorm",
                                  .attrs = attrs,
                                  .attrs_size = sizeof(attributes),
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .params = params,
                                  .n_params = N_PARAMS,
                                  .in_place = true,
                                  .keeps_in = true,
                                  .infer = infer,
                                  .forward = forward,
                                  .backward = backward};
