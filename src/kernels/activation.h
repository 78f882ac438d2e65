/** Activations: functions of one element, each with its derivative, and what is done to an
 * operator's output on its way to memory.
 *
 * Every instruction set does the same operations in the same order (kernels/activation_body.h), so
 * all give the same bits. NaN stays NaN.
 */
#ifndef CRD_KERNELS_ACTIVATION_H
#define CRD_KERNELS_ACTIVATION_H

#include <stdint.h>

/** a and b are the parameters of crd_activation. */
typedef enum crd_activation_kind {
    CRD_NO_ACTIVATION,
    CRD_RELU,        /**< x, 0 where x is negative */
    CRD_CLAMP,       /**< x within [a, b]: ReLU6 is [0, 6] */
    CRD_LEAKY_RELU,  /**< x, a x where x is negative */
    CRD_ELU,         /**< x, a (exp(x) - 1) where x is negative */
    CRD_SIGMOID,     /**< 1 / (1 + exp(-x)) */
    CRD_TANH,        /**< tanh(x) */
    CRD_SILU,        /**< x sigmoid(x) */
    CRD_GELU,        /**< x (1 + erf(x / sqrt(2))) / 2 */
    CRD_GELU_TANH,   /**< x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
    CRD_HARDSIGMOID, /**< x / 6 + 1 / 2 within [0, 1] */
    CRD_HARDSWISH,   /**< x hardsigmoid(x) */
    CRD_N_ACTIVATIONS
} crd_activation_kind;

typedef struct crd_activation {
    crd_activation_kind kind;
    float a, b;
} crd_activation;

/** out = f(x), of n elements; out may be x. */
typedef void crd_activate(float *out, const float *x, int64_t n, const crd_activation *f);
/** din = dout f'(x), or din += it if `adds`; din may be dout. */
typedef void crd_activate_backward(float *din, const float *dout, const float *x, int64_t n,
                                   const crd_activation *f, int adds);

/** What happens to a sum on its way out: bias, then residual, then activation. All zeros:
 * nothing. */
typedef struct crd_epilogue {
    const float *bias;     /**< [channel], or NULL */
    const float *residual; /**< laid out like the output, which it may be; or NULL */
    crd_activation activation;
} crd_epilogue;

/** Residual and activation of n elements that have no epilogue of their own. */
void crd_epilogue_apply(float *out, const crd_epilogue *epilogue, int64_t n);

#endif
