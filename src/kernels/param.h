/** Hot loops over parameters, element by element: what a step costs beside the passes through the
 * network. Every instruction set gives the bits of the reference, whose arithmetic of softplus is
 * kernels/softplus.h. Where an output is also an input it may be the same array. Nothing but
 * kl_value depends on where a vector is cut: pieces may be done apart.
 */
#ifndef CRD_KERNELS_PARAM_H
#define CRD_KERNELS_PARAM_H

#include <stdint.h>

/** KL(N(mu, sigma^2) || N(mean, 1 / precision)) = constant - log(sigma) + (sigma^2 + (mu - mean)^2)
 * precision / 2 with constant = -(log(precision) + 1) / 2. */
typedef struct crd_kl_normal {
    const float *means; /**< [n], or NULL: `mean` for all */
    double mean, precision, constant;
    double weight; /**< factor of the gradient */
} crd_kl_normal;

/** Too little to change a ratio, but for that of two zeros: log(1 + exp(rho)) and its slope are the
 * same where they are small. */
#define CRD_SIGMA_FLOOR 0x1p-100F

/** Scalars of one step of Adam, in the order of their use. */
typedef struct crd_adam {
    float keep, decay;   /**< factor of the parameter; its share in the gradient */
    float beta1, share1; /**< share1 = 1 - beta1 */
    float beta2, share2; /**< likewise */
    float rate, correction,
        epsilon; /**< step = rate * mean / (sqrt(square) / correction + epsilon) */
} crd_adam;

/** A step of Adam on mu and rho, in that order where there are two, of elements with a normal
 * prior. */
typedef struct crd_posterior_step {
    const float *grads[2];
    float *params[2], *means[2], *squares[2];
    float *sigma, *slope;
    float clip;
    crd_kl_normal prior; /**< weight 0: none */
    crd_adam adam;
} crd_posterior_step;

typedef struct crd_param_kernels {
    /** out[i] = gain * in[i] + shift, in double (two roundings), rounded once more. */
    void (*affine)(float *out, const float *in, int64_t n, double gain, double shift);
    /** sigma[i] = gain * log(1 + exp(rho[i])), evaluated in double and rounded once. */
    void (*softplus)(float *sigma, const float *rho, int64_t n, double gain);
    /** sigma[i] = log(1 + exp(rho[i])), slope[i] = 1 / (1 + exp(-rho[i])), in float. Returns 1
     * if every rho is finite, else 0. */
    int (*scales)(float *sigma, float *slope, const float *rho, int64_t n);
    /** Sum of the KL of n elements with sigma = log(1 + exp(rho)), in double: that of every
     * eighth element, then the sum of these eight. */
    double (*kl_value)(const float *mu, const float *rho, int64_t n, const crd_kl_normal *prior);
    /** dmu[i], drho[i] += weight * gradient of it, in float: weight precision (mu - mean), and
     * weight (precision sigma slope - slope / sigma) with the sigma and slope of `scales`;
     * CRD_SIGMA_FLOOR is added to both for their ratio. */
    void (*kl_gradient)(float *dmu, float *drho, const float *mu, const float *sigma,
                        const float *slope, int64_t n, const crd_kl_normal *prior);
    /** sums[i] = values[i] * factors[i] * scale, rounded to the nearest, halves away from zero, or
     * sums[i] + that if `adds`; factors NULL stands for ones. Returns 1 if every |values[i] *
     * factors[i]| < limit, else 0: sums are undefined then. scale * limit at most 2^63 less one. */
    int (*accumulate)(int64_t *sums, const float *values, const float *factors, int64_t n,
                      double scale, float limit, int adds);
    /** values[i] = sums[i] * unit. */
    void (*read_sums)(float *values, const int64_t *sums, int64_t n, double unit);
    /** out[i] = values[i] * factors[i] as read_sums gives it back after accumulate: rounded to a
     * multiple of 1 / scale, and no negative zero. scale is a power of 2, and scale * limit below
     * 2^127; the rest as for accumulate. */
    int (*round)(float *out, const float *values, const float *factors, int64_t n, float scale,
                 float limit);
    /** kept[i] += grads[i], and grads[i] is that, rounded, as by round. */
    int (*keep)(float *grads, float *kept, int64_t n, float scale, float limit);
    /** g = grads + decay * p with p = keep * params; mean = beta1 * mean + share1 * g; square =
     * beta2 * square + share2 * g * g; params = p + rate * mean / (sqrt(square) / correction +
     * epsilon). Returns 1 if all of params are finite, else 0. */
    int (*adam)(float *params, const float *grads, float *mean, float *square, int64_t n,
                const crd_adam *step);
    /** kl_gradient, unless its weight is 0; both gradients times clip; adam of both; scales: all in
     * one pass, to the bit. Returns 1 if all mu and rho are finite then, else 0. */
    int (*posterior_step)(const crd_posterior_step *step, int64_t n);
} crd_param_kernels;

#endif
