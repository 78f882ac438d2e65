/** The Hessian of the cross-entropy by the weights of a last linear layer: the generalized
 * Gauss-Newton matrix, sum over images of (diag(p) - p p') x (phi phi'), with phi the layer's input
 * and p the probabilities. For a layer that the outputs follow it is the Hessian itself.
 *
 * Sums over images are integers, so that any order and any share of them between ranks gives the
 * same. A number counts divided by the number of images: of features in units of 2^-40, where
 * |phi| < 2^10 keeps a sum below 2^60; of probabilities in units of 2^-60, a sum below 2^60. For
 * engine and app. */
#ifndef CRD_BAYES_CURVATURE_H
#define CRD_BAYES_CURVATURE_H

#include "credence/laplace.h"
#include "credence/posterior.h"

/** A last linear layer: outputs = weight features + bias. Borrowed. */
typedef struct crd_head {
    int64_t n_features, n_outputs;
    const float *weight; /**< [n_outputs][n_features] */
    const float *bias;   /**< [n_outputs]; NULL: none */
} crd_head;

/** Its weights and biases; features as a row of the weight has them with its bias. */
int64_t crd_head_n_params(const crd_head *head);
int64_t crd_head_width(const crd_head *head);

/** Sizes and places of the sums. */
typedef struct crd_curvature crd_curvature;

/** For n_images in all, up to `batch` in a call; `head` must outlive it. Errors: CRD_ERR_USAGE: the
 * layer is too large for this Hessian; out of memory. */
crd_status crd_curvature_create(crd_curvature **out, crd_hessian hessian, const crd_head *head,
                                int64_t n_images, int64_t batch);
void crd_curvature_destroy(crd_curvature *curvature);

/** Checks that a layer is not too large. Errors: CRD_ERR_USAGE naming `layer`. */
crd_status crd_curvature_check(crd_hessian hessian, const crd_head *head, const char *layer);

/** The sums, to be added up over ranks; zero at first. */
int64_t *crd_curvature_sums(crd_curvature *curvature, int64_t *n);

/** Adds n images, whose numbers begin with first_image: features[n][n_features], labels[n].
 * Errors: CRD_ERR_NUMERIC: a feature that is too large, or a loss that is, naming the image. */
crd_status crd_curvature_add(crd_curvature *curvature, const float *features, const int64_t *labels,
                             int64_t n, int64_t first_image);

/** What the sums say of all images. Owned. */
typedef struct crd_ggn {
    crd_hessian hessian;
    double log_likelihood;
    /** kron: sum of diag(p) - p p' [n_outputs][n_outputs] */
    double *outputs;
    /** kron: mean of phi phi' [n_features][n_features]: the product of both is of all images;
     * full: [n_params][n_params], the lower triangle; diag: [n_params]. Parameters are the rows of
     * the weight, then the biases. */
    double *features;
} crd_ggn;

crd_status crd_curvature_read(crd_ggn *out, const crd_curvature *curvature);
void crd_ggn_clear(crd_ggn *ggn);

#endif
