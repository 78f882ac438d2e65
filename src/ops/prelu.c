/* torch's PReLU: x, a x where x is negative, with one trained a, or one for each channel. Source:
 * He et al., "Delving deep into rectifiers", ICCV 2015. */
#include "ops/registry.h"

typedef struct attributes {
    int64_t num_parameters;
} attributes;

static const crd_attr_spec attrs[] = {
    {"num_parameters", offsetof(attributes, num_parameters), 1, .min = 1,
     .max = CRD_OP_MAX_ELEMENTS, .is_optional = true, .fallback = 1},
    {0},
};

static const crd_param_spec params[] = {
    {"weight", "weight", CRD_TRAINED, .initial = CRD_INIT_ZERO}};

static crd_status infer(crd_graph_op *op, crd_shape shapes[CRD_OP_MAX_PARAMS])
{
    const attributes *a = op->attrs;
    if (a->num_parameters != 1 && a->num_parameters != crd_op_features(op->in))
        return CRD_OP_FAIL(op, "num_parameters is %lld, but its input has %lld channels",
                           (long long)a->num_parameters, (long long)crd_op_features(op->in));
    op->shape = *op->in;
    shapes[0] = crd_shape_make(1, a->num_parameters);
    return CRD_OK;
}

/* Elements of one channel of all images. */
static int64_t run_of(const crd_graph_op *op, const crd_op_args *args)
{
    return crd_op_count(op, args) / crd_op_features(op->in);
}

static void forward(const crd_graph_op *op, const crd_op_args *args)
{
    const attributes *a = op->attrs;
    int64_t n = crd_op_count(op, args), run = run_of(op, args);
    for (int64_t i = 0; i < n; i++) {
        float x = args->in[0][i];
        float slope = args->params[0].values[a->num_parameters == 1 ? 0 : i / run];
        args->out[i] = x < 0 ? slope * x : x;
    }
}

static void backward(const crd_graph_op *op, const crd_op_args *args, const crd_op_grads *grads)
{
    const attributes *a = op->attrs;
    int64_t run = run_of(op, args), n_channels = crd_op_features(op->in);
    float *din = grads->din[0], *dslope = grads->dparams[0];
    double all = 0;
    for (int64_t c = 0; c < n_channels; c++) {
        float slope = args->params[0].values[a->num_parameters == 1 ? 0 : c];
        double sum = 0;
        for (int64_t i = c * run; i < (c + 1) * run; i++) {
            float x = args->in[0][i], dout = grads->dout[i];
            sum += x < 0 ? (double)x * (double)dout : 0;
            float dx = x < 0 ? slope * dout : dout;
            if (din != NULL)
                din[i] = grads->adds[0] ? din[i] + dx : dx;
        }
        if (dslope != NULL && a->num_parameters > 1)
            dslope[c] = (float)sum;
        all += sum;
    }
    if (dslope != NULL && a->num_parameters == 1)
        dslope[0] = (float)all;
}

const crd_op crd_op_prelu = {.name = "PReLU",
                             .attrs = attrs,
                             .attrs_size = sizeof(attributes),
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .params = params,
                             .n_params = 1,
                             .in_place = true,
                             .keeps_in = true,
                             .infer = infer,
                             .forward = forward,
                             .backward = backward};
