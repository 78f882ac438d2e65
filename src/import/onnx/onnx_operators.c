/* The table of ONNX's operators, sorted by name. What is not in it, or has no lowering where one is
 * needed, a file cannot use; the message names each such node. */
#include "import/onnx/onnx_operators.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "import/onnx/onnx_elementwise.h"
#include "import/onnx/onnx_index.h"
#include "import/onnx/onnx_lower.h"
#include "import/onnx/onnx_movement.h"
#include "import/onnx/onnx_window.h"

/* Functions of one number; a and b are attributes. */
#define FUNCTION(name, value)                                                                      \
    static double f_##name(double x, double a, double b)                                           \
    {                                                                                              \
        (void)a;                                                                                   \
        (void)b;                                                                                   \
        return value;                                                                              \
    }
FUNCTION(abs, fabs(x))
FUNCTION(acos, acos(x))
FUNCTION(acosh, acosh(x))
FUNCTION(asin, asin(x))
FUNCTION(asinh, asinh(x))
FUNCTION(atan, atan(x))
FUNCTION(atanh, atanh(x))
FUNCTION(ceil, ceil(x))
FUNCTION(celu, fmax(0, x) + fmin(0, a *(exp(x / a) - 1)))
FUNCTION(cos, cos(x))
FUNCTION(cosh, cosh(x))
FUNCTION(elu, x < 0 ? a * (exp(x) - 1) : x)
FUNCTION(erf, erf(x))
FUNCTION(exp, exp(x))
FUNCTION(floor, floor(x))
FUNCTION(hard_sigmoid, fmax(0, fmin(1, a *x + b)))
FUNCTION(hard_swish, x *fmax(0, fmin(1, x / 6 + 0.5)))
FUNCTION(is_nan, isnan(x))
FUNCTION(leaky_relu, x < 0 ? a * x : x)
FUNCTION(log, log(x))
FUNCTION(mish, x *tanh(log1p(exp(x))))
FUNCTION(neg, -x)
FUNCTION(not, x == 0)
FUNCTION(reciprocal, 1 / x)
FUNCTION(relu, x > 0 || isnan(x) ? x : 0)
FUNCTION(round, nearbyint(x))
FUNCTION(selu, b *(x > 0 ? x : a * (exp(x) - 1)))
FUNCTION(shrink, x<-b ? x + a : x> b ? x - a : 0)
FUNCTION(sigmoid, 1 / (1 + exp(-x)))
FUNCTION(sign, (x > 0) - (x < 0))
FUNCTION(sin, sin(x))
FUNCTION(sinh, sinh(x))
FUNCTION(softplus, fmax(x, 0) + log1p(exp(-fabs(x))))
FUNCTION(softsign, x / (1 + fabs(x)))
FUNCTION(sqrt, sqrt(x))
FUNCTION(tan, tan(x))
FUNCTION(tanh, tanh(x))
FUNCTION(threshold, x > a ? x : 0)

/* Functions of two, and of two integers where these must stay exact. */
#define PAIR(name, type, value)                                                                    \
    static type name(type a, type b)                                                               \
    {                                                                                              \
        return value;                                                                              \
    }
PAIR(f_add, double, a + b)
PAIR(i_add, int64_t, (int64_t)((uint64_t)a + (uint64_t)b))
PAIR(f_sub, double, a - b)
PAIR(i_sub, int64_t, (int64_t)((uint64_t)a - (uint64_t)b))
PAIR(f_mul, double, a *b)
PAIR(i_mul, int64_t, (int64_t)((uint64_t)a *(uint64_t)b))
PAIR(f_div, double, a / b)
PAIR(i_div, int64_t, b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b)
PAIR(f_max, double, isnan(a) || a > b ? a : b)
PAIR(i_max, int64_t, a > b ? a : b)
PAIR(f_min, double, isnan(a) || a < b ? a : b)
PAIR(i_min, int64_t, a < b ? a : b)
PAIR(f_pow, double, pow(a, b))
PAIR(f_prelu, double, a < 0 ? a * b : a)
PAIR(f_equal, double, a == b)
PAIR(i_equal, int64_t, a == b)
PAIR(f_greater, double, a > b)
PAIR(i_greater, int64_t, a > b)
PAIR(f_greater_equal, double, a >= b)
PAIR(i_greater_equal, int64_t, a >= b)
PAIR(f_less, double, a < b)
PAIR(i_less, int64_t, a < b)
PAIR(f_less_equal, double, a <= b)
PAIR(i_less_equal, int64_t, a <= b)
PAIR(f_and, double, a != 0 && b != 0)
PAIR(f_or, double, a != 0 || b != 0)
PAIR(f_xor, double, (a != 0) != (b != 0))

#define SHAPE(x) .shape = crd_onnx_shape_##x
#define EVAL(x) .eval = crd_onnx_eval_##x
#define LOWER(x) .lower = crd_onnx_lower_##x
#define VIEWS(x) LOWER(x), .takes_views = true
#define UNARY(f) .min_inputs = 1, SHAPE(same), EVAL(unary), .unary = f_##f
#define BINARY(f) .min_inputs = 2, SHAPE(broadcast), EVAL(binary), .binary = f_##f, .integer = i_##f
#define COMPARE(f) .min_inputs = 2, SHAPE(compare), EVAL(binary), .binary = f_##f, .integer = i_##f
#define LOGIC(f) .min_inputs = 2, SHAPE(compare), EVAL(binary), .binary = f_##f
#define FOLD(f) SHAPE(f), EVAL(f)
#define SAME(f) SHAPE(same), EVAL(f)
#define NUMBERS(...) .numbers = {__VA_ARGS__}
#define REDUCE(r) .min_inputs = 1, FOLD(reduce), .rule = CRD_ONNX_##r
#define KIND(name) VIEWS(function), .kind = name

static const crd_onnx_operator operators[] = {
    {"Abs", UNARY(abs), KIND("Abs")},
    {"Acos", UNARY(acos)},
    {"Acosh", UNARY(acosh)},
    {"Add", BINARY(add), VIEWS(binary), .kind = "Add"},
    {"And", LOGIC(and)},
    {"ArgMax", .min_inputs = 1, FOLD(arg), .rule = 1},
    {"ArgMin", .min_inputs = 1, FOLD(arg), .rule = -1},
    {"Asin", UNARY(asin)},
    {"Asinh", UNARY(asinh)},
    {"Atan", UNARY(atan)},
    {"Atanh", UNARY(atanh)},
    {"Attention", 3, SHAPE(attention), VIEWS(attention)},
    {"AveragePool", 1, SHAPE(pool), LOWER(pool), .rule = 1},
    {"BatchNormalization", 5, SHAPE(first_only), LOWER(batch_norm)},
    {"BitShift", 2, SHAPE(broadcast), EVAL(shift)},
    {"Cast", 1, FOLD(cast), VIEWS(cast)},
    {"CastLike", 2, SHAPE(cast_like), EVAL(cast), VIEWS(cast)},
    {"Ceil", UNARY(ceil)},
    {"Celu", UNARY(celu), NUMBERS("alpha", 1), KIND("CELU")},
    {"Clip", 1, SAME(clip), VIEWS(clip)},
    {"Compress", 2, FOLD(compress)},
    {"Concat", 1, FOLD(concat), VIEWS(concat)},
    {"Constant", 0, FOLD(constant)},
    {"ConstantOfShape", 1, FOLD(constant_of_shape)},
    {"Conv", 2, SHAPE(conv), LOWER(conv)},
    {"ConvTranspose", 2, SHAPE(conv_transpose), LOWER(conv_transpose)},
    {"Cos", UNARY(cos), KIND("Cos")},
    {"Cosh", UNARY(cosh)},
    {"CumSum", 2, SAME(cum_sum)},
    {"DepthToSpace", 1, FOLD(depth_to_space), .rule = 0},
    {"Div", BINARY(div), VIEWS(binary), .kind = "Div"},
    {"Dropout", 1, FOLD(dropout), VIEWS(dropout)},
    {"Einsum", 1, SHAPE(einsum), VIEWS(einsum)},
    {"Elu", UNARY(elu), NUMBERS("alpha", 1), KIND("ELU")},
    {"Equal", COMPARE(equal)},
    {"Erf", UNARY(erf), KIND("Erf")},
    {"Exp", UNARY(exp), KIND("Exp")},
    {"Expand", 2, FOLD(expand), VIEWS(expand)},
    {"EyeLike", 1, FOLD(eye_like)},
    {"Flatten", 1, SHAPE(flatten), EVAL(same), VIEWS(reshape)},
    {"Floor", UNARY(floor)},
    {"GRU", 3, SHAPE(recurrent), VIEWS(recurrent)},
    {"Gather", 2, FOLD(gather), VIEWS(gather)},
    {"GatherElements", 2, FOLD(gather_elements)},
    {"GatherND", 2, FOLD(gather_nd)},
    {"Gelu", 1, SAME(gelu), VIEWS(gelu)},
    {"Gemm", 2, FOLD(gemm), .cost = CRD_ONNX_PRODUCT, VIEWS(gemm)},
    {"GlobalAveragePool", 1, SHAPE(global_pool), LOWER(global_pool), .kind = "AdaptiveAvgPool2d"},
    {"GlobalMaxPool", 1, SHAPE(global_pool), LOWER(global_pool), .kind = "MaxPool2d"},
    {"Greater", COMPARE(greater)},
    {"GreaterOrEqual", COMPARE(greater_equal)},
    {"GroupNormalization", 3, SHAPE(first_only), LOWER(group_norm)},
    {"HardSigmoid", UNARY(hard_sigmoid), NUMBERS("alpha", 0.2, "beta", 0.5), VIEWS(hard_sigmoid)},
    {"HardSwish", UNARY(hard_swish), KIND("Hardswish")},
    {"Hardmax", 1, FOLD(softmax), .rule = 2},
    {"Identity", 1, SAME(same), VIEWS(identity)},
    {"InstanceNormalization", 3, SHAPE(first_only), LOWER(instance_norm)},
    {"IsInf", 1, SHAPE(boolean), EVAL(is_inf)},
    {"IsNaN", 1, SHAPE(boolean), EVAL(unary), .unary = f_is_nan},
    {"LRN", 1, SHAPE(first_only), LOWER(lrn)},
    {"LSTM", 3, SHAPE(recurrent), VIEWS(recurrent)},
    {"LayerNormalization", 2, FOLD(layer_norm), VIEWS(layer_norm)},
    {"LeakyRelu", UNARY(leaky_relu), NUMBERS("alpha", 0.01), KIND("LeakyReLU")},
    {"Less", COMPARE(less)},
    {"LessOrEqual", COMPARE(less_equal)},
    {"Log", UNARY(log), KIND("Log")},
    {"LogSoftmax", 1, FOLD(softmax), VIEWS(softmax), .rule = 1},
    {"MatMul", 2, FOLD(matmul), .cost = CRD_ONNX_PRODUCT, VIEWS(matmul)},
    {"Max", .min_inputs = 1, SHAPE(broadcast), EVAL(binary), .binary = f_max, .integer = i_max,
     VIEWS(binary), .kind = "Maximum"},
    {"MaxPool", 1, SHAPE(pool), LOWER(pool)},
    {"Mean", .min_inputs = 1, SHAPE(broadcast), EVAL(mean), .binary = f_add, VIEWS(mean)},
    {"Min", .min_inputs = 1, SHAPE(broadcast), EVAL(binary), .binary = f_min, .integer = i_min,
     VIEWS(binary), .kind = "Minimum"},
    {"Mish", UNARY(mish), KIND("Mish")},
    {"Mod", 2, SHAPE(broadcast), EVAL(mod)},
    {"Mul", BINARY(mul), VIEWS(binary), .kind = "Mul"},
    {"Neg", UNARY(neg), KIND("Neg")},
    {"NonZero", 1, FOLD(non_zero)},
    {"Not", .min_inputs = 1, SHAPE(boolean), EVAL(unary), .unary = f_not},
    {"OneHot", 3, FOLD(one_hot)},
    {"Or", LOGIC(or)},
    {"PRelu", .min_inputs = 2, SHAPE(broadcast), EVAL(binary), .binary = f_prelu, LOWER(prelu)},
    {"Pad", 1, FOLD(pad), VIEWS(pad)},
    {"Pow", .min_inputs = 2, SHAPE(broadcast), EVAL(binary), .binary = f_pow, VIEWS(pow)},
    {"RNN", 3, SHAPE(recurrent), VIEWS(recurrent)},
    {"Range", 3, FOLD(range)},
    {"Reciprocal", UNARY(reciprocal), KIND("Reciprocal")},
    {"ReduceL1", REDUCE(L1), VIEWS(reduce)},
    {"ReduceL2", REDUCE(L2), VIEWS(reduce)},
    {"ReduceLogSum", REDUCE(LOG_SUM), VIEWS(reduce)},
    {"ReduceLogSumExp", REDUCE(LOG_SUM_EXP)},
    {"ReduceMax", REDUCE(MAX), VIEWS(reduce)},
    {"ReduceMean", REDUCE(MEAN), VIEWS(reduce)},
    {"ReduceMin", REDUCE(MIN), VIEWS(reduce)},
    {"ReduceProd", REDUCE(PROD)},
    {"ReduceSum", REDUCE(SUM), VIEWS(reduce)},
    {"ReduceSumSquare", REDUCE(SUM_SQUARE), VIEWS(reduce)},
    {"Relu", UNARY(relu), KIND("ReLU")},
    {"Reshape", 1, SHAPE(reshape), EVAL(same), VIEWS(reshape)},
    {"Resize", 1, SHAPE(resize), LOWER(resize)},
    {"Round", UNARY(round)},
    {"ScatterElements", 3, SAME(scatter_elements)},
    {"ScatterND", 3, SAME(scatter_nd)},
    {"Selu", UNARY(selu),
     NUMBERS("alpha", 1.67326319217681884765625, "gamma", 1.05070102214813232421875), VIEWS(selu)},
    {"Shape", 1, FOLD(shape), .tells_shapes = true},
    {"Shrink", UNARY(shrink), NUMBERS("bias", 0, "lambd", 0.5)},
    {"Sigmoid", UNARY(sigmoid), KIND("Sigmoid")},
    {"Sign", UNARY(sign)},
    {"Sin", UNARY(sin), KIND("Sin")},
    {"Sinh", UNARY(sinh)},
    {"Size", 1, FOLD(size), .tells_shapes = true},
    {"Slice", 1, FOLD(slice), VIEWS(slice)},
    {"Softmax", 1, FOLD(softmax), VIEWS(softmax)},
    {"Softplus", UNARY(softplus), KIND("Softplus")},
    {"Softsign", UNARY(softsign), KIND("Softsign")},
    {"SpaceToDepth", 1, FOLD(depth_to_space), .rule = 1},
    {"Split", 1, FOLD(split), VIEWS(split)},
    {"Sqrt", UNARY(sqrt), KIND("Sqrt")},
    {"Squeeze", 1, SHAPE(squeeze), EVAL(same), VIEWS(reshape)},
    {"Sub", BINARY(sub), VIEWS(binary), .kind = "Sub"},
    {"Sum", .min_inputs = 1, SHAPE(broadcast), EVAL(binary), .binary = f_add, .integer = i_add,
     VIEWS(binary), .kind = "Add"},
    {"Tan", UNARY(tan)},
    {"Tanh", UNARY(tanh), KIND("Tanh")},
    {"ThresholdedRelu", UNARY(threshold), NUMBERS("alpha", 1), VIEWS(threshold)},
    {"Tile", 2, FOLD(tile)},
    {"TopK", 1, FOLD(top_k), .cost = CRD_ONNX_SORT},
    {"Transpose", 1, FOLD(transpose), VIEWS(transpose)},
    {"Trilu", 1, SAME(trilu)},
    {"Unsqueeze", 1, SHAPE(unsqueeze), EVAL(same), VIEWS(reshape)},
    {"Upsample", 1, SHAPE(resize), LOWER(resize), .rule = 1},
    {"Where", 3, FOLD(where)},
    {"Xor", LOGIC(xor)},
};

/* What passes make of patterns. */
static const crd_onnx_operator own[] = {
    {"ChannelShuffle", 1, SHAPE(same), LOWER(channel_shuffle), .kind = "ChannelShuffle",
     NUMBERS("groups", 1)},
    {"ScaledDotProduct", 3, SHAPE(first_only), VIEWS(scaled_dot_product)},
    {"SiLU", 1, SHAPE(same), KIND("SiLU")},
};

static int by_name(const void *key, const void *row)
{
    return strcmp(key, ((const crd_onnx_operator *)row)->name);
}

const crd_onnx_operator *crd_onnx_operator_find(const char *op_type, const char *domain)
{
    const size_t size = sizeof *operators;
    if (strcmp(domain, CRD_ONNX_OWN_DOMAIN) == 0)
        return bsearch(op_type, own, sizeof own / size, size, by_name);
    if (domain[0] != '\0' && strcmp(domain, "ai.onnx") != 0)
        return NULL;
    return bsearch(op_type, operators, sizeof operators / size, size, by_name);
}

bool crd_onnx_is(const crd_onnx_node *node, const char *op_type)
{
    return !node->is_dead && node->kind != NULL && strcmp(node->op_type, op_type) == 0;
}
