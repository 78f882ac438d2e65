/** What a posterior says of the Laplace approximation that it is.
 *
 * The weights of the last linear layer are normal about what they were trained to; the inverse of
 * their covariance is the Hessian of the loss, as the generalized Gauss-Newton matrix (GGN), plus
 * the prior's precision. Source: Daxberger et al., "Laplace Redux - effortless Bayesian deep
 * learning", NeurIPS 2021. Room: bayes.
 */
#ifndef CREDENCE_LAPLACE_H
#define CREDENCE_LAPLACE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How the Hessian of the last layer is kept. */
typedef enum crd_hessian {
    /** Kronecker factors (KFAC; Ritter et al., ICLR 2018): features times outputs; the bias apart
     */
    CRD_HESSIAN_KRON,
    CRD_HESSIAN_FULL, /**< the whole matrix */
    CRD_HESSIAN_DIAG  /**< its diagonal */
} crd_hessian;

/** Names for options and files, NULL-terminated: "kron", "full", "diag". */
const char *const *crd_hessian_names(void);

/** Most weights and biases of a last layer with a full Hessian, and most features, or outputs, of
 * one with Kronecker factors: beyond that their eigenvectors take hours. */
#define CRD_LAPLACE_MAX_FULL 4096
#define CRD_LAPLACE_MAX_KRON 8192
/** Least and largest precision of the prior. */
#define CRD_LAPLACE_MIN_PRECISION 1e-9
#define CRD_LAPLACE_MAX_PRECISION 1e9

/** All zero: no Laplace approximation. */
typedef struct crd_laplace {
    int64_t n_images; /**< of the loss */
    crd_hessian hessian;
    double prior_precision; /**< of every weight and bias of the layer, about 0 */
    bool is_optimized;      /**< the precision is the one of the largest marginal likelihood */
    double log_likelihood, log_marginal_likelihood; /**< of the images, nats */
    /** sum of lambda / (lambda + precision) over the Hessian's eigenvalues: weights that the
     * images determine (MacKay 1992) */
    double n_effective;
} crd_laplace;

#ifdef __cplusplus
}
#endif
#endif
