/** A posterior: a network whose convolutions and linear layers have normal weights, all
 * independent; or an ensemble of such posteriors, or of networks, of one architecture.
 *
 * Parameterisation (bayesian-torch's): weight ~ N(mu, sigma^2), sigma = log(1 + exp(rho)). Room:
 * bayes.
 */
#ifndef CREDENCE_POSTERIOR_H
#define CREDENCE_POSTERIOR_H

#include <stdbool.h>

#include "credence/image.h"
#include "credence/laplace.h"
#include "credence/model.h"
#include "credence/network.h"
#include "credence/outputs.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Distribution of the prior about its mean. */
typedef enum crd_prior_kind {
    CRD_PRIOR_NORMAL, /**< N(mean, sigma^2) */
    /** pi N(mean, sigma^2) + (1 - pi) N(mean, sigma2^2): Blundell et al., "Weight uncertainty in
     * neural networks", 2015 */
    CRD_PRIOR_MIXTURE
} crd_prior_kind;

/** What the prior's sigmas are multiplied with, layer by layer: a sum over fan_in inputs of
 * weights of a fixed width grows with fan_in; these keep it. The bias goes with its layer's
 * weight. */
typedef enum crd_prior_scale {
    CRD_PRIOR_SCALE_FIXED,  /**< 1: bayesian-torch's */
    CRD_PRIOR_SCALE_FAN_IN, /**< sqrt(1 / fan_in) */
    CRD_PRIOR_SCALE_HE      /**< sqrt(2 / fan_in): He et al. 2015, for ReLU */
} crd_prior_scale;

/** Names for options and files, NULL-terminated: "normal", "mixture"; "fixed", "fan-in",
 * "he". */
const char *const *crd_prior_kind_names(void);
const char *const *crd_prior_scale_names(void);

/** Where the first mu and rho of a posterior come from. */
typedef enum crd_initial_kind {
    CRD_INITIAL_RANDOM, /**< drawn, and no weights were given */
    /** drawn, although weights were given: bayesian-torch's without MOPED */
    CRD_INITIAL_DISCARDED,
    CRD_INITIAL_MOPED,   /**< about the weights */
    CRD_INITIAL_IMPORTED /**< taken as they are from a state dict of bayesian-torch */
} crd_initial_kind;

/** Names for files, NULL-terminated: "random", "discarded", "moped", "imported". */
const char *const *crd_initial_kind_names(void);

/** How a deterministic network becomes a posterior: dnn_to_bnn's keys, and what it lacks. */
typedef struct crd_conversion {
    double prior_mu, prior_sigma; /**< prior N(prior_mu, prior_sigma^2) of every weight */
    crd_prior_kind prior_kind;
    crd_prior_scale prior_scale;
    double prior_pi,
        prior_sigma2; /**< mixture: share of the component of prior_sigma, width of the other */
    double posterior_mu_init;  /**< without MOPED: mu ~ N(this, 0.1^2) */
    double posterior_rho_init; /**< without MOPED: rho ~ N(this, 0.1^2) */
    char type[32];             /**< estimator the posterior is meant for: see sampler.h */
    bool moped_enable;         /**< mu = weight, sigma = moped_delta * |weight| */
    double moped_delta;
    bool moped_prior; /**< with MOPED: prior mean = weight (utils.util.MOPED); else prior_mu */
    double sigma_min; /**< with MOPED: sigma is at least this; 0 is bayesian-torch's */
    uint64_t seed;    /**< of the initial values without MOPED */
    crd_initial_kind initial; /**< set by crd_posterior_convert, which does not tell DISCARDED from
                                 RANDOM */
} crd_conversion;

/** dnn_to_bnn's usual values: prior N(0, 1) (as a mixture: pi 0.5, sigma2 exp(-6)), mu 0, rho -3,
 * reparameterization, no MOPED, delta 0.5.
 */
crd_conversion crd_conversion_defaults(void);

/** Names for files, NULL-terminated: "logits", "means", "normals". */
const char *const *crd_output_kind_names(void);

/** Where a component of an ensemble comes from. */
typedef struct crd_origin {
    char *file;   /**< as it was given */
    char *digest; /**< crd_file_digest */
} crd_origin;

typedef struct crd_posterior {
    crd_network *network;     /**< owned */
    const crd_family *family; /**< of its weights */
    int64_t n_components;     /**< 1 of a normal one */
    int64_t n_chains; /**< members: component c is draw c div n_chains of chain c mod n_chains; 0:
                         they are of no chains */
    /** [n_components][network->params.n_floats] by the table's offsets: mu, or a fixed value. NULL:
     * the numbers lie elsewhere (crd_numbers_source) */
    float *mu;
    float *rho; /**< likewise; only meaningful where bayesian[] says so, else 0; NULL: members, and
                   families with deviations, */
    float *variance; /**< which have this: the diagonal part, twice what a draw has of it; */
    /** and these: [n_components][rank][n_floats] from the mean, of the last networks averaged */
    float *deviations;
    int64_t rank;      /**< 0, or 2 to CRD_MAX_RANK */
    uint8_t *bayesian; /**< [n_components][network->params.n_params] 1: has a posterior, 0: fixed */
    crd_origin *origins; /**< [n_components] of an ensemble; NULL: of a normal one */
    float *prior_mu;     /**< likewise as mu: prior means; NULL: conversion.prior_mu everywhere */
    /** Of an ensemble only `type` counts: the others are its components' own. */
    crd_conversion conversion;
    crd_preprocessing preprocessing;
    char **classes;    /**< [n_classes] names as written in the classes file, or NULL */
    int64_t n_classes; /**< outputs of the network */
    crd_output_kind outputs;
    crd_laplace laplace; /**< all zero: no Laplace approximation */
} crd_posterior;

/** Posterior over `network` (taken over, also on error): all values zero, nothing Bayesian. */
crd_status crd_posterior_create(crd_posterior **out, crd_network *network);
/** Likewise an ensemble: a family's posterior of so many components, without origins. */
crd_status crd_posterior_create_ensemble(crd_posterior **out, crd_network *network,
                                         const crd_family *family, int64_t n_components);
/** Likewise without numbers, which lie elsewhere: mu, rho, variance and deviations NULL. */
crd_status crd_posterior_create_bare(crd_posterior **out, crd_network *network,
                                     const crd_family *family, int64_t n_components);
/** Room for the numbers of such a one, deviations (of its rank) included: zeros. */
crd_status crd_posterior_allocate(crd_posterior *posterior);
/** Makes room for deviations, which are zero; of a bare one only says how many there are. Of a
 * family that has them; once. */
crd_status crd_posterior_set_rank(crd_posterior *posterior, int64_t rank);
/** As crd_posterior_create_bare, with the graph, classes, preprocessing and outputs of `like`,
 * without its values. */
crd_status crd_posterior_create_like(crd_posterior **out, const crd_posterior *like,
                                     const crd_family *family, int64_t n_components);
/** Everything trained is Bayesian, in every component: SWAG's. */
void crd_posterior_set_trained(crd_posterior *posterior);
void crd_posterior_destroy(crd_posterior *posterior);

/** Where the numbers of one component are, or go: the caller's, by the network's offsets. */
typedef struct crd_component_numbers {
    float *mu;  /**< [n_floats] */
    float *rho; /**< [n_floats], of a family with deviations the variance; NULL: not wanted */
    float *deviations; /**< [rank][n_floats]; NULL: not wanted */
} crd_component_numbers;

/** A posterior's numbers by components, wherever they lie. */
typedef struct crd_numbers_source {
    /** Components [first, first + n) into to[n], of all the same kinds. What is not Bayesian gets
     * rho, or variance and deviations, 0; gaps between parameters are left as they are. What it
     * gives has been checked (crd_posterior_check_numbers). From one thread at a time, any. */
    crd_status (*read)(const crd_component_numbers *to, int64_t first, int64_t n, void *payload);
    /** differs[n_params] = 1: not all components have the same mu of it, bit for bit. */
    crd_status (*compare)(uint8_t *differs, void *payload);
    /** Whether all that `read` has given was undamaged, which may be known only now: to be asked
     * before a result is believed, until *done; a call takes about as long as a read. Not while
     * another thread reads. NULL: it is known to be. */
    crd_status (*finish)(bool *done, void *payload);
    void *payload;
} crd_numbers_source;

/** A posterior's own numbers as a source. Borrowed from it. */
crd_numbers_source crd_posterior_source(const crd_posterior *posterior);
/** The numbers of one component, gaps 0. */
void crd_posterior_copy_numbers(const crd_component_numbers *to, const crd_posterior *posterior,
                                int64_t component);

/** A posterior and where it comes from, to be joined with others. Borrowed. */
typedef struct crd_component_source {
    const crd_posterior *posterior;
    const char *file, *digest;
} crd_component_source;

/** An ensemble in the making: posteriors of one architecture in equal shares. */
typedef struct crd_join crd_join;
/** `mean`: every one without its deviations, as the network of its means. Destroy it. */
crd_status crd_join_create(crd_join **out, bool mean);
/** Adds a posterior (which may be bare); an ensemble brings its components. The first one, and the
 * names of all files, are borrowed until the end, the others for the call. Errors:
 * CRD_ERR_INPUT: it differs from the first in graph, outputs, classes, preprocessing, or the draws
 * of a chain; from another one in rank, or in whether it has normal weights or SWAG's: names file,
 * key and both values. */
crd_status crd_join_add(crd_join *join, const crd_component_source *source);
/** The ensemble, bare: members if none of its components has a Bayesian parameter or a stochastic
 * op; multiswag if one of them has SWAG's deviations; else a mixture. Errors: CRD_ERR_USAGE: fewer
 * than two posteriors, or too many components for a mixture, or chains. */
crd_status crd_join_finish(crd_posterior **out, crd_join *join);
/** Where a component of the finished ensemble comes from: source *source's component *own. One
 * source after the other; of chains draw by draw. */
void crd_join_locate(int64_t *source, int64_t *own, const crd_join *join, int64_t component);
/** NULL is allowed. */
void crd_join_destroy(crd_join *join);
/** All of it, with the numbers. Errors: likewise. */
crd_status crd_posterior_join(crd_posterior **out, const crd_component_source *sources, int n,
                              bool mean);

/** Checks that a posterior is of the normal family. Errors: CRD_ERR_INPUT: it is not: says so of
 * `file`, and what to do with an ensemble: "train" its components. */
crd_status crd_posterior_check_normal(const crd_posterior *posterior, const char *file,
                                      const char *verb);
/** Checks that two posteriors are of one network, whatever else they differ in. Errors:
 * CRD_ERR_INPUT: names file, key and both values. */
crd_status crd_posterior_check_network(const crd_component_source *a,
                                       const crd_component_source *b);
/** Draws of a run without a number of its own. */
#define CRD_DEFAULT_DRAWS 100
/** Draws of a run: `wanted`; 0: CRD_DEFAULT_DRAWS, or of members their number. With `mean` always
 * one for each component. Errors: CRD_ERR_USAGE: more draws than there are networks. */
crd_status crd_posterior_n_draws(int64_t *out, const crd_posterior *posterior, int64_t wanted,
                                 int mean);

/** dnn_to_bnn: makes the posterior from deterministic weights. globs[n_globs] are shell patterns
 * over module paths (fnmatch, "*" also matches dots); a weighted layer that any of them matches
 * becomes Bayesian. n_globs -1: all that dnn_to_bnn takes, which leaves the packed projections of a
 * MultiheadAttention as they are. `weights` holds a state dict under the network's names; a state
 * dict of bayesian-torch (mu_kernel, rho_kernel, ...) is taken as it is, and then decides itself
 * what is Bayesian. Errors: CRD_ERR_INPUT: a missing, additional or misshaped tensor, by name;
 * CRD_ERR_USAGE: a glob that matches no layer, a key out of range, moped_prior without MOPED or
 * for a state dict of bayesian-torch. Takes `network` over, also on error. Source:
 * Krishnan et al., "Specifying weight priors in Bayesian deep neural networks with empirical Bayes"
 * (MOPED), AAAI 2020. */
crd_status crd_posterior_convert(crd_posterior **out, crd_network *network,
                                 const crd_params *weights, const crd_conversion *conversion,
                                 const char *const *globs, int n_globs);

/** Checks that every value is usable: finite mu, rho and prior means, running variances not
 * negative, keys of the prior in their ranges. Errors: CRD_ERR_INPUT naming tensor and element. */
crd_status crd_posterior_check(const crd_posterior *posterior);
/** The same of numbers of one component that lie elsewhere. */
crd_status crd_posterior_check_numbers(const crd_posterior *posterior, int64_t component,
                                       const crd_component_numbers *numbers);

/** KL(posterior || prior) in nats. *sum: over all weights (the ELBO's); *mean: the sum over
 * tensors of each tensor's mean (bayesian-torch's get_kl_loss). Either may be NULL. Evaluated
 * in double. Closed form for a normal prior, quadrature for a mixture (48 nodes a weight: exact
 * to 1e-6 nats a weight for sigmas that differ by up to e^8). */
void crd_posterior_kl(double *sum, double *mean, const crd_posterior *posterior);
/** The same of one Bayesian parameter: the sum over its elements. */
double crd_posterior_kl_tensor(const crd_posterior *posterior, int64_t index);

typedef enum crd_kl_reduction { CRD_KL_SUM, CRD_KL_MEAN } crd_kl_reduction;

/** dmu[n], drho[n] += weight * gradient of that sum or mean by the elements [first, first + n)
 * of the flat blocks mu and rho; elements without a posterior are left alone. sigma and slope:
 * of posterior->rho, by the same offsets. Elementwise: ranges may be evaluated apart, on any
 * rank, with the same bits. Cost: 0.2 ns an element, 0.7 us for a mixture. */
void crd_posterior_kl_gradient(float *dmu, float *drho, const crd_posterior *posterior,
                               const float *sigma, const float *slope, int64_t first, int64_t n,
                               crd_kl_reduction reduction, double weight);

/** prior_sigma of parameter `index`, scaled to its layer. */
double crd_posterior_prior_sigma(const crd_posterior *posterior, int64_t index);

/** bayesian-torch's name of parameter `index` as "<module path>" (empty: the network itself) and
 * "<leaf>": mu_kernel, rho_kernel, mu_weight, mu_bias, ... for Bayesian ones ('m' or 'r' says
 * which), weight, running_mean, ... else. */
crd_status crd_posterior_param_name(char *module, size_t module_size, char *leaf, size_t leaf_size,
                                    const crd_posterior *posterior, int64_t index, char which);

/** sigma = log(1 + exp(rho)) without overflow: max(rho, 0) + log1p(exp(-|rho|)). */
double crd_sigma_of_rho(double rho);
/** Its inverse as get_rho has it: log(expm1(sigma) + 1e-20). */
double crd_rho_of_sigma(double sigma);

#ifdef __cplusplus
}
#endif
#endif
