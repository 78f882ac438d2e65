/** A posterior made ready to run, and its family: which kind of distribution its weights have.
 *
 *   normal    every weight normal, all independent           src/weights/normal.c
 *   members   a finite set of deterministic networks         src/weights/members.c
 *   mixture   several normal posteriors, equal shares        src/weights/mixture.c
 *   swag      normal of low rank and a diagonal              src/weights/swag.c
 *   multiswag several of those, equal shares                 src/weights/swag.c
 *
 * All but normal and swag are ensembles: they have components, each with numbers of its own. Which
 * component a draw uses follows from its number only. All functions: Collective: no. Room:
 * weights.
 */
#ifndef CREDENCE_MODEL_H
#define CREDENCE_MODEL_H

#include <stdbool.h>

#include "credence/network.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A family of distributions over weights: opaque. */
typedef struct crd_family crd_family;

/** Most components of a mixture: an image's sums grow with them. */
#define CRD_MAX_COMPONENTS 256
/** Most deviations of a component of low rank. */
#define CRD_MAX_RANK 256

/** The family of that name; NULL: there is none. */
const crd_family *crd_family_find(const char *name);
/** "normal", "members", ...; "deterministic networks", ... for people. Static. */
const char *crd_family_name(const crd_family *family);
const char *crd_family_title(const crd_family *family);
/** 1 if it is "normal", the one that is trained. */
int crd_family_is_normal(const crd_family *family);
/** 1 if draws differ by random numbers too, 0 if a component is one network. */
int crd_family_is_random(const crd_family *family);
/** 1 if it has several components. */
int crd_family_is_ensemble(const crd_family *family);
/** 1 if weights vary together, along deviations, beside each on its own. */
int crd_family_has_deviations(const crd_family *family);
/** Different networks that n_components of them hold; 0: unlimited. */
int64_t crd_family_n_networks(const crd_family *family, int64_t n_components);
/** Groups of draws that are the independent evidence, draw d in group d mod their number: the
 * components of a mixture; 1: every draw is. `mean`: as in crd_sampler_options. Chains:
 * crd_reduction_chain. */
int64_t crd_family_n_strata(const crd_family *family, int64_t n_components, int mean);

/** Component of draw `draw`: draw mod n_components; of antithetic draws, whose pairs share one,
 * (draw / 2) mod n_components. */
int64_t crd_component_of(int64_t draw, int64_t n_components, int antithetic);

/** A posterior ready to run: sigma computed, batch norm folded unless its own parameters are
 * drawn, per component. A view: all
 * borrowed, so that one copy in a node's shared memory can serve all its ranks. */
typedef struct crd_model {
    const crd_network *network;
    const uint8_t *bayesian; /**< [n_components][n_params] */
    const float *mu;         /**< [n_components][network->params.n_floats], but see `places` */
    /** Likewise; 0 where fixed; may be negative after folding (the law is the same). NULL:
     * members, which have none. */
    const float *sigma;
    /** [n_components][rank][n_floats], each by the normal of its own that all weights of a draw
     * share; NULL: rank 0. */
    const float *deviations;
    int64_t rank;
    const float *eps;         /**< NULL, or imported eps of one draw, by the network's offsets, and
                         after them those of the deviations: parity checks; not of an ensemble, nor
                         for local-reparameterization, which draws no weights */
    const crd_family *family; /**< NULL: normal */
    int64_t n_components;     /**< 0: 1 */
    int64_t n_chains;         /**< as of crd_posterior */
    /** [n_components] floats from mu, from sigma and from deviations to a component's block, where
     * it is held (else -1); NULL: one after the other. */
    const int64_t *places;
    bool is_streamed; /**< some components are not held, at any time others */
    /** [n_params] 1: the components' means of it differ; NULL: mu, which holds them all, tells. */
    const uint8_t *differs;
} crd_model;

/** values[n_floats]: network number `draw` of the model, which holds its component, as a sampler
 * without antithetic draws has it (reparameterization); without sigma the component's means. Gaps
 * between parameters are left as they are. */
void crd_model_draw(float *values, const crd_model *model, uint64_t seed, int64_t draw);

#ifdef __cplusplus
}
#endif
#endif
