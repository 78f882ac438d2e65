/** The table of posterior families. One is a file of this room and a line of families.c.
 *
 * The numbers of a component are a block mu (its mean) and, where has_sigma, a block sigma, each by
 * the network's offsets; the engine shares them once a node.
 */
#ifndef CRD_WEIGHTS_FAMILY_H
#define CRD_WEIGHTS_FAMILY_H

#include <stdbool.h>
#include <stddef.h>

#include "credence/model.h"
#include "credence/rng.h"

/** The weights of a posterior, as it holds them. A view. */
typedef struct crd_weights {
    int64_t n_params, n_floats;
    const uint8_t *bayesian; /**< [n_components][n_params] */
    const float *mu, *rho;   /**< [n_components][n_floats]; rho NULL: no parameter is Bayesian */
    const float *variance;   /**< likewise, in rho's stead where has_deviations */
} crd_weights;

/** y = gain w + shift, of elements [first, first + n) of a component's block, all of `param`. */
typedef struct crd_affine_map {
    int64_t component, param, first, n;
    double gain, shift;
} crd_affine_map;

/** Elements [first, first + n) of a parameter in a draw. */
typedef struct crd_weights_request {
    int64_t param, first, n; /**< first: a multiple of CRD_STREAM_BLOCK */
    int64_t component;       /**< the draw's */
    const crd_stream *stream;
    int with_mu; /**< 0: the deviation from the mean only */
} crd_weights_request;

struct crd_family {
    const char *name, *title;
    bool has_sigma;      /**< a component is a distribution, not one network */
    bool is_stratified;  /**< several draws share a component, and are no new evidence about them */
    bool is_ensemble;    /**< has several components */
    bool has_deviations; /**< beside mu and sigma: directions that all weights vary in together */
    /** Every trained parameter may be drawn, those of a norm too, so that none is folded; else
     * those that an operator says may be random, which are products' own. */
    bool draws_all;
    /** The elements that a draw has: in `out`, or elsewhere. */
    const float *(*fill)(float *out, const crd_model *model, const crd_weights_request *request);
    /** A component's elements of mu and sigma, mapped, from the posterior's. Double arithmetic,
     * rounded once. */
    void (*map)(float *mu, float *sigma, const crd_weights *weights, const crd_affine_map *map);
};

/** All of them, NULL-terminated. */
extern const crd_family *const crd_families[];
extern const crd_family crd_family_normal, crd_family_members, crd_family_mixture, crd_family_swag,
    crd_family_multiswag;

/** What normal weights and those of a component of a mixture have in common. */
const float *crd_normal_fill_request(float *out, const crd_model *model,
                                     const crd_weights_request *request);
void crd_normal_map(float *mu, float *sigma, const crd_weights *weights, const crd_affine_map *map);
/** Only the means. */
void crd_mean_map(float *mu, const crd_weights *weights, const crd_affine_map *map);

/** One component of a model as a model of its own, of normal weights, or of one member. */
crd_model crd_model_component(const crd_model *model, int64_t component);

/** Floats from a block's beginning to a component's. */
static inline int64_t crd_model_place(const crd_model *model, int64_t component)
{
    return model->places != NULL ? model->places[component]
                                 : component * model->network->params.n_floats;
}

/** A component's deviations. */
static inline const float *crd_model_deviations(const crd_model *model, int64_t component)
{
    int64_t place = crd_model_place(model, component);
    return model->deviations + (model->places != NULL ? place : place * model->rank);
}

/** The component's elements of a block by the network's offsets, from element `first` of a
 * parameter on. */
static inline const float *crd_model_values(const float *block, const crd_model *model,
                                            int64_t component, int64_t param, int64_t first)
{
    const crd_params *params = &model->network->params;
    return block + crd_model_place(model, component) + params->entries[param].offset + first;
}

#endif
