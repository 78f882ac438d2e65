/** Laplace approximation of a last linear layer: from the Hessian of its loss to a posterior.
 *
 * In the basis of the Hessian's eigenvectors all weights are independent: there the posterior is
 * N(z, 1 / (lambda + precision)), z being the trained weights, and the prior N(0, 1 / precision) as
 * before. So the posterior is one of independent normal weights, between fixed rotations that the
 * graph gets:
 *
 *   kron   NAME_features (rotates the features), NAME (normal weights), NAME_outputs (rotates back)
 *   full   NAME_jacobian (outputs by rotated weights), NAME_weights (a row a weight), NAME (their
 *          sum, each times its normal weight), NAME_outputs (a vector again)
 *   diag   the graph as it is
 *
 * For app. */
#ifndef CRD_BAYES_LAPLACE_LAYER_H
#define CRD_BAYES_LAPLACE_LAYER_H

#include "bayes/curvature.h"

/** The last op's layer. `values`: mu by the network's offsets, of a posterior or of a model.
 * Errors: CRD_ERR_INPUT naming file and op: the last op is not a linear layer of a vector. */
crd_status crd_head_find(crd_head *out, const crd_network *network, const float *values,
                         const char *file);

/** A Hessian in the basis of its eigenvectors. Owned. */
typedef struct crd_spectrum {
    crd_hessian hessian;
    int64_t n;      /**< weights and biases of the layer */
    double *values; /**< [n] eigenvalues, not negative; parameters as in crd_ggn */
    double *means;  /**< [n] the trained weights in this basis */
    /** kron: eigenvectors of the factors, a row each; full: of the whole, in `features`; diag:
     * NULL. */
    double *outputs, *features;
} crd_spectrum;

/** Takes the matrices of *ggn over. Errors: CRD_ERR_NUMERIC; out of memory. */
crd_status crd_spectrum_make(crd_spectrum *out, crd_ggn *ggn, const crd_head *head);
void crd_spectrum_clear(crd_spectrum *spectrum);

/** Evidence of the images for this precision: fills in what follows from it and
 * out->log_likelihood: log_marginal_likelihood and n_effective. */
void crd_laplace_evaluate(crd_laplace *out, const crd_spectrum *spectrum, double precision);
/** The precision of the largest evidence, which is the only one where the derivative is 0. Errors:
 * CRD_ERR_NUMERIC: there is none between CRD_LAPLACE_MIN_PRECISION and _MAX_. */
crd_status crd_laplace_optimize(double *precision, const crd_spectrum *spectrum);

/** The posterior: all that `original` has fixed, or as means, but for the last layer. Errors: out
 * of memory; CRD_ERR_INPUT: a name of the graph is taken. */
crd_status crd_laplace_posterior(crd_posterior **out, const crd_posterior *original,
                                 const crd_spectrum *spectrum, const crd_laplace *laplace);

#endif
