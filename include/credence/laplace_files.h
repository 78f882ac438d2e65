/** Makes a posterior of a trained network by a Laplace approximation of its last layer: what
 * `credence laplace` does. Room: app.
 */
#ifndef CREDENCE_LAPLACE_FILES_H
#define CREDENCE_LAPLACE_FILES_H

#include "credence/comm.h"
#include "credence/posterior.h"
#include "credence/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/** All borrowed. Equal on all ranks. */
typedef struct crd_laplace_files_options {
    const char *posterior;   /**< file of the network, taken at its means */
    const char *const *data; /**< [n_data] specifications of its training images, labelled:
                                credence/dataset.h */
    int n_data;
    const char *output;
    crd_hessian hessian;
    double prior_precision; /**< 0: the one of the largest marginal likelihood */
    crd_record record;
} crd_laplace_files_options;

/** Kronecker factors, precision by the marginal likelihood. */
void crd_laplace_files_options_init(crd_laplace_files_options *out);

/** Called on rank 0 only; every member may be NULL. */
typedef struct crd_laplace_files_hooks {
    /** Images done, of n_images. */
    void (*progress)(int64_t n_done, int64_t n_images, void *payload);
    void *payload;
} crd_laplace_files_hooks;

/** Adds up the Hessian of the last layer over all images, finds the prior's precision and writes
 * the posterior: normal weights in the basis of the Hessian's eigenvectors (data/FORMATS.md). *out
 * is it on rank 0, to be destroyed, with what it says of itself in ->laplace; NULL elsewhere and
 * after an error. The same for every number of ranks, bit for bit. Collective: on comm; all ranks
 * return the same status. Errors: of crd_posterior_read, crd_dataset_open, crd_dataset_match;
 * CRD_ERR_INPUT: an ensemble, outputs that are not of classes, dropout in prediction, a Laplace
 * approximation already, a last op that is not one linear layer; CRD_ERR_USAGE: the layer is too
 * large for this Hessian; CRD_ERR_NUMERIC: a feature from 1024 on. Memory of every rank: the sums:
 * kron 8 (D^2 + K^2) bytes for D features and K outputs, full 4 (D K)^2, diag 8 D K. Cost: a pass
 * of the network over all images; on rank 0 the eigenvectors. */
crd_status crd_laplace_files(crd_posterior **out, crd_comm *comm,
                             const crd_laplace_files_options *options,
                             const crd_laplace_files_hooks *hooks);

#ifdef __cplusplus
}
#endif
#endif
