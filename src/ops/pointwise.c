/* Functions of one element that are no usual epilogue of a layer: torch's Softplus, Softsign, Mish,
 * CELU, Threshold, and plain mathematics as exported graphs have it (Exp, Sqrt, Pow by a number,
 * scale x + shift). Each states its value and its derivative; computed in double. */
#include <math.h>

#include "ops/registry.h"

typedef struct attributes {
    double a, b;
} attributes;

typedef double function(double x, const attributes *p);

static void apply(const crd_graph_op *op, const crd_op_args *args, function *value)
{
    int64_t n = crd_op_count(op, args);
    for (int64_t i = 0; i < n; i++)
        args->out[i] = (float)value((double)args->in[0][i], op->attrs);
}

static void apply_backward(const crd_graph_op *op, const crd_op_args *args,
                           const crd_op_grads *grads, function *slope)
{
    int64_t n = crd_op_count(op, args);
    float *din = grads->din[0];
    for (int64_t i = 0; din != NULL && i < n; i++) {
        double dx = (double)grads->dout[i] * slope((double)args->in[0][i], op->attrs);
        din[i] = grads->adds[0] ? din[i] + (float)dx : (float)dx;
    }
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static double softplus_of(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double derivative_of_mish(double x)
{
    double t = tanh(softplus_of(x));
    return t + x * (1 - t * t) * logistic(x);
}

/* 0 of a constant, at x = 0 too. */
static double derivative_of_pow(double x, double exponent)
{
    return exponent == 0 ? 0 : exponent * pow(x, exponent - 1);
}

#define NUMBER(name, member, least, most, ...)                                                     \
    {                                                                                              \
        name, offsetof(attributes, member), 1, true, least, most, __VA_ARGS__                      \
    }
static const crd_attr_spec scale_shift_attrs[] = {
    NUMBER("scale", a, -1e30, 1e30, .is_optional = true, .fallback = 1),
    NUMBER("shift", b, -1e30, 1e30, .is_optional = true),
    {0}};
static const crd_attr_spec pow_attrs[] = {NUMBER("exponent", a, -1e6, 1e6, .is_optional = false),
                                          {0}};
static const crd_attr_spec celu_attrs[] = {
    NUMBER("alpha", a, 1e-6, 1e6, .is_optional = true, .fallback = 1), {0}};
static const crd_attr_spec threshold_attrs[] = {
    NUMBER("threshold", a, -1e30, 1e30, .is_optional = false),
    NUMBER("value", b, -1e30, 1e30, .is_optional = false),
    {0}};

/* An operator by its class name, attributes (after the name, none: plain), value, derivative. */
#define OPERATOR(op_name, class_name, value_of, slope_of, ...)                                     \
    static double op_name##_value(double x, const attributes *p)                                   \
    {                                                                                              \
        (void)p;                                                                                   \
        return value_of;                                                                           \
    }                                                                                              \
    static double op_name##_slope(double x, const attributes *p)                                   \
    {                                                                                              \
        (void)x;                                                                                   \
        (void)p;                                                                                   \
        return slope_of;                                                                           \
    }                                                                                              \
    static void op_name##_forward(const crd_graph_op *op, const crd_op_args *args)                 \
    {                                                                                              \
        apply(op, args, op_name##_value);                                                          \
    }                                                                                              \
    static void op_name##_backward(const crd_graph_op *op, const crd_op_args *args,                \
                                   const crd_op_grads *grads)                                      \
    {                                                                                              \
        apply_backward(op, args, grads, op_name##_slope);                                          \
    }                                                                                              \
    const crd_op crd_op_##op_name = {.name = class_name,                                           \
                                     .min_inputs = 1,                                              \
                                     .max_inputs = 1,                                              \
                                     .in_place = true,                                             \
                                     .keeps_in = true,                                             \
                                     .infer = crd_op_infer_same,                                   \
                                     .forward = op_name##_forward,                                 \
                                     .backward = op_name##_backward,                               \
                                     __VA_ARGS__}
#define WITH(list) .attrs = list, .attrs_size = sizeof(attributes)

OPERATOR(scale_shift, "ScaleShift", x * p->a + p->b, p->a, WITH(scale_shift_attrs));
OPERATOR(pow, "Pow", pow(x, p->a), derivative_of_pow(x, p->a), WITH(pow_attrs));
OPERATOR(celu, "CELU", x > 0 ? x : p->a * expm1(x / p->a), x > 0 ? 1 : exp(x / p->a),
         WITH(celu_attrs));
OPERATOR(threshold, "Threshold", x <= p->a ? p->b : x, !(x <= p->a), WITH(threshold_attrs));
OPERATOR(abs, "Abs", fabs(x), (x > 0) - (x < 0), .n_params = 0);
OPERATOR(neg, "Neg", -x, -1, .n_params = 0);
OPERATOR(exp, "Exp", exp(x), exp(x), .n_params = 0);
OPERATOR(log, "Log", log(x), 1 / x, .n_params = 0);
OPERATOR(sqrt, "Sqrt", sqrt(x), 0.5 / sqrt(x), .n_params = 0);
OPERATOR(reciprocal, "Reciprocal", 1 / x, -1 / (x * x), .n_params = 0);
OPERATOR(sin, "Sin", sin(x), cos(x), .n_params = 0);
OPERATOR(cos, "Cos", cos(x), -sin(x), .n_params = 0);
OPERATOR(erf, "Erf", erf(x), 1.1283791670955126 * exp(-x * x), .n_params = 0);
OPERATOR(softplus, "Softplus", softplus_of(x), logistic(x), .n_params = 0);
OPERATOR(softsign, "Softsign", x / (1 + fabs(x)), 1 / ((1 + fabs(x)) * (1 + fabs(x))),
         .n_params = 0);
OPERATOR(mish, "Mish", x *tanh(softplus_of(x)), derivative_of_mish(x), .n_params = 0);
